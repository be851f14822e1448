//! Sends the request that `input_data` describes, `times` times, and returns the last response.
//! Follows one redirect where `follow` says so. Swallows every error where `hide` says so.
//!
//! World `agent`. Completes where the origin is granted and answers. `capability_denied` where it
//! is not granted or leads to a private address, whatever the guest would make of an error.
//! `retryable_error` or `permanent_error` where the request fails otherwise.

use std::collections::BTreeMap;
use std::time::Duration;

use hothouse_sdk::http::{Error, Request, Response};
use hothouse_sdk::serde_json::{Value, json};
use hothouse_sdk::{Agent, Execution, HandlerError};
use serde::Deserialize;

struct SendsRequest;

#[derive(Deserialize)]
struct Input {
    url: String,
    #[serde(default = "get")]
    method: String,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    body: Option<String>,
    timeout_ms: Option<u64>,
    #[serde(default = "once")]
    times: u32,
    #[serde(default)]
    follow: bool,
    #[serde(default)]
    hide: bool,
}

fn get() -> String {
    "GET".to_owned()
}

fn once() -> u32 {
    1
}

impl Agent for SendsRequest {
    type Input = Input;
    type Output = Value;

    fn execute(execution: Execution<Input>) -> Result<Value, HandlerError> {
        let input = execution.input;
        let hide = input.hide;
        match send(&input) {
            Ok(response) => Ok(shown(&response)),
            Err(_) if hide => Ok(json!({ "hidden": true })),
            Err(error) => Err(error.into()),
        }
    }
}

fn send(input: &Input) -> Result<Response, Error> {
    for _ in 1..input.times {
        request(input, &input.url).send()?;
    }
    let response = request(input, &input.url).send()?;
    match response.header("location") {
        Some(location) if input.follow => request(input, location).send(),
        Some(_) | None => Ok(response),
    }
}

fn request(input: &Input, url: &str) -> Request {
    let mut request = Request::new(&input.method, url);
    for (name, value) in &input.headers {
        request = request.header(name, value.as_str());
    }
    if let Some(body) = &input.body {
        request = request.body(body.as_str());
    }
    if let Some(timeout) = input.timeout_ms {
        request = request.timeout(Duration::from_millis(timeout));
    }
    request
}

fn shown(response: &Response) -> Value {
    let headers = response.headers().iter();
    let headers: BTreeMap<_, _> = headers
        .map(|(name, value)| (name, String::from_utf8_lossy(value)))
        .collect();
    json!({
        "status": response.status(),
        "headers": headers,
        "body": String::from_utf8_lossy(response.body()),
    })
}

hothouse_sdk::export!(SendsRequest: Agent);
