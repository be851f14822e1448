//! Events to publish.

use hothouse::event::{Fields, Id};
use serde_json::{Value, json};

/// A random id as text.
pub(crate) fn id() -> String {
    Id::random().to_string()
}

/// An event with a new event_id.
pub(crate) fn event(kind: &str, data: Value) -> Value {
    json!({
        "event_id": id(),
        "type": kind,
        "timestamp": "2024-01-16T20:01:00Z",
        "data": data,
    })
}

/// An agent.execution.started for the agent type, in a lane of its own.
pub(crate) fn started(agent_type: &str, input: Value) -> Value {
    started_in(&id(), agent_type, input)
}

/// An agent.execution.started in the lane `plan`.
pub(crate) fn started_in(plan: &str, agent_type: &str, input: Value) -> Value {
    event(
        "agent.execution.started",
        json!({
            "agent_execution_id": id(),
            "agent_type": agent_type,
            "phase_number": 1,
            "execution_plan_id": plan,
            "input_data": input,
        }),
    )
}

/// A discovery.started for the repository.
pub(crate) fn discovery(repository_id: &str) -> Value {
    event(
        "discovery.started",
        json!({ "repository_id": repository_id, "discovery_type": "full" }),
    )
}

/// The event's id.
pub(crate) fn id_of(event: &Value) -> &str {
    event["event_id"].as_str().expect("an event_id")
}

/// The event as a flat entry: a field for each key, `data` as JSON text.
pub(crate) fn flat(event: &Value) -> Fields {
    let mut fields = Fields::default();
    for (name, value) in event.as_object().expect("an object") {
        match value {
            Value::String(text) => fields.push(name, text.as_str()),
            other => fields.push(name, other.to_string()),
        }
    }
    fields
}

/// The events as JSON lines.
pub(crate) fn lines(events: &[Value]) -> Vec<u8> {
    let lines: Vec<String> = events.iter().map(ToString::to_string).collect();
    lines.join("\n").into_bytes()
}
