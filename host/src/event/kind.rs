//! The event types and what the contract says of each: its stream and its aggregate.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A type of the contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs)] // The names say it all: they are the contract's.
pub enum EventType {
    RepoConnected,
    RepoSyncStarted,
    RepoSyncCompleted,
    DiscoveryStarted,
    DiscoveryCompleted,
    DiscoveryFailed,
    FeatureRequestCreated,
    PlanningStarted,
    PlanningCompleted,
    AgentExecutionStarted,
    AgentExecutionCompleted,
    AgentExecutionFailed,
    PrCreated,
    PrMerged,
}

impl EventType {
    /// Every type, in the contract's order.
    pub const ALL: [Self; 14] = [
        Self::RepoConnected,
        Self::RepoSyncStarted,
        Self::RepoSyncCompleted,
        Self::DiscoveryStarted,
        Self::DiscoveryCompleted,
        Self::DiscoveryFailed,
        Self::FeatureRequestCreated,
        Self::PlanningStarted,
        Self::PlanningCompleted,
        Self::AgentExecutionStarted,
        Self::AgentExecutionCompleted,
        Self::AgentExecutionFailed,
        Self::PrCreated,
        Self::PrMerged,
    ];

    /// Every stream of the contract.
    pub const STREAMS: [&'static str; 5] = [
        "repository-events",
        "feature-events",
        "planning-events",
        "execution-events",
        "pr-events",
    ];

    /// The type's name on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RepoConnected => "repo.connected",
            Self::RepoSyncStarted => "repo.sync.started",
            Self::RepoSyncCompleted => "repo.sync.completed",
            Self::DiscoveryStarted => "discovery.started",
            Self::DiscoveryCompleted => "discovery.completed",
            Self::DiscoveryFailed => "discovery.failed",
            Self::FeatureRequestCreated => "feature.request.created",
            Self::PlanningStarted => "planning.started",
            Self::PlanningCompleted => "planning.completed",
            Self::AgentExecutionStarted => "agent.execution.started",
            Self::AgentExecutionCompleted => "agent.execution.completed",
            Self::AgentExecutionFailed => "agent.execution.failed",
            Self::PrCreated => "pr.created",
            Self::PrMerged => "pr.merged",
        }
    }

    /// The type with this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }

    /// The stream that the type lives on.
    #[must_use]
    pub fn stream(self) -> &'static str {
        Self::STREAMS[self.stream_index()]
    }

    /// Where [`EventType::stream`] stands in [`EventType::STREAMS`].
    #[must_use]
    pub fn stream_index(self) -> usize {
        match self {
            Self::RepoConnected
            | Self::RepoSyncStarted
            | Self::RepoSyncCompleted
            | Self::DiscoveryStarted
            | Self::DiscoveryCompleted
            | Self::DiscoveryFailed => 0,
            Self::FeatureRequestCreated => 1,
            Self::PlanningStarted | Self::PlanningCompleted => 2,
            Self::AgentExecutionStarted
            | Self::AgentExecutionCompleted
            | Self::AgentExecutionFailed => 3,
            Self::PrCreated | Self::PrMerged => 4,
        }
    }

    /// Where in `data` the aggregate's id stands: dotted paths, the first that is there
    /// counts. Events of one aggregate form a lane.
    #[must_use]
    pub fn aggregate(self) -> &'static [&'static str] {
        match self {
            Self::RepoConnected
            | Self::RepoSyncStarted
            | Self::RepoSyncCompleted
            | Self::DiscoveryStarted
            | Self::DiscoveryCompleted
            | Self::DiscoveryFailed => &["repository_id"],
            Self::FeatureRequestCreated => &["feature_request_id"],
            Self::PlanningStarted | Self::PlanningCompleted => &["execution_plan_id"],
            Self::AgentExecutionStarted => &["execution_plan_id", "agent_execution_id"],
            Self::AgentExecutionCompleted | Self::AgentExecutionFailed => {
                &["hothouse.execution_plan_id", "agent_execution_id"]
            }
            Self::PrCreated | Self::PrMerged => &["pull_request_id"],
        }
    }

    /// The type of the event that says that handling this one failed. Types without one
    /// end as a dead letter alone.
    #[must_use]
    pub fn failed(self) -> Option<Self> {
        match self {
            Self::AgentExecutionStarted => Some(Self::AgentExecutionFailed),
            Self::DiscoveryStarted => Some(Self::DiscoveryFailed),
            Self::RepoConnected
            | Self::RepoSyncStarted
            | Self::RepoSyncCompleted
            | Self::DiscoveryCompleted
            | Self::DiscoveryFailed
            | Self::FeatureRequestCreated
            | Self::PlanningStarted
            | Self::PlanningCompleted
            | Self::AgentExecutionCompleted
            | Self::AgentExecutionFailed
            | Self::PrCreated
            | Self::PrMerged => None,
        }
    }
}

impl fmt::Display for EventType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Serialize for EventType {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for EventType {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        Self::parse(&name).ok_or_else(|| de::Error::custom("expected a type of the contract"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_is_found_by_its_own_name_and_lives_on_a_stream_of_the_contract() {
        for kind in EventType::ALL {
            assert_eq!(EventType::parse(kind.as_str()), Some(kind));
            assert!(EventType::STREAMS.contains(&kind.stream()));
        }
        assert_eq!(EventType::parse("agent.execution"), None);
    }
}
