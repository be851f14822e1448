//! Begins `input_data.requests` requests to `input_data.authority` and holds them all, without a
//! look at what comes; then waits for ever, or returns where
//! `input_data.leave` says so.
//!
//! World `agent`. Fails as `timeout`, or completes; its connections end with it.

use hothouse_sdk::serde_json::{Value, json};
use hothouse_sdk::{Agent, Execution, HandlerError};
use serde::Deserialize;
use wasip2::http::outgoing_handler::handle;
use wasip2::http::types::{Fields, OutgoingRequest, Scheme};

struct HoldsRequests;

#[derive(Deserialize)]
struct Input {
    authority: String,
    requests: usize,
    /// How many of them to wait for.
    #[serde(default)]
    answered: usize,
    #[serde(default)]
    leave: bool,
}

impl Agent for HoldsRequests {
    type Input = Input;
    type Output = Value;

    fn execute(execution: Execution<Input>) -> Result<Value, HandlerError> {
        let input = execution.input;
        let mut held = Vec::new();
        for _ in 0..input.requests {
            let request = OutgoingRequest::new(Fields::new());
            let set = request
                .set_scheme(Some(&Scheme::Http))
                .and_then(|()| request.set_authority(Some(&input.authority)))
                .and_then(|()| request.set_path_with_query(Some("/")));
            set.map_err(|()| HandlerError::permanent("the request cannot be made"))?;
            held.push(handle(request, None).map_err(HandlerError::permanent)?);
        }
        for future in held.iter().take(input.answered) {
            future.subscribe().block();
        }
        if !input.leave {
            loop {
                std::thread::sleep(std::time::Duration::from_secs(3600));
            }
        }
        Ok(json!({ "held": held.len() }))
    }
}

hothouse_sdk::export!(HoldsRequests: Agent);
