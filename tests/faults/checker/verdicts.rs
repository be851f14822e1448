//! What must be true of outcomes, dead letters and attempts together.

use std::collections::BTreeMap;

use super::{Check, Rule};
use crate::journal::{Millis, next};
use crate::snapshot::Outcome;

/// Runs that an event gets before it is given up; more where one was lost with its host in
/// company, so that it may be another's fault.
const MOST_RUNS: u64 = 4;

/// How long after a crash a delivery may still be a victim of it, in milliseconds.
const AFTERMATH: Millis = 5_000;

impl Check<'_> {
    /// Each outcome is the one that its event was made for.
    pub(super) fn verdicts(&mut self) {
        let mut letters: BTreeMap<&str, Vec<(String, u64)>> = BTreeMap::new();
        for letter in &self.snapshot.dead_letters {
            let said = (letter.error_type.clone(), letter.attempts);
            letters.entry(&letter.event_id).or_default().push(said);
        }
        let mut bad = Vec::new();
        for outcome in self.outcomes.values() {
            let letters = letters.remove(outcome.cause.as_str()).unwrap_or_default();
            let Some(sent) = self.book.sent(&outcome.cause) else {
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
            // A requeue takes the letter and appends the event again, in one step.
            let told = match self.first.contains_key(next(&outcome.cause).as_str()) {
                true => Vec::new(),
                false => told,
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
}
