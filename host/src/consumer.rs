//! One subscription's loop: it owns the deliveries in hand, from fetch to commit.
//!
//! At any time at most one read (fetch or recover), one wait, one commit and one heartbeat
//! are under way. Runs that end while a commit is under way go together with the next one, so
//! batches are as large as the bus is slow.

mod heartbeat;
mod in_hand;
mod results;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use self::heartbeat::Heartbeat;
use self::in_hand::InHand;
use self::results::Results;
use crate::bus::{
    Beat, Bus, BusError, Committed, Delivery, EntryId, Fetched, REPLY_BUDGET, Subscription, Verdict,
};
use crate::pipeline::Pipeline;
use crate::sandbox::Sandbox;

/// Longest wait for new entries before the group looks again.
const MAX_WAIT: Duration = Duration::from_secs(5);

/// When a group that stopped reading, because too much waits behind busy lanes, looks again.
const WHEN_FULL: Duration = Duration::from_millis(250);

/// How long after its lease would have ended a host is waited for that has other routes, and
/// how often the bus is asked meanwhile.
const BEYOND_LEASE: Duration = Duration::from_secs(2);
const WHEN_REFUSED: Duration = Duration::from_millis(500);

/// First and longest pause after an error of the bus.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));

type Pending<T> = Pin<Box<dyn Future<Output = Result<T, BusError>> + Send>>;

/// What a read gave.
enum Read {
    Fetched(Fetched),
    Recovered(Vec<Delivery>),
}

/// The loop of one subscription.
pub struct Consumer {
    bus: Arc<dyn Bus>,
    subscription: Arc<Subscription>,
    sandbox: Arc<Sandbox>,
    in_flight: usize,
    grace: Duration,
    stop: watch::Receiver<bool>,

    in_hand: InHand,
    results: Results,
    reading: Option<Pending<Read>>,
    waiting: Option<Pending<()>>,
    slot: Option<Pending<()>>,
    committing: Option<Pending<Vec<Committed>>>,
    /// Whether the batch under way asks for the lanes' next entries.
    advanced: bool,
    heartbeat: Heartbeat,

    /// Nothing is there to be fetched until the wait ends or `due` comes.
    caught_up: bool,
    /// Too much waits behind busy lanes: there is more to read, and it is not read.
    full: bool,
    cursor: EntryId,
    due: Option<Instant>,
    /// A reply may be lost: deliveries may be ours without our knowing.
    suspect: bool,
    /// When to recover once more after an error: a call that was given up may still have been
    /// on its way when we looked.
    recheck_at: Option<Instant>,
    /// The group was deleted.
    rejoin: bool,
    errors: u32,
    retry_at: Instant,
}

impl Consumer {
    /// A loop that is not running yet.
    #[must_use]
    pub fn new(
        bus: Arc<dyn Bus>,
        subscription: Subscription,
        pipeline: Pipeline,
        sandbox: Arc<Sandbox>,
        in_flight: usize,
        grace: Duration,
        stop: watch::Receiver<bool>,
    ) -> Self {
        let subscription = Arc::new(subscription);
        Self {
            heartbeat: Heartbeat::new(Arc::clone(&bus), Arc::clone(&subscription)),
            in_hand: InHand::new(
                Arc::clone(&bus),
                Arc::clone(&subscription),
                pipeline,
                Arc::clone(&sandbox),
                stop.clone(),
            ),
            bus,
            subscription,
            in_flight,
            grace,
            sandbox,
            stop,
            results: Results::default(),
            reading: None,
            waiting: None,
            slot: None,
            committing: None,
            advanced: false,
            caught_up: false,
            full: false,
            cursor: EntryId::ZERO,
            due: None,
            suspect: false,
            recheck_at: None,
            rejoin: false,
            errors: 0,
            retry_at: Instant::now(),
        }
    }

    /// Runs until `stop` turns true, then lets the runs end, for as long as the grace lasts,
    /// and hands back the rest. Nothing that it held is lost, whatever happens: what cannot
    /// be handed back is free when the lease ends.
    ///
    /// # Errors
    /// When the bus refuses the group for good.
    pub async fn run(mut self) -> Result<(), BusError> {
        if !self.join().await? {
            return Ok(());
        }
        let mut stop = self.stop.clone();
        let mut deadline = None;
        loop {
            let stopping = deadline.is_some();
            self.start_io(stopping);
            if stopping && self.in_hand.is_empty() && self.committing.is_none() {
                break;
            }
            let (running, fence_at) = (self.in_hand.is_running(), self.heartbeat.fence_at());
            tokio::select! {
                commit = self.in_hand.ended() => self.results.extend(commit),
                result = pending(&mut self.committing) => self.commit_ended(result),
                result = pending(&mut self.reading) => self.read_ended(result),
                result = pending(&mut self.waiting) => self.wait_ended(result),
                result = self.heartbeat.beat() => self.beat_ended(result),
                _ = pending(&mut self.slot) => self.slot = None,
                () = sleep_until(self.due.unwrap_or_else(Instant::now)), if self.due.is_some() => {
                    self.due = None;
                    self.caught_up = false;
                }
                () = sleep_until(fence_at), if running => self.fence().await,
                () = stopped(&mut stop), if !stopping => {
                    deadline = Some(Instant::now() + self.grace);
                    self.waiting = None;
                }
                () = sleep_until(deadline.unwrap_or_else(Instant::now)), if stopping => {
                    if !self.in_hand.is_running() {
                        // Only the bus is left to wait for, and it does not answer.
                        break;
                    }
                    let abandoned = self.in_hand.abandon().await;
                    let count = abandoned.len();
                    tracing::warn!(count, "the grace is over: handing back what still runs");
                    self.results.extend(abandoned);
                    deadline = Some(Instant::now() + self.grace.min(MAX_WAIT));
                }
            }
        }
        self.leave().await;
        Ok(())
    }

    /// Waits for the bus to take the subscription; false where the host stops meanwhile.
    async fn join(&mut self) -> Result<bool, BusError> {
        let mut stop = self.stop.clone();
        let mut refused_until = None;
        loop {
            let began = Instant::now();
            let joined = tokio::select! {
                joined = self.bus.join(&self.subscription) => joined,
                () = stopped(&mut stop) => return Ok(false),
            };
            match joined {
                Ok(()) => {
                    self.heartbeat.joined(began);
                    return Ok(true);
                }
                Err(error @ BusError::Broken { .. }) => return Err(error),
                Err(error @ BusError::RoutesDiffer { .. }) => {
                    // The others may be dead, and their lease still running.
                    let until = *refused_until.get_or_insert_with(|| {
                        let patience = self.subscription.lease + BEYOND_LEASE;
                        tracing::warn!(?patience, "waiting, as they may be gone: {error}");
                        Instant::now() + patience
                    });
                    if Instant::now() >= until {
                        return Err(error);
                    }
                    self.retry_at = until.min(Instant::now() + WHEN_REFUSED);
                }
                Err(error @ (BusError::Unavailable { .. } | BusError::NoGroup { .. })) => {
                    self.note(&error);
                }
            }
            tokio::select! {
                () = sleep_until(self.retry_at) => {}
                () = stopped(&mut stop) => return Ok(false),
            }
        }
    }

    fn start_io(&mut self, stopping: bool) {
        let recovering = self.suspect && self.reading.is_some();
        if self.committing.is_none() && !self.results.is_empty() && !recovering {
            self.start_commit(!stopping);
        }
        let room = self.in_hand.room(self.in_flight);
        match self.reading {
            Some(_) => {}
            None if self.suspect && self.committing.is_none() => self.start_recover(),
            None if self.suspect || stopping || room == 0 => {}
            None if self.caught_up && self.full => {}
            None if self.caught_up => self.start_wait(),
            None => match self.sandbox.free_slots().min(room) {
                0 => self.start_slot(),
                room => self.start_fetch(room),
            },
        }
    }

    /// All slots are taken, perhaps by other groups: the next one that is free is a reason to
    /// fetch.
    fn start_slot(&mut self) {
        if self.slot.is_none() {
            let sandbox = Arc::clone(&self.sandbox);
            self.slot = Some(Box::pin(async move {
                let _ = sandbox.slot().await;
                Ok(())
            }));
        }
    }

    fn start(&mut self, deliveries: impl IntoIterator<Item = Delivery>) {
        for delivery in deliveries {
            self.results.extend(self.in_hand.start(delivery));
        }
    }

    fn start_wait(&mut self) {
        if self.waiting.is_none() {
            let (bus, subscription) = (Arc::clone(&self.bus), Arc::clone(&self.subscription));
            let cursor = self.cursor;
            self.waiting = Some(Box::pin(async move {
                bus.wait(&subscription, cursor, MAX_WAIT).await
            }));
        }
    }

    fn start_fetch(&mut self, room: usize) {
        let (bus, subscription) = (Arc::clone(&self.bus), Arc::clone(&self.subscription));
        let retry_at = self.retry_at;
        let rejoin = std::mem::take(&mut self.rejoin);
        self.reading = Some(Box::pin(async move {
            sleep_until(retry_at).await;
            if rejoin {
                bus.join(&subscription).await?;
            }
            bus.fetch(&subscription, room).await.map(Read::Fetched)
        }));
    }

    fn start_recover(&mut self) {
        let (bus, subscription) = (Arc::clone(&self.bus), Arc::clone(&self.subscription));
        let leases = self.in_hand.leases();
        let retry_at = self.retry_at;
        self.reading = Some(Box::pin(async move {
            sleep_until(retry_at).await;
            bus.recover(&subscription, &leases)
                .await
                .map(Read::Recovered)
        }));
    }

    fn start_commit(&mut self, advance: bool) {
        let batch = self.results.next_batch();
        // A lane's next entry is to begin at once.
        self.advanced = advance && self.sandbox.free_slots() >= batch.len();
        let advance = self.advanced;
        let (bus, subscription) = (Arc::clone(&self.bus), Arc::clone(&self.subscription));
        let retry_at = self.retry_at;
        self.committing = Some(Box::pin(async move {
            sleep_until(retry_at).await;
            bus.commit(&subscription, &batch, advance).await
        }));
    }

    /// Stops what runs, so that it does not run on while another host takes it over. Results
    /// that are there already are kept: their commits are fenced by the bus.
    async fn fence(&mut self) {
        let abandoned = self.in_hand.abandon().await;
        let group = self.subscription.group.as_str();
        let silent = self.heartbeat.silent_for();
        tracing::warn!(
            group,
            ?silent,
            count = abandoned.len(),
            "the bus is not heard and the lease is about to end: stopping what runs"
        );
        self.results.extend(abandoned);
    }

    fn read_ended(&mut self, result: Result<Read, BusError>) {
        self.reading = None;
        match result {
            Ok(Read::Fetched(fetched)) => {
                self.errors = 0;
                self.caught_up = !fetched.more && fetched.deliveries.is_empty();
                self.full = fetched.full;
                self.cursor = fetched.cursor;
                let soon = match fetched.full {
                    true => Some(WHEN_FULL),
                    false => fetched.next_due,
                };
                if let Some(due) = soon {
                    self.look_again_in(due);
                }
                self.start(fetched.deliveries);
            }
            Ok(Read::Recovered(deliveries)) => {
                // It only reads: that it works does not end what refuses to write, so the
                // backoff stays. It is done when it finds nothing more.
                self.suspect = !deliveries.is_empty();
                if self.suspect {
                    let group = self.subscription.group.as_str();
                    tracing::info!(
                        group,
                        count = deliveries.len(),
                        "found deliveries whose reply was lost"
                    );
                }
                self.start(deliveries);
            }
            Err(error) => {
                self.caught_up = false;
                self.note(&error);
            }
        }
    }

    fn commit_ended(&mut self, result: Result<Vec<Committed>, BusError>) {
        self.committing = None;
        let replies = match result {
            Ok(replies) => replies,
            Err(error) => {
                self.results.keep_batch();
                self.note(&error);
                return;
            }
        };
        let batch = self.results.answered();
        self.errors = 0;
        let mut bytes = 0;
        for (commit, reply) in batch.iter().zip(replies) {
            let (entry, lane) = (commit.lease.entry, &commit.lease.lane);
            let finished_before = matches!(reply, Committed::Duplicate(_));
            match reply {
                Committed::Applied(next) | Committed::Duplicate(next) => {
                    if finished_before {
                        tracing::info!(%entry, %lane, "finished before: superseded by another host, or the event or the commit was sent twice; nothing more was changed");
                    }
                    bytes += next.as_ref().map_or(0, |next| next.fields.size());
                    self.in_hand.forget(&commit.lease);
                    self.start(next.map(|next| *next));
                }
                Committed::Refused(reason) => {
                    tracing::error!(%entry, %lane, "the bus refuses the commit, which is kept: {reason}");
                    self.results.refuse(commit.clone());
                    continue;
                }
                Committed::Superseded => {
                    self.in_hand.forget(&commit.lease);
                    tracing::warn!(%entry, %lane, "superseded: the lease is over, or the commit was sent twice; nothing more was changed");
                }
            }
            match commit.verdict {
                Verdict::Retry { after, .. } => self.look_again_in(after),
                Verdict::Release => self.look_again_in(Duration::ZERO),
                Verdict::Done { .. } => {}
            }
        }
        if bytes >= REPLY_BUDGET || !self.advanced {
            self.look_again_in(Duration::ZERO);
        }
    }

    fn beat_ended(&mut self, result: Result<Beat, BusError>) {
        self.results.retry_refused();
        if self.recheck_at.is_some_and(|at| at <= Instant::now()) {
            self.recheck_at = None;
            self.suspect = true;
        }
        match result {
            Ok(Beat { freed, waiting, .. }) => {
                if freed > 0 {
                    let group = self.subscription.group.as_str();
                    tracing::warn!(group, freed, "took over the entries of hosts that are gone");
                }
                self.caught_up &= !waiting;
            }
            Err(error) => tracing::warn!("heartbeat: {error}"),
        }
    }

    fn wait_ended(&mut self, result: Result<(), BusError>) {
        self.waiting = None;
        self.caught_up = false;
        if let Err(error) = result {
            self.note(&error);
        }
    }

    /// A fetch that is under way may have been answered before the reason for this came up:
    /// the sooner of two times stands.
    fn look_again_in(&mut self, after: Duration) {
        let at = Instant::now() + after;
        self.due = Some(self.due.map_or(at, |due| due.min(at)));
    }

    async fn leave(&mut self) {
        (self.reading, self.waiting) = (None, None);
        self.heartbeat.stop();
        let leave = self.bus.leave(&self.subscription);
        match tokio::time::timeout(MAX_WAIT, leave).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!("leaving: {error}"),
            Err(_) => tracing::warn!("leaving: the bus does not answer; the lease will run out"),
        }
    }

    /// After an error of the bus: says so, waits longer each time, and looks for what a lost
    /// reply may have handed out.
    fn note(&mut self, error: &BusError) {
        let group = self.subscription.group.as_str();
        let pause = backoff(self.errors);
        tracing::warn!(group, retry_in = ?pause, "{error}");
        self.errors += 1;
        self.retry_at = Instant::now() + pause;
        self.suspect = true;
        self.recheck_at = Some(Instant::now() + self.subscription.lease);
        self.rejoin |= matches!(error, BusError::NoGroup { .. });
    }
}

/// The pause after an error that has as many before it.
fn backoff(errors: u32) -> Duration {
    let (first, longest) = BACKOFF;
    first.saturating_mul(1 << errors.min(10)).min(longest)
}

/// Ends when the host is to stop; a host whose owner is gone is to stop as well.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

/// The result of a call under way; never, where there is none.
async fn pending<T>(call: &mut Option<Pending<T>>) -> Result<T, BusError> {
    match call {
        Some(call) => call.await,
        None => std::future::pending().await,
    }
}
