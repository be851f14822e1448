//! Ends its process where a result was due, with status `{"status": N}`. WASI 0.2 passes on only
//! whether that is 0, so the host sees 0 or 1.
//!
//! World `agent`. Must fail as `trap`.

use hothouse_sdk::serde_json::Value;
use hothouse_sdk::{Agent, Execution, HandlerError};
use serde::Deserialize;

#[derive(Deserialize)]
struct Input {
    status: i32,
}

struct Exits;

impl Agent for Exits {
    type Input = Input;
    type Output = Value;

    fn execute(execution: Execution<Input>) -> Result<Value, HandlerError> {
        std::process::exit(execution.input.status)
    }
}

hothouse_sdk::export!(Exits: Agent);
