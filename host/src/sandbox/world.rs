//! The worlds of the WIT package.

use serde::{Deserialize, Serialize};

use crate::event::EventType;

/// What a component exports, and so what it can handle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum World {
    /// Executes `agent.execution.started`.
    Agent,
    /// Analyzes for `discovery.started`.
    Analyzer,
    /// Handles any type, event in, events out.
    Handler,
}

impl World {
    /// Every world.
    pub const ALL: [Self; 3] = [Self::Agent, Self::Analyzer, Self::Handler];

    /// The name in manifests.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::Analyzer => "analyzer",
            Self::Handler => "handler",
        }
    }

    /// The interface that a component of this world exports.
    #[must_use]
    pub fn export(self) -> &'static str {
        match self {
            Self::Agent => "hothouse:agent/execution@0.1.0",
            Self::Analyzer => "hothouse:agent/discovery@0.1.0",
            Self::Handler => "hothouse:agent/handling@0.1.0",
        }
    }

    /// Whether a component of this world can take events of a type.
    #[must_use]
    pub fn takes(self, event_type: EventType) -> bool {
        match self {
            Self::Agent => event_type == EventType::AgentExecutionStarted,
            Self::Analyzer => event_type == EventType::DiscoveryStarted,
            Self::Handler => event_type.failed().is_none(),
        }
    }
}

impl std::fmt::Display for World {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}
