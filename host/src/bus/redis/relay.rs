//! The way of an output to a stream of another slot.
//!
//! In a cluster a commit may only touch its own stream's slot. It appends an output for another
//! stream to the group's outbox for that stream, in the same step. A relay takes the outbox's
//! oldest outputs, appends to the stream those that are not there yet, and deletes them from
//! the outbox. Any host of the group may relay, several at once, and stop at any point: what is
//! read is always the head of what is left, and what is deleted was appended before, so the
//! outputs arrive in the outbox's order, and each once.

use std::collections::HashSet;
use std::sync::{MutexGuard, PoisonError};
use std::time::Duration;

use redis::Value;
use tokio::time::Instant;

use super::{RedisBus, millis, wire};
use crate::bus::{BusError, Commit, Entry, REPLY_BUDGET, Subscription, Verdict, prefix};
use crate::event::{EventType, Fields, Id};

/// Outputs that go together to one stream.
const MAX_BATCH: usize = 64;

/// How long a relay may hold up the call that it belongs to, however long the lease.
const MOST_TIME: Duration = Duration::from_secs(3);

/// The head of one outbox.
struct Head {
    target: &'static str,
    /// Whether there are more outputs behind these.
    more: bool,
    outputs: Vec<Entry>,
}

impl RedisBus {
    /// Where a commit appends an output for `target`.
    pub(super) fn place(&self, subscription: &Subscription, target: &'static str) -> String {
        match self.link.is_cluster() && target != subscription.stream {
            true => outbox(subscription.stream, &subscription.group, target),
            false => target.to_owned(),
        }
    }

    /// Relays after a commit what it put into outboxes. Where a stream could not be reached the
    /// last time, this is left to the heartbeats, so that commits do not wait for it each time.
    pub(super) async fn relay_after(&self, subscription: &Subscription, commits: &[Commit]) {
        if !self.link.is_cluster() {
            return;
        }
        let outputs = commits.iter().flat_map(|commit| match &commit.verdict {
            Verdict::Done { outputs, .. } => outputs.as_slice(),
            Verdict::Retry { .. } | Verdict::Release => &[],
        });
        let filled: HashSet<&str> = outputs.map(|output| output.event_type.stream()).collect();
        let targets = targets(subscription.stream).filter(|target| {
            let outbox = outbox(subscription.stream, &subscription.group, target);
            filled.contains(target) && !self.stalled().contains(&outbox)
        });
        self.relay(subscription, targets.collect()).await;
    }

    /// Relays all that is in the group's outboxes.
    pub(super) async fn relay_all(&self, subscription: &Subscription) {
        if self.link.is_cluster() {
            let targets = targets(subscription.stream).collect();
            self.relay(subscription, targets).await;
        }
    }

    /// A heartbeat has to be known in time to have been heard, so this takes no more than a
    /// sixth of the lease. What is left is for the next time, and an error is only logged: it
    /// belongs to no commit and to no heartbeat.
    async fn relay(&self, subscription: &Subscription, targets: Vec<&'static str>) {
        if targets.is_empty() {
            return;
        }
        let deadline = Instant::now() + MOST_TIME.min(subscription.lease / 6);
        let (stream, group) = (subscription.stream, &subscription.group);
        match self.heads(subscription, &targets, deadline).await {
            Ok(heads) => {
                for target in targets {
                    if heads.iter().all(|head| head.target != target) {
                        self.stalled().remove(&outbox(stream, group, target));
                    }
                }
                let empty = heads
                    .into_iter()
                    .map(|head| self.empty(subscription, head, deadline));
                // Each to its own end: a stream that cannot be reached holds back no other.
                futures_util::future::join_all(empty).await;
            }
            Err(error) => {
                tracing::warn!("cannot read the outboxes of {group} on {stream}: {error}")
            }
        }
    }

    /// Goes on until the outbox is empty, its outputs cannot be brought, or the deadline.
    async fn empty(&self, subscription: &Subscription, mut head: Head, deadline: Instant) {
        let target = head.target;
        let outbox = outbox(subscription.stream, &subscription.group, target);
        loop {
            let brought = self.bring(subscription, &head, deadline).await;
            let next = match brought {
                Ok(()) if head.more && !left(deadline).is_zero() => {
                    self.heads(subscription, &[target], deadline).await
                }
                Ok(()) => Ok(Vec::new()),
                Err(error) => Err(error),
            };
            match next.map(|mut heads| heads.pop()) {
                Ok(Some(next)) => head = next,
                Ok(None) => {
                    self.stalled().remove(&outbox);
                    return;
                }
                Err(error) => {
                    tracing::warn!("outputs wait in {outbox}: {error}");
                    self.stalled().insert(outbox);
                    return;
                }
            }
        }
    }

    fn stalled(&self) -> MutexGuard<'_, HashSet<String>> {
        self.stalled.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many outputs are in the group's outboxes.
    pub(super) async fn waiting_outputs(
        &self,
        stream: &'static str,
        group: &str,
    ) -> Result<u64, BusError> {
        if !self.link.is_cluster() {
            return Ok(0);
        }
        let mut sizes = redis::pipe();
        for target in targets(stream) {
            sizes.xlen(outbox(stream, group, target));
        }
        let sizes: Vec<u64> = self
            .link
            .run(stream, async |connection| {
                sizes.query_async(connection).await
            })
            .await?;
        Ok(sizes.into_iter().sum())
    }

    /// The heads of those outboxes that are not empty.
    async fn heads(
        &self,
        subscription: &Subscription,
        targets: &[&'static str],
        deadline: Instant,
    ) -> Result<Vec<Head>, BusError> {
        let (stream, group) = (subscription.stream, &subscription.group);
        let mut call = self.scripts.outbox.prepare_invoke();
        for target in targets {
            call.key(outbox(stream, group, target));
        }
        call.arg(MAX_BATCH).arg(REPLY_BUDGET / targets.len());
        let reply: Value = self
            .link
            .run_within(left(deadline), stream, async |connection| {
                call.invoke_async(connection).await
            })
            .await?;
        let heads = wire::outboxes(reply).map_err(|reason| self.link.broken(reason))?;
        heads
            .into_iter()
            .map(|(number, more, outputs)| {
                let target = number.checked_sub(1).and_then(|at| targets.get(at));
                let target = target.ok_or_else(|| {
                    self.link
                        .broken(format!("there is no outbox number {number}"))
                })?;
                Ok(Head {
                    target,
                    more,
                    outputs,
                })
            })
            .collect()
    }

    /// Brings the outputs to their stream, and then deletes them from the outbox.
    async fn bring(
        &self,
        subscription: &Subscription,
        head: &Head,
        deadline: Instant,
    ) -> Result<(), BusError> {
        let (stream, group) = (subscription.stream, &subscription.group);
        let mut call = self.scripts.relay.key(head.target);
        call.key(format!("{{{}}}:relayed:{stream}:{group}", head.target))
            .arg(millis(subscription.dedup_window).max(1));
        for output in &head.outputs {
            call.arg(known_by(output)).arg(output.fields.0.len());
            for (name, value) in &output.fields.0 {
                call.arg(name.as_slice()).arg(value.as_slice());
            }
        }
        self.link
            .run_within::<()>(left(deadline), head.target, async |connection| {
                call.invoke_async(connection).await
            })
            .await?;
        let mut delete = redis::cmd("XDEL");
        delete.arg(outbox(stream, group, head.target));
        for output in &head.outputs {
            delete.arg(output.id.to_string());
        }
        self.link
            .run_within(left(deadline), stream, async |connection| {
                delete.query_async(connection).await
            })
            .await
    }
}

/// The streams that a group's outputs need an outbox for.
fn targets(stream: &'static str) -> impl Iterator<Item = &'static str> {
    let streams = EventType::STREAMS.into_iter();
    streams.filter(move |target| *target != stream)
}

fn outbox(stream: &str, group: &str, target: &str) -> String {
    format!("{}:outbox:{target}", prefix(stream, group))
}

fn left(deadline: Instant) -> Duration {
    deadline.saturating_duration_since(Instant::now())
}

/// An event's id is the same when its commit has to be made again, as after a failover that
/// lost it. Without one, the output is known by its place in the outbox.
fn known_by(output: &Entry) -> String {
    let event_id = |fields: &Fields| -> Option<Id> {
        let text = std::str::from_utf8(fields.get("event_id")?).ok()?;
        text.parse().ok()
    };
    event_id(&output.fields).map_or_else(|| output.id.to_string(), |id| id.to_string())
}
