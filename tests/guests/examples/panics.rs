//! Panics with a message of its own.
//!
//! World `agent`. Must fail as `trap`, with the panic's message in `error_message`.

use hothouse_sdk::serde_json::Value;
use hothouse_sdk::{Agent, Execution, HandlerError};

struct Panics;

impl Agent for Panics {
    type Input = Value;
    type Output = Value;

    fn execute(_: Execution<Value>) -> Result<Value, HandlerError> {
        panic!("order 42 has no lines")
    }
}

hothouse_sdk::export!(Panics: Agent);
