//! What `hothouse run` writes down of a run beside its outcome.

use std::fs::{OpenOptions, Permissions};
use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde::Serialize;

use super::Args;
use crate::cli::output::grouped;
use crate::sandbox::{Recorded, Share};

/// Its owner alone reads and writes it.
const MODE: u32 = 0o600;

/// Functions that the answer names.
const HOTTEST: usize = 5;

#[derive(Debug, Serialize)]
pub(super) struct Records {
    #[serde(skip_serializing_if = "Option::is_none")]
    coredump: Option<Coredump>,
    #[serde(skip_serializing_if = "Option::is_none")]
    profile: Option<Profile>,
}

#[derive(Debug, Serialize)]
struct Coredump {
    /// None where the run did not trap.
    path: Option<PathBuf>,
    bytes: usize,
}

#[derive(Debug, Serialize)]
struct Profile {
    path: PathBuf,
    samples: u64,
    hottest: Vec<Share>,
}

/// Writes the files that were asked for.
pub(super) fn write(recorded: Recorded, args: &Args) -> anyhow::Result<Records> {
    let coredump = match (&args.coredump, recorded.coredump) {
        (Some(path), Some(dump)) => {
            create(path, &dump)?;
            Some(Coredump {
                path: Some(path.clone()),
                bytes: dump.len(),
            })
        }
        (Some(_), None) => Some(Coredump {
            path: None,
            bytes: 0,
        }),
        (None, _) => None,
    };
    let profile = match (&args.profile, recorded.profile) {
        (Some(path), recorded) => {
            let recorded = recorded.unwrap_or_default();
            create(path, recorded.folded().as_bytes())?;
            Some(Profile {
                path: path.clone(),
                samples: recorded.samples(),
                hottest: recorded.hottest(HOTTEST),
            })
        }
        (None, _) => None,
    };
    Ok(Records { coredump, profile })
}

/// For its owner's eyes: a core dump has all that the guest was given.
fn create(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let mut options = OpenOptions::new();
    let options = options.write(true).create(true).truncate(true).mode(MODE);
    let written = options.open(path).and_then(|mut file| {
        // A file that was there has its old mode; a pipe or a terminal keeps it.
        if file.metadata()?.is_file() {
            file.set_permissions(Permissions::from_mode(MODE))?;
        }
        file.write_all(bytes)
    });
    written.with_context(|| format!("cannot write {}", path.display()))
}

impl Records {
    pub(super) fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        match &self.coredump {
            Some(Coredump {
                path: Some(path),
                bytes,
            }) => lines.push(format!(
                "core dump: {}, {} bytes, with the guest's memory; wasmgdb reads it together \
                 with the component's core module",
                path.display(),
                grouped(*bytes as u64)
            )),
            Some(Coredump { path: None, .. }) => {
                lines.push("no core dump: the run did not trap".into());
            }
            None => {}
        }
        if let Some(profile) = &self.profile {
            lines.push(format!(
                "profile: {}, samples: {}; `inferno-flamegraph` and speedscope.app read it",
                profile.path.display(),
                grouped(profile.samples)
            ));
            for Share { function, share } in &profile.hottest {
                lines.push(format!("{:>5.1} %  {function}", share * 100.0));
            }
        }
        lines
    }
}
