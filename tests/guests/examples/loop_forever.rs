//! Runs a busy loop that never ends.
//!
//! World `agent`. Must fail as `out_of_fuel`.

use std::hint::black_box;

use hothouse_sdk::serde_json::Value;
use hothouse_sdk::{Agent, Execution, HandlerError};

struct LoopForever;

impl Agent for LoopForever {
    type Input = Value;
    type Output = Value;

    fn execute(_: Execution<Value>) -> Result<Value, HandlerError> {
        let mut rounds = 0_u64;
        loop {
            rounds = black_box(rounds.wrapping_add(1));
        }
    }
}

hothouse_sdk::export!(LoopForever: Agent);
