//! One version of a plugin, as an entry names it.

use std::fmt;
use std::str::FromStr;

use semver::Version;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A plugin at one version: `name@version`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PluginRef {
    /// Its manifest's name.
    pub name: String,
    /// Its manifest's version.
    pub version: Version,
}

/// The text is not `name@version`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected a plugin and its version, like backend-agent@1.2.0, found {0:?}")]
pub struct ParsePluginRefError(String);

impl FromStr for PluginRef {
    type Err = ParsePluginRefError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parts = text.split_once('@').filter(|(name, _)| !name.is_empty());
        let parsed = parts.and_then(|(name, version)| {
            let version = version.parse().ok()?;
            Some(Self {
                name: name.to_owned(),
                version,
            })
        });
        parsed.ok_or_else(|| ParsePluginRefError(text.chars().take(64).collect()))
    }
}

impl fmt::Display for PluginRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.name, self.version)
    }
}

impl Serialize for PluginRef {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for PluginRef {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_written_as_it_is_read_and_other_texts_are_refused() {
        for text in ["backend-agent@1.2.0", "a@0.1.0-rc.1+build.5"] {
            let plugin: PluginRef = text.parse().expect("a plugin and its version");
            assert_eq!(plugin.to_string(), text);
        }
        for text in ["", "a", "a@", "@1.0.0", "a@1", "a@b@1.0.0", "a@ 1.0.0"] {
            assert!(text.parse::<PluginRef>().is_err(), "{text:?}");
        }
    }
}
