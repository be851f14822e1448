//! From the list of files to what `repo.sync.completed` says.

use std::collections::{BTreeMap, BTreeSet};

use hothouse_sdk::HandlerError;
use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::{Completed, changes};

/// What is indexed at a time.
const CHUNK_BYTES: u64 = 4096;

/// The data of `repo.sync.started`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Started {
    /// The repository to sync.
    pub repository_id: String,
    /// How much of it.
    pub sync_type: SyncType,
    /// Who asked.
    pub trigger: Trigger,
    /// The tree as the producer sees it. Not in the event contract.
    #[serde(default)]
    pub files: Vec<File>,
    /// Paths that changed, for an incremental sync. Not in the event contract.
    #[serde(default)]
    pub changed: BTreeSet<String>,
}

/// How much to sync.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SyncType {
    /// Every file.
    Full,
    /// What changed.
    Incremental,
}

/// Who asked for a sync.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Trigger {
    /// A person.
    Manual,
    /// A push.
    Webhook,
    /// A clock.
    Scheduled,
}

/// One file of the tree.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct File {
    /// With `/`, relative to the repository's root.
    pub path: String,
    /// Its length.
    #[serde(default)]
    pub bytes: u64,
    /// A hash of its content, of any kind, where the producer knows one.
    #[serde(default)]
    pub hash: String,
}

pub(crate) fn sync(started: Started) -> Result<Completed, HandlerError> {
    let tree = tree(started.files)?;
    let changed: BTreeSet<String> = match started.sync_type {
        SyncType::Full => tree.keys().cloned().collect(),
        SyncType::Incremental => started.changed,
    };
    // A path that changed and isn't in the tree was removed: a change, and no file to read.
    let processed: Vec<&File> = changed.iter().filter_map(|path| tree.get(path)).collect();
    Ok(Completed {
        repository_id: started.repository_id,
        file_tree_hash: tree_hash(&tree),
        files_processed: processed.len(),
        chunks_indexed: processed.iter().fold(0, |sum: u64, file| {
            sum.saturating_add(file.bytes.div_ceil(CHUNK_BYTES).max(1))
        }),
        detected_changes: changes::grouped(&changed),
    })
}

fn tree(files: Vec<File>) -> Result<BTreeMap<String, File>, HandlerError> {
    let mut tree = BTreeMap::new();
    for file in files {
        if let Some(twice) = tree.insert(file.path.clone(), file) {
            return Err(HandlerError::validation(format_args!(
                "files: `{}` is listed twice",
                twice.path
            )));
        }
    }
    Ok(tree)
}

fn tree_hash(tree: &BTreeMap<String, File>) -> String {
    let mut hash = Sha256::new();
    for file in tree.values() {
        // Lengths first, so that no two trees run together into the same bytes.
        hash.update((file.path.len() as u64).to_le_bytes());
        hash.update(&file.path);
        hash.update(file.bytes.to_le_bytes());
        hash.update((file.hash.len() as u64).to_le_bytes());
        hash.update(&file.hash);
    }
    let mut text = String::from("sha256-");
    for byte in hash.finalize() {
        text.push_str(&format!("{byte:02x}"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn started(sync_type: SyncType, files: &[(&str, u64)], changed: &[&str]) -> Started {
        Started {
            repository_id: "r-1".to_owned(),
            sync_type,
            trigger: Trigger::Webhook,
            files: files
                .iter()
                .map(|&(path, bytes)| File {
                    path: path.to_owned(),
                    bytes,
                    hash: String::new(),
                })
                .collect(),
            changed: changed.iter().map(|&path| path.to_owned()).collect(),
        }
    }

    #[test]
    fn the_tree_hash_does_not_depend_on_the_order_of_the_files() {
        let one = sync(started(SyncType::Full, &[("a", 1), ("b", 2)], &[]));
        let other = sync(started(SyncType::Full, &[("b", 2), ("a", 1)], &[]));

        assert_eq!(one, other);
    }

    #[test]
    fn the_tree_hash_changes_with_a_path_a_length_and_a_content() {
        let hash = |files: &[File]| {
            let mut data = started(SyncType::Full, &[], &[]);
            data.files = files.to_vec();
            sync(data).expect("the files are distinct").file_tree_hash
        };
        let file = File {
            path: "a".to_owned(),
            bytes: 1,
            hash: "x".to_owned(),
        };

        let all = BTreeSet::from([
            hash(std::slice::from_ref(&file)),
            hash(&[File {
                path: "b".to_owned(),
                ..file.clone()
            }]),
            hash(&[File {
                bytes: 2,
                ..file.clone()
            }]),
            hash(&[File {
                hash: "y".to_owned(),
                ..file.clone()
            }]),
        ]);

        assert_eq!(all.len(), 4);
    }

    #[test]
    fn an_incremental_sync_processes_what_changed_and_is_still_there() {
        let completed = sync(started(
            SyncType::Incremental,
            &[("a.js", 9000), ("b.js", 1)],
            &["a.js", "gone.py"],
        ))
        .expect("the files are distinct");

        assert_eq!(completed.files_processed, 1);
        assert_eq!(completed.chunks_indexed, 3);
        assert_eq!(completed.detected_changes, ["a.js", "gone.py"]);
    }

    #[test]
    fn an_empty_file_is_one_chunk() {
        let completed = sync(started(SyncType::Full, &[("empty", 0)], &[]));

        assert_eq!(completed.map(|completed| completed.chunks_indexed), Ok(1));
    }

    #[test]
    fn a_file_that_is_listed_twice_is_a_validation_error() {
        assert_eq!(
            sync(started(SyncType::Full, &[("a", 1), ("a", 2)], &[])),
            Err(HandlerError::validation("files: `a` is listed twice"))
        );
    }
}
