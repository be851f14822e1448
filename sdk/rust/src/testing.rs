//! Runs a plugin natively the way that the host runs it: JSON in, JSON out.
//!
//! A plugin's own function is called with its own types ([`Execution::sample`],
//! [`Discovery::sample`], [`Event::sample`]); what is here also tries that the JSON of a
//! real event decodes into them, and that what comes back is what the host accepts.

use serde_json::Value;

use crate::agent::AgentComponent;
use crate::analyzer::AnalyzerComponent;
use crate::bindings::agent::exports::hothouse::agent::execution::{self, Guest as _};
use crate::bindings::analyzer::exports::hothouse::agent::discovery::{self, Guest as _};
use crate::bindings::handler::exports::hothouse::agent::handling::{self, Guest as _};
use crate::handler::HandlerComponent;
use crate::{Agent, Analyzer, Discovery, Event, Execution, Handler, HandlerError, NewEvent};
use crate::{Report, Stack};

/// Runs an agent on an `input_data`, and gives its `output_data`.
///
/// # Errors
///
/// The agent's own, and a validation error where the input does not decode.
///
/// # Panics
///
/// Where the output is not a JSON object: the host would refuse it.
pub fn execute<P: Agent>(execution: Execution<Value>) -> Result<Value, HandlerError> {
    let result = AgentComponent::<P>::execute(execution::ExecutionRequest {
        metadata: execution.metadata.into(),
        agent_execution_id: execution.agent_execution_id,
        agent_type: execution.agent_type,
        phase_number: execution.phase_number,
        execution_plan_id: execution.execution_plan_id,
        input_data: execution.input.to_string(),
        extra: Value::Object(execution.extra).to_string(),
    })?;
    Ok(object("output_data", &result.output_data))
}

/// Runs an analyzer, and gives its report.
///
/// # Errors
///
/// The analyzer's own.
///
/// # Panics
///
/// Where the risk score is not between 0 and 1, or the path is not UTF-8.
pub fn analyze<P: Analyzer>(discovery: Discovery) -> Result<Report, HandlerError> {
    let report = AnalyzerComponent::<P>::analyze(discovery::DiscoveryRequest {
        metadata: discovery.metadata.into(),
        repository_id: discovery.repository_id,
        discovery_type: discovery.discovery_type,
        repository_path: discovery.repository_path.map(|path| {
            path.into_os_string()
                .into_string()
                .expect("the repository's path must be UTF-8")
        }),
        extra: Value::Object(discovery.extra).to_string(),
    })?;
    assert!(
        (0.0..=1.0).contains(&report.risk_score),
        "the host would refuse the risk score {}: it is not between 0 and 1",
        report.risk_score
    );
    Ok(Report {
        stack: Stack {
            language: report.detected_stack.language,
            framework: report.detected_stack.framework,
            database: report.detected_stack.database,
        },
        service_boundaries: report.service_boundaries,
        risk_score: report.risk_score,
    })
}

/// Runs a handler on an event, and gives what it emits. That the types are among the
/// manifest's `emits` is not checked here.
///
/// # Errors
///
/// The handler's own, and a validation error where the data does not decode.
///
/// # Panics
///
/// Where the data of an event is not a JSON object: the host would refuse it.
pub fn handle<P: Handler>(event: Event<Value>) -> Result<Vec<NewEvent>, HandlerError> {
    let events = HandlerComponent::<P>::handle(handling::Event {
        metadata: event.metadata.into(),
        data: event.data.to_string(),
    })?;
    Ok(events
        .into_iter()
        .map(|event| NewEvent {
            data: object(&event.event_type, &event.data),
            event_type: event.event_type,
        })
        .collect())
}

fn object(what: &str, json: &str) -> Value {
    match serde_json::from_str(json) {
        Ok(value @ Value::Object(_)) => value,
        Ok(_) | Err(_) => panic!("the host would refuse {what}: {json} is not a JSON object"),
    }
}
