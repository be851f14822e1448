//! The envelope of an event, as a plugin sees it.

use serde_json::{Map, Value};

use crate::HandlerError;
use crate::bindings::agent::hothouse::agent::types as wit;

/// The envelope of the event that is being handled, with the host's count of attempts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metadata {
    /// UUID of the event, lower case, with hyphens.
    pub event_id: String,
    /// For example `agent.execution.started`.
    pub event_type: String,
    /// RFC 3339, in UTC.
    pub timestamp: String,
    /// Links related events. The event's own id where the producer set none.
    pub correlation_id: String,
    /// The event that caused this one.
    pub causation_id: Option<String>,
    /// The service that produced the event.
    pub source: Option<String>,
    /// Version of the event contract, `1.0`.
    pub version: String,
    /// 1 on the first run, one more on each retry.
    pub attempt: u32,
}

impl Metadata {
    /// Metadata for a test: fixed ids, a fixed time, attempt 1.
    pub fn sample(event_type: &str) -> Self {
        Self {
            event_id: "11111111-1111-4111-8111-111111111111".to_owned(),
            event_type: event_type.to_owned(),
            timestamp: "2024-01-16T20:01:00Z".to_owned(),
            correlation_id: "22222222-2222-4222-8222-222222222222".to_owned(),
            causation_id: None,
            source: Some("test".to_owned()),
            version: "1.0".to_owned(),
            attempt: 1,
        }
    }
}

impl From<wit::Metadata> for Metadata {
    fn from(metadata: wit::Metadata) -> Self {
        let wit::Metadata {
            event_id,
            event_type,
            timestamp,
            correlation_id,
            causation_id,
            source,
            version,
            attempt,
        } = metadata;
        Self {
            event_id,
            event_type,
            timestamp,
            correlation_id,
            causation_id,
            source,
            version,
            attempt,
        }
    }
}

impl From<Metadata> for wit::Metadata {
    fn from(metadata: Metadata) -> Self {
        let Metadata {
            event_id,
            event_type,
            timestamp,
            correlation_id,
            causation_id,
            source,
            version,
            attempt,
        } = metadata;
        Self {
            event_id,
            event_type,
            timestamp,
            correlation_id,
            causation_id,
            source,
            version,
            attempt,
        }
    }
}

/// Fields of an event's data that the contract doesn't name.
pub(crate) fn decode_extra(extra: &str) -> Result<Map<String, Value>, HandlerError> {
    serde_json::from_str(extra)
        .map_err(|error| HandlerError::validation(format_args!("the event's data: {error}")))
}
