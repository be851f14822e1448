//! `hothouse.toml`, read and checked once: unknown keys are refused and every mistake is
//! reported at once.

mod allow;
mod read;
mod repositories;
mod section;
mod signatures;

pub use repositories::{Repositories, RepositoryPattern, RepositoryPatternError};
pub(crate) use section::{Section, parse};

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Serialize, Serializer};

use crate::bus::{BusUrl, Start, TrimBound};
use crate::event::{EventType, Id};
use crate::failure::{ErrorType, Failure};
use crate::plugin::{Allowed, SignaturePolicy};
use crate::sandbox::{Limits, LimitsPatch};

/// Group of `agent.execution.started`, by the contract.
pub const AGENT_WORKERS: &str = "agent-workers";
/// Group of `discovery.started`, by the contract.
pub const DISCOVERY_WORKERS: &str = "discovery-workers";

/// Everything that the operator decides.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where the bus is.
    pub bus: BusUrl,
    /// The host's own settings.
    pub host: HostConfig,
    /// What a plugin gets that asks for nothing.
    pub limits: Limits,
    /// The most that a plugin can ask for.
    pub limits_max: Limits,
    /// Where repositories are.
    pub repositories: Repositories,
    /// Whose plugins run.
    pub signatures: SignaturePolicy,
    /// Plugins by name.
    pub plugins: BTreeMap<String, PluginConfig>,
    /// Routes, in the file's order.
    pub routes: Vec<RouteConfig>,
    /// Groups that differ from the defaults.
    pub groups: BTreeMap<String, GroupConfig>,
    /// What hosts remove of the streams, where they remove anything.
    pub trim: Option<TrimPolicy>,
}

/// Settings of one host.
#[derive(Debug, Clone)]
pub struct HostConfig {
    /// Names the host in the bus's books and in logs.
    pub name: String,
    /// Runs at a time, over all groups.
    pub slots: u32,
    /// Deliveries in hand at a time, for each group.
    pub in_flight: usize,
    /// How long a host that is not heard of keeps what it holds.
    pub lease: Duration,
    /// How long a finished event_id is remembered.
    pub dedup_window: Duration,
    /// How long a shutdown waits for runs before it hands their events back.
    pub shutdown_grace: Duration,
    /// Reading stops while this many entries of a group wait behind busy lanes.
    pub parked_limit: usize,
    /// Where compiled components are kept, if they are.
    pub cache: Option<PathBuf>,
}

/// Where the plugin is and what it may do.
#[derive(Debug, Clone)]
pub struct PluginConfig {
    /// Its directory, with `plugin.toml`.
    pub path: PathBuf,
    /// What it may have, where its manifest asks for it.
    pub allow: Allowed,
    /// Limits that the operator sets, whatever the manifest asks for.
    pub limits: LimitsPatch,
}

/// Which events go to which plugin.
#[derive(Debug, Clone, Serialize)]
pub struct RouteConfig {
    /// The group that takes them.
    #[serde(skip)]
    pub group: String,
    /// Their type.
    #[serde(rename = "type")]
    pub event_type: EventType,
    /// Their agent_type or discovery_type; `*` takes any. Only for types that have one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub selector: Option<String>,
    /// The plugin's name.
    pub plugin: String,
    /// When and how often a failure is retried.
    #[serde(flatten)]
    pub retry: RetryPolicy,
}

/// When and how often a failed event is run again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RetryPolicy {
    /// Delay before each retry. Their number is the number of retries.
    #[serde(rename = "retry_delays_ms", serialize_with = "all_millis")]
    pub delays: Vec<Duration>,
    /// Classes that are retried, where the operator overrides [`ErrorType::retried`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_on: Option<Vec<ErrorType>>,
    /// The longest delay that a plugin may ask for.
    #[serde(rename = "max_delay_ms", serialize_with = "millis")]
    pub max_delay: Duration,
    /// What becomes of the lane.
    pub poisoned_lane: PoisonedLane,
}

/// What becomes of the later events of a lane whose head fails.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PoisonedLane {
    /// They wait while it is retried, and go on after its end.
    #[default]
    Block,
    /// They go on while it waits for its retry: their order is given up, two of them still never
    /// run at once.
    Skip,
    /// As block; and where it ends as a dead letter, they wait until an operator releases the
    /// lane.
    Park,
}

fn millis<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u128(duration.as_millis())
}

fn all_millis<S: Serializer>(durations: &[Duration], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(durations.iter().map(Duration::as_millis))
}

impl Default for RetryPolicy {
    /// 1 s, 5 s, 25 s; a plugin may ask for up to 5 minutes.
    fn default() -> Self {
        Self {
            delays: [1, 5, 25].map(Duration::from_secs).to_vec(),
            retry_on: None,
            max_delay: Duration::from_secs(300),
            poisoned_lane: PoisonedLane::Block,
        }
    }
}

impl RetryPolicy {
    /// The delay before the next run, or none where there is to be no other.
    ///
    /// `attempt` is the one that failed, from 1. `salt` spreads events that failed together:
    /// the schedule's delays vary by up to a fifth, a plugin's own do not.
    #[must_use]
    pub fn next(&self, failure: &Failure, attempt: u32, salt: Id) -> Option<Duration> {
        let retried = match &self.retry_on {
            Some(classes) => classes.contains(&failure.error_type),
            None => failure.error_type.retried(),
        };
        let delay = self.delays.get(attempt as usize - 1).filter(|_| retried)?;
        if let Some(asked) = failure.retry_after {
            return Some(asked.min(self.max_delay));
        }
        let fraction =
            f64::from(salt.derive(&attempt.to_string()).0.as_fields().0) / f64::from(u32::MAX);
        Some(delay.mul_f64(0.8 + 0.4 * fraction))
    }

    /// Runs that an event gets at the most.
    #[must_use]
    pub fn max_attempts(&self) -> u32 {
        u32::try_from(self.delays.len())
            .unwrap_or(u32::MAX)
            .saturating_add(1)
    }
}

/// Settings of one group.
#[derive(Debug, Clone, Copy, Default)]
pub struct GroupConfig {
    /// Where the group begins if it does not exist yet.
    pub start: Start,
}

/// What hosts remove of the streams that they consume, once every group has acknowledged it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TrimPolicy {
    /// What may go.
    pub bound: TrimBound,
    /// How often.
    pub every: Duration,
}

/// The configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration {path}: {reason}; --config FILE names another", path = .path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        reason: std::io::Error,
    },
    /// It says what it should not; every mistake is listed.
    #[error("{path} has {} mistake{}:\n{}", .problems.len(), if .problems.len() == 1 { "" } else { "s" }, list(.problems), path = .path.display())]
    Invalid {
        /// Which.
        path: PathBuf,
        /// Where and what, a line each.
        problems: Vec<Problem>,
    },
}

/// One mistake.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, thiserror::Error)]
#[error("{at}: {message}")]
pub struct Problem {
    /// Where, for example `routes[2].plugin`.
    pub at: String,
    /// What is wrong and what to do.
    pub message: String,
}

fn list(problems: &[Problem]) -> String {
    let lines: Vec<String> = problems
        .iter()
        .map(|problem| format!("  - {problem}"))
        .collect();
    lines.join("\n")
}

impl Config {
    /// Reads and checks a file. Relative paths in it are relative to its folder. `bus`
    /// overrides the file's.
    ///
    /// # Errors
    /// [`ConfigError`], with every mistake at once.
    pub fn load(path: &Path, bus: Option<&str>) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|reason| ConfigError::Unreadable {
            path: path.to_owned(),
            reason,
        })?;
        let folder = path.parent().unwrap_or(Path::new(""));
        Self::parse(&text, folder, bus).map_err(|problems| ConfigError::Invalid {
            path: path.to_owned(),
            problems,
        })
    }

    /// Checks the text of a configuration.
    ///
    /// # Errors
    /// Every mistake in it.
    pub fn parse(text: &str, folder: &Path, bus: Option<&str>) -> Result<Self, Vec<Problem>> {
        read::config(text, folder, bus)
    }

    /// The groups that the routes name, each once, in name order.
    #[must_use]
    pub fn group_names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self
            .routes
            .iter()
            .map(|route| route.group.as_str())
            .collect();
        names.sort_unstable();
        names.dedup();
        names
    }
}
