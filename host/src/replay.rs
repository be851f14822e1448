//! Replay: events that a group has handled, run again. As a dry run, whose outcomes are
//! compared with the recorded ones and committed nowhere; or for real, as new events at the
//! ends of their lanes.

mod append;
mod compare;
mod derive;
mod difference;
mod dry_run;
mod recorded;
mod scan;
mod select;

use serde::{Deserialize, Serialize};

use crate::event::PluginRef;

pub use append::{Pace, ReplayError, append};
pub use compare::{Comparison, Finding, Side, compare};
pub use derive::{SOURCE, derive};
pub use difference::{Difference, Path, Step, differences};
pub use dry_run::{DryRun, DryRunError, Rehearsals, Rehearsed};
pub use recorded::{Place, Record, Recorded};
pub use scan::{Count, Scan, Selected, count};
pub use select::{Choice, Selection, Selector};

/// What a run is asked to replay, kept with its record on the bus so that it can go on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// Which entries.
    pub selection: Selection,
    /// At most so many of them, the oldest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
    /// The plugin that is to take them, instead of their routes'.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<PluginRef>,
    /// How many there were when the run began.
    pub selected: u64,
}
