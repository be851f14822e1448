//! What operators see of a bus and do to it, beside the hosts that run.

mod lanes;

use std::fmt;

use async_trait::async_trait;
use serde::Serialize;

use super::{
    Advice, BusError, Entry, EntryId, Lane, ReplayRun, ReplayStep, Subscription, TrimBound, Trimmed,
};
use crate::event::{Id, PluginRef};

pub use lanes::{LaneState, LaneStateName, LaneStatus, LaneStep, Lanes, Stepped};

/// Figures of a group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GroupStatus {
    /// The stream.
    pub stream: String,
    /// The group.
    pub group: String,
    /// Whether the group exists.
    pub exists: bool,
    /// Entries that the group has not read. None where the server can't tell.
    pub lag: Option<u64>,
    /// Entries read and not acknowledged.
    pub pending: u64,
    /// Of these, entries that wait behind their lane's head or for a retry.
    pub parked: u64,
    /// Lanes with an entry in work or waiting.
    pub lanes: u64,
    /// Of these, lanes that a dead letter stopped.
    pub stopped: u64,
    /// Dead letters.
    pub dead_letters: u64,
    /// Entries that were acknowledged as duplicates.
    pub duplicates: u64,
    /// Hosts whose lease is running.
    pub hosts: u64,
    /// Outputs that wait to be brought to a stream on another node of a cluster.
    pub outbox: u64,
}

/// What became of a dead letter that was to run again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Requeued {
    /// Its event is at the end of its stream.
    Appended {
        /// As this entry.
        entry: EntryId,
        /// How often it was requeued, with this time.
        generation: u32,
    },
    /// There is no such letter, or no more: nothing was changed.
    Gone,
    /// It cannot run again, and why: nothing was changed.
    Refused(String),
}

/// The stream with a record for each dead letter of a group that was purged: the fields
/// `letter`, `event_id` and `error_type` (empty where they could not be read), `reason` and
/// `at`. About the last 10,000 are kept.
#[must_use]
pub fn purged_stream(stream: &str, group: &str) -> String {
    format!("{}:purged", super::prefix(stream, group))
}

/// The operator's side of a [`Bus`](super::Bus).
///
/// Nothing here needs a lease: each call is one step of its own, and happens wholly or not at
/// all.
#[async_trait]
pub trait Operator: Send + Sync + fmt::Debug {
    /// Figures of a group, whether or not it exists.
    async fn status(&self, stream: &'static str, group: &str) -> Result<GroupStatus, BusError>;

    /// Lanes of a group that are not free, at most `max`, in no order; of one state, or of any.
    async fn lanes(
        &self,
        stream: &'static str,
        group: &str,
        state: Option<LaneStateName>,
        max: usize,
    ) -> Result<Lanes, BusError>;

    /// One lane; none where it is free.
    async fn lane(
        &self,
        stream: &'static str,
        group: &str,
        lane: &Lane,
    ) -> Result<Option<LaneStatus>, BusError>;

    /// Does something to one lane.
    async fn step_lane(
        &self,
        subscription: &Subscription,
        lane: &Lane,
        step: LaneStep,
    ) -> Result<Stepped, BusError>;

    /// Dead letters of a group, oldest first, at most `max`, and fewer once their bodies reach
    /// [`REPLY_BUDGET`](super::REPLY_BUDGET): the original fields and, last, `hothouse`
    /// ([`DeadLetter`](super::DeadLetter) as JSON).
    async fn dead_letters(
        &self,
        stream: &str,
        group: &str,
        after: EntryId,
        max: usize,
    ) -> Result<Vec<Entry>, BusError>;

    /// Runs dead letters again: each one's event is appended at the end of its stream, for
    /// this group alone, with its `generation` raised and, with `to`, for that plugin. In
    /// the same step its generation is no longer done, those before still are, and the letter is
    /// deleted: an event that is requeued twice runs once, and a copy that its producer sent
    /// before does not run in its place. The answers are in the order of `letters`.
    ///
    /// On an error some may be requeued already: sent again, these are [`Requeued::Gone`].
    async fn requeue(
        &self,
        subscription: &Subscription,
        letters: &[EntryId],
        to: Option<&PluginRef>,
    ) -> Result<Vec<Requeued>, BusError>;

    /// Deletes dead letters, and writes down in the same step which, when and why, as entries
    /// of the stream [`purged_stream`]. Gives how many were there.
    async fn purge(
        &self,
        subscription: &Subscription,
        letters: &[EntryId],
        reason: &str,
    ) -> Result<usize, BusError>;

    /// The id of the stream's last entry; zero where there is none.
    async fn last_id(&self, stream: &str) -> Result<EntryId, BusError>;

    /// Makes the record of a replay up to the entry `end`, its cursor at zero. Where the run
    /// was begun before, its record stays as it is. Records are kept for 30 days after their
    /// last step.
    async fn replay_begin(
        &self,
        stream: &str,
        run: Id,
        request: &str,
        end: EntryId,
    ) -> Result<ReplayRun, BusError>;

    /// Appends a step's events and moves the cursor, together, where the cursor still is the
    /// step's `after`; does nothing otherwise. Gives the record as it stands then: with the
    /// cursor at the step's `through`, the step is done, now or by an earlier try of this or
    /// another caller. None where there is no such run. No group's books are touched.
    async fn replay_append(&self, step: &ReplayStep) -> Result<Option<ReplayRun>, BusError>;

    /// The replays of a stream, the one that moved last at the end.
    async fn replay_runs(&self, stream: &str) -> Result<Vec<ReplayRun>, BusError>;

    /// What the operator should know of the server's set-up and of what other programs do to
    /// these groups and their streams: nothing where all is well.
    async fn advice(&self, subscriptions: &[Subscription]) -> Result<Vec<Advice>, BusError>;

    /// Removes the entries at the stream's front that `bound` allows and that every group has
    /// acknowledged: all groups that are there, and those in `groups`, which hold back
    /// everything while they are not. With `dry_run` it only says what would go.
    ///
    /// Goes in steps that are each whole and do not hold up the bus for long: where the call is
    /// dropped, what is removed by then was free to go.
    async fn trim(
        &self,
        stream: &'static str,
        groups: &[String],
        bound: TrimBound,
        dry_run: bool,
    ) -> Result<Trimmed, BusError>;
}
