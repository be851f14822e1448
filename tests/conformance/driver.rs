//! A host as the cases drive it. Like the real consumer (`host/src/consumer.rs`) it sends a
//! commit again, as it is, after an error, and after any error asks the bus what it holds.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use hothouse::bus::{
    Attempt, Beat, Bus, BusError, Commit, Committed, DeadLetter, Delivery, Fetched, Lane, LaneStep,
    Lease, Output, Stepped, Subscription, Verdict,
};
use hothouse::event::Id;
use hothouse::failure::ErrorType;
use tokio::time::{Instant, sleep};

use crate::harness::DEADLINE;
use crate::harness::events::completed;

/// Calls that may fail one after another.
const TRIES: usize = 10;

/// A host in one group.
pub(crate) struct Host {
    pub(crate) bus: Arc<dyn Bus>,
    pub(crate) subscription: Subscription,
    held: HashMap<u64, Lease>,
    /// Deliveries whose reply was lost, found again.
    found: Vec<Delivery>,
}

/// What became of a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Applied,
    Duplicate,
    Superseded,
    Refused,
}

/// The answer to some commits.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) ends: Vec<End>,
    /// Next entries of the lanes.
    pub(crate) next: Vec<Delivery>,
    /// The first reply was lost: the ends are those of a commit that was done before.
    pub(crate) sent_again: bool,
}

impl Answer {
    /// Where the first reply was lost, only the effects can tell.
    #[track_caller]
    pub(crate) fn assert_applied(&self) {
        let applied = self.ends.iter().all(|end| *end == End::Applied);
        assert!(applied || self.sent_again, "{:?}", self.ends);
    }

    #[track_caller]
    pub(crate) fn assert_all(&self, expected: End) {
        assert!(
            self.ends.iter().all(|end| *end == expected),
            "expected {expected:?}, found {:?}",
            self.ends
        );
    }

    /// The one next entry.
    #[track_caller]
    pub(crate) fn only_next(mut self) -> Delivery {
        assert_eq!(self.next.len(), 1, "next entries: {:?}", self.next);
        self.next.remove(0)
    }
}

impl Host {
    pub(crate) fn new(bus: Arc<dyn Bus>, subscription: Subscription) -> Self {
        Self {
            bus,
            subscription,
            held: HashMap::new(),
            found: Vec::new(),
        }
    }

    pub(crate) async fn fetch(&mut self, max: usize) -> Fetched {
        for _ in 0..TRIES {
            let room = max - self.found.len();
            match self.bus.fetch(&self.subscription, room).await {
                Ok(mut fetched) => {
                    self.hold(&fetched.deliveries);
                    let mut deliveries = std::mem::take(&mut self.found);
                    deliveries.append(&mut fetched.deliveries);
                    fetched.deliveries = deliveries;
                    return fetched;
                }
                Err(error) => self.after(&error).await,
            }
        }
        panic!("fetch failed {TRIES} times");
    }

    /// Deliveries of one fetch.
    pub(crate) async fn take(&mut self, max: usize) -> Vec<Delivery> {
        self.fetch(max).await.deliveries
    }

    /// The one delivery that there is.
    pub(crate) async fn take_one(&mut self) -> Delivery {
        let mut deliveries = self.take(100).await;
        assert_eq!(deliveries.len(), 1, "deliveries: {deliveries:?}");
        deliveries.remove(0)
    }

    pub(crate) async fn commit(&mut self, commits: Vec<Commit>) -> Answer {
        self.send(commits, true).await
    }

    /// A commit that does not ask for the lanes' next entries.
    pub(crate) async fn commit_only(&mut self, commits: Vec<Commit>) -> Answer {
        self.send(commits, false).await
    }

    async fn send(&mut self, commits: Vec<Commit>, advance: bool) -> Answer {
        let mut error = None;
        for _ in 0..TRIES {
            let replies = match self.bus.commit(&self.subscription, &commits, advance).await {
                Ok(replies) => replies,
                Err(found) => {
                    error = Some(found);
                    continue;
                }
            };
            assert_eq!(replies.len(), commits.len(), "an answer for each commit");
            for commit in &commits {
                self.held.remove(&commit.lease.fence);
            }
            let mut next = Vec::new();
            let mut ends = Vec::new();
            for reply in replies {
                let (end, entry) = match reply {
                    Committed::Applied(entry) => (End::Applied, entry),
                    Committed::Duplicate(entry) => (End::Duplicate, entry),
                    Committed::Superseded => (End::Superseded, None),
                    Committed::Refused(_) => (End::Refused, None),
                };
                ends.push(end);
                next.extend(entry.map(|entry| *entry));
            }
            self.hold(&next);
            if let Some(error) = &error {
                self.after(error).await;
                next.append(&mut self.found);
            }
            return Answer {
                ends,
                next,
                sent_again: error.is_some(),
            };
        }
        panic!("commit failed {TRIES} times: {error:?}");
    }

    /// Extends the lease and frees what dead hosts held.
    pub(crate) async fn heartbeat(&mut self) -> Beat {
        for _ in 0..TRIES {
            match self.bus.heartbeat(&self.subscription).await {
                Ok(beat) => return beat,
                Err(error) => self.after(&error).await,
            }
        }
        panic!("heartbeat failed {TRIES} times");
    }

    /// What an operator does to a lane.
    pub(crate) async fn step(&mut self, lane: &Lane, step: LaneStep) -> Stepped {
        let stepped = self.bus.step_lane(&self.subscription, lane, step).await;
        let stepped = stepped.expect("a step");
        if let Stepped::Done(Some(delivery)) = &stepped {
            self.hold(std::slice::from_ref(delivery.as_ref()));
        }
        stepped
    }

    /// Takes a lane's waiting head.
    pub(crate) async fn claim(&mut self, lane: &Lane) -> Delivery {
        match self.step(lane, LaneStep::Claim).await {
            Stepped::Done(Some(delivery)) => *delivery,
            other => panic!("nothing to claim: {other:?}"),
        }
    }

    pub(crate) async fn leave(&mut self) {
        let left = self.bus.leave(&self.subscription).await;
        left.expect("leave");
        self.held.clear();
    }

    /// Completes all that there is, and all that comes with it; the deliveries in the order
    /// in which they were run.
    pub(crate) async fn finish_all(&mut self) -> Vec<Delivery> {
        let mut run = Vec::new();
        let deadline = Instant::now() + DEADLINE;
        loop {
            let fetched = self.fetch(64).await;
            let idle = fetched.deliveries.is_empty() && !fetched.more;
            let mut batch = fetched.deliveries;
            while !batch.is_empty() {
                let commits = batch.iter().map(done).collect();
                run.append(&mut batch);
                batch = self.commit(commits).await.next;
            }
            if idle && fetched.next_due.is_none() {
                return run;
            }
            assert!(Instant::now() < deadline, "it never ends");
            if idle {
                sleep(Duration::from_millis(5)).await;
            }
        }
    }

    fn hold(&mut self, deliveries: &[Delivery]) {
        for delivery in deliveries {
            let lease = delivery.lease.clone();
            let known = self.held.insert(lease.fence, lease);
            assert_eq!(known, None, "one fence for two deliveries");
        }
    }

    async fn after(&mut self, error: &BusError) {
        assert!(matches!(error, BusError::Unavailable { .. }), "{error}");
        loop {
            let held: Vec<Lease> = self.held.values().cloned().collect();
            let found = self.bus.recover(&self.subscription, &held).await;
            let mut found = found.expect("recover");
            if found.is_empty() {
                break;
            }
            self.hold(&found);
            self.found.append(&mut found);
        }
        self.found.sort_by_key(|one| one.lease.entry);
    }
}

/// The delivery is completed.
pub(crate) fn done(delivery: &Delivery) -> Commit {
    done_with(delivery, vec![completed(&delivery.fields)], None)
}

/// The delivery ends with these.
pub(crate) fn done_with(
    delivery: &Delivery,
    outputs: Vec<Output>,
    dead_letter: Option<DeadLetter>,
) -> Commit {
    commit(
        delivery,
        Verdict::Done {
            outputs,
            dead_letter: dead_letter.map(Box::new),
            stops_lane: false,
        },
    )
}

/// The attempt failed.
pub(crate) fn retry(delivery: &Delivery, after: Duration) -> Commit {
    failed(delivery, after, false)
}

/// The attempt failed; the lane goes on while the entry waits for the next one.
pub(crate) fn retry_aside(delivery: &Delivery, after: Duration) -> Commit {
    failed(delivery, after, true)
}

fn failed(delivery: &Delivery, after: Duration, aside: bool) -> Commit {
    let mut history = delivery.history.clone();
    history.push(attempt(delivery.attempt));
    let verdict = Verdict::Retry {
        after,
        aside,
        history,
    };
    commit(delivery, verdict)
}

/// The delivery ends as a dead letter, and its lane stops.
pub(crate) fn stop_lane(delivery: &Delivery) -> Commit {
    commit(
        delivery,
        Verdict::Done {
            outputs: Vec::new(),
            dead_letter: Some(Box::new(dead_letter(delivery))),
            stops_lane: true,
        },
    )
}

/// The delivery goes back as it was.
pub(crate) fn release(delivery: &Delivery) -> Commit {
    commit(delivery, Verdict::Release)
}

fn commit(delivery: &Delivery, verdict: Verdict) -> Commit {
    Commit {
        lease: delivery.lease.clone(),
        event_id: event_id(delivery),
        verdict,
    }
}

fn event_id(delivery: &Delivery) -> Option<Id> {
    let text = std::str::from_utf8(delivery.fields.get("event_id")?).ok()?;
    text.parse().ok()
}

/// One failed attempt.
pub(crate) fn attempt(attempt: u32) -> Attempt {
    Attempt {
        attempt,
        at: some_time(),
        error_type: ErrorType::RetryableError,
        error_message: format!("attempt {attempt}: \"try | later\" \u{1f331}"),
        plugin: Some("backend-agent@0.1.0".into()),
        lost: None,
        fence: None,
    }
}

/// A dead letter of a delivery.
pub(crate) fn dead_letter(delivery: &Delivery) -> DeadLetter {
    DeadLetter {
        entry_id: delivery.lease.entry.to_string(),
        error_type: ErrorType::Trap,
        error_message: "unreachable | \u{fc}".into(),
        attempts: delivery.attempt,
        plugin: Some("backend-agent@0.1.0".into()),
        digest: Some("sha256:00".into()),
        first_at: some_time(),
        last_at: some_time(),
        history: delivery.history.clone(),
    }
}

fn some_time() -> DateTime<Utc> {
    DateTime::from_timestamp_millis(1_705_435_260_123).expect("a time")
}
