//! Handles `repo.sync.started`, and emits `repo.sync.completed`.
//!
//! The world `handler` has no repository mounted, so what there is to sync comes in the
//! event's data, in two fields that the event contract doesn't name: `files` (the tree)
//! and `changed` (what a webhook saw change). Without them there is nothing to process,
//! and the event says so: 0 files, and the hash of an empty tree. The same data always
//! gives the same event.

mod changes;
mod sync;

use hothouse_sdk::{Event, Handler, HandlerError, NewEvent, log};
use serde::Serialize;

pub use sync::{File, Started, SyncType, Trigger};

/// Handles `repo.sync.started`.
pub struct RepoSync;

/// The data of `repo.sync.completed`.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Completed {
    /// The repository that was synced.
    pub repository_id: String,
    /// `sha256-` and 64 hexadecimal digits. The order of the files doesn't matter to it.
    pub file_tree_hash: String,
    /// Files of the tree that this sync looked at: all of them, or those that changed.
    pub files_processed: usize,
    /// Chunks of 4 KiB, begun or whole, in these files; at least one each.
    pub chunks_indexed: u64,
    /// Paths that changed, sorted. Several of one kind in one folder are one pattern, for
    /// example `src/api/routes/*.js`.
    pub detected_changes: Vec<String>,
}

impl Handler for RepoSync {
    type Data = Started;

    fn handle(event: Event<Started>) -> Result<Vec<NewEvent>, HandlerError> {
        if event.metadata.event_type != "repo.sync.started" {
            return Err(HandlerError::validation(format_args!(
                "repo-sync handles repo.sync.started, and got {}",
                event.metadata.event_type
            )));
        }
        let completed = sync::sync(event.data)?;
        log::info!(
            "{} files, {} chunks, {}",
            completed.files_processed,
            completed.chunks_indexed,
            completed.file_tree_hash
        );
        Ok(vec![NewEvent::new("repo.sync.completed", completed)?])
    }
}

hothouse_sdk::export!(RepoSync: Handler);

#[cfg(test)]
mod tests {
    use hothouse_sdk::serde_json::{Value, json};
    use hothouse_sdk::testing;

    use super::*;

    fn run(data: Value) -> Result<Vec<NewEvent>, HandlerError> {
        testing::handle::<RepoSync>(Event::sample("repo.sync.started", data))
    }

    #[test]
    fn a_sync_gives_one_completed_event_with_the_contracts_fields() {
        let events = run(json!({
            "repository_id": "r-1",
            "sync_type": "full",
            "trigger": "manual",
            "files": [
                { "path": "package.json", "bytes": 300 },
                { "path": "src/api/routes/orders.js", "bytes": 5000 },
                { "path": "src/api/routes/users.js", "bytes": 4096 },
            ],
        }))
        .expect("the data is right");

        assert_eq!(events.len(), 1);
        assert_eq!(events[0].event_type, "repo.sync.completed");
        let hash = &events[0].data["file_tree_hash"];
        assert_eq!(
            events[0].data,
            json!({
                "repository_id": "r-1",
                "file_tree_hash": hash,
                "files_processed": 3,
                "chunks_indexed": 4,
                "detected_changes": ["package.json", "src/api/routes/*.js"],
            })
        );
    }

    #[test]
    fn the_bare_event_of_the_contract_is_an_empty_tree() {
        let events = run(json!({
            "repository_id": "r-1",
            "sync_type": "incremental",
            "trigger": "webhook",
        }))
        .expect("the data is right");

        assert_eq!(events[0].data["files_processed"], 0);
        assert_eq!(
            events[0].data["file_tree_hash"],
            "sha256-e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
    }

    #[test]
    fn an_unknown_sync_type_is_a_validation_error() {
        let error = run(json!({
            "repository_id": "r-1",
            "sync_type": "sideways",
            "trigger": "manual",
        }))
        .expect_err("there is no such type");

        assert!(matches!(error, HandlerError::Validation(_)), "{error:?}");
        assert!(error.message().contains("sideways"), "{error}");
    }

    #[test]
    fn another_type_of_event_is_a_validation_error() {
        let event = Event::sample(
            "repo.connected",
            json!({ "repository_id": "r-1", "sync_type": "full", "trigger": "manual" }),
        );

        let error = testing::handle::<RepoSync>(event).expect_err("it is not for repo-sync");

        assert!(matches!(error, HandlerError::Validation(_)), "{error:?}");
    }
}
