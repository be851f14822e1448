//! The part that every event has.

use chrono::{DateTime, NaiveDateTime, Utc};

use super::{EventType, Id, PluginRef};

/// The envelope of an event, as read and as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    /// Deduplicates the event within a group.
    pub event_id: Id,
    /// Its type.
    pub event_type: EventType,
    /// When it happened, by the producer's clock.
    pub timestamp: DateTime<Utc>,
    /// Links related events. Optional on input.
    pub correlation_id: Option<Id>,
    /// The event that caused this one. Optional on input.
    pub causation_id: Option<Id>,
    /// The service that produced it. Optional on input.
    pub source: Option<String>,
    /// Version of the contract, `1.x`. Read as `1.0` where it is missing.
    pub version: String,
    /// How often the event was requeued from the dead letters. Ours, 0 at first.
    pub generation: u32,
    /// The plugin that is to take it, whatever its route says. Ours, for events that an
    /// operator sends again.
    pub target_plugin: Option<PluginRef>,
}

/// The text is no RFC 3339 time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected a time like 2024-01-16T20:01:00Z, found {0:?}")]
pub struct ParseTimestampError(String);

/// Reads RFC 3339; a time without an offset is taken as UTC.
///
/// # Errors
/// When the text is neither.
pub fn parse_timestamp(text: &str) -> Result<DateTime<Utc>, ParseTimestampError> {
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return Ok(time.with_timezone(&Utc));
    }
    NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f")
        .map(|time| time.and_utc())
        .map_err(|_| ParseTimestampError(text.chars().take(48).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_without_an_offset_is_utc() {
        let bare = parse_timestamp("2024-01-16T20:01:00").expect("time");
        assert_eq!(bare, parse_timestamp("2024-01-16T20:01:00Z").expect("time"));
        assert_eq!(
            bare,
            parse_timestamp("2024-01-16T21:01:00+01:00").expect("time")
        );
    }

    #[test]
    fn a_date_alone_is_no_time() {
        assert!(parse_timestamp("2024-01-16").is_err());
        assert!(parse_timestamp("yesterday").is_err());
    }
}
