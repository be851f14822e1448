//! The deliveries in hand: being run, or ended and not committed.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::{Id as TaskId, JoinError, JoinSet};

use super::stopped;
use crate::bus::{Attempt, Commit, Delivery, Lease, Verdict};
use crate::failure::{ErrorType, Failure};
use crate::pipeline::Pipeline;
use crate::sandbox::Sandbox;

/// When an event whose run made the host panic is tried again.
const AFTER_A_PANIC: Duration = Duration::from_secs(1);

/// What must be known of a delivery until it is committed.
struct Held {
    lease: Lease,
    attempt: u32,
    history: Vec<Attempt>,
}

/// Starts runs and keeps their leases, by fence.
pub(super) struct InHand {
    pipeline: Arc<Pipeline>,
    sandbox: Arc<Sandbox>,
    stop: watch::Receiver<bool>,
    held: HashMap<u64, Held>,
    running: JoinSet<Commit>,
    tasks: HashMap<TaskId, u64>,
}

impl InHand {
    pub(super) fn new(
        pipeline: Pipeline,
        sandbox: Arc<Sandbox>,
        stop: watch::Receiver<bool>,
    ) -> Self {
        Self {
            pipeline: Arc::new(pipeline),
            sandbox,
            stop,
            held: HashMap::new(),
            running: JoinSet::new(),
            tasks: HashMap::new(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.held.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    pub(super) fn is_running(&self) -> bool {
        !self.running.is_empty()
    }

    pub(super) fn leases(&self) -> Vec<Lease> {
        self.held.values().map(|held| held.lease.clone()).collect()
    }

    /// Runs deliveries, each as soon as there is a slot.
    pub(super) fn start(&mut self, deliveries: impl IntoIterator<Item = Delivery>) {
        for delivery in deliveries {
            let fence = delivery.lease.fence;
            self.held.insert(
                fence,
                Held {
                    lease: delivery.lease.clone(),
                    attempt: delivery.attempt,
                    history: delivery.history.clone(),
                },
            );
            let run = run_one(
                Arc::clone(&self.pipeline),
                Arc::clone(&self.sandbox),
                delivery,
                self.stop.clone(),
            );
            let task = self.running.spawn(run);
            self.tasks.insert(task.id(), fence);
        }
    }

    /// The next run that ends; its delivery stays in hand until [`forget`](Self::forget).
    /// Never, where nothing runs. May be dropped.
    pub(super) async fn ended(&mut self) -> Commit {
        loop {
            let Some(ended) = self.running.join_next_with_id().await else {
                return std::future::pending().await;
            };
            if let Some(commit) = self.commit_of(ended) {
                return commit;
            }
        }
    }

    fn commit_of(&mut self, ended: Result<(TaskId, Commit), JoinError>) -> Option<Commit> {
        match ended {
            Ok((task, commit)) => {
                self.tasks.remove(&task);
                Some(commit)
            }
            Err(error) => {
                let fence = self.tasks.remove(&error.id())?;
                self.held.get(&fence).map(after_panic)
            }
        }
    }

    /// A commit was answered: the delivery is in hand no longer.
    pub(super) fn forget(&mut self, lease: &Lease) {
        self.held.remove(&lease.fence);
    }

    /// Stops what runs; the entries are to go back as they were.
    pub(super) fn abandon(&mut self) -> Vec<Commit> {
        self.running = JoinSet::new();
        let fences = std::mem::take(&mut self.tasks).into_values();
        fences
            .filter_map(|fence| self.held.get(&fence))
            .map(|held| release(held.lease.clone()))
            .collect()
    }
}

/// Waits for a slot and runs; where the host stops before there is a slot, hands back.
async fn run_one(
    pipeline: Arc<Pipeline>,
    sandbox: Arc<Sandbox>,
    delivery: Delivery,
    mut stop: watch::Receiver<bool>,
) -> Commit {
    tokio::select! {
        biased;
        () = stopped(&mut stop) => release(delivery.lease),
        slot = sandbox.slot() => match slot {
            Some(_slot) => pipeline.handle(delivery).await,
            None => release(delivery.lease),
        },
    }
}

fn release(lease: Lease) -> Commit {
    Commit {
        lease,
        event_id: None,
        verdict: Verdict::Release,
    }
}

/// A run that made the host panic uses up its attempt, so that it cannot go on for ever.
fn after_panic(held: &Held) -> Commit {
    let failure = Failure::new(ErrorType::HostError, "the host panicked during the run");
    tracing::error!(entry = %held.lease.entry, "{failure}");
    let mut history = held.history.clone();
    history.push(Attempt {
        attempt: held.attempt,
        at: chrono::Utc::now(),
        error_type: failure.error_type,
        error_message: failure.message,
        plugin: None,
    });
    Commit {
        lease: held.lease.clone(),
        event_id: None,
        verdict: Verdict::Retry {
            after: AFTER_A_PANIC,
            history,
        },
    }
}
