//! A plugin that never ends by itself. It shows what the host does about that: the event
//! fails as `out_of_fuel`, and every other event goes on.

use std::hint::black_box;

use hothouse_sdk::serde_json::Value;
use hothouse_sdk::{Agent, Execution, HandlerError, log};

/// Loops for ever.
pub struct RunawayAgent;

impl Agent for RunawayAgent {
    type Input = Value;
    type Output = Value;

    fn execute(_: Execution<Value>) -> Result<Value, HandlerError> {
        log::warn!("looping for ever");
        let mut rounds = 0_u64;
        loop {
            rounds = black_box(rounds.wrapping_add(1));
        }
    }
}

hothouse_sdk::export!(RunawayAgent: Agent);
