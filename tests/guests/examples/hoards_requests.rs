//! Makes the host keep, copy and read large strings of requests that are never sent, in the way
//! that `input_data.way` names: `input_data.times` times, or for ever.
//!
//! World `agent`. Fails as `output_limit` or `out_of_fuel`, or completes and has paid for each time.

use hothouse_sdk::serde_json::{Value, json};
use hothouse_sdk::{Agent, Execution, HandlerError};
use serde::Deserialize;
use wasip2::http::types::{Fields, Method, OutgoingRequest, Scheme};

/// As large as one call may pass.
const LARGE: usize = 1_000_000;

/// As large as fields may be.
const FIELD: usize = 60_000;

/// Fewer than a run may have handles.
const HELD: usize = 200;

struct HoardsRequests;

#[derive(Deserialize)]
struct Input {
    way: Way,
    times: Option<usize>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Way {
    Methods,
    Authorities,
    Paths,
    Schemes,
    MethodReads,
    AuthorityReads,
    PathReads,
    FromLists,
    Sets,
    Appends,
    Deletes,
    Looks,
    Reads,
    Lists,
    Copies,
}

impl Agent for HoardsRequests {
    type Input = Input;
    type Output = Value;

    fn execute(execution: Execution<Input>) -> Result<Value, HandlerError> {
        let Input { way, times } = execution.input;
        let large = "a".repeat(LARGE);
        let field = &large[..FIELD];
        let path = format!("/{field}");
        let method = Method::Other(large.clone());
        let scheme = Scheme::Other(large[..60].to_owned());
        let request = OutgoingRequest::new(Fields::new());
        let fields = Fields::new();
        let mut held = Vec::new();
        let appended = fields.append("x", field.as_bytes());
        appended.map_err(HandlerError::permanent)?;
        let set = request
            .set_method(&Method::Other(field.to_owned()))
            .and_then(|()| request.set_path_with_query(Some(&path)))
            .and_then(|()| request.set_authority(Some(field)));
        set.map_err(|()| HandlerError::permanent("the request cannot be made"))?;
        for _ in 0..times.unwrap_or(usize::MAX) {
            // Changes are allowed to fail: what was passed is passed.
            match way {
                Way::Methods => {
                    let request = OutgoingRequest::new(Fields::new());
                    let _ = request.set_method(&method);
                    held.push(request);
                }
                Way::Authorities => {
                    let request = OutgoingRequest::new(Fields::new());
                    let _ = request.set_authority(Some(field));
                    held.push(request);
                    held.truncate(HELD);
                }
                Way::Paths => {
                    let _ = request.set_path_with_query(Some(&path));
                }
                Way::Schemes => {
                    let _ = request.set_scheme(Some(&scheme));
                }
                Way::MethodReads => {
                    let _ = request.method();
                }
                Way::AuthorityReads => {
                    let _ = request.authority();
                }
                Way::PathReads => {
                    let _ = request.path_with_query();
                }
                Way::FromLists => {
                    let _ = Fields::from_list(&[("x".to_owned(), field.into())]);
                }
                Way::Sets => {
                    let _ = fields.set("x", &[field.into()]);
                }
                Way::Appends => {
                    let _ = fields.append("no name", large.as_bytes());
                }
                Way::Deletes => {
                    let _ = fields.delete(&large);
                }
                Way::Looks => {
                    let _ = fields.has(&large);
                }
                Way::Reads => {
                    let _ = fields.get("x");
                }
                Way::Lists => {
                    let _ = fields.entries();
                }
                Way::Copies => {
                    let _ = fields.clone().append("y", b"");
                }
            }
        }
        Ok(json!({ "held": held.len() }))
    }
}

hothouse_sdk::export!(HoardsRequests: Agent);
