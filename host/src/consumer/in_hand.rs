//! The deliveries in hand: waiting for their plugin, being run, or ended and not committed.

use std::collections::{HashMap, HashSet};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::task::{Id as TaskId, JoinError, JoinSet};

use crate::bus::{Attempt, Bus, Commit, Delivery, Lease, Subscription, Verdict};
use crate::failure::{ErrorType, Failure};
use crate::pipeline::{Pipeline, Prepared};
use crate::plugin::Plugin;
use crate::sandbox::Sandbox;

/// When an event whose run made the host panic is tried again.
const AFTER_A_PANIC: Duration = Duration::from_secs(1);

/// What became of a delivery's task.
enum Step {
    /// It ran, or is to go back.
    Ended(Commit),
    /// Its plugin has all the runs that it may have at a time.
    Waits(Prepared, Arc<Plugin>),
    /// It has what it waited for.
    Begins(Prepared, Turn),
}

/// What a run holds while it lasts.
struct Turn {
    _plugin: Option<OwnedSemaphorePermit>,
    _slot: OwnedSemaphorePermit,
}

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
    running: JoinSet<Step>,
    tasks: HashMap<TaskId, Lease>,
    /// Of the tasks, those that wait for their plugin.
    waiting: HashSet<TaskId>,
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
            waiting: HashSet::new(),
        }
    }

    /// How many more deliveries may be taken where `in_flight` may be run or ended at a time.
    /// What waits for a busy plugin keeps out other plugins' events only where it is as many
    /// again: beyond that, another host could run what would wait here.
    pub(super) fn room(&self, in_flight: usize) -> usize {
        let waiting = self.waiting.len();
        let going = self.held.len() - waiting;
        let room = in_flight.saturating_sub(going);
        room.min(in_flight.saturating_sub(waiting))
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
    /// up the attempts of what it ran and of what waited for its plugin, not of what waited for
    /// a slot.
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
        let threads = self.sandbox.threads();
        let task = if self.pipeline.runs_alone(&delivery) {
            // It waits and asks the bus, whose connections belong to the host's threads.
            self.running.spawn(self.alone(delivery))
        } else {
            let Some(slot) = self.sandbox.try_slot() else {
                return Some(release(lease));
            };
            let pipeline = Arc::clone(&self.pipeline);
            let run = async move {
                let prepared = pipeline.prepare(delivery);
                let plugin = match prepared.plugin().cloned() {
                    None => None,
                    Some(plugin) => match plugin.try_turn() {
                        None => return Step::Waits(prepared, plugin),
                        turn => turn,
                    },
                };
                let turn = Turn {
                    _plugin: plugin,
                    _slot: slot,
                };
                run(&pipeline, prepared, turn).await
            };
            self.running.spawn_on(run, threads)
        };
        self.tasks.insert(task.id(), lease);
        None
    }

    /// Keeps a delivery until its plugin and then the sandbox have room for it.
    fn wait(&mut self, lease: Lease, prepared: Prepared, plugin: Arc<Plugin>) {
        let sandbox = Arc::clone(&self.sandbox);
        let stop = self.stop.clone();
        let to_go_back = lease.clone();
        let task = self.running.spawn(async move {
            let turn = turn(Some(&plugin), sandbox.slot(), stop).await;
            match turn {
                Some(turn) => Step::Begins(prepared, turn),
                None => Step::Ended(release(to_go_back)),
            }
        });
        self.waiting.insert(task.id());
        self.tasks.insert(task.id(), lease);
    }

    fn begin(&mut self, lease: Lease, prepared: Prepared, turn: Turn) {
        let pipeline = Arc::clone(&self.pipeline);
        let run = async move { run(&pipeline, prepared, turn).await };
        let task = self.running.spawn_on(run, self.sandbox.threads());
        self.tasks.insert(task.id(), lease);
    }

    /// A run that begins when no other is left in the host, and is the only one while it lasts.
    fn alone(&self, delivery: Delivery) -> impl Future<Output = Step> + Send + 'static {
        let (bus, subscription) = (Arc::clone(&self.bus), Arc::clone(&self.subscription));
        let (pipeline, sandbox) = (Arc::clone(&self.pipeline), Arc::clone(&self.sandbox));
        let stop = self.stop.clone();
        async move {
            let (entry, lease) = (delivery.lease.entry, delivery.lease.clone());
            tracing::warn!(%entry, attempt = delivery.attempt, "hosts died with it: it runs alone");
            let prepared = pipeline.prepare(delivery);
            let plugin = prepared.plugin().map(Arc::as_ref);
            let turn = turn(plugin, sandbox.all_slots(), stop).await;
            let Some(turn) = turn else {
                return Step::Ended(release(lease));
            };
            match bus.begin_alone(&subscription, &lease).await {
                Ok(true) => Step::Begins(prepared, turn),
                Ok(false) => Step::Ended(release(lease)),
                Err(error) => {
                    tracing::warn!(%entry, "it cannot begin alone: {error}");
                    Step::Ended(release(lease))
                }
            }
        }
    }

    /// The next run that ends; its delivery stays in hand until [`forget`](Self::forget).
    /// None where a delivery begins to wait or to run instead. Never, where nothing runs. May be
    /// dropped.
    pub(super) async fn ended(&mut self) -> Option<Commit> {
        match self.running.join_next_with_id().await {
            Some(ended) => self.commit_of(ended),
            None => std::future::pending().await,
        }
    }

    fn commit_of(&mut self, ended: Result<(TaskId, Step), JoinError>) -> Option<Commit> {
        let task = match &ended {
            Ok((task, _)) => *task,
            Err(error) => error.id(),
        };
        self.waiting.remove(&task);
        let lease = self.tasks.remove(&task)?;
        match ended {
            Ok((_, Step::Ended(commit))) => return Some(commit),
            Ok((_, Step::Waits(prepared, plugin))) => self.wait(lease, prepared, plugin),
            Ok((_, Step::Begins(prepared, turn))) => self.begin(lease, prepared, turn),
            Err(_) => {
                let held = self.held.get(&lease)?;
                return Some(after_panic(lease, held));
            }
        }
        None
    }

    /// A commit was answered: the delivery is in hand no longer.
    pub(super) fn forget(&mut self, lease: &Lease) {
        self.held.remove(lease);
    }

    /// Stops what runs and what waits, and comes back when it has stopped, which takes a guest
    /// until its next yield. The entries are to go back as they were.
    pub(super) async fn abandon(&mut self) -> Vec<Commit> {
        self.running.shutdown().await;
        self.waiting.clear();
        let leases = std::mem::take(&mut self.tasks).into_values();
        leases.map(release).collect()
    }
}

/// Waits for the plugin's turn, and then for the sandbox. None where the host stops first.
async fn turn(
    plugin: Option<&Plugin>,
    slots: impl Future<Output = Option<OwnedSemaphorePermit>>,
    mut stop: watch::Receiver<bool>,
) -> Option<Turn> {
    let turn = async {
        let plugin = match plugin {
            Some(plugin) => plugin.turn().await,
            None => None,
        };
        Some(Turn {
            _plugin: plugin,
            _slot: slots.await?,
        })
    };
    tokio::select! {
        turn = turn => turn,
        _ = stop.wait_for(|stop| *stop) => None,
    }
}

async fn run(pipeline: &Pipeline, prepared: Prepared, turn: Turn) -> Step {
    let commit = pipeline.handle(prepared).await;
    drop(turn);
    Step::Ended(commit)
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
