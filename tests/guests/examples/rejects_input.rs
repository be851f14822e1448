//! Says that its input is wrong.
//!
//! World `agent`. Must fail as `validation_error`, without a retry.

use hothouse_sdk::serde_json::Value;
use hothouse_sdk::{Agent, Execution, HandlerError};

struct RejectsInput;

impl Agent for RejectsInput {
    type Input = Value;
    type Output = Value;

    fn execute(_: Execution<Value>) -> Result<Value, HandlerError> {
        Err(HandlerError::validation("files_to_modify is empty"))
    }
}

hothouse_sdk::export!(RejectsInput: Agent);
