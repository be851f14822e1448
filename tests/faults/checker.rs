//! What must be true of outcomes, dead letters and runs, whatever went wrong.

use std::collections::{BTreeMap, BTreeSet};

use hothouse::bus::EntryId;

use crate::journal::{Book, Millis};
use crate::runs::Log;
use crate::snapshot::{Outcome, Snapshot};

/// Runs that an event gets before it is given up; more where one was lost with its host in
/// company, so that it may be another's fault.
const MOST_RUNS: u64 = 4;

/// How long after a crash a delivery may still be a victim of it, in milliseconds.
const AFTERMATH: Millis = 5_000;

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
    /// At rest every input has its outcome and the books are empty.
    Rest,
}

#[derive(Debug, Clone)]
pub(crate) struct Violation {
    pub(crate) rule: Rule,
    pub(crate) what: String,
}

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

    fn order(&mut self) {
        let mut lanes: BTreeMap<&str, (Vec<u64>, Vec<u64>)> = BTreeMap::new();
        let mut inputs: Vec<_> = self.first.iter().collect();
        inputs.sort_by_key(|(_, entry)| **entry);
        for (event_id, _) in inputs {
            if let Some(sent) = self.book.sent.get(*event_id) {
                lanes.entry(&sent.lane).or_default().0.push(sent.seq);
            }
        }
        for outcome in &self.snapshot.outcomes {
            if let Some(sent) = self.book.sent.get(&outcome.cause) {
                lanes.entry(&sent.lane).or_default().1.push(sent.seq);
            }
        }
        let bad: Vec<String> = lanes
            .into_iter()
            .filter(|(_, (inputs, outcomes))| !inputs.starts_with(outcomes))
            .map(|(lane, (inputs, outcomes))| {
                let right = inputs.iter().zip(&outcomes);
                let right = right
                    .take_while(|(input, outcome)| input == outcome)
                    .count();
                let next = |seqs: &[u64]| {
                    seqs[right.min(seqs.len())..]
                        .iter()
                        .take(5)
                        .copied()
                        .collect::<Vec<_>>()
                };
                format!(
                    "lane {lane}: after {right} outcomes in order, inputs {:?} and outcomes {:?}",
                    next(&inputs),
                    next(&outcomes)
                )
            })
            .collect();
        for what in bad {
            self.broken(Rule::Order, what);
        }
    }

    fn nothing_lost(&mut self) {
        if !self.book.losses.is_empty() {
            return;
        }
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
            .filter(|id| !there.contains(id.as_str()));
        let lost_inputs = self.book.sent.iter().filter(|(event_id, sent)| {
            sent.acknowledged.is_some() && !self.first.contains_key(event_id.as_str())
        });
        let lost: Vec<String> =
            lost_outcomes
                .map(|id| format!("the outcome {id} was seen and is gone"))
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

    /// Each outcome is the one that its event was made for.
    fn verdicts(&mut self) {
        let mut letters: BTreeMap<&str, Vec<(String, u64)>> = BTreeMap::new();
        for letter in &self.snapshot.dead_letters {
            let said = (letter.error_type.clone(), letter.attempts);
            letters.entry(&letter.event_id).or_default().push(said);
        }
        let mut bad = Vec::new();
        for outcome in self.outcomes.values() {
            let letters = letters.remove(outcome.cause.as_str()).unwrap_or_default();
            let Some(sent) = self.book.sent.get(&outcome.cause) else {
                continue;
            };
            let crashes = self.crashes_of(outcome);
            // Its hosts died in the runs that it had left.
            let host_died = outcome.error_type == "host_error"
                && outcome.attempts >= MOST_RUNS
                && outcome.attempts < sent.kind.runs() + crashes;
            let as_made = match sent.kind.poison() {
                None => outcome.completed && letters.is_empty(),
                Some(error_type) => !outcome.completed && outcome.error_type == error_type,
            };
            let told = match outcome.completed {
                true => Vec::new(),
                false => vec![(outcome.error_type.clone(), outcome.attempts)],
            };
            if !(as_made || host_died) || letters != told {
                bad.push((
                    Rule::DeadLetters,
                    format!("{sent:?} has {outcome:?} and {letters:?}"),
                ));
            }
            let least = sent.kind.runs();
            let counted = (least..=least + crashes).contains(&outcome.attempts);
            let retries = (outcome.attempts - 1).min(MOST_RUNS - 1);
            let retries = outcome.completed || outcome.retry_count == retries;
            if !(counted || host_died) || !retries {
                bad.push((
                    Rule::Attempts,
                    format!("{crashes} crashes, {sent:?}, {outcome:?}"),
                ));
            }
        }
        for (event_id, letters) in letters {
            bad.push((
                Rule::DeadLetters,
                format!("{event_id} has {letters:?} and no outcome"),
            ));
        }
        for (rule, what) in bad {
            self.broken(rule, what);
        }
    }

    /// Crashes in the time between an outcome's input and itself.
    fn crashes_of(&self, outcome: &Outcome) -> u64 {
        let Some(begin) = self.first.get(outcome.cause.as_str()) else {
            return 0;
        };
        let (begin, end) = (begin.ms as Millis, outcome.entry.ms as Millis);
        let during = |at: &&Millis| **at <= end && begin <= **at + AFTERMATH;
        self.book.crashes.iter().filter(during).count() as u64
    }

    fn rest(&mut self) {
        let unfinished: Vec<String> = self
            .first
            .keys()
            .filter(|event_id| !self.outcomes.contains_key(**event_id))
            .map(|event_id| {
                format!(
                    "{event_id} has no outcome: {:?}",
                    self.book.sent.get(*event_id)
                )
            })
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

mod overlaps;

#[cfg(test)]
mod tests;
