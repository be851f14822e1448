//! What happened when, for whoever must find out why a run failed.

use std::sync::Mutex;

use chrono::{DateTime, SecondsFormat, Utc};

/// Lines that are kept: the last ones.
const MOST_LINES: usize = 400;

#[derive(Debug, Default)]
pub(crate) struct Story {
    lines: Mutex<Vec<(DateTime<Utc>, String)>>,
}

impl Story {
    pub(crate) fn tell(&self, what: impl Into<String>) {
        let mut lines = self.lines.lock().expect("the story");
        if lines.len() == MOST_LINES {
            lines.remove(0);
        }
        lines.push((Utc::now(), what.into()));
    }

    /// A line for each thing that happened, with the time as the hosts' logs have it.
    pub(crate) fn text(&self) -> String {
        let lines = self.lines.lock().expect("the story");
        lines
            .iter()
            .map(|(at, what)| {
                let at = at.to_rfc3339_opts(SecondsFormat::Millis, true);
                format!("  {at}  {what}\n")
            })
            .collect()
    }
}
