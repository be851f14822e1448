//! What the bus keeps of a replay, so that it can be interrupted at any point and go on.

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::EntryId;
use crate::event::{Fields, Id};

/// How long the record of a replay is kept after its last step.
pub(super) const KEPT: Duration = Duration::from_secs(30 * 24 * 3600);

/// The most fields that an appended event may have: Redis hands no more on in one call.
pub const MOST_FIELDS: usize = 3000;

/// The record of a replay. The bus moves it; nobody else does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplayRun {
    /// Names the run.
    pub run: Id,
    /// The stream that it reads from and appends to.
    pub stream: String,
    /// What the caller asked to have kept. The bus does not look into it.
    pub request: String,
    /// The last entry that belongs to it. What comes later, its own events among it, does not.
    pub end: EntryId,
    /// Everything up to this entry, and this one, is dealt with.
    pub cursor: EntryId,
    /// Events that were appended.
    pub appended: u64,
    /// Whether nothing is left to append.
    pub finished: bool,
    /// When it began, by the server's clock.
    pub begun_at: DateTime<Utc>,
    /// When it last moved, by the server's clock.
    pub moved_at: DateTime<Utc>,
}

/// One step of a replay, which happens wholly or not at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplayStep {
    /// The run's stream.
    pub stream: String,
    /// The run.
    pub run: Id,
    /// The cursor that the step was worked out from.
    pub after: EntryId,
    /// The cursor once it is done.
    pub through: EntryId,
    /// The events of the entries behind `after`, up to `through`.
    pub events: Vec<Fields>,
    /// Whether it is the last one.
    pub finishes: bool,
}

impl ReplayStep {
    /// What no bus can append, found before anything is sent.
    pub(super) fn refusal(&self) -> Option<String> {
        let mut sizes = self.events.iter().map(|event| event.0.len());
        let size = sizes.find(|size| !(1..=MOST_FIELDS).contains(size))?;
        Some(format!(
            "an entry has between 1 and {MOST_FIELDS} fields, and one has {size}"
        ))
    }
}
