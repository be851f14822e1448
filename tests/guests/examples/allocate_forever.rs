//! Grows its memory, a mebibyte at a time, until it may not grow any more.
//!
//! World `agent`. Must fail as `memory_limit`.

use std::hint::black_box;

use hothouse_sdk::serde_json::Value;
use hothouse_sdk::{Agent, Execution, HandlerError};

struct AllocateForever;

impl Agent for AllocateForever {
    type Input = Value;
    type Output = Value;

    fn execute(_: Execution<Value>) -> Result<Value, HandlerError> {
        let mut kept = Vec::new();
        loop {
            kept.push(black_box(vec![1_u8; 1 << 20]));
        }
    }
}

hothouse_sdk::export!(AllocateForever: Agent);
