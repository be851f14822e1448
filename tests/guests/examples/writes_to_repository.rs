//! Tries to write into the repository, which is mounted read-only, and to read outside it.
//!
//! World `analyzer`. Must complete, with the stack `unknown`: everything was refused. If
//! something was not, it fails as `permanent_error`, and the message names it.

use std::fs;
use std::path::Path;

use hothouse_sdk::{Analyzer, Discovery, HandlerError, Report, Stack};

struct WritesToRepository;

impl Analyzer for WritesToRepository {
    fn analyze(discovery: Discovery) -> Result<Report, HandlerError> {
        let repository = discovery.repository()?;
        // Without this a mount that isn't there would pass as one that refuses.
        let first = fs::read_dir(repository)?.next().transpose()?;
        let mut allowed = writes(repository);
        if let Some(entry) = first {
            allowed.extend(changes(&entry.path(), repository));
        }
        allowed.extend(reads_outside(repository));
        if allowed.is_empty() {
            let unknown = || "unknown".to_owned();
            return Ok(Report {
                stack: Stack {
                    language: unknown(),
                    framework: unknown(),
                    database: unknown(),
                },
                service_boundaries: Vec::new(),
                risk_score: 0.0,
            });
        }
        Err(HandlerError::permanent(format_args!(
            "not refused: {}",
            allowed.join(", ")
        )))
    }
}

/// New things in the repository. Gives what was not refused.
fn writes(repository: &Path) -> Vec<&'static str> {
    [
        (
            "a new file",
            fs::write(repository.join("written-by-a-guest"), "hello").is_ok(),
        ),
        (
            "a new folder",
            fs::create_dir(repository.join("made-by-a-guest")).is_ok(),
        ),
    ]
    .into_iter()
    .filter_map(|(what, done)| done.then_some(what))
    .collect()
}

/// Changes to an entry that is there. Gives what was not refused.
fn changes(entry: &Path, repository: &Path) -> Vec<&'static str> {
    [
        (
            "opening a file to write",
            fs::OpenOptions::new().write(true).open(entry).is_ok(),
        ),
        (
            "a hard link",
            fs::hard_link(entry, repository.join("linked-by-a-guest")).is_ok(),
        ),
        (
            "a new name",
            fs::rename(entry, repository.join("renamed-by-a-guest")).is_ok(),
        ),
        ("removing a file", fs::remove_file(entry).is_ok()),
        ("removing a folder", fs::remove_dir(entry).is_ok()),
    ]
    .into_iter()
    .filter_map(|(what, done)| done.then_some(what))
    .collect()
}

/// What is not the repository's. Gives what was not refused.
fn reads_outside(repository: &Path) -> Vec<&'static str> {
    [
        ("reading /etc/passwd", fs::read("/etc/passwd").is_ok()),
        ("listing /", fs::read_dir("/").is_ok()),
        (
            "listing the folder above",
            fs::read_dir(repository.join("..")).is_ok(),
        ),
        (
            "reading /etc/passwd by way of ..",
            fs::read(repository.join("../../../../../../etc/passwd")).is_ok(),
        ),
    ]
    .into_iter()
    .filter_map(|(what, done)| done.then_some(what))
    .collect()
}

hothouse_sdk::export!(WritesToRepository: Analyzer);
