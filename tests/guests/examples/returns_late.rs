//! Is busy for `busy_ms` milliseconds by the host's clock, and then returns as if nothing were.
//!
//! World `agent`. Must fail as `timeout` where its limit is shorter: a result that comes after
//! the deadline is none.

use std::time::{Duration, Instant};

use hothouse_sdk::serde_json::{Value, json};
use hothouse_sdk::{Agent, Execution, HandlerError};
use serde::Deserialize;

#[derive(Deserialize)]
struct Input {
    busy_ms: u64,
}

struct ReturnsLate;

impl Agent for ReturnsLate {
    type Input = Input;
    type Output = Value;

    fn execute(execution: Execution<Input>) -> Result<Value, HandlerError> {
        let busy = Duration::from_millis(execution.input.busy_ms);
        let begun = Instant::now();
        while begun.elapsed() < busy {}
        Ok(json!({ "late": true }))
    }
}

hothouse_sdk::export!(ReturnsLate: Agent);
