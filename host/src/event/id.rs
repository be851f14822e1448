//! The one form of a UUID that the contract accepts.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use uuid::Uuid;

/// A UUID in its hyphenated form. Upper case is read, lower case is written.
///
/// Narrower than [`Uuid`]'s own parser on purpose: the lane of an event is derived a second
/// time inside Redis, in Lua, and both must agree on what an id is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Id(pub Uuid);

/// The text is not a UUID in hyphenated form.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected a UUID like 3fa85f64-5717-4562-b3fc-2c963f66afa6, found {0:?}")]
pub struct ParseIdError(String);

impl Id {
    /// A random id.
    #[must_use]
    pub fn random() -> Self {
        Self(Uuid::new_v4())
    }

    /// The id that belongs to `name` in this id's name space (UUIDv5): the same name always
    /// gives the same id.
    #[must_use]
    pub fn derive(&self, name: &str) -> Self {
        Self(Uuid::new_v5(&self.0, name.as_bytes()))
    }
}

impl FromStr for Id {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let hyphenated = text.len() == 36;
        match Uuid::try_parse(text) {
            Ok(uuid) if hyphenated => Ok(Self(uuid)),
            Ok(_) | Err(_) => Err(ParseIdError(text.chars().take(48).collect())),
        }
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

impl Serialize for Id {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Id {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn upper_case_is_read_and_lower_case_is_written() {
        let id: Id = "3FA85F64-5717-4562-B3FC-2C963F66AFA6".parse().expect("id");
        assert_eq!(id.to_string(), "3fa85f64-5717-4562-b3fc-2c963f66afa6");
    }

    #[test]
    fn other_forms_of_a_uuid_are_refused() {
        for text in [
            "",
            "uuid",
            "3fa85f6457174562b3fc2c963f66afa6",
            "{3fa85f64-5717-4562-b3fc-2c963f66afa6}",
            "urn:uuid:3fa85f64-5717-4562-b3fc-2c963f66afa6",
            "3fa85f64-5717-4562-b3fc-2c963f66afa6 ",
        ] {
            assert!(text.parse::<Id>().is_err(), "{text:?} was taken for an id");
        }
    }
}
