//! Names that stand in manifests and configurations, checked once.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::sandbox::REPOSITORY_PATH;

/// Where a guest finds a directory: an absolute path, normalised, neither the root nor in the
/// repository's place.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct MountPoint(String);

/// The text is no mount point.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MountPointError {
    /// It is not absolute, or there is another way to write it.
    #[error(
        "{0:?} is no mount point: use an absolute path without `.`, `..`, empty parts, `\"` and `\\`"
    )]
    NotNormal(String),
    /// It would hide the repository, or a part of it.
    #[error("{0:?} is no mount point: {REPOSITORY_PATH} is the place of the event's repository")]
    Repository(String),
}

impl MountPoint {
    /// As the guest writes it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for MountPoint {
    type Error = MountPointError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        // Quotes and backslashes would end the key that it is in a configuration.
        let is_bad = |c: char| c.is_control() || matches!(c, '"' | '\\');
        let is_part = |part: &str| !matches!(part, "" | "." | "..") && !part.contains(is_bad);
        let parts = text.strip_prefix('/').map(|rest| rest.split('/'));
        if !parts.is_some_and(|mut parts| parts.all(is_part)) {
            return Err(MountPointError::NotNormal(text));
        }
        match is_in(&text, REPOSITORY_PATH) {
            true => Err(MountPointError::Repository(text)),
            false => Ok(Self(text)),
        }
    }
}

impl From<MountPoint> for String {
    fn from(point: MountPoint) -> Self {
        point.0
    }
}

impl fmt::Display for MountPoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Two mount points of which one is in the other, if there are such.
pub(crate) fn overlap(points: &BTreeSet<MountPoint>) -> Option<(MountPoint, MountPoint)> {
    points.iter().find_map(|inner| {
        let above = inner.0.rmatch_indices('/');
        let mut above = above.map(|(end, _)| MountPoint(inner.0[..end].to_owned()));
        let outer = above.find(|path| points.contains(path))?;
        Some((outer, inner.clone()))
    })
}

fn is_in(path: &str, directory: &str) -> bool {
    let rest = path.strip_prefix(directory);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The name of an environment variable: letters, digits and `_`, no digit first.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct VariableName(String);

/// The text is no variable's name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no variable's name: use letters, digits and `_`, no digit first")]
pub struct VariableNameError(String);

impl VariableName {
    /// As the environment has it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for VariableName {
    type Error = VariableNameError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let starts = text.starts_with(|c: char| is_name(c) && !c.is_ascii_digit());
        match starts && text.chars().all(is_name) {
            true => Ok(Self(text)),
            false => Err(VariableNameError(text)),
        }
    }
}

impl From<VariableName> for String {
    fn from(name: VariableName) -> Self {
        name.0
    }
}

impl fmt::Display for VariableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(text: &str) -> Result<MountPoint, MountPointError> {
        text.to_owned().try_into()
    }

    #[test]
    fn a_mount_point_has_one_way_to_write_it_and_leaves_the_repository_alone() {
        for good in ["/cache", "/data/models", "/repository", "/a..b"] {
            assert_eq!(point(good).map(String::from), Ok(good.to_owned()));
        }
        for bad in [
            "",
            "/",
            "cache",
            "//cache",
            "/cache/",
            "/a//b",
            "/a/./b",
            "/a/..",
            "/../etc",
            "/a\0b",
            "/a\" = 1 #",
            "/a\\b",
        ] {
            let error = point(bad).expect_err(bad);
            assert!(matches!(error, MountPointError::NotNormal(_)), "{error}");
        }
        for bad in ["/repo", "/repo/target"] {
            let error = point(bad).expect_err(bad);
            assert!(matches!(error, MountPointError::Repository(_)), "{error}");
        }
    }

    #[test]
    fn one_mount_point_in_another_is_an_overlap_and_a_common_beginning_is_none() {
        let points = |texts: &[&str]| -> BTreeSet<MountPoint> {
            texts.iter().map(|text| point(text).expect(text)).collect()
        };
        assert_eq!(overlap(&points(&["/a", "/a-b", "/ab", "/c/d"])), None);
        let (outer, inner) = overlap(&points(&["/a", "/a-b", "/a/b/c"])).expect("an overlap");
        assert_eq!((outer.as_str(), inner.as_str()), ("/a", "/a/b/c"));
    }

    #[test]
    fn a_variable_has_a_name_that_a_shell_takes() {
        let name = |text: &str| VariableName::try_from(text.to_owned());
        for good in ["API_TOKEN", "_", "a1"] {
            name(good).expect(good);
        }
        for bad in ["", "1A", "A-B", "A=B", "A B", "Ä"] {
            name(bad).expect_err(bad);
        }
    }
}
