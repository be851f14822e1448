//! Says that it failed for good.
//!
//! World `agent`. Must fail as `permanent_error`, without a retry.

use hothouse_sdk::serde_json::Value;
use hothouse_sdk::{Agent, Execution, HandlerError};

struct GivesUp;

impl Agent for GivesUp {
    type Input = Value;
    type Output = Value;

    fn execute(_: Execution<Value>) -> Result<Value, HandlerError> {
        Err(HandlerError::permanent("the API contract cannot be parsed"))
    }
}

hothouse_sdk::export!(GivesUp: Agent);
