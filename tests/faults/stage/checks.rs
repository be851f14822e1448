//! What a stage asks of its books.

use std::collections::BTreeMap;
use std::fs;

use tokio::time::{Duration, Instant, sleep};

use super::{BETWEEN_LOOKS, Stage};
use crate::checker::{self, Violation};
use crate::harness::{DEADLINE, eventually};
use crate::journal::{Kind, Poisoned};
use crate::runs::{self, Run};
use crate::snapshot::Outcome;

impl Stage {
    /// Checks what must hold at any time.
    pub(crate) async fn assert_holds(&self) {
        let book = self.journal.read();
        let snapshot = self.look().await;
        self.assert_none(checker::running(&book, &snapshot, &self.logs(false)));
        if self.setup.audits {
            let book = self.journal.read_audit();
            let snapshot = self.look_at_audit().await;
            self.assert_none(checker::running(&book, &snapshot, &self.logs(true)));
        }
    }

    /// Stops the producer, waits until nothing is left to do, and checks everything.
    pub(crate) async fn assert_rests(&mut self) {
        let violations = self.rest(DEADLINE).await;
        self.assert_none(violations);
        let snapshot = self.look().await;
        if self.setup.audits {
            self.assert_audit_rests().await;
        }
        // What is asked of runs is read from the hosts' logs: it must be there.
        let by_runs = |outcome: &&Outcome| outcome.error_type != "host_error";
        let outcomes = snapshot.outcomes.iter().filter(by_runs).count();
        let runs = self.all_runs().len();
        assert!(
            runs >= outcomes,
            "{runs} runs in the logs, and {outcomes} outcomes"
        );
        if self.setup.poisoned == Poisoned::Park {
            let releases = self.journal.read().releases;
            assert!(!releases.is_empty(), "no lane was released");
        }
        if self.setup.trims {
            assert!(!snapshot.trimmed.is_empty(), "nothing was trimmed");
        }
        if self.setup.requeues {
            let mut causes = snapshot.outcomes.iter().map(|outcome| &outcome.cause);
            assert!(
                causes.any(|cause| cause.contains('#')),
                "no requeued event has an outcome"
            );
        }
        for member in &self.hosts {
            member.proxy.assert_works();
        }
        eprintln!("{}: {}", self.setup.rerun, self.summary().await);
    }

    /// The same, and gives what does not hold; `patience` is how long nothing may happen before
    /// nothing is expected any more.
    pub(crate) async fn rest(&mut self, patience: Duration) -> Vec<Violation> {
        if let Some(load) = self.load.take() {
            load.stop().await;
            self.tell("the producer stopped");
        }
        if let Some(operator) = self.requeuer.take() {
            operator.stop().await;
            self.tell("nothing is requeued any more");
        }
        let mut last = (0, 0);
        let mut since = Instant::now();
        loop {
            let book = self.journal.read();
            let snapshot = self.look().await;
            let state = (snapshot.outcomes.len(), snapshot.pending.len());
            if state != last {
                (last, since) = (state, Instant::now());
            }
            // A lane may be stopped that has nothing to do.
            let stopped = self.releaser.is_some() && snapshot.books["lanes"] > 0;
            if (snapshot.is_quiet() && !stopped) || since.elapsed() > patience {
                return checker::at_rest(&book, &snapshot, &self.logs(false));
            }
            sleep(BETWEEN_LOOKS).await;
        }
    }

    /// Fails where a play was too quiet to say anything.
    pub(crate) async fn assert_worked(&self, during: Duration) {
        let snapshot = self.look().await;
        let book = self.journal.read();
        let least = during.as_secs() as usize;
        let outcomes = snapshot.outcomes.len();
        assert!(outcomes >= 2 * least, "{outcomes} outcomes are too few");
        let faults = self.inflicted;
        assert!(faults >= least / 15, "{faults} faults are too few");
        for kind in [Kind::Echo, Kind::RetryOnce, Kind::GivesUp, Kind::OutOfFuel] {
            let made = |outcome: &Outcome| book.sent(&outcome.cause).map(|sent| sent.kind);
            let mut outcomes = snapshot.outcomes.iter().map(made);
            assert!(
                outcomes.any(|made| made == Some(kind)),
                "no {kind:?} was finished"
            );
        }
    }

    async fn assert_audit_rests(&self) {
        eventually("the second group is done", async || {
            self.look_at_audit().await.is_quiet().then_some(())
        })
        .await;
        let (book, snapshot) = (self.journal.read_audit(), self.look_at_audit().await);
        assert!(
            !snapshot.outcomes.is_empty(),
            "the second group did nothing"
        );
        self.assert_none(checker::at_rest(&book, &snapshot, &self.logs(true)));
    }

    async fn summary(&self) -> String {
        let snapshot = self.look().await;
        let requeued = snapshot
            .inputs
            .iter()
            .filter(|(_, event)| event.contains('#'));
        format!(
            "{} of {} faults took place, the slowest recovery {:.1?}; \
             {} inputs ({} requeued, {} trimmed), {} outcomes, {} dead letters",
            self.inflicted,
            self.recoveries.len(),
            self.recoveries.iter().max().copied().unwrap_or_default(),
            snapshot.inputs.len(),
            requeued.count(),
            snapshot.trimmed.len(),
            snapshot.outcomes.len(),
            snapshot.dead_letters.len()
        )
    }

    fn assert_none(&self, violations: Vec<Violation>) {
        let shown: Vec<String> = violations
            .iter()
            .take(10)
            .map(|violation| format!("  {:?}: {}", violation.rule, violation.what))
            .collect();
        assert!(
            violations.is_empty(),
            "{} things do not hold:\n{}",
            violations.len(),
            shown.join("\n")
        );
    }

    /// The runs of the first group by all hosts.
    pub(crate) fn all_runs(&self) -> Vec<Run> {
        let logs = self.logs(false).into_values();
        logs.flat_map(|log| log.runs).collect()
    }

    /// What all hosts logged of one of the groups, by file.
    fn logs(&self, audit: bool) -> BTreeMap<String, runs::Log> {
        let files = fs::read_dir(self.folder.path()).expect("the folder");
        files
            .map(|file| file.expect("a file").path())
            .filter(|path| path.extension().is_some_and(|extension| extension == "log"))
            .map(|path| {
                let name = path.file_name().unwrap_or_default();
                (
                    name.to_string_lossy().into_owned(),
                    runs::read(&path).of_audit(audit),
                )
            })
            .collect()
    }
}
