//! Logs 100,000 lines, prints as many, and completes as if nothing were.
//!
//! World `agent`. Must complete, with lines dropped and counted: a full log is no reason
//! for a guest to trap. A fuel limit too small for the lines ends it as `out_of_fuel`.

use hothouse_sdk::serde_json::{Value, json};
use hothouse_sdk::{Agent, Execution, HandlerError, log};

const LINES: u32 = 100_000;

struct LogFlood;

impl Agent for LogFlood {
    type Input = Value;
    type Output = Value;

    #[expect(clippy::print_stdout, reason = "standard output is flooded too")]
    fn execute(_: Execution<Value>) -> Result<Value, HandlerError> {
        for line in 0..LINES {
            log::info!("line {line} of a flood of lines that nobody is going to read");
            println!("line {line} of a flood of lines that nobody is going to read");
        }
        Ok(json!({ "lines": LINES }))
    }
}

hothouse_sdk::export!(LogFlood: Agent);
