//! Sleeps `input_data.sleep_ms` milliseconds (0 where there is none), then returns
//! `{"seq": input_data.seq}`.
//!
//! World `agent`. Completes, or fails as `timeout` where the limit is shorter.

use std::time::Duration;

use hothouse_sdk::serde_json::Value;
use hothouse_sdk::{Agent, Execution, HandlerError};
use serde::{Deserialize, Serialize};

struct SlowEchoAgent;

#[derive(Deserialize)]
struct Input {
    #[serde(default)]
    sleep_ms: u64,
    seq: Value,
}

#[derive(Serialize)]
struct Output {
    seq: Value,
}

impl Agent for SlowEchoAgent {
    type Input = Input;
    type Output = Output;

    fn execute(execution: Execution<Input>) -> Result<Output, HandlerError> {
        if execution.input.sleep_ms > 0 {
            std::thread::sleep(Duration::from_millis(execution.input.sleep_ms));
        }
        Ok(Output {
            seq: execution.input.seq,
        })
    }
}

hothouse_sdk::export!(SlowEchoAgent: Agent);
