//! Makes the host keep, copy and read large strings of requests that are never sent, in the way
//! that `input_data.way` names, for ever or, where it holds something, up to 200 times.
//!
//! World `agent`. Fails as `output_limit` or `out_of_fuel`.

use hothouse_sdk::serde_json::{Value, json};
use hothouse_sdk::{Agent, Execution, HandlerError};
use serde::Deserialize;
use wasip2::http::types::{Fields, Method, OutgoingRequest, Scheme};

/// As large as one call may pass.
const LARGE: usize = 1_000_000;

/// As large as fields may be.
const FIELD: usize = 60_000;

const HELD: usize = 200;

struct HoardsRequests;

#[derive(Deserialize)]
struct Input {
    way: Way,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Way {
    Methods,
    Authorities,
    Paths,
    Schemes,
    Copies,
    Looks,
    Reads,
    Lists,
    Appends,
    MethodReads,
}

impl Agent for HoardsRequests {
    type Input = Input;
    type Output = Value;

    fn execute(execution: Execution<Input>) -> Result<Value, HandlerError> {
        let large = "a".repeat(LARGE);
        match execution.input.way {
            Way::Methods => {
                let method = Method::Other(large);
                hold(|request| request.set_method(&method))
            }
            Way::Authorities => hold(|request| request.set_authority(Some(&large))),
            Way::Paths => {
                let path = format!("/{}", &large[..FIELD]);
                forever(|| {
                    let request = OutgoingRequest::new(Fields::new());
                    set(request.set_path_with_query(Some(&path)))
                })
            }
            Way::Schemes => {
                let scheme = Scheme::Other(large[..60].to_owned());
                let request = OutgoingRequest::new(Fields::new());
                forever(|| set(request.set_scheme(Some(&scheme))))
            }
            Way::Copies => {
                let fields = filled()?;
                forever(|| {
                    let copy = fields.clone();
                    copy.append("y", b"").map_err(HandlerError::permanent)
                })
            }
            Way::Looks => {
                let fields = Fields::new();
                forever(|| {
                    fields.has(&large);
                    Ok(())
                })
            }
            Way::Reads => {
                let fields = filled()?;
                forever(|| {
                    fields.get("x");
                    Ok(())
                })
            }
            Way::Lists => {
                let fields = filled()?;
                forever(|| {
                    fields.entries();
                    Ok(())
                })
            }
            Way::Appends => {
                let fields = Fields::new();
                forever(|| {
                    let refused = fields.append("x y", large.as_bytes());
                    refused.map_or(Ok(()), |()| Err(HandlerError::permanent("it is a name")))
                })
            }
            Way::MethodReads => {
                let request = OutgoingRequest::new(Fields::new());
                set(request.set_method(&Method::Other(large)))?;
                forever(|| {
                    request.method();
                    Ok(())
                })
            }
        }
    }
}

fn hold(change: impl Fn(&OutgoingRequest) -> Result<(), ()>) -> Result<Value, HandlerError> {
    let mut held = Vec::new();
    for _ in 0..HELD {
        let request = OutgoingRequest::new(Fields::new());
        set(change(&request))?;
        held.push(request);
    }
    Ok(json!({ "held": held.len() }))
}

fn forever(mut once: impl FnMut() -> Result<(), HandlerError>) -> Result<Value, HandlerError> {
    loop {
        once()?;
    }
}

fn filled() -> Result<Fields, HandlerError> {
    let fields = Fields::new();
    let value = "a".repeat(FIELD);
    fields
        .append("x", value.as_bytes())
        .map_err(HandlerError::permanent)?;
    Ok(fields)
}

fn set(result: Result<(), ()>) -> Result<(), HandlerError> {
    result.map_err(|()| HandlerError::permanent("it cannot be set"))
}

hothouse_sdk::export!(HoardsRequests: Agent);
