//! What one run may reach beside its event.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::REPOSITORY_PATH;

/// What a guest may do with a directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Access {
    /// Read it.
    Read,
    /// Read it, and change what is in it.
    Write,
}

/// A directory of the host, as a guest sees it. Nothing outside of it is reachable through it,
/// whatever links are in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// Where the guest finds it: an absolute path.
    pub at: String,
    /// Where it is.
    pub directory: PathBuf,
    /// What the guest may do with it.
    pub access: Access,
}

/// What one run may reach beside its event: what the manifest asks for and the operator allows.
/// Nothing by default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Grants {
    /// Directories.
    pub mounts: Vec<Mount>,
    /// Environment variables, secrets among them.
    pub environment: Vec<(String, String)>,
}

impl Grants {
    /// The repository of the event, read-only, and nothing else.
    #[must_use]
    pub fn repository(directory: &Path) -> Self {
        Self {
            mounts: vec![Mount {
                at: REPOSITORY_PATH.to_owned(),
                directory: directory.to_owned(),
                access: Access::Read,
            }],
            ..Self::default()
        }
    }

    /// Where the guest finds its event's repository, if it was granted.
    pub(super) fn repository_path(&self) -> Option<&str> {
        let mut paths = self.mounts.iter().map(|mount| mount.at.as_str());
        paths.find(|at| *at == REPOSITORY_PATH)
    }
}
