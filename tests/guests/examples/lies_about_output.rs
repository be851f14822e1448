//! Returns `output_data` that is JSON, and no object.
//!
//! World `agent`. Must fail as `contract_violation`.

use hothouse_sdk::serde_json::{Value, json};
use hothouse_sdk::{Agent, Execution, HandlerError};

struct LiesAboutOutput;

impl Agent for LiesAboutOutput {
    type Input = Value;
    type Output = Value;

    fn execute(_: Execution<Value>) -> Result<Value, HandlerError> {
        Ok(json!("all done"))
    }
}

hothouse_sdk::export!(LiesAboutOutput: Agent);
