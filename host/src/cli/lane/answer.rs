//! What `hothouse lane` prints.

use serde::Serialize;
use serde_json::Value;

use crate::bus::{Attempt, Entry, Lane, LaneState, LaneStateName, LaneStatus, Lanes, Subscription};
use crate::cli::output::{event_json, table};

#[derive(Default, Serialize)]
pub(super) struct Listed {
    lanes: Vec<Row>,
    /// Lanes that there are beside those listed.
    more: usize,
}

#[derive(Serialize)]
struct Row {
    lane: String,
    stream: &'static str,
    group: String,
    state: LaneStateName,
    /// For people: since when, by whom, or until when.
    detail: String,
    head: Option<String>,
    attempts: u32,
    waiting: u64,
    last_error: Option<String>,
}

#[derive(Serialize)]
pub(super) struct Shown {
    #[serde(flatten)]
    row: Row,
    history: Vec<Attempt>,
    /// The head, as it stands on the stream.
    event: Option<Value>,
}

#[derive(Serialize)]
pub(super) struct Changed {
    lane: String,
    stream: &'static str,
    group: String,
    done: &'static str,
}

impl Row {
    fn new(subscription: &Subscription, status: &LaneStatus) -> Self {
        let detail = match &status.state {
            LaneState::Held {
                host,
                attempt,
                alone,
            } => {
                let alone = if *alone { ", alone" } else { "" };
                format!("run {attempt} on {host}{alone}")
            }
            LaneState::Waiting { due_in } if due_in.is_zero() => "for a host".to_owned(),
            LaneState::Waiting { due_in } => {
                format!("for its retry, due in {:.1} s", due_in.as_secs_f64())
            }
            LaneState::Stopped { by, since } => {
                format!("by entry {by} at {}", since.format("%Y-%m-%d %H:%M:%S UTC"))
            }
        };
        let last = status.history.last();
        Self {
            lane: status.lane.to_string(),
            stream: subscription.stream,
            group: subscription.group.clone(),
            state: status.state.name(),
            detail,
            head: status.head.map(|head| head.to_string()),
            attempts: status.attempts,
            waiting: status.waiting,
            last_error: last.map(|last| format!("{}: {}", last.error_type, last.error_message)),
        }
    }
}

impl Listed {
    pub(super) fn add(&mut self, subscription: &Subscription, found: Lanes) {
        self.more += found.total - found.lanes.len();
        let rows = found.lanes.iter().map(|lane| Row::new(subscription, lane));
        self.lanes.extend(rows);
    }

    /// What needs an operator first.
    pub(super) fn sort(&mut self) {
        let rank = |state| match state {
            LaneStateName::Stopped => 0,
            LaneStateName::Waiting => 1,
            LaneStateName::Held => 2,
        };
        self.lanes
            .sort_by(|a, b| (rank(a.state), &a.lane).cmp(&(rank(b.state), &b.lane)));
    }

    pub(super) fn text(&self) -> String {
        if self.lanes.is_empty() {
            return "every lane is free".to_owned();
        }
        let titles = [
            "lane",
            "group",
            "state",
            "",
            "runs",
            "waiting",
            "last error",
        ];
        let mut rows = vec![titles.map(str::to_owned).to_vec()];
        rows.extend(self.lanes.iter().map(|row| {
            vec![
                row.lane.clone(),
                row.group.clone(),
                row.state.as_str().to_owned(),
                row.detail.clone(),
                row.attempts.to_string(),
                row.waiting.to_string(),
                row.last_error.clone().unwrap_or_default(),
            ]
        }));
        match self.more {
            0 => table(&rows),
            more => format!("{}\n{more} more: raise --limit", table(&rows)),
        }
    }
}

impl Shown {
    pub(super) fn new(
        subscription: &Subscription,
        status: &LaneStatus,
        entry: Option<&Entry>,
    ) -> Self {
        Self {
            row: Row::new(subscription, status),
            history: status.history.clone(),
            event: entry.map(|entry| event_json(&entry.fields)),
        }
    }

    pub(super) fn text(&self) -> String {
        let row = &self.row;
        let mut lines = vec![
            format!("lane     {}", row.lane),
            format!("group    {} on {}", row.group, row.stream),
            format!("state    {}, {}", row.state.as_str(), row.detail),
            format!("waiting  {}", row.waiting),
        ];
        if let Some(head) = &row.head {
            lines.push(format!(
                "head     {head}, runs that ended: {}",
                row.attempts
            ));
        }
        for run in &self.history {
            let plugin = run.plugin.as_deref().unwrap_or("no plugin");
            lines.push(format!(
                "  run {} ended {} ({plugin}) {}: {}",
                run.attempt,
                run.at.format("%Y-%m-%d %H:%M:%S UTC"),
                run.error_type,
                run.error_message
            ));
        }
        if let Some(event) = &self.event {
            lines.push(format!("{event:#}"));
        }
        lines.join("\n")
    }
}

impl Changed {
    pub(super) fn new(subscription: &Subscription, lane: &Lane, done: &'static str) -> Self {
        Self {
            lane: lane.to_string(),
            stream: subscription.stream,
            group: subscription.group.clone(),
            done,
        }
    }

    pub(super) fn text(&self) -> String {
        format!("lane {} of {} {}", self.lane, self.group, self.done)
    }
}
