//! Emits `pr.merged`, which its manifest must not list under `emits`.
//!
//! World `handler`. Must fail as `contract_violation`.

use hothouse_sdk::serde_json::{Value, json};
use hothouse_sdk::{Event, Handler, HandlerError, NewEvent};

struct EmitsUndeclared;

impl Handler for EmitsUndeclared {
    type Data = Value;

    fn handle(_: Event<Value>) -> Result<Vec<NewEvent>, HandlerError> {
        // Right in all else, so that nothing but the type can be refused.
        let data = json!({
            "pull_request_id": "66666666-6666-4666-8666-666666666666",
            "merged_by": "77777777-7777-4777-8777-777777777777",
            "merge_commit_sha": "abc123",
        });
        Ok(vec![NewEvent::new("pr.merged", data)?])
    }
}

hothouse_sdk::export!(EmitsUndeclared: Handler);
