//! What trimming a stream may remove, and what it removed.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

use super::EntryId;

/// Entries that one step looks at: a few milliseconds of the server's time, of which most go to
/// what is parked, where much is.
pub(super) const STEP: usize = 1000;

/// What may go of that which every group has acknowledged. An entry goes where every bound
/// that is given allows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TrimBound {
    /// Only entries older than this, by the server's clock.
    pub older_than: Option<Duration>,
    /// Never the newest ones, this many.
    pub keep: Option<u64>,
}

/// What a trim removed, or would remove.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Trimmed {
    /// Entries.
    pub removed: u64,
    /// The last of them.
    pub up_to: Option<EntryId>,
    /// Why an entry stays that the bound lets go.
    pub held_back_by: Option<HeldBack>,
}

/// Why an entry was not trimmed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum HeldBack {
    /// This group has not acknowledged it.
    Group(String),
    /// This group is configured and does not exist yet: it may begin at the first entry.
    Missing(String),
    /// The stream has no group: nobody has acknowledged anything.
    NoGroup,
}

impl fmt::Display for HeldBack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Group(group) => write!(f, "{group} has not acknowledged the rest"),
            Self::Missing(group) => write!(f, "{group} does not exist yet"),
            Self::NoGroup => f.write_str("the stream has no group"),
        }
    }
}
