//! Returns 8 MiB of JSON, for which it needs some 35 MiB of memory.
//!
//! World `agent`. Must fail as `output_limit`.

use hothouse_sdk::serde_json::{Value, json};
use hothouse_sdk::{Agent, Execution, HandlerError};

struct HugeOutput;

impl Agent for HugeOutput {
    type Input = Value;
    type Output = Value;

    fn execute(_: Execution<Value>) -> Result<Value, HandlerError> {
        Ok(json!({ "filler": "x".repeat(8 << 20) }))
    }
}

hothouse_sdk::export!(HugeOutput: Agent);
