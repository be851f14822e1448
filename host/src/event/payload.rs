//! `data`, typed: one struct for each type of the contract.
//!
//! Every struct keeps the fields that it doesn't know in `extra`, so that they survive to
//! the plugin and back. Every field that the contract shows is required, but for
//! `execution_plan_id` of an execution.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::{EventType, Id};

/// Fields that the contract doesn't name.
pub type Extra = Map<String, Value>;

/// `data` does not meet the contract of its type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {message}")]
pub struct PayloadError {
    /// Where, for example `data.phases[0].name`.
    pub path: String,
    /// What is wrong there.
    pub message: String,
}

macro_rules! payloads {
    ($( $(#[$doc:meta])* $name:ident { $( $(#[$attr:meta])* $field:ident : $type:ty ),* $(,)? } )*) => {
        $(
            $(#[$doc])*
            #[derive(Debug, Clone, Serialize, Deserialize)]
            #[allow(missing_docs)] // The fields' names and meanings are the contract's.
            pub struct $name {
                $( $(#[$attr])* pub $field: $type, )*
                /// Fields that the contract doesn't name.
                #[serde(flatten)]
                pub extra: Extra,
            }
        )*

        /// The `data` of an event, typed.
        #[derive(Debug, Clone)]
        #[allow(missing_docs)] // As the event types.
        pub enum Payload { $( $name($name), )* }

        impl Payload {
            /// Parses the `data` of a type.
            ///
            /// # Errors
            /// When a field is missing or has the wrong type; the error says where.
            pub fn parse(event_type: EventType, data: &str) -> Result<Self, PayloadError> {
                match event_type { $( EventType::$name => Ok(Self::$name(parse(data)?)), )* }
            }

            /// The type that this is the data of.
            #[must_use]
            pub fn event_type(&self) -> EventType {
                match self { $( Self::$name(_) => EventType::$name, )* }
            }

            /// Its fields that the contract doesn't name.
            #[must_use]
            pub fn extra(&self) -> &Extra {
                match self { $( Self::$name(data) => &data.extra, )* }
            }

            /// The JSON text of it.
            ///
            /// # Errors
            /// When it does not serialise.
            pub fn to_data(&self) -> Result<String, serde_json::Error> {
                match self { $( Self::$name(data) => serde_json::to_string(data), )* }
            }
        }
    };
}

payloads! {
    /// A repository was connected to a project.
    RepoConnected {
        repository_id: Id,
        project_id: Id,
        full_name: String,
        clone_url: String,
        access_type: String,
    }
    /// A sync of a repository began.
    RepoSyncStarted {
        repository_id: Id,
        sync_type: SyncType,
        trigger: SyncTrigger,
    }
    /// A sync of a repository ended.
    RepoSyncCompleted {
        repository_id: Id,
        file_tree_hash: String,
        files_processed: u64,
        chunks_indexed: u64,
        detected_changes: Vec<String>,
    }
    /// A discovery is asked for.
    DiscoveryStarted {
        repository_id: Id,
        discovery_type: String,
    }
    /// What a discovery found.
    DiscoveryCompleted {
        repository_id: Id,
        discovery_report_id: Id,
        detected_stack: DetectedStack,
        service_boundaries: Vec<String>,
        risk_score: f64,
    }
    /// A discovery that found nothing, and why. Ours: the shape is that of
    /// `agent.execution.failed`.
    DiscoveryFailed {
        repository_id: Id,
        error_message: String,
        error_type: String,
        retry_count: u32,
    }
    /// Somebody wants a feature.
    FeatureRequestCreated {
        feature_request_id: Id,
        project_id: Id,
        title: String,
        description: String,
        requester_id: Id,
    }
    /// A plan is being made.
    PlanningStarted {
        feature_request_id: Id,
        execution_plan_id: Id,
        planner_agent_id: Id,
    }
    /// A plan was made.
    PlanningCompleted {
        execution_plan_id: Id,
        phases: Vec<Phase>,
        blast_radius: BlastRadius,
    }
    /// An agent is asked to execute one phase.
    AgentExecutionStarted {
        agent_execution_id: Id,
        agent_type: String,
        phase_number: u32,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        execution_plan_id: Option<Id>,
        input_data: Box<RawValue>,
    }
    /// What an agent did.
    AgentExecutionCompleted {
        agent_execution_id: Id,
        output_data: Box<RawValue>,
        token_usage: TokenUsage,
    }
    /// What an agent could not do, and why.
    AgentExecutionFailed {
        agent_execution_id: Id,
        error_message: String,
        error_type: String,
        retry_count: u32,
    }
    /// A pull request was opened.
    PrCreated {
        pull_request_id: Id,
        repository_id: Id,
        agent_execution_id: Id,
        title: String,
        branch_name: String,
        pr_number: u64,
        url: String,
    }
    /// A pull request was merged.
    PrMerged {
        pull_request_id: Id,
        merged_by: Id,
        merge_commit_sha: String,
    }
}

impl Payload {
    /// The plan that an execution belongs to, where it belongs to one.
    #[must_use]
    pub fn execution_plan_id(&self) -> Option<Id> {
        if let Self::AgentExecutionStarted(data) = self {
            data.execution_plan_id
        } else {
            None
        }
    }

    /// The repository that it is about, where it names one: `data.repository_id`, also where
    /// the contract of its type does not name that field.
    ///
    /// # Errors
    /// When a `repository_id` that the contract does not name is no UUID.
    pub fn repository_id(&self) -> Result<Option<Id>, PayloadError> {
        let named = match self {
            Self::RepoConnected(data) => data.repository_id,
            Self::RepoSyncStarted(data) => data.repository_id,
            Self::RepoSyncCompleted(data) => data.repository_id,
            Self::DiscoveryStarted(data) => data.repository_id,
            Self::DiscoveryCompleted(data) => data.repository_id,
            Self::DiscoveryFailed(data) => data.repository_id,
            Self::PrCreated(data) => data.repository_id,
            Self::FeatureRequestCreated(_)
            | Self::PlanningStarted(_)
            | Self::PlanningCompleted(_)
            | Self::AgentExecutionStarted(_)
            | Self::AgentExecutionCompleted(_)
            | Self::AgentExecutionFailed(_)
            | Self::PrMerged(_) => return self.extra_repository_id(),
        };
        Ok(Some(named))
    }

    fn extra_repository_id(&self) -> Result<Option<Id>, PayloadError> {
        let Some(value) = self.extra().get("repository_id") else {
            return Ok(None);
        };
        let id = Id::deserialize(value).map_err(|error| PayloadError {
            path: "data.repository_id".to_owned(),
            message: error.to_string(),
        })?;
        Ok(Some(id))
    }

    /// The type of the event that says that handling this one failed, and the id that it
    /// names. None where the contract has no such type.
    #[must_use]
    pub fn failed_as(&self) -> Option<(EventType, Id)> {
        let kind = self.event_type().failed()?;
        if let Self::AgentExecutionStarted(data) = self {
            Some((kind, data.agent_execution_id))
        } else if let Self::DiscoveryStarted(data) = self {
            Some((kind, data.repository_id))
        } else {
            None
        }
    }
}

/// What a discovery found the repository to be made of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)] // As above.
pub struct DetectedStack {
    pub language: String,
    pub framework: String,
    pub database: String,
    /// Fields that the contract doesn't name.
    #[serde(flatten)]
    pub extra: Extra,
}

/// One phase of a plan.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[allow(missing_docs)] // As above.
pub struct Phase {
    pub phase_number: u32,
    pub name: String,
    pub agent_type: String,
    pub estimated_duration: String,
    pub risk_level: String,
    /// Fields that the contract doesn't name.
    #[serde(flatten)]
    pub extra: Extra,
}

/// How far a plan reaches.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[allow(missing_docs)] // As above.
pub struct BlastRadius {
    pub repositories_affected: Vec<String>,
    pub files_affected: u64,
    pub api_endpoints_changed: u64,
    /// Fields that the contract doesn't name.
    #[serde(flatten)]
    pub extra: Extra,
}

/// Tokens that a model used, counted by the host.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)] // As above.
pub struct TokenUsage {
    pub prompt_tokens: u64,
    pub completion_tokens: u64,
    pub total_tokens: u64,
}

/// How much of a repository is synced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)] // As above.
pub enum SyncType {
    Full,
    Incremental,
}

/// What set off a sync.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)] // As above.
pub enum SyncTrigger {
    Manual,
    Webhook,
    Scheduled,
}

fn parse<'a, T: Deserialize<'a>>(data: &'a str) -> Result<T, PayloadError> {
    let mut json = serde_json::Deserializer::from_str(data);
    let value = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let path = match error.path().to_string().as_str() {
            "." => "data".to_owned(),
            path => format!("data.{path}"),
        };
        PayloadError {
            path,
            message: error.into_inner().to_string(),
        }
    })?;
    json.end().map_err(|error| PayloadError {
        path: "data".to_owned(),
        message: error.to_string(),
    })?;
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    const STARTED: &str = r#"{
        "agent_execution_id": "3fa85f64-5717-4562-b3fc-2c963f66afa6",
        "agent_type": "backend", "phase_number": 1,
        "input_data": {"big": 12345678901234567890123, "x": [1.0]}, "priority": "high"
    }"#;

    #[test]
    fn input_data_keeps_its_text_to_the_letter_and_unknown_fields_are_kept() {
        let payload = Payload::parse(EventType::AgentExecutionStarted, STARTED).expect("parse");
        let Payload::AgentExecutionStarted(data) = &payload else {
            panic!("{payload:?}")
        };
        assert_eq!(
            data.input_data.get(),
            r#"{"big": 12345678901234567890123, "x": [1.0]}"#
        );
        assert_eq!(data.execution_plan_id, None);
        assert_eq!(data.extra["priority"], "high");
    }

    #[test]
    fn a_wrong_type_is_reported_with_its_path() {
        let wrong = STARTED.replace("\"phase_number\": 1", "\"phase_number\": \"one\"");
        let error = Payload::parse(EventType::AgentExecutionStarted, &wrong).expect_err("wrong");
        assert_eq!(error.path, "data.phase_number");
    }

    #[test]
    fn a_missing_field_is_named() {
        let error = Payload::parse(EventType::PrMerged, "{}").expect_err("empty");
        assert!(error.message.contains("pull_request_id"), "{error}");
    }

    #[test]
    fn text_after_the_object_is_refused() {
        let doubled = format!("{STARTED}{STARTED}");
        assert!(Payload::parse(EventType::AgentExecutionStarted, &doubled).is_err());
    }
}
