//! Fails with a message that would take over a terminal or break a log: ANSI escapes, a NUL,
//! a newline, and more than the 1 KiB that is kept.
//!
//! World `agent`. Must fail as `permanent_error`, with a short message that is clean.

use hothouse_sdk::serde_json::Value;
use hothouse_sdk::{Agent, Execution, HandlerError};

struct ControlCharacters;

impl Agent for ControlCharacters {
    type Input = Value;
    type Output = Value;

    fn execute(_: Execution<Value>) -> Result<Value, HandlerError> {
        Err(HandlerError::permanent(format!(
            "\u{1b}[2J\u{1b}[31mred\u{1b}[0m\0nul\nnew line\r{}",
            "x".repeat(5000)
        )))
    }
}

hothouse_sdk::export!(ControlCharacters: Agent);
