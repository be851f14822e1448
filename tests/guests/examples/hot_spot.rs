//! Spends nearly all of its time in one function.
//!
//! World `agent`. A profile of it must name `hot`.

use std::hint::black_box;

use hothouse_sdk::serde_json::{Value, json};
use hothouse_sdk::{Agent, Execution, HandlerError};

struct HotSpot;

impl Agent for HotSpot {
    type Input = Value;
    type Output = Value;

    fn execute(_: Execution<Value>) -> Result<Value, HandlerError> {
        Ok(json!({ "sum": hot(20_000_000) ^ cold(500_000) }))
    }
}

#[inline(never)]
fn hot(rounds: u64) -> u64 {
    (0..rounds).fold(1, |sum, round| black_box(sum ^ round).rotate_left(7))
}

#[inline(never)]
fn cold(rounds: u64) -> u64 {
    (0..rounds).fold(2, |sum, round| black_box(sum ^ round).rotate_left(9))
}

hothouse_sdk::export!(HotSpot: Agent);
