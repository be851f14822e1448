//! Ends its process with status 3, where a result was due. WASI 0.2 passes on only that it
//! is not 0, so the host sees 1.
//!
//! World `agent`. Must fail as `trap`.

use hothouse_sdk::serde_json::Value;
use hothouse_sdk::{Agent, Execution, HandlerError};

struct Exits;

impl Agent for Exits {
    type Input = Value;
    type Output = Value;

    fn execute(_: Execution<Value>) -> Result<Value, HandlerError> {
        std::process::exit(3)
    }
}

hothouse_sdk::export!(Exits: Agent);
