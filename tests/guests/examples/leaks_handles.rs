//! Makes pollables and drops none of them.
//!
//! World `agent`. Must fail as `memory_limit`: what handles stand for is held by the host.

use std::mem;

use hothouse_sdk::serde_json::Value;
use hothouse_sdk::{Agent, Execution, HandlerError};

mod wasi {
    wit_bindgen::generate!({
        inline: "
            package test:handles;

            world handles {
                import wasi:clocks/monotonic-clock@0.2.1;
            }

            package wasi:io@0.2.1 {
                interface poll {
                    resource pollable;
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

struct LeaksHandles;

impl Agent for LeaksHandles {
    type Input = Value;
    type Output = Value;

    fn execute(_: Execution<Value>) -> Result<Value, HandlerError> {
        loop {
            mem::forget(subscribe_duration(u64::MAX / 2));
        }
    }
}

hothouse_sdk::export!(LeaksHandles: Agent);
