//! The event contract: envelope, the thirteen types, `discovery.failed`, and the codec
//! between stream entries and events. No IO.
//!
//! The contract's examples, one for each type, are in `demo/events`; the rules beyond them in
//! `docs/adr/`.

mod codec;
mod envelope;
mod glance;
mod id;
mod kind;
mod payload;
mod salvage;
mod shallow;
mod target;

pub use codec::{Malformed, decode, decode_json, encode, is_too_deep};
pub use envelope::{Envelope, ParseTimestampError, parse_timestamp};
pub(crate) use glance::Glance;
pub use id::{Id, ParseIdError};
pub use kind::EventType;
pub use payload::{
    AgentExecutionCompleted, AgentExecutionFailed, AgentExecutionStarted, BlastRadius,
    DetectedStack, DiscoveryCompleted, DiscoveryFailed, DiscoveryStarted, Extra,
    FeatureRequestCreated, Payload, PayloadError, Phase, PlanningCompleted, PlanningStarted,
    PrCreated, PrMerged, RepoConnected, RepoSyncCompleted, RepoSyncStarted, SyncTrigger, SyncType,
    TokenUsage,
};
pub use salvage::Salvaged;
pub(crate) use shallow::Shallow;
pub use target::{ParsePluginRefError, PluginRef};

/// One event, decoded and found to meet the contract.
#[derive(Debug, Clone)]
pub struct Event {
    /// Who, when, and what it belongs to.
    pub envelope: Envelope,
    /// What happened, typed.
    pub payload: Payload,
    /// The text that `payload` was parsed from, for handlers that take an event as it is.
    pub data: String,
}

/// The fields of one stream entry, in order, as bytes: Redis promises no more than that.
/// Where a name comes twice, the last one counts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fields(pub Vec<(Vec<u8>, Vec<u8>)>);

impl Fields {
    /// The value of a field.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        self.0
            .iter()
            .rev()
            .find(|(key, _)| key == name.as_bytes())
            .map(|(_, value)| value.as_slice())
    }

    /// The JSON of an entry that has its whole event in one field.
    pub(crate) fn whole_event(&self) -> Option<&[u8]> {
        match self.get("type") {
            Some(_) => None,
            None => self.get("event"),
        }
    }

    /// Adds a field at the end.
    pub fn push(&mut self, name: &str, value: impl Into<Vec<u8>>) {
        self.0.push((name.as_bytes().to_vec(), value.into()));
    }

    /// Bytes of all names and values.
    #[must_use]
    pub fn size(&self) -> usize {
        self.0.iter().map(|(k, v)| k.len() + v.len()).sum()
    }
}
