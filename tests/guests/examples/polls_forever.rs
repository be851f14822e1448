//! Waits for what never happens: asks over and over whether it did, or, with
//! `{"blocked": true}`, lets the host wait for any of a hundred of them.
//!
//! World `agent`. Must fail as `out_of_fuel` where it asks, and as `timeout` where it waits.

use hothouse_sdk::serde_json::{Value, json};
use hothouse_sdk::{Agent, Execution, HandlerError};
use serde::Deserialize;

mod wasi {
    wit_bindgen::generate!({
        inline: "
            package test:polls;

            world polls {
                import wasi:io/poll@0.2.1;
                import wasi:clocks/monotonic-clock@0.2.1;
            }

            package wasi:io@0.2.1 {
                interface poll {
                    resource pollable {
                        ready: func() -> bool;
                    }
                    poll: func(in: list<borrow<pollable>>) -> list<u32>;
                }
            }

            package wasi:clocks@0.2.1 {
                interface monotonic-clock {
                    use wasi:io/poll@0.2.1.{pollable};
                    type duration = u64;
                    subscribe-duration: func(when: duration) -> pollable;
                }
            }
        ",
        generate_all,
    });
}

use wasi::wasi::clocks::monotonic_clock::subscribe_duration;
use wasi::wasi::io::poll::poll;

const CENTURY: u64 = 100 * 365 * 86_400 * 1_000_000_000;

#[derive(Deserialize)]
struct Input {
    #[serde(default)]
    blocked: bool,
}

struct PollsForever;

impl Agent for PollsForever {
    type Input = Input;
    type Output = Value;

    fn execute(execution: Execution<Input>) -> Result<Value, HandlerError> {
        if execution.input.blocked {
            let never: Vec<_> = (0..100).map(|_| subscribe_duration(CENTURY)).collect();
            return Ok(json!({ "ready": poll(&never.iter().collect::<Vec<_>>()) }));
        }
        let never = subscribe_duration(CENTURY);
        while !never.ready() {}
        Ok(json!({}))
    }
}

hothouse_sdk::export!(PollsForever: Agent);
