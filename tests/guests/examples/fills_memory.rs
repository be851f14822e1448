//! Fills and copies 16 MiB in single instructions, for ever: many bytes for each instruction.
//!
//! World `agent`. Must fail as `out_of_fuel`.

use std::hint::black_box;

use hothouse_sdk::serde_json::Value;
use hothouse_sdk::{Agent, Execution, HandlerError};

const LENGTH: usize = 16 << 20;

struct FillsMemory;

impl Agent for FillsMemory {
    type Input = Value;
    type Output = Value;

    fn execute(_: Execution<Value>) -> Result<Value, HandlerError> {
        let mut bytes = vec![0_u8; LENGTH];
        let mut value = 0_u8;
        loop {
            value = black_box(value).wrapping_add(1);
            black_box(&mut bytes).fill(value);
            black_box(&mut bytes).copy_within(1.., 0);
        }
    }
}

hothouse_sdk::export!(FillsMemory: Agent);
