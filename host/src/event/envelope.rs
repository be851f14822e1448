//! The part that every event has.

use std::ops::RangeInclusive;

use chrono::{DateTime, Datelike as _, NaiveDateTime, Utc};

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

/// Years that RFC 3339 has a form for: a time in another one could be read and not written.
const YEARS: RangeInclusive<i32> = 0..=9999;

/// Reads RFC 3339; a time without an offset is taken as UTC.
///
/// # Errors
/// When the text is neither, or its year in UTC is not one of RFC 3339.
pub fn parse_timestamp(text: &str) -> Result<DateTime<Utc>, ParseTimestampError> {
    let with_offset = DateTime::parse_from_rfc3339(text).map(|time| time.with_timezone(&Utc));
    with_offset
        .or_else(|_| {
            NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f").map(|time| time.and_utc())
        })
        .ok()
        .filter(|time| YEARS.contains(&time.year()))
        .ok_or_else(|| ParseTimestampError(text.chars().take(48).collect()))
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

    #[test]
    fn a_year_that_could_not_be_written_again_is_no_time() {
        for text in ["+12345-01-01T00:00:00", "0000-01-01T00:00:00+23:59"] {
            assert!(parse_timestamp(text).is_err(), "{text}");
        }
        assert!(parse_timestamp("9999-12-31T23:59:59Z").is_ok());
    }
}
