//! What must be true of runs.

use std::collections::BTreeMap;

use super::{Check, Rule};
use crate::journal::Millis;
use crate::runs::Run;

impl Check<'_> {
    pub(super) fn check_runs(&mut self) {
        let mut lanes: BTreeMap<&str, Vec<&Run>> = BTreeMap::new();
        for run in self.logs.values().flat_map(|log| &log.runs) {
            if let Some(sent) = self.book.sent.get(&run.event_id) {
                lanes.entry(&sent.lane).or_default().push(run);
            }
        }
        let mut bad = Vec::new();
        for runs in lanes.values_mut() {
            runs.sort_by_key(|run| run.begin);
            bad.extend(self.overlaps(runs));
            bad.extend(self.overtaken(runs));
        }
        for (rule, what) in bad {
            self.broken(rule, what);
        }
    }

    fn overlaps(&self, runs: &[&Run]) -> Vec<(Rule, String)> {
        let mut bad = Vec::new();
        for (at, earlier) in runs.iter().enumerate() {
            let Some(end) = earlier.end else {
                continue;
            };
            for later in runs[at + 1..].iter().take_while(|later| later.begin < end) {
                let excused = self.refused(earlier, runs)
                    || self.refused(later, runs)
                    || self.lost_between(earlier.begin, later.begin);
                if !excused {
                    bad.push((Rule::NoOverlap, format!("{earlier:?} and {later:?}")));
                }
            }
        }
        bad
    }

    /// A commit of an older attempt after a newer one had begun: its lease was over.
    fn overtaken(&self, runs: &[&Run]) -> Vec<(Rule, String)> {
        let mut bad = Vec::new();
        for outcome in self.outcomes.values() {
            let committed = outcome.entry.ms as Millis;
            let begun = runs.iter().rev();
            let last = begun
                .filter(|run| run.event_id == outcome.cause && run.begin < committed)
                .max_by_key(|run| run.begin);
            let Some(last) = last.filter(|last| last.attempt > outcome.attempts) else {
                continue;
            };
            if self.book.losses.is_empty() {
                bad.push((
                    Rule::Fence,
                    format!("{last:?} had begun before {outcome:?}"),
                ));
            }
        }
        bad
    }

    /// Whether nothing came of the run: it was taken from its host, or its host was told so.
    fn refused(&self, run: &Run, runs: &[&Run]) -> bool {
        let told = self.first.get(run.event_id.as_str()).is_some_and(|_| {
            let entries = self.snapshot.inputs.iter();
            let mut entries = entries.filter(|(_, event_id)| *event_id == run.event_id);
            let superseded = &self.logs[&run.host].superseded;
            entries.any(|(entry, _)| superseded.contains(&entry.to_string()))
        });
        let taken = runs.iter().any(|other| {
            other.event_id == run.event_id
                && other.attempt > run.attempt
                && run.end.is_none_or(|end| other.begin < end)
        });
        let counted = self
            .outcomes
            .get(run.event_id.as_str())
            .is_some_and(|outcome| outcome.attempts == run.attempt);
        told || (taken && !counted)
    }

    fn lost_between(&self, from: Millis, to: Millis) -> bool {
        self.book.losses.iter().any(|at| (from..=to).contains(at))
    }
}
