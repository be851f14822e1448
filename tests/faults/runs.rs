//! The runs of handlers, read from the hosts' logs.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use chrono::DateTime;
use serde_json::Value;

use crate::journal::{Millis, name};

/// A run of a handler, by the log of its host.
#[derive(Debug, Clone)]
pub(crate) struct Run {
    /// See [`name`].
    pub(crate) event_id: String,
    /// Whether it is the second group's.
    pub(crate) audit: bool,
    pub(crate) attempt: u64,
    /// The file name of its host's log.
    pub(crate) host: String,
    pub(crate) begin: Millis,
    /// None where the host did not live to see it, or dropped it.
    pub(crate) end: Option<Millis>,
}

/// What the logs of one host process say.
#[derive(Debug, Default)]
pub(crate) struct Log {
    pub(crate) runs: Vec<Run>,
    /// Entries whose commit was superseded.
    pub(crate) superseded: Vec<String>,
}

/// The version label of the audit's plugin begins so.
pub(crate) const AUDITOR: &str = "auditor";

impl Log {
    /// The runs of the audit, or of the other group.
    pub(crate) fn of_audit(&self, audit: bool) -> Self {
        let runs = self.runs.iter().filter(|run| run.audit == audit);
        Self {
            runs: runs.cloned().collect(),
            superseded: self.superseded.clone(),
        }
    }
}

/// Reads a log of `serve --json`. The last line may be half a line.
pub(crate) fn read(path: &Path) -> Log {
    let host = path.file_name().unwrap_or_default().to_string_lossy();
    let text = fs::read_to_string(path).expect("read a host's log");
    let mut log = Log::default();
    let mut open: BTreeMap<(String, bool, u64), usize> = BTreeMap::new();
    for line in text.lines() {
        let Ok(line) = serde_json::from_str::<Value>(line) else {
            continue;
        };
        let fields = &line["fields"];
        let message = fields["message"].as_str().unwrap_or_default();
        let at = || {
            let time = line["timestamp"].as_str().unwrap_or_default();
            let time = DateTime::parse_from_rfc3339(time).expect("a line's time");
            time.timestamp_millis()
        };
        let event = || {
            let event_id = fields["event_id"].as_str().unwrap_or_default().to_owned();
            let plugin = fields["plugin"].as_str().unwrap_or_default();
            let attempt = fields["attempt"].as_u64().unwrap_or(0);
            (event_id, plugin.starts_with(AUDITOR), attempt)
        };
        if message.starts_with("run begins") {
            let (event_id, audit, attempt) = event();
            let generation = fields["generation"].as_u64().unwrap_or(0);
            open.insert((event_id.clone(), audit, attempt), log.runs.len());
            log.runs.push(Run {
                event_id: name(&event_id, generation),
                audit,
                attempt,
                host: host.clone().into_owned(),
                begin: at(),
                end: None,
            });
        } else if message.starts_with("agent.execution.started ") {
            if let Some(run) = open.remove(&event()) {
                log.runs[run].end = Some(at());
            }
        } else if message.starts_with("superseded") {
            let entry = fields["entry"].as_str().unwrap_or_default();
            log.superseded.push(entry.to_owned());
        }
    }
    log
}
