//! What an operator should know of a bus.

use serde::Serialize;

use super::routes;

/// One thing that is not as it should be, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Advice {
    /// How bad it is.
    pub severity: Severity,
    /// What was found and what to do.
    pub message: String,
}

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing, or could not be checked.
    Advice,
    /// It loses events or doubles outcomes.
    Fail,
}

impl Advice {
    pub(super) fn note(message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Advice,
            message: message.into(),
        }
    }

    pub(super) fn fail(message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Fail,
            message: message.into(),
        }
    }

    /// Of a group whose hosts run with `theirs`, where a host with `ours` would be refused.
    pub(super) fn on_routes(stream: &str, group: &str, ours: &str, theirs: &str) -> Option<Self> {
        let difference = routes::difference(ours, theirs)?;
        Some(Self::note(format!(
            "the hosts of {group} on {stream} have other routes or another host.dedup_window_s \
             than this configuration ({difference}): `hothouse serve` is refused with it while \
             they run. Give all hosts of a group the same, or stop them before you change it"
        )))
    }
}
