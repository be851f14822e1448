//! Emits what the event's data asks for: `{"emit": [{"type": "...", "data": {...}}]}`. No
//! such field, no event.
//!
//! World `handler`. Completes. What it emits is checked by the host, so a type that the
//! manifest doesn't list is a `contract_violation`.

use hothouse_sdk::serde_json::Value;
use hothouse_sdk::{Event, Handler, HandlerError, NewEvent};
use serde::Deserialize;

struct Echo;

#[derive(Deserialize)]
struct Data {
    #[serde(default)]
    emit: Vec<Emit>,
}

#[derive(Deserialize)]
struct Emit {
    #[serde(rename = "type")]
    event_type: String,
    data: Value,
}

impl Handler for Echo {
    type Data = Data;

    fn handle(event: Event<Data>) -> Result<Vec<NewEvent>, HandlerError> {
        event
            .data
            .emit
            .into_iter()
            .map(|emit| NewEvent::new(emit.event_type, emit.data))
            .collect()
    }
}

hothouse_sdk::export!(Echo: Handler);
