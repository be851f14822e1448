//! Calls itself without end.
//!
//! World `agent`. Must fail as `stack_overflow`.

use std::hint::black_box;

use hothouse_sdk::serde_json::{Value, json};
use hothouse_sdk::{Agent, Execution, HandlerError};

struct RecurseForever;

impl Agent for RecurseForever {
    type Input = Value;
    type Output = Value;

    fn execute(_: Execution<Value>) -> Result<Value, HandlerError> {
        Ok(json!({ "depth": depth(1) }))
    }
}

/// The work after the inner call keeps the optimiser from making a loop of it, and there is
/// next to nothing on the stack in linear memory, which would overflow as a plain trap.
#[inline(never)]
#[expect(unconditional_recursion, reason = "what this guest is for")]
fn depth(reached: u64) -> u64 {
    let deepest = depth(black_box(reached) + 1);
    black_box(deepest) ^ reached
}

hothouse_sdk::export!(RecurseForever: Agent);
