//! Asks to be run again after 1 ms, each time, or until the attempt that its input names:
//! with `{"succeed_on_attempt": 3}` it completes on attempt 3 with `{"attempt": 3}`.
//!
//! World `agent`. Must fail as `retryable_error` once the retries are used up.

use std::time::Duration;

use hothouse_sdk::serde_json::{Value, json};
use hothouse_sdk::{Agent, Execution, HandlerError};
use serde::Deserialize;

struct AsksForRetry;

#[derive(Deserialize)]
struct Input {
    succeed_on_attempt: Option<u32>,
}

impl Agent for AsksForRetry {
    type Input = Input;
    type Output = Value;

    fn execute(execution: Execution<Input>) -> Result<Value, HandlerError> {
        let attempt = execution.metadata.attempt;
        match execution.input.succeed_on_attempt {
            Some(enough) if attempt >= enough => Ok(json!({ "attempt": attempt })),
            Some(_) | None => Err(HandlerError::retryable_after(
                format!("attempt {attempt} is too early"),
                Duration::from_millis(1),
            )),
        }
    }
}

hothouse_sdk::export!(AsksForRetry: Agent);
