//! What operators see of lanes, and do to them.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::bus::{Attempt, Delivery, EntryId, Lane};

/// Lanes of a group that are not free.
#[derive(Debug, Clone, Default)]
pub struct Lanes {
    /// As many as were asked for.
    pub lanes: Vec<LaneStatus>,
    /// All that there are in the state that was asked for.
    pub total: usize,
}

/// A lane that is not free.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LaneStatus {
    /// Which.
    pub lane: Lane,
    /// What keeps it.
    pub state: LaneState,
    /// Its first entry. A stopped lane may have none.
    pub head: Option<EntryId>,
    /// Runs of the head that have ended.
    pub attempts: u32,
    /// How they ended.
    pub history: Vec<Attempt>,
    /// Entries that are read and not handed out, the head among them where it waits.
    pub waiting: u64,
}

/// Why a lane is not free.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LaneState {
    /// A host has its head.
    Held {
        /// The host.
        host: String,
        /// The run.
        attempt: u32,
        /// Whether the host runs nothing beside it.
        alone: bool,
    },
    /// Its head waits for its retry or for a host.
    Waiting {
        /// For how long, by the server's clock.
        due_in: Duration,
    },
    /// A dead letter stopped it ([`Verdict::Done`](crate::bus::Verdict)): nothing of it is
    /// handed out until it is released.
    Stopped {
        /// The entry that ended as a dead letter.
        by: EntryId,
        /// When.
        since: DateTime<Utc>,
    },
}

/// The name of a [`LaneState`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum LaneStateName {
    /// A host has its head.
    Held,
    /// Its head waits for its retry or for a host.
    Waiting,
    /// A dead letter stopped it.
    Stopped,
}

impl LaneStateName {
    /// The name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Waiting => "waiting",
            Self::Stopped => "stopped",
        }
    }
}

impl LaneState {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> LaneStateName {
        match self {
            Self::Held { .. } => LaneStateName::Held,
            Self::Waiting { .. } => LaneStateName::Waiting,
            Self::Stopped { .. } => LaneStateName::Stopped,
        }
    }
}

/// What an operator does to a lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LaneStep {
    /// Lets a stopped lane go on.
    Release,
    /// Lets a lane whose head waits go on with it at once.
    RetryNow,
    /// Hands a waiting head to this host, which is to commit it as any delivery.
    Claim,
}

/// What became of a [`LaneStep`]. Nothing was changed unless it is done.
#[derive(Debug)]
pub enum Stepped {
    /// Done. A claim gives the head; none where the lane had no entry left to be run.
    Done(Option<Box<Delivery>>),
    /// The lane is free: nothing waits in it.
    Free,
    /// A host runs its head.
    Held {
        /// The host.
        host: String,
    },
    /// Its head waits: there is nothing to release.
    Waiting,
    /// It is stopped: it is to be released first.
    Stopped,
}
