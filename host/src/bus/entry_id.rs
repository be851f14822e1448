//! Where an entry stands in its stream.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, de};

/// The id of a stream entry: `milliseconds-sequence`, in stream order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryId {
    /// Milliseconds since 1970, by the server's clock.
    pub ms: u64,
    /// Counts the entries of one millisecond.
    pub seq: u64,
}

impl EntryId {
    /// Before every entry.
    pub const ZERO: Self = Self { ms: 0, seq: 0 };

    /// After every entry: the largest that every bus has room for.
    pub const MOST: Self = Self {
        ms: i64::MAX as u64,
        seq: i64::MAX as u64,
    };

    /// Reads `milliseconds-sequence`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (ms, seq) = text.split_once('-')?;
        Some(Self {
            ms: ms.parse().ok()?,
            seq: seq.parse().ok()?,
        })
    }

    /// A place right before this entry, to read from: no entry of a bus stands between.
    #[must_use]
    pub fn before(self) -> Self {
        match self {
            Self { ms, seq: 1.. } => Self {
                ms,
                seq: self.seq - 1,
            },
            Self { ms: 1.., seq: 0 } => Self {
                ms: self.ms - 1,
                seq: Self::MOST.seq,
            },
            Self { ms: 0, seq: 0 } => Self::ZERO,
        }
    }
}

impl Serialize for EntryId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl fmt::Display for EntryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.ms, self.seq)
    }
}

impl<'de> Deserialize<'de> for EntryId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| de::Error::custom("expected milliseconds-sequence"))
    }
}
