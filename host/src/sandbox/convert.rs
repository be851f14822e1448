//! Between our values and the generated ones. No generated type leaves this room.

use serde_json::value::RawValue;

use super::bindings::types::{HandlerError, Metadata};
use super::bindings::{agent, analyzer, handler};
use super::{Call, Limits, Reply, World};
use crate::event::{self, DetectedStack, Event, EventType, Extra, Payload};
use crate::failure::{ErrorType, Failure};

use agent::exports::hothouse::agent::execution::{ExecutionRequest, ExecutionResult};
use analyzer::exports::hothouse::agent::discovery::{DiscoveryReport, DiscoveryRequest};
use handler::exports::hothouse::agent::handling::{Event as GuestEvent, NewEvent};

/// About the bytes that an emitted event has beside its data.
const ENVELOPE: usize = 1024;

const TOO_DEEP: &str = "its JSON is nested deeper than an event's data may be";

pub(super) fn execution_request(call: &Call<'_>) -> Option<ExecutionRequest> {
    let Payload::AgentExecutionStarted(data) = &call.event.payload else {
        return None;
    };
    Some(ExecutionRequest {
        metadata: metadata(call),
        agent_execution_id: data.agent_execution_id.to_string(),
        agent_type: data.agent_type.clone(),
        phase_number: data.phase_number,
        execution_plan_id: data.execution_plan_id.map(|id| id.to_string()),
        input_data: data.input_data.get().to_owned(),
        extra: object(&data.extra),
    })
}

pub(super) fn discovery_request(call: &Call<'_>) -> Option<DiscoveryRequest> {
    let Payload::DiscoveryStarted(data) = &call.event.payload else {
        return None;
    };
    Some(DiscoveryRequest {
        metadata: metadata(call),
        repository_id: data.repository_id.to_string(),
        discovery_type: data.discovery_type.clone(),
        repository_path: call.grants.repository_path().map(str::to_owned),
        extra: object(&data.extra),
    })
}

pub(super) fn guest_event(call: &Call<'_>) -> GuestEvent {
    GuestEvent {
        metadata: metadata(call),
        data: call.event.data.clone(),
    }
}

pub(super) fn wrong_payload(call: &Call<'_>, world: World) -> Failure {
    Failure::new(
        ErrorType::HostError,
        format!(
            "a plugin of world {world} cannot take {}",
            call.event.envelope.event_type
        ),
    )
}

pub(super) fn executed(
    result: Result<ExecutionResult, HandlerError>,
    limits: &Limits,
) -> Result<Reply, Failure> {
    let output = result.map_err(failure)?.output_data;
    within(output.len(), limits)?;
    if event::is_too_deep(&output) {
        return Err(violation(TOO_DEEP));
    }
    let output_data = RawValue::from_string(output)
        .map_err(|error| violation(format!("output_data is not JSON: {error}")))?;
    if !output_data.get().starts_with('{') {
        return Err(violation("output_data is not a JSON object"));
    }
    Ok(Reply::Executed { output_data })
}

pub(super) fn analyzed(
    result: Result<DiscoveryReport, HandlerError>,
    limits: &Limits,
) -> Result<Reply, Failure> {
    let report = result.map_err(failure)?;
    let stack = report.detected_stack;
    let names = [&stack.language, &stack.framework, &stack.database];
    let boundaries = report.service_boundaries.iter();
    within(
        names.into_iter().chain(boundaries).map(String::len).sum(),
        limits,
    )?;
    if !(0.0..=1.0).contains(&report.risk_score) {
        return Err(violation(format!(
            "risk_score is {}, not between 0 and 1",
            report.risk_score
        )));
    }
    Ok(Reply::Analyzed {
        detected_stack: DetectedStack {
            language: stack.language,
            framework: stack.framework,
            database: stack.database,
            extra: Extra::new(),
        },
        service_boundaries: report.service_boundaries,
        risk_score: report.risk_score,
    })
}

pub(super) fn handled(
    result: Result<Vec<NewEvent>, HandlerError>,
    limits: &Limits,
    emits: &[EventType],
) -> Result<Reply, Failure> {
    let events = result.map_err(failure)?;
    let sizes = events.iter().map(|event| event.data.len() + ENVELOPE);
    within(sizes.sum(), limits)?;
    let events = events
        .into_iter()
        .map(|event| emitted(event, emits))
        .collect::<Result<_, _>>()?;
    Ok(Reply::Handled { events })
}

fn emitted(event: NewEvent, emits: &[EventType]) -> Result<(EventType, String), Failure> {
    let NewEvent { event_type, data } = event;
    let allowed = EventType::parse(&event_type).filter(|kind| emits.contains(kind));
    let Some(kind) = allowed else {
        return Err(violation(format!(
            "emitted {event_type:?}, which its manifest does not list under `emits`"
        )));
    };
    if event::is_too_deep(&data) {
        return Err(violation(TOO_DEEP));
    }
    let payload = Payload::parse(kind, &data)
        .map_err(|error| violation(format!("emitted {kind}: {error}")))?;
    if payload.extra().contains_key("hothouse") {
        return Err(violation(format!(
            "emitted {kind} with data.hothouse, which is the host's"
        )));
    }
    Ok((kind, data))
}

fn metadata(call: &Call<'_>) -> Metadata {
    let Event { envelope, .. } = call.event;
    Metadata {
        event_id: envelope.event_id.to_string(),
        event_type: envelope.event_type.to_string(),
        timestamp: envelope
            .timestamp
            .to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true),
        correlation_id: envelope
            .correlation_id
            .unwrap_or(envelope.event_id)
            .to_string(),
        causation_id: envelope.causation_id.map(|id| id.to_string()),
        source: envelope.source.clone(),
        version: envelope.version.clone(),
        attempt: call.attempt,
    }
}

fn failure(error: HandlerError) -> Failure {
    match error {
        HandlerError::Validation(message) => Failure::new(ErrorType::ValidationError, message),
        HandlerError::Permanent(message) => Failure::new(ErrorType::PermanentError, message),
        HandlerError::Retryable(retry) => Failure {
            retry_after: retry.delay_ms.map(std::time::Duration::from_millis),
            ..Failure::new(ErrorType::RetryableError, retry.message)
        },
    }
}

fn within(bytes: usize, limits: &Limits) -> Result<(), Failure> {
    if bytes <= limits.output_bytes {
        return Ok(());
    }
    Err(Failure::new(
        ErrorType::OutputLimit,
        format!(
            "its result has {bytes} bytes, the limit is {}",
            limits.output_bytes
        ),
    ))
}

fn violation(message: impl AsRef<str>) -> Failure {
    Failure::new(ErrorType::ContractViolation, message)
}

fn object(extra: &Extra) -> String {
    // Maps of JSON values with text keys always serialise.
    serde_json::to_string(extra).unwrap_or_else(|_| "{}".to_owned())
}
