//! What must be true of runs.

use std::collections::BTreeMap;

use super::{Check, Rule};
use crate::journal::{Millis, Poisoned};
use crate::runs::Run;
use crate::stage::LEASE;

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
        if self.book.poisoned == Poisoned::Park && self.book.losses.is_empty() {
            bad.extend(self.unreleased(&lanes));
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

    /// Runs of a lane between a dead letter that stopped it and its release.
    fn unreleased(&self, lanes: &BTreeMap<&str, Vec<&Run>>) -> Vec<(Rule, String)> {
        let mut bad = Vec::new();
        for outcome in self.outcomes.values().filter(|outcome| !outcome.completed) {
            let sent = self.book.sent(&outcome.cause);
            let Some(sent) = sent.filter(|sent| sent.kind.retries()) else {
                continue;
            };
            let stopped = outcome.entry.ms as Millis;
            let mut releases = self.book.releases.iter();
            let released = releases.find(|(lane, at)| *lane == sent.lane && *at >= stopped);
            let released = released.map_or(Millis::MAX, |(_, at)| *at);
            let runs = lanes.get(sent.lane.as_str()).map_or(&[][..], Vec::as_slice);
            let early = runs
                .iter()
                .filter(|run| run.begin > stopped && run.begin < released)
                .filter(|run| !self.refused(run, runs));
            bad.extend(early.map(|run| (Rule::Park, format!("{run:?} after {outcome:?}"))));
        }
        bad
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

    /// A loss that one of the runs may come from: who had an entry in hand then may get it once
    /// more, and its first result frees the lane while it runs again.
    fn lost_between(&self, from: Millis, to: Millis) -> bool {
        let from = from - LEASE.as_millis() as Millis;
        self.book.losses.iter().any(|at| (from..=to).contains(at))
    }
}
