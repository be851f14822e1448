//! Makes the host work, as `input_data` says: `{"log": BYTES}`, `{"random": BYTES}`,
//! `{"hold": HANDLES}`, `{"lend": HANDLES}` or `{"open": PATH}`, each `times` times (once where it
//! says nothing).
//!
//! World `agent`. Completes with how often it did it, or with `{"refused": WHY}` where a file
//! is not opened. Fails as `output_limit`, `memory_limit` or `out_of_fuel` where that is more than
//! a limit allows.

use std::fs::File;
use std::io::Read as _;

use hothouse_sdk::serde_json::{Value, json};
use hothouse_sdk::{Agent, Execution, HandlerError, log};
use serde::Deserialize;

mod wasi {
    wit_bindgen::generate!({
        inline: "
            package test:calls;

            world calls {
                import wasi:random/random@0.2.6;
                import wasi:io/poll@0.2.6;
                import wasi:clocks/monotonic-clock@0.2.6;
            }

            package wasi:random@0.2.6 {
                interface random {
                    get-random-bytes: func(len: u64) -> list<u8>;
                    get-random-u64: func() -> u64;
                }
            }

            package wasi:io@0.2.6 {
                interface poll {
                    resource pollable {
                        ready: func() -> bool;
                        block: func();
                    }
                    poll: func(in: list<borrow<pollable>>) -> list<u32>;
                }
            }

            package wasi:clocks@0.2.6 {
                interface monotonic-clock {
                    use wasi:io/poll@0.2.6.{pollable};
                    type instant = u64;
                    type duration = u64;
                    now: func() -> instant;
                    resolution: func() -> duration;
                    subscribe-instant: func(when: instant) -> pollable;
                    subscribe-duration: func(when: duration) -> pollable;
                }
            }
        ",
        generate_all,
    });
}

use self::wasi::wasi::clocks::monotonic_clock::subscribe_duration;
use self::wasi::wasi::io::poll::poll;
use self::wasi::wasi::random::random::get_random_bytes;

struct HostCalls;

#[derive(Deserialize)]
struct Input {
    #[serde(default = "once")]
    times: u64,
    #[serde(flatten)]
    what: What,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum What {
    Log(usize),
    Random(u64),
    Hold(usize),
    Lend(usize),
    Open(String),
}

fn once() -> u64 {
    1
}

impl Agent for HostCalls {
    type Input = Input;
    type Output = Value;

    fn execute(execution: Execution<Input>) -> Result<Value, HandlerError> {
        let Input { times, what } = execution.input;
        let line = match what {
            What::Log(bytes) => "x".repeat(bytes),
            _ => String::new(),
        };
        for _ in 0..times {
            match &what {
                What::Log(_) => log::info!("{line}"),
                What::Random(bytes) => drop(get_random_bytes(*bytes)),
                What::Hold(handles) => {
                    let held = (0..*handles).map(|_| subscribe_duration(0));
                    drop(held.collect::<Vec<_>>());
                }
                What::Lend(handles) => {
                    let one = subscribe_duration(0);
                    drop(poll(&vec![&one; *handles]));
                }
                What::Open(path) => {
                    let read = File::open(path).and_then(|mut file| file.read(&mut [0; 16]));
                    if let Err(error) = read {
                        return Ok(json!({ "refused": error.to_string() }));
                    }
                }
            }
        }
        Ok(json!({ "times": times }))
    }
}

hothouse_sdk::export!(HostCalls: Agent);
