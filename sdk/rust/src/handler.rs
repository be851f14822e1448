//! World `handler`: any event in, events out.

use std::marker::PhantomData;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::bindings::agent::hothouse::agent::types::HandlerError as WitError;
use crate::bindings::handler::exports::hothouse::agent::handling as wit;
use crate::{HandlerError, Metadata};

/// A plugin that handles any type of event that the operator routes to it.
///
/// Each event gets a fresh instance: nothing in memory survives to the next one. After a
/// host's crash the same event may be run again, and what it emits is appended once.
pub trait Handler {
    /// What the event's `data` holds. An event whose data does not decode into it fails as
    /// a validation error. [`serde_json::Value`] takes any data; a field with
    /// `#[serde(flatten)]` takes what the other fields don't name.
    type Data: DeserializeOwned;

    /// Handles one event, and gives the events to append: all of them or none, in this
    /// order.
    ///
    /// # Errors
    ///
    /// What the variant of [`HandlerError`] says becomes the event's failure.
    fn handle(event: Event<Self::Data>) -> Result<Vec<NewEvent>, HandlerError>;
}

/// The event to handle, with its data decoded.
#[derive(Debug, Clone, PartialEq)]
pub struct Event<D> {
    /// The event's envelope, which names its type.
    pub metadata: Metadata,
    /// The event's data.
    pub data: D,
}

impl<D> Event<D> {
    /// An event for a test.
    pub fn sample(event_type: &str, data: D) -> Self {
        Self {
            metadata: Metadata::sample(event_type),
            data,
        }
    }
}

/// An event to append. Its envelope (id, time, correlation, source) is the host's.
#[derive(Debug, Clone, PartialEq)]
pub struct NewEvent {
    /// A type that the plugin's manifest lists under `emits`. The host refuses any other
    /// as a `contract_violation`.
    pub event_type: String,
    /// A JSON object that meets the contract of its type.
    pub data: Value,
}

impl NewEvent {
    /// An event of a type that the manifest lists under `emits`.
    ///
    /// # Errors
    ///
    /// A permanent error where `data` does not serialize.
    pub fn new(event_type: impl Into<String>, data: impl Serialize) -> Result<Self, HandlerError> {
        let event_type = event_type.into();
        let data = serde_json::to_value(data)
            .map_err(|error| HandlerError::permanent(format_args!("{event_type}: {error}")))?;
        Ok(Self { event_type, data })
    }
}

/// What [`export!`](crate::export) exports for a plugin `P`.
#[doc(hidden)]
pub struct HandlerComponent<P>(PhantomData<P>);

impl<P: Handler> wit::Guest for HandlerComponent<P> {
    fn handle(event: wit::Event) -> Result<Vec<wit::NewEvent>, WitError> {
        let events = decode(event).and_then(P::handle)?;
        Ok(events.into_iter().map(encode).collect())
    }
}

fn decode<D: DeserializeOwned>(event: wit::Event) -> Result<Event<D>, HandlerError> {
    Ok(Event {
        data: serde_json::from_str(&event.data)
            .map_err(|error| HandlerError::validation(format_args!("data: {error}")))?,
        metadata: event.metadata.into(),
    })
}

fn encode(event: NewEvent) -> wit::NewEvent {
    wit::NewEvent {
        event_type: event.event_type,
        data: event.data.to_string(),
    }
}
