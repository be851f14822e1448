//! What must be true of outcomes, dead letters and runs, whatever went wrong.

use std::collections::{BTreeMap, BTreeSet};

use hothouse::bus::EntryId;

use crate::journal::{Book, Millis};
use crate::runs::Log;
use crate::snapshot::{Outcome, Snapshot};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Rule {
    /// Every input has at most one outcome, and every outcome an input.
    OneOutcome,
    /// The outcomes of a lane are those of its first inputs, in stream order.
    Order,
    /// Runs of a lane do not overlap, but for those that were refused in the end.
    NoOverlap,
    /// What is committed is the newest attempt.
    Fence,
    /// What was acknowledged or seen is still there.
    NothingLost,
    /// What has no outcome is pending or not yet read.
    NothingAstray,
    /// Dead letters and failed events come together, once, for what is poisoned.
    DeadLetters,
    /// Attempts are counted to the one.
    Attempts,
    /// What was trimmed was finished.
    Trim,
    /// A lane that a dead letter stopped rests until it is released.
    Park,
    /// At rest every input has its outcome and the books are empty.
    Rest,
}

#[derive(Debug, Clone)]
pub(crate) struct Violation {
    pub(crate) rule: Rule,
    pub(crate) what: String,
}

/// How old the oldest is that Redis loses where it may lose something, in milliseconds: a second
/// of its AOF or what is cut off it, or what a replica lags behind; the rest is for slow machines.
const MOST_LOST: Millis = 10_000;

/// One look at everything. The book is older than the snapshot: what was promised before the
/// look must show in it.
struct Check<'a> {
    snapshot: &'a Snapshot,
    logs: &'a BTreeMap<String, Log>,
    book: &'a Book,
    /// Where each event stands first.
    first: BTreeMap<&'a str, EntryId>,
    outcomes: BTreeMap<&'a str, &'a Outcome>,
    violations: Vec<Violation>,
}

/// What must hold at any time.
pub(crate) fn running(
    book: &Book,
    snapshot: &Snapshot,
    logs: &BTreeMap<String, Log>,
) -> Vec<Violation> {
    let mut check = Check::new(book, snapshot, logs);
    check.running();
    check.violations
}

/// What must hold once nothing is left to do.
pub(crate) fn at_rest(
    book: &Book,
    snapshot: &Snapshot,
    logs: &BTreeMap<String, Log>,
) -> Vec<Violation> {
    let mut check = Check::new(book, snapshot, logs);
    check.running();
    check.rest();
    check.violations
}

impl<'a> Check<'a> {
    fn new(book: &'a Book, snapshot: &'a Snapshot, logs: &'a BTreeMap<String, Log>) -> Self {
        let mut first = BTreeMap::new();
        for (entry, event_id) in &snapshot.inputs {
            first.entry(event_id.as_str()).or_insert(*entry);
        }
        let outcomes = snapshot.outcomes.iter();
        Self {
            snapshot,
            logs,
            book,
            first,
            outcomes: outcomes
                .map(|outcome| (outcome.cause.as_str(), outcome))
                .collect(),
            violations: Vec::new(),
        }
    }

    fn running(&mut self) {
        self.one_outcome();
        self.order();
        self.nothing_lost();
        self.nothing_astray();
        self.trimmed();
        self.verdicts();
        self.check_runs();
    }

    fn broken(&mut self, rule: Rule, what: String) {
        self.violations.push(Violation { rule, what });
    }

    fn one_outcome(&mut self) {
        let mut causes = BTreeSet::new();
        for outcome in &self.snapshot.outcomes {
            if !causes.insert(&outcome.cause) {
                self.broken(Rule::OneOutcome, format!("a second one: {outcome:?}"));
            }
            if !self.first.contains_key(outcome.cause.as_str()) {
                self.broken(Rule::OneOutcome, format!("of no input: {outcome:?}"));
            }
        }
    }

    /// Only finished events may be gone, whatever the bound of the trim policy.
    fn trimmed(&mut self) {
        let snapshot = self.snapshot;
        for (entry, event) in &snapshot.inputs {
            let finished = self.outcomes.contains_key(event.as_str());
            let waits = snapshot.pending.contains(entry) || *entry > snapshot.last_delivered;
            if snapshot.trimmed.contains(entry) && (waits || !finished) {
                self.broken(Rule::Trim, format!("{event} at {entry} was still to do"));
            }
        }
    }

    /// Of what Redis acknowledged it may lose the last, and nothing older.
    fn nothing_lost(&mut self) {
        let safe = |entry: &EntryId| {
            let at = entry.ms as Millis;
            let mut losses = self.book.losses.iter();
            !losses.any(|loss| (loss - MOST_LOST..=*loss).contains(&at))
        };
        let there: BTreeSet<&str> = self
            .snapshot
            .outcomes
            .iter()
            .map(|outcome| outcome.event_id.as_str())
            .collect();
        let lost_outcomes = self
            .book
            .seen
            .iter()
            .filter(|(id, entry)| safe(entry) && !there.contains(id.as_str()));
        let lost_inputs = self.book.sent.iter().filter(|(event_id, sent)| {
            sent.acknowledged.as_ref().is_some_and(safe)
                && !self.first.contains_key(event_id.as_str())
        });
        let lost: Vec<String> =
            lost_outcomes
                .map(|(id, _)| format!("the outcome {id} was seen and is gone"))
                .chain(lost_inputs.map(|(id, sent)| {
                    format!("the input {id} was acknowledged and is gone: {sent:?}")
                }))
                .collect();
        for what in lost {
            self.broken(Rule::NothingLost, what);
        }
    }

    fn nothing_astray(&mut self) {
        let waiting: BTreeSet<&str> = self
            .snapshot
            .inputs
            .iter()
            .filter(|(entry, _)| {
                self.snapshot.pending.contains(entry) || *entry > self.snapshot.last_delivered
            })
            .map(|(_, event_id)| event_id.as_str())
            .collect();
        let astray = self.first.iter().filter(|(event_id, entry)| {
            **entry > self.book.forgotten
                && !self.outcomes.contains_key(**event_id)
                && !waiting.contains(**event_id)
        });
        let astray: Vec<String> = astray
            .map(|(event_id, entry)| {
                format!("{event_id} at {entry} is neither finished nor waiting")
            })
            .collect();
        for what in astray {
            self.broken(Rule::NothingAstray, what);
        }
    }

    fn rest(&mut self) {
        let unfinished: Vec<String> = self
            .first
            .keys()
            .filter(|event_id| !self.outcomes.contains_key(**event_id))
            .map(|event_id| format!("{event_id} has no outcome: {:?}", self.book.sent(event_id)))
            .collect();
        for what in unfinished {
            self.broken(Rule::Rest, what);
        }
        if !self.snapshot.pending.is_empty() {
            let what = format!("pending: {:?}", self.snapshot.pending);
            self.broken(Rule::Rest, what);
        }
        for (name, count) in &self.snapshot.books {
            if *count > 0 {
                self.broken(Rule::Rest, format!("{count} entries are left in {name}"));
            }
        }
    }
}

mod order;
mod overlaps;
mod verdicts;

#[cfg(test)]
mod tests;
