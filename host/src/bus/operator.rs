//! What operators see of a bus and do to it, beside the hosts that run.

mod lanes;

use std::fmt;

use async_trait::async_trait;
use serde::Serialize;

use super::{BusError, Entry, EntryId, Lane, Subscription};

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

    /// Dead letters of a group, oldest first, at most `max`: the original fields and, last,
    /// `hothouse` ([`DeadLetter`] as JSON).
    async fn dead_letters(
        &self,
        stream: &str,
        group: &str,
        after: EntryId,
        max: usize,
    ) -> Result<Vec<Entry>, BusError>;

    /// What the operator should know of the server's set-up: nothing where all is well.
    async fn advice(&self) -> Result<Vec<String>, BusError>;
}
