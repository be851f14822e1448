//! A bus that loses replies.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use hothouse::bus::{
    Advice, Beat, Bus, BusError, Commit, Committed, Delivery, Entry, EntryId, Fetched, GroupStatus,
    Lane, LaneStateName, LaneStatus, LaneStep, Lanes, Lease, Operator, ReplayRun, ReplayStep,
    Requeued, Stepped, Subscription, TrimBound, Trimmed,
};
use hothouse::event::{Fields, Id, PluginRef};

/// Does what it is asked to, and then loses the reply of every second fetch, commit, heartbeat,
/// requeue, purge, and begin and step of a replay, beginning with the first of each.
#[derive(Debug)]
pub(crate) struct Flaky<B> {
    inner: B,
    fetches: AtomicUsize,
    commits: AtomicUsize,
    heartbeats: AtomicUsize,
    requeues: AtomicUsize,
    purges: AtomicUsize,
    replay_begins: AtomicUsize,
    replay_steps: AtomicUsize,
}

impl<B> Flaky<B> {
    pub(crate) fn new(inner: B) -> Self {
        Self {
            inner,
            fetches: AtomicUsize::new(0),
            commits: AtomicUsize::new(0),
            heartbeats: AtomicUsize::new(0),
            requeues: AtomicUsize::new(0),
            purges: AtomicUsize::new(0),
            replay_begins: AtomicUsize::new(0),
            replay_steps: AtomicUsize::new(0),
        }
    }
}

fn lose_every_second<T>(calls: &AtomicUsize, reply: Result<T, BusError>) -> Result<T, BusError> {
    if calls.fetch_add(1, Ordering::Relaxed).is_multiple_of(2) {
        return Err(BusError::Unavailable {
            bus: "flaky".into(),
            reason: "the reply was lost".into(),
        });
    }
    reply
}

#[async_trait]
impl<B: Bus> Bus for Flaky<Arc<B>>
where
    B: ?Sized,
{
    async fn publish(&self, stream: &str, entries: Vec<Fields>) -> Result<Vec<EntryId>, BusError> {
        self.inner.publish(stream, entries).await
    }

    async fn read(&self, stream: &str, after: EntryId, max: usize) -> Result<Vec<Entry>, BusError> {
        self.inner.read(stream, after, max).await
    }

    async fn join(&self, subscription: &Subscription) -> Result<(), BusError> {
        self.inner.join(subscription).await
    }

    async fn fetch(&self, subscription: &Subscription, max: usize) -> Result<Fetched, BusError> {
        let reply = self.inner.fetch(subscription, max).await;
        lose_every_second(&self.fetches, reply)
    }

    async fn commit(
        &self,
        subscription: &Subscription,
        commits: &[Commit],
        advance: bool,
    ) -> Result<Vec<Committed>, BusError> {
        let reply = self.inner.commit(subscription, commits, advance).await;
        lose_every_second(&self.commits, reply)
    }

    async fn recover(
        &self,
        subscription: &Subscription,
        held: &[Lease],
    ) -> Result<Vec<Delivery>, BusError> {
        self.inner.recover(subscription, held).await
    }

    async fn begin_alone(
        &self,
        subscription: &Subscription,
        lease: &Lease,
    ) -> Result<bool, BusError> {
        self.inner.begin_alone(subscription, lease).await
    }

    async fn heartbeat(&self, subscription: &Subscription) -> Result<Beat, BusError> {
        let reply = self.inner.heartbeat(subscription).await;
        lose_every_second(&self.heartbeats, reply)
    }

    async fn leave(&self, subscription: &Subscription) -> Result<(), BusError> {
        self.inner.leave(subscription).await
    }

    async fn wait(
        &self,
        subscription: &Subscription,
        cursor: EntryId,
        at_most: Duration,
    ) -> Result<(), BusError> {
        self.inner.wait(subscription, cursor, at_most).await
    }
}

#[async_trait]
impl<B: Bus> Operator for Flaky<Arc<B>>
where
    B: ?Sized,
{
    async fn status(&self, stream: &'static str, group: &str) -> Result<GroupStatus, BusError> {
        self.inner.status(stream, group).await
    }

    async fn lanes(
        &self,
        stream: &'static str,
        group: &str,
        state: Option<LaneStateName>,
        max: usize,
    ) -> Result<Lanes, BusError> {
        self.inner.lanes(stream, group, state, max).await
    }

    async fn lane(
        &self,
        stream: &'static str,
        group: &str,
        lane: &Lane,
    ) -> Result<Option<LaneStatus>, BusError> {
        self.inner.lane(stream, group, lane).await
    }

    async fn step_lane(
        &self,
        subscription: &Subscription,
        lane: &Lane,
        step: LaneStep,
    ) -> Result<Stepped, BusError> {
        self.inner.step_lane(subscription, lane, step).await
    }

    async fn dead_letters(
        &self,
        stream: &str,
        group: &str,
        after: EntryId,
        max: usize,
    ) -> Result<Vec<Entry>, BusError> {
        self.inner.dead_letters(stream, group, after, max).await
    }

    async fn requeue(
        &self,
        subscription: &Subscription,
        letters: &[EntryId],
        to: Option<&PluginRef>,
    ) -> Result<Vec<Requeued>, BusError> {
        let reply = self.inner.requeue(subscription, letters, to).await;
        lose_every_second(&self.requeues, reply)
    }

    async fn purge(
        &self,
        subscription: &Subscription,
        letters: &[EntryId],
        reason: &str,
    ) -> Result<usize, BusError> {
        let reply = self.inner.purge(subscription, letters, reason).await;
        lose_every_second(&self.purges, reply)
    }

    async fn last_id(&self, stream: &str) -> Result<EntryId, BusError> {
        self.inner.last_id(stream).await
    }

    async fn replay_begin(
        &self,
        stream: &str,
        run: Id,
        request: &str,
        end: EntryId,
    ) -> Result<ReplayRun, BusError> {
        let reply = self.inner.replay_begin(stream, run, request, end).await;
        lose_every_second(&self.replay_begins, reply)
    }

    async fn replay_append(&self, step: &ReplayStep) -> Result<Option<ReplayRun>, BusError> {
        let reply = self.inner.replay_append(step).await;
        lose_every_second(&self.replay_steps, reply)
    }

    async fn replay_runs(&self, stream: &str) -> Result<Vec<ReplayRun>, BusError> {
        self.inner.replay_runs(stream).await
    }

    async fn advice(&self, subscriptions: &[Subscription]) -> Result<Vec<Advice>, BusError> {
        self.inner.advice(subscriptions).await
    }

    async fn trim(
        &self,
        stream: &'static str,
        groups: &[String],
        bound: TrimBound,
        dry_run: bool,
    ) -> Result<Trimmed, BusError> {
        self.inner.trim(stream, groups, bound, dry_run).await
    }
}
