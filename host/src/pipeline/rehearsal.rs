//! A run whose outcome is committed nowhere.

use chrono::Utc;

use super::Pipeline;
use crate::bus::{DeadLetter, Delivery, EntryId, Lane, Lease, Output, Verdict};
use crate::config::RetryPolicy;
use crate::event::{Event, Fields};
use crate::outcome::{self, Ended};
use crate::plugin::PluginId;

/// What would be committed if there were no retries.
#[derive(Debug)]
pub struct Rehearsal {
    /// The plugin that took it, where one did.
    pub plugin: Option<PluginId>,
    /// The attempt that it was told to be.
    pub attempt: u32,
    /// Events that would be appended.
    pub outputs: Vec<Output>,
    /// The dead letter that would be written.
    pub dead_letter: Option<Box<DeadLetter>>,
}

impl Pipeline {
    /// Runs an event once, as the delivery with this number would, and commits nothing. A
    /// failure that would be retried ends as the failed event that it would become.
    ///
    /// The caller holds a slot of the sandbox.
    ///
    /// # Errors
    /// When an outcome does not serialise, which is a defect of ours.
    pub async fn rehearse(
        &self,
        event: Event,
        attempt: u32,
    ) -> Result<Rehearsal, serde_json::Error> {
        let attempt = attempt.clamp(1, self.retry(&event).max_attempts());
        let plugin = self.plugin(&event);
        let ended = self.run(event, plugin, delivery(attempt)).await;
        let plugin = ended.plugin.clone();
        let once = RetryPolicy {
            delays: Vec::new(),
            ..RetryPolicy::default()
        };
        let ended = Ended {
            retry: &once,
            ..ended
        };
        let (outputs, dead_letter) = match outcome::conclude(ended, Utc::now())?.verdict {
            Verdict::Done {
                outputs,
                dead_letter,
                stops_lane: _,
            } => (outputs, dead_letter),
            Verdict::Retry { .. } | Verdict::Release => (Vec::new(), None),
        };
        Ok(Rehearsal {
            plugin,
            attempt,
            outputs,
            dead_letter,
        })
    }
}

fn delivery(attempt: u32) -> Delivery {
    Delivery {
        lease: Lease {
            entry: EntryId::ZERO,
            lane: Lane::default(),
            fence: 0,
        },
        fields: Fields::default(),
        attempt,
        history: Vec::new(),
    }
}
