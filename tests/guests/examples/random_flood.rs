//! Asks for random bytes for ever, `{"bytes": N}` at a time.
//!
//! World `agent`. Must fail as `output_limit`.

use std::hint::black_box;

use hothouse_sdk::serde_json::Value;
use hothouse_sdk::{Agent, Execution, HandlerError};
use serde::Deserialize;

mod wasi {
    wit_bindgen::generate!({
        inline: "
            package test:randoms;

            world randoms {
                import wasi:random/random@0.2.1;
            }

            package wasi:random@0.2.1 {
                interface random {
                    get-random-bytes: func(len: u64) -> list<u8>;
                }
            }
        ",
        generate_all,
    });
}

use wasi::wasi::random::random::get_random_bytes;

#[derive(Deserialize)]
struct Input {
    bytes: u64,
}

struct RandomFlood;

impl Agent for RandomFlood {
    type Input = Input;
    type Output = Value;

    fn execute(execution: Execution<Input>) -> Result<Value, HandlerError> {
        loop {
            black_box(get_random_bytes(execution.input.bytes));
        }
    }
}

hothouse_sdk::export!(RandomFlood: Agent);
