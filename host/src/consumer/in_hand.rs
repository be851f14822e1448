//! The deliveries in hand: being run, or ended and not committed.

use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::{Id as TaskId, JoinError, JoinSet};

use crate::bus::{Attempt, Bus, Commit, Delivery, Lease, Subscription, Verdict};
use crate::failure::{ErrorType, Failure};
use crate::pipeline::Pipeline;
use crate::sandbox::Sandbox;

/// When an event whose run made the host panic is tried again.
const AFTER_A_PANIC: Duration = Duration::from_secs(1);

/// What must be known of a delivery until it is committed.
struct Held {
    attempt: u32,
    history: Vec<Attempt>,
}

/// Starts runs and keeps their leases.
pub(super) struct InHand {
    bus: Arc<dyn Bus>,
    subscription: Arc<Subscription>,
    pipeline: Arc<Pipeline>,
    sandbox: Arc<Sandbox>,
    stop: watch::Receiver<bool>,
    held: HashMap<Lease, Held>,
    running: JoinSet<Commit>,
    tasks: HashMap<TaskId, Lease>,
}

impl InHand {
    pub(super) fn new(
        bus: Arc<dyn Bus>,
        subscription: Arc<Subscription>,
        pipeline: Pipeline,
        sandbox: Arc<Sandbox>,
        stop: watch::Receiver<bool>,
    ) -> Self {
        Self {
            bus,
            subscription,
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
        self.held.keys().cloned().collect()
    }

    /// Starts a delivery's run at once, or gives the commit that hands it back: where the
    /// host stops, or there is no slot. What is in hand has begun: a crash of the host uses
    /// up the attempts of what it ran, not of what waited in it.
    pub(super) fn start(&mut self, delivery: Delivery) -> Option<Commit> {
        let lease = delivery.lease.clone();
        let held = Held {
            attempt: delivery.attempt,
            history: delivery.history.clone(),
        };
        self.held.insert(lease.clone(), held);
        if *self.stop.borrow() {
            return Some(release(lease));
        }
        let task = if self.pipeline.runs_alone(&delivery) {
            self.running.spawn(self.alone(delivery))
        } else {
            let Some(slot) = self.sandbox.try_slot() else {
                return Some(release(lease));
            };
            let pipeline = Arc::clone(&self.pipeline);
            self.running.spawn(async move {
                let commit = pipeline.handle(delivery).await;
                drop(slot);
                commit
            })
        };
        self.tasks.insert(task.id(), lease);
        None
    }

    /// A run that begins when no other is left in the host, and is the only one while it lasts.
    fn alone(&self, delivery: Delivery) -> impl Future<Output = Commit> + Send + 'static {
        let (bus, subscription) = (Arc::clone(&self.bus), Arc::clone(&self.subscription));
        let (pipeline, sandbox) = (Arc::clone(&self.pipeline), Arc::clone(&self.sandbox));
        let mut stop = self.stop.clone();
        async move {
            let (entry, lease) = (delivery.lease.entry, delivery.lease.clone());
            tracing::warn!(%entry, attempt = delivery.attempt, "hosts died with it: it runs alone");
            let slots = tokio::select! {
                slots = sandbox.all_slots() => slots,
                _ = stop.wait_for(|stop| *stop) => None,
            };
            let Some(slots) = slots else {
                return release(lease);
            };
            match bus.begin_alone(&subscription, &lease).await {
                Ok(true) => {}
                Ok(false) => return release(lease),
                Err(error) => {
                    tracing::warn!(%entry, "it cannot begin alone: {error}");
                    return release(lease);
                }
            }
            let commit = pipeline.handle(delivery).await;
            drop(slots);
            commit
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
                let lease = self.tasks.remove(&error.id())?;
                let held = self.held.get(&lease)?;
                Some(after_panic(lease, held))
            }
        }
    }

    /// A commit was answered: the delivery is in hand no longer.
    pub(super) fn forget(&mut self, lease: &Lease) {
        self.held.remove(lease);
    }

    /// Stops what runs; the entries are to go back as they were.
    pub(super) fn abandon(&mut self) -> Vec<Commit> {
        self.running = JoinSet::new();
        let leases = std::mem::take(&mut self.tasks).into_values();
        leases.map(release).collect()
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
fn after_panic(lease: Lease, held: &Held) -> Commit {
    let failure = Failure::new(ErrorType::HostError, "the host panicked during the run");
    tracing::error!(entry = %lease.entry, "{failure}");
    let mut history = held.history.clone();
    history.push(Attempt {
        attempt: held.attempt,
        at: chrono::Utc::now(),
        error_type: failure.error_type,
        error_message: failure.message,
        plugin: None,
        lost: None,
        fence: None,
    });
    Commit {
        lease,
        event_id: None,
        verdict: Verdict::Retry {
            after: AFTER_A_PANIC,
            aside: false,
            history,
        },
    }
}
