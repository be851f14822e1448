//! Tells the names in the repository of its event.
//!
//! World `handler`. Completes with a `repo.sync.completed` of the same repository, whose
//! `detected_changes` are the names; without one where no repository is mounted.

use std::fs;

use hothouse_sdk::serde_json::{Value, json};
use hothouse_sdk::{Event, Handler, HandlerError, NewEvent, REPOSITORY_PATH};

struct ListsRepository;

impl Handler for ListsRepository {
    type Data = Value;

    fn handle(event: Event<Value>) -> Result<Vec<NewEvent>, HandlerError> {
        let Ok(entries) = fs::read_dir(REPOSITORY_PATH) else {
            return Ok(Vec::new());
        };
        let names = entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
        let names: Vec<String> = names.collect::<Result<_, HandlerError>>()?;
        let data = json!({
            "repository_id": event.data["repository_id"],
            "file_tree_hash": "none",
            "files_processed": names.len(),
            "chunks_indexed": 0,
            "detected_changes": names,
        });
        Ok(vec![NewEvent::new("repo.sync.completed", data)?])
    }
}

hothouse_sdk::export!(ListsRepository: Handler);
