//! Sleeps for an hour, which burns no fuel.
//!
//! World `agent`. Must fail as `timeout`.

use std::time::Duration;

use hothouse_sdk::serde_json::{Value, json};
use hothouse_sdk::{Agent, Execution, HandlerError};

struct SleepForever;

impl Agent for SleepForever {
    type Input = Value;
    type Output = Value;

    fn execute(_: Execution<Value>) -> Result<Value, HandlerError> {
        std::thread::sleep(Duration::from_secs(3600));
        Ok(json!({}))
    }
}

hothouse_sdk::export!(SleepForever: Agent);
