//! The bus: streams in, outcomes out, and everything that makes delivery exact.
//!
//! [`Bus`] is the contract. It has two implementations, [`redis`] and [`embedded`], and one
//! list of conformance cases (`tests/conformance`) that both pass.

mod advice;
pub mod embedded;
mod entry_id;
mod lane;
mod operator;
pub mod redis;
mod replay;
mod routes;
mod trim;
mod url;

use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::event::{EventType, Fields, Id};
use crate::failure::ErrorType;

pub use advice::{Advice, Severity};
pub use entry_id::EntryId;
pub use lane::Lane;
pub use operator::{
    GroupStatus, LaneState, LaneStateName, LaneStatus, LaneStep, Lanes, Operator, Requeued,
    Stepped, purged_stream,
};
pub use replay::{MOST_FIELDS, ReplayRun, ReplayStep};
pub use trim::{HeldBack, TrimBound, Trimmed};
pub use url::{BusUrl, BusUrlError, connect};

/// Once the bodies in one reply of a bus add up to this many bytes, a bus may leave further
/// entries to the next call.
pub const REPLY_BUDGET: usize = 8 << 20;

/// One entry of a stream, as it stands there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its id.
    pub id: EntryId,
    /// Its fields.
    pub fields: Fields,
}

/// A group on a stream, and which of its types the group handles.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscription {
    /// The stream.
    pub stream: &'static str,
    /// The consumer group.
    pub group: String,
    /// The types that are handed out. All others are acknowledged and skipped.
    pub types: Vec<EventType>,
    /// Where a group that doesn't exist yet begins.
    pub start: Start,
    /// How long a finished event_id is remembered.
    pub dedup_window: Duration,
    /// How long a host that is not heard of keeps what it holds.
    pub lease: Duration,
    /// Reading stops while this many entries wait behind busy lanes.
    pub parked_limit: usize,
    /// The routes of these types, which all hosts of the group have in common
    /// ([`shared_routes`](crate::router::shared_routes)).
    pub routes: String,
}

/// Where a new group begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Start {
    /// At the stream's first entry.
    #[default]
    All,
    /// After the stream's last entry.
    New,
}

/// The right to finish one entry, held by the host that got the delivery.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Lease {
    /// The entry.
    pub entry: EntryId,
    /// The lane that it heads.
    pub lane: Lane,
    /// Grows with every delivery of the group. Only the newest holder of a lane may commit.
    pub fence: u64,
}

/// An entry handed to this host, the head of its lane.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// What [`Bus::commit`] takes back.
    pub lease: Lease,
    /// The entry's fields.
    pub fields: Fields,
    /// 1 on the first run. Runs that ended with a crash of their host count.
    pub attempt: u32,
    /// The attempts that ended with a [`Verdict::Retry`], or with their host, oldest first.
    pub history: Vec<Attempt>,
}

/// One attempt that failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// 1 for the first run.
    pub attempt: u32,
    /// When it ended, by the host's clock.
    pub at: DateTime<Utc>,
    /// Its failure's class.
    pub error_type: ErrorType,
    /// Its failure's message.
    pub error_message: String,
    /// `name@version` of the plugin that ran.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub plugin: Option<String>,
    /// Set where nothing more was heard of the run's host.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub lost: Option<Loss>,
    /// The fence of a run that was lost.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub fence: Option<u64>,
}

/// How a run was lost with its host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Loss {
    /// The host may have run others beside it: any of them may be what ended it.
    InCompany,
    /// It was the only one in its host ([`Bus::begin_alone`]).
    Alone,
    /// The host was there after all: the run used up no attempt.
    GivenBack,
}

/// Marks the runs of a history that were given back: those that are told of as lost and whose
/// fence is not in `lost`, the fences that count, each with a comma behind it.
fn mark_given_back(history: &mut [Attempt], lost: &str) {
    for run in history.iter_mut().filter(|run| run.lost.is_some()) {
        let counts = |fence: u64| lost.split(',').any(|one| one.parse() == Ok(fence));
        if !run.fence.is_some_and(counts) {
            run.lost = Some(Loss::GivenBack);
        }
    }
}

impl Delivery {
    /// Whether a run was lost with its host, and how. Those that were given back do not count.
    #[must_use]
    pub fn loss(&self) -> Option<Loss> {
        let lost = |loss| self.history.iter().any(|run| run.lost == Some(loss));
        let losses = [Loss::Alone, Loss::InCompany];
        losses.into_iter().find(|loss| lost(*loss))
    }
}

/// What a fetch found.
#[derive(Debug, Default)]
pub struct Fetched {
    /// Lane heads to run, at most as many as were asked for.
    pub deliveries: Vec<Delivery>,
    /// When the next retry is due, where one is waiting.
    pub next_due: Option<Duration>,
    /// Whether the fetch read anything: where it did, there may be more.
    pub more: bool,
    /// Whether reading stopped because too much waits ([`Subscription::parked_limit`]).
    pub full: bool,
    /// Last entry that the group has read, for [`Bus::wait`].
    pub cursor: EntryId,
}

/// What a heartbeat found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Beat {
    /// Entries freed, which hosts held that are gone.
    pub freed: usize,
    /// Whether a lane waits for a host, so that there is something to fetch.
    pub waiting: bool,
    /// When the next lease of a host ends if nothing is heard of it: a heartbeat then frees
    /// what it holds at once.
    pub next_end: Duration,
}

/// How a delivery ends.
#[derive(Debug, Clone)]
pub struct Commit {
    /// The delivery's.
    pub lease: Lease,
    /// The event's id where it could be read; it is then recorded as done.
    pub event_id: Option<Id>,
    /// The end.
    pub verdict: Verdict,
}

/// What to do with a delivered entry.
#[derive(Debug, Clone)]
pub enum Verdict {
    /// It is finished: append these, write the dead letter, acknowledge.
    Done {
        /// Events to append, each to its stream, in order.
        outputs: Vec<Output>,
        /// Set where the event ends without a verdict of its handler.
        dead_letter: Option<Box<DeadLetter>>,
        /// Whether nothing more of the lane is handed out until an operator releases it.
        stops_lane: bool,
    },
    /// Run it again later. Uses an attempt.
    Retry {
        /// From now, by the server's clock.
        after: Duration,
        /// Whether the lane's later entries go on meanwhile. Else the lane waits with it.
        aside: bool,
        /// The whole history of the delivery, with this attempt.
        history: Vec<Attempt>,
    },
    /// Hand it back as it was. Uses no attempt.
    Release,
}

impl Verdict {
    /// About the bytes that a commit of it sends to the bus.
    #[must_use]
    pub fn size(&self) -> usize {
        match self {
            Self::Done { outputs, .. } => outputs.iter().map(|output| output.fields.size()).sum(),
            Self::Retry { .. } | Self::Release => 0,
        }
    }
}

/// An event to append.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// Its type, which names its stream.
    pub event_type: EventType,
    /// The encoded event.
    pub fields: Fields,
}

/// What is added, as the last field `hothouse`, to the original fields of a dead letter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadLetter {
    /// The entry's id on its stream.
    pub entry_id: String,
    /// Reason code.
    pub error_type: ErrorType,
    /// What happened.
    pub error_message: String,
    /// Runs that were begun.
    pub attempts: u32,
    /// `name@version` of the plugin that ran last.
    pub plugin: Option<String>,
    /// Its digest.
    pub digest: Option<String>,
    /// When the first attempt ended.
    pub first_at: DateTime<Utc>,
    /// When the last attempt ended.
    pub last_at: DateTime<Utc>,
    /// Every attempt.
    pub history: Vec<Attempt>,
}

impl DeadLetter {
    /// The dead letter of an entry that is gone from its stream before it was handled.
    fn trimmed(entry: EntryId) -> Self {
        let now = Utc::now();
        Self {
            entry_id: entry.to_string(),
            error_type: ErrorType::HostError,
            error_message: "the entry was trimmed from the stream before it was handled".into(),
            attempts: 0,
            plugin: None,
            digest: None,
            first_at: now,
            last_at: now,
            history: Vec::new(),
        }
    }
}

/// What became of a [`Commit`].
#[derive(Debug)]
pub enum Committed {
    /// It is done. The lane's next entry comes along where there is one and it was asked
    /// for.
    Applied(Option<Box<Delivery>>),
    /// The event was finished before, by this commit's earlier try or by another entry with
    /// the same event_id: nothing was appended.
    Duplicate(Option<Box<Delivery>>),
    /// The lease was lost: nothing was changed.
    Superseded,
    /// The bus cannot apply it, and says why: nothing was changed, the lease still holds. The
    /// batch's other commits are not touched by it.
    Refused(String),
}

/// Why the bus did not answer. None of these becomes an event: the delivery stays pending.
#[derive(Debug, thiserror::Error)]
pub enum BusError {
    /// It may work later: the server is away, loading, full or read-only.
    #[error("the bus at {bus} is not available: {reason}")]
    Unavailable {
        /// Which.
        bus: String,
        /// What the server or the connection said.
        reason: String,
    },
    /// The group was deleted.
    #[error("the group {group} on {stream} does not exist")]
    NoGroup {
        /// The stream.
        stream: String,
        /// The group.
        group: String,
    },
    /// Another host is in the group, with a running lease, and has other routes.
    #[error(
        "the hosts of the group {group} on {stream} have other routes or another \
         host.dedup_window_s ({difference}): give all hosts of a group the same, or stop those \
         that run before you change it"
    )]
    RoutesDiffer {
        /// The stream.
        stream: String,
        /// The group.
        group: String,
        /// Which routes are theirs alone and ours alone.
        difference: String,
    },
    /// It will not work later either: an answer that makes no sense, a wrong type of key.
    #[error("the bus at {bus} cannot be used: {reason}")]
    Broken {
        /// Which.
        bus: String,
        /// What it answered.
        reason: String,
    },
}

/// Where everything of a group stands. The braces are a hash tag: in a Redis Cluster all keys
/// of a group share the stream's slot.
fn prefix(stream: &str, group: &str) -> String {
    format!("{{{stream}}}:{group}")
}

/// The stream of a group's dead letters.
fn dead_letter_stream(stream: &str, group: &str) -> String {
    format!("{}:dlq", prefix(stream, group))
}

/// Streams with groups, lanes, leases and atomic commits.
///
/// One value stands for one host (its *consumer*, with an identity of its own for each
/// start). Guarantees, held by every implementation:
///
/// - **Exactly once.** [`Bus::commit`] applies each commit wholly or not at all: outcome,
///   dead letter, acknowledgement and deduplication record together. Sent again, it changes
///   nothing.
/// - **Order.** Of one lane (aggregate) at most one entry is handed out at a time, in stream
///   order; a retry keeps its place. A busy lane holds back no other.
/// - **Leases.** What a host holds is its own until its lease ends by the server's clock;
///   [`Bus::heartbeat`] extends it. After that the entries are handed out again with their
///   attempt counted, and the old holder's commit is [`Committed::Superseded`]; it tells the
///   bus that the host is there after all, and the attempt is given back. Where no host at all
///   was heard of for a lease, the bus was away: every host gets one more lease to come back.
/// - **Deduplication** by event_id within `dedup_window` for each group.
///
/// Every call may be dropped (cancelled). It has then happened or not, as after a lost
/// reply: [`Bus::recover`] finds deliveries that the caller does not know of, and a commit
/// may be sent again.
#[async_trait]
pub trait Bus: Operator {
    /// Appends entries, in order, all or none.
    async fn publish(&self, stream: &str, entries: Vec<Fields>) -> Result<Vec<EntryId>, BusError>;

    /// Entries after `after`, oldest first, at most `max`.
    async fn read(&self, stream: &str, after: EntryId, max: usize) -> Result<Vec<Entry>, BusError>;

    /// One entry; none where there is none with the id.
    async fn read_one(&self, stream: &str, id: EntryId) -> Result<Option<Entry>, BusError> {
        let found = self.read(stream, id.before(), 1).await?;
        Ok(found.into_iter().find(|entry| entry.id == id))
    }

    /// Creates the group where it does not exist, and begins this host's lease. Called once
    /// before the first fetch.
    ///
    /// # Errors
    /// [`BusError::RoutesDiffer`] where a host with a running lease has other routes: nothing
    /// was changed. Where there is none, the group's routes are this host's from now on.
    async fn join(&self, subscription: &Subscription) -> Result<(), BusError>;

    /// Hands out at most `max` lane heads: due retries and released entries first, then new
    /// ones. Does not wait.
    async fn fetch(&self, subscription: &Subscription, max: usize) -> Result<Fetched, BusError>;

    /// Ends deliveries, each on its own; the answers are in the same order. With `advance`,
    /// the lanes' next entries come back as deliveries, up to [`REPLY_BUDGET`]; a fetch hands
    /// out the rest.
    async fn commit(
        &self,
        subscription: &Subscription,
        commits: &[Commit],
        advance: bool,
    ) -> Result<Vec<Committed>, BusError>;

    /// Deliveries that this host holds by the bus's books but that are not among `held`: the
    /// ones whose reply was lost. Gives some of them at a time ([`REPLY_BUDGET`]), and none
    /// when there are no more. No fetch or commit of this host may be under way for the
    /// subscription.
    async fn recover(
        &self,
        subscription: &Subscription,
        held: &[Lease],
    ) -> Result<Vec<Delivery>, BusError>;

    /// Notes that the delivery's run begins with no other in this host: where the host is lost
    /// with it, [`Loss::Alone`] says so. False where the lease is lost.
    async fn begin_alone(
        &self,
        subscription: &Subscription,
        lease: &Lease,
    ) -> Result<bool, BusError>;

    /// Extends this host's lease and frees what hosts with an ended lease held.
    async fn heartbeat(&self, subscription: &Subscription) -> Result<Beat, BusError>;

    /// Gives up this host's lease; what it still holds is free at once, its attempt not
    /// counted.
    async fn leave(&self, subscription: &Subscription) -> Result<(), BusError>;

    /// Returns when the stream has entries after `cursor`, or after `at_most`, whichever is
    /// first. May return early.
    async fn wait(
        &self,
        subscription: &Subscription,
        cursor: EntryId,
        at_most: Duration,
    ) -> Result<(), BusError>;
}
