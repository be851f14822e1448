//! World `agent`: one phase of a plan in, its output out.

use std::marker::PhantomData;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::bindings::agent::exports::hothouse::agent::execution as wit;
use crate::bindings::agent::hothouse::agent::types::HandlerError as WitError;
use crate::metadata::decode_extra;
use crate::{HandlerError, Metadata};

/// A plugin that executes `agent.execution.started`.
///
/// Each event gets a fresh instance: nothing in memory survives to the next one. After a
/// host's crash the same event may be run again, and its outcome is committed once.
pub trait Agent {
    /// What `input_data` holds. An event whose input does not decode into it fails as a
    /// validation error that names the field, before [`execute`](Self::execute) is called.
    type Input: DeserializeOwned;
    /// What becomes `output_data`. It must serialize to a JSON object; the host refuses
    /// anything else as a `contract_violation`.
    type Output: Serialize;

    /// Executes one phase.
    ///
    /// # Errors
    ///
    /// What the variant of [`HandlerError`] says becomes the event's failure.
    fn execute(execution: Execution<Self::Input>) -> Result<Self::Output, HandlerError>;
}

/// One `agent.execution.started`, with its `input_data` decoded.
#[derive(Debug, Clone, PartialEq)]
pub struct Execution<I> {
    /// The event's envelope.
    pub metadata: Metadata,
    /// UUID of this execution.
    pub agent_execution_id: String,
    /// The type that the event was routed by, for example `backend`.
    pub agent_type: String,
    /// The phase of the plan, from 1.
    pub phase_number: u32,
    /// The plan, where the execution is part of one.
    pub execution_plan_id: Option<String>,
    /// The event's `input_data`.
    pub input: I,
    /// Fields of the event's data that the contract doesn't name.
    pub extra: Map<String, Value>,
}

impl<I> Execution<I> {
    /// An execution for a test: fixed ids, agent type `backend`, phase 1, attempt 1, no
    /// extra fields. Change what the test is about.
    pub fn sample(input: I) -> Self {
        Self {
            metadata: Metadata::sample("agent.execution.started"),
            agent_execution_id: "33333333-3333-4333-8333-333333333333".to_owned(),
            agent_type: "backend".to_owned(),
            phase_number: 1,
            execution_plan_id: Some("44444444-4444-4444-8444-444444444444".to_owned()),
            input,
            extra: Map::new(),
        }
    }
}

/// What [`export!`](crate::export) exports for a plugin `P`.
#[doc(hidden)]
pub struct AgentComponent<P>(PhantomData<P>);

impl<P: Agent> wit::Guest for AgentComponent<P> {
    fn execute(request: wit::ExecutionRequest) -> Result<wit::ExecutionResult, WitError> {
        run::<P>(request).map_err(WitError::from)
    }
}

fn run<P: Agent>(request: wit::ExecutionRequest) -> Result<wit::ExecutionResult, HandlerError> {
    let output = P::execute(decode(request)?)?;
    // Not `?`: that the output won't serialize is no fault of the input.
    let output_data = serde_json::to_string(&output)
        .map_err(|error| HandlerError::permanent(format_args!("output_data: {error}")))?;
    Ok(wit::ExecutionResult { output_data })
}

fn decode<I: DeserializeOwned>(
    request: wit::ExecutionRequest,
) -> Result<Execution<I>, HandlerError> {
    Ok(Execution {
        input: serde_json::from_str(&request.input_data)
            .map_err(|error| HandlerError::validation(format_args!("input_data: {error}")))?,
        extra: decode_extra(&request.extra)?,
        metadata: request.metadata.into(),
        agent_execution_id: request.agent_execution_id,
        agent_type: request.agent_type,
        phase_number: request.phase_number,
        execution_plan_id: request.execution_plan_id,
    })
}
