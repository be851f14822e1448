//! Events to publish, and outcomes for them.

use hothouse::bus::Output;
use hothouse::event::{EventType, Fields, Id};
use serde_json::{Value, json};

/// The stream of the execution events.
pub(crate) const EXECUTIONS: &str = "execution-events";

/// A valid agent.execution.started with a new event_id: the `seq`-th of the lane `plan`.
pub(crate) fn started(plan: Id, seq: u64) -> Fields {
    started_as(Id::random(), plan, seq)
}

/// The same with an event_id of choice.
pub(crate) fn started_as(event_id: Id, plan: Id, seq: u64) -> Fields {
    flat(
        event_id,
        EventType::AgentExecutionStarted.as_str(),
        &started_data(event_id, plan, seq).to_string(),
    )
}

/// Data of an agent.execution.started.
pub(crate) fn started_data(event_id: Id, plan: Id, seq: u64) -> Value {
    json!({
        "agent_execution_id": event_id.derive("execution").to_string(),
        "agent_type": "backend",
        "phase_number": 1,
        "execution_plan_id": plan.to_string(),
        "input_data": { "seq": seq },
    })
}

/// An entry in the flat form, whatever its parts.
pub(crate) fn flat(event_id: Id, event_type: &str, data: &str) -> Fields {
    let mut fields = Fields::default();
    fields.push("event_id", event_id.to_string());
    fields.push("type", event_type);
    fields.push("timestamp", "2024-01-16T20:01:00Z");
    fields.push("data", data);
    fields
}

/// Which event of its lane a started event is.
pub(crate) fn seq_of(fields: &Fields) -> u64 {
    number(fields, "/input_data/seq")
}

/// The id of an event in the flat form.
pub(crate) fn event_id_of(fields: &Fields) -> Id {
    id(fields, "event_id")
}

/// The agent.execution.completed for a started event, with the event_id that is its own each
/// time.
pub(crate) fn completed(input: &Fields) -> Output {
    outcome(input, EventType::AgentExecutionCompleted)
}

/// The agent.execution.failed for a started event.
pub(crate) fn failed(input: &Fields) -> Output {
    outcome(input, EventType::AgentExecutionFailed)
}

fn outcome(input: &Fields, event_type: EventType) -> Output {
    let event_id = event_id_of(input);
    let started = data(input);
    let data = json!({
        "agent_execution_id": started["agent_execution_id"],
        "output_data": { "seq": started["input_data"]["seq"] },
        "hothouse": { "execution_plan_id": started["execution_plan_id"] },
    });
    let mut fields = flat(
        event_id.derive(event_type.as_str()),
        event_type.as_str(),
        &data.to_string(),
    );
    fields.push("causation_id", event_id.to_string());
    Output { event_type, fields }
}

/// Lane, place in the lane and input of a completed event.
pub(crate) fn completed_parts(fields: &Fields) -> (Id, u64, Id) {
    let plan = data(fields)
        .pointer("/hothouse/execution_plan_id")
        .and_then(Value::as_str)
        .and_then(|text| text.parse().ok())
        .expect("an outcome names its plan");
    let seq = number(fields, "/output_data/seq");
    (plan, seq, id(fields, "causation_id"))
}

fn data(fields: &Fields) -> Value {
    let data = fields.get("data").expect("the entry has data");
    serde_json::from_slice(data).expect("its data is JSON")
}

fn number(fields: &Fields, path: &str) -> u64 {
    let value = data(fields);
    let number = value.pointer(path).and_then(Value::as_u64);
    number.unwrap_or_else(|| panic!("no number at {path} in {value}"))
}

fn id(fields: &Fields, name: &str) -> Id {
    let text = std::str::from_utf8(fields.get(name).expect("the entry has its id"));
    text.expect("UTF-8").parse().expect("a UUID")
}
