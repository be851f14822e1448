//! What must be true of runs.

use std::collections::BTreeMap;

use super::{Check, Rule};
use crate::journal::Millis;
use crate::runs::Run;

impl Check<'_> {
    pub(super) fn check_runs(&mut self) {
        let mut lanes: BTreeMap<&str, Vec<&Run>> = BTreeMap::new();
        let mut last: BTreeMap<&str, &Run> = BTreeMap::new();
        for run in self.logs.values().flat_map(|log| &log.runs) {
            if let Some(sent) = self.book.sent(&run.event_id) {
                lanes.entry(&sent.lane).or_default().push(run);
            }
            let outcome = self.outcomes.get(run.event_id.as_str());
            if outcome.is_some_and(|outcome| run.begin < outcome.entry.ms as Millis) {
                let last = last.entry(&run.event_id).or_insert(run);
                if last.begin < run.begin {
                    *last = run;
                }
            }
        }
        let mut bad = self.overtaken(&last);
        for runs in lanes.values_mut() {
            runs.sort_by_key(|run| run.begin);
            bad.extend(self.overlaps(runs));
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

    /// A commit of an older attempt after a newer one had begun: its lease was over. `last` has
    /// of each event the run that began last before the commit.
    fn overtaken(&self, last: &BTreeMap<&str, &Run>) -> Vec<(Rule, String)> {
        // A server that lost something may not know of the newer one.
        if !self.book.losses.is_empty() {
            return Vec::new();
        }
        last.iter()
            .map(|(event_id, run)| (run, self.outcomes[event_id]))
            .filter(|(run, outcome)| run.attempt > outcome.attempts)
            .map(|(run, outcome)| (Rule::Fence, format!("{run:?} had begun before {outcome:?}")))
            .collect()
    }

    /// Whether nothing came of the run: it was taken from its host, or its host was told so.
    fn refused(&self, run: &Run, runs: &[&Run]) -> bool {
        let superseded = &self.logs[&run.host].superseded;
        let told = self.snapshot.inputs.iter().any(|(entry, event_id)| {
            *event_id == run.event_id && superseded.contains(&entry.to_string())
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
