//! What one run may reach beside its event.

use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{Mode, OFlags};
use serde::{Deserialize, Serialize};

use super::{Outbound, REPOSITORY_PATH};

/// What a guest may do with a directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Access {
    /// Read it.
    Read,
    /// Read it, and change what is in it.
    Write,
}

impl std::fmt::Display for Access {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Read => "read",
            Self::Write => "write",
        })
    }
}

/// A value that is shown nowhere: not in logs, errors or events, nor by any verb. What a guest
/// does with it is the guest's.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Hides a value.
    #[must_use]
    pub fn new(value: String) -> Self {
        Self(value)
    }

    /// The value, for the guest alone.
    pub(super) fn reveal(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("(hidden)")
    }
}

impl std::fmt::Display for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("(hidden)")
    }
}

/// A directory of the host, as a guest sees it. Nothing outside of it is reachable through it,
/// whatever links are in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// Where the guest finds it: an absolute path.
    pub at: String,
    /// Where it is: an absolute path without symbolic links. One that turns up in it later, as
    /// where a guest may write above it, is not followed, and the run fails.
    pub directory: PathBuf,
    /// What the guest may do with it.
    pub access: Access,
}

impl Mount {
    /// Opens the directory, part by part, so that no link takes part.
    pub(super) fn open(&self) -> io::Result<OwnedFd> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let root = rustix::fs::open("/", flags, Mode::empty())?;
        let path = self
            .directory
            .strip_prefix("/")
            .map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, "the path is not absolute"))?;
        path.iter().try_fold(root, |above, part| {
            Ok(rustix::fs::openat(above, part, flags, Mode::empty())?)
        })
    }
}

/// What one run may reach beside its event: what the manifest asks for and the operator allows.
/// Nothing by default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Grants {
    /// Directories.
    pub mounts: Vec<Mount>,
    /// Environment variables, secrets among them.
    pub environment: Vec<(String, Secret)>,
    /// Where it may send requests to. Has an effect where the component was loaded with origins.
    pub outbound: Arc<Outbound>,
}

impl Grants {
    /// The repository of the event, read-only, and nothing else.
    #[must_use]
    pub fn repository(directory: &Path) -> Self {
        Self::default().with_repository(directory, Access::Read)
    }

    /// These, and the repository of the event.
    #[must_use]
    pub fn with_repository(&self, directory: &Path, access: Access) -> Self {
        let mut grants = self.clone();
        grants.mounts.push(Mount {
            at: REPOSITORY_PATH.to_owned(),
            directory: directory.to_owned(),
            access,
        });
        grants
    }

    /// A mount that reaches a directory, or that is in it. Both are without links.
    pub(super) fn reaching(&self, private: Option<&Path>) -> Option<&Mount> {
        let private = private?;
        self.mounts.iter().find(|mount| {
            private.starts_with(&mount.directory) || mount.directory.starts_with(private)
        })
    }

    /// Where the guest finds its event's repository, if it was granted.
    pub(super) fn repository_path(&self) -> Option<&str> {
        let mut paths = self.mounts.iter().map(|mount| mount.at.as_str());
        paths.find(|at| *at == REPOSITORY_PATH)
    }
}
