//! Moments and spans of time on the command line.

use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::event::parse_timestamp;

/// What may stand behind a number, and its seconds.
const UNITS: [(char, u64); 5] = [
    ('s', 1),
    ('m', 60),
    ('h', 3_600),
    ('d', 86_400),
    ('w', 604_800),
];

/// Reads a moment: RFC 3339 (UTC where it has no offset), or how long ago it was, like `2h`.
///
/// For clap's `value_parser`. What is wrong comes back as the text that is shown.
pub(super) fn moment(text: &str) -> Result<DateTime<Utc>, String> {
    if let Ok(age) = span(text) {
        let ago = chrono::Duration::from_std(age).ok();
        return ago
            .and_then(|ago| Utc::now().checked_sub_signed(ago))
            .ok_or_else(|| "that is before all time".to_owned());
    }
    parse_timestamp(text).map_err(|_| {
        "expected a time like 2024-01-16T20:01:00Z, or how long ago: 90s, 15m, 2h, 7d, 1w"
            .to_owned()
    })
}

/// Reads a span of time: a whole number and one of s, m, h, d, w.
pub(super) fn span(text: &str) -> Result<Duration, String> {
    let seconds = || {
        let unit = text.chars().last()?;
        let (_, seconds) = UNITS.iter().find(|(name, _)| *name == unit)?;
        let digits = text.strip_suffix(unit)?;
        if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        digits.parse::<u64>().ok()?.checked_mul(*seconds)
    };
    seconds()
        .map(Duration::from_secs)
        .ok_or_else(|| "expected a span of time like 90s, 15m, 2h, 7d, 1w".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_whole_numbers_of_one_unit() {
        assert_eq!(span("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(span("2h"), Ok(Duration::from_secs(7200)));
        assert_eq!(span("1w"), span("7d"));
        for text in [
            "",
            "h",
            "2",
            "-2h",
            "+2h",
            "2.5h",
            "2 h",
            "2y",
            "99999999999999999999d",
            "2ü",
        ] {
            assert!(span(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_moment_is_a_time_or_an_age() {
        let time = moment("2024-01-16T20:01:00Z").expect("time");
        assert_eq!(moment("2024-01-16T20:01:00"), Ok(time));
        let ago = Utc::now() - moment("2h").expect("age");
        assert!((ago.num_seconds() - 7200).abs() < 60, "{ago}");
        for text in ["yesterday", "2024-01-16", "99999999999999d"] {
            assert!(moment(text).is_err(), "{text:?}");
        }
    }
}
