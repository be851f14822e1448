//! `hothouse dlq list --purged`: what was deleted, and why.

use chrono::{DateTime, SecondsFormat, Utc};
use serde::Serialize;

use crate::bus::{Bus, BusError, Entry, EntryId, Subscription, purged_stream};
use crate::cli::output::table;

/// Records that are read at once.
const PAGE: usize = 1_000;

/// The record of one purged letter; nothing, or empty texts, where it says nothing.
#[derive(Debug, Serialize)]
pub(super) struct Record {
    letter: String,
    stream: &'static str,
    group: String,
    at: Option<DateTime<Utc>>,
    event_id: String,
    error_type: String,
    reason: String,
}

/// The last `max` records of each group, oldest first.
pub(super) async fn read(
    bus: &dyn Bus,
    groups: &[Subscription],
    max: usize,
) -> Result<Vec<Record>, BusError> {
    let mut found = Vec::new();
    for group in groups {
        let stream = purged_stream(group.stream, &group.group);
        let mut records = Vec::new();
        let mut after = EntryId::ZERO;
        loop {
            let page = bus.read(&stream, after, PAGE).await?;
            let Some(last) = page.last() else { break };
            after = last.id;
            records.extend(page.iter().map(|entry| Record::new(group, entry)));
        }
        let older = records.len().saturating_sub(max);
        found.extend(records.drain(older..));
    }
    Ok(found)
}

impl Record {
    fn new(of: &Subscription, entry: &Entry) -> Self {
        let text = |name| {
            let bytes = entry.fields.get(name).unwrap_or_default();
            String::from_utf8_lossy(bytes).into_owned()
        };
        Self {
            letter: text("letter"),
            stream: of.stream,
            group: of.group.clone(),
            at: text("at").parse().ok(),
            event_id: text("event_id"),
            error_type: text("error_type"),
            reason: text("reason"),
        }
    }
}

/// For people.
pub(super) fn text(records: &[Record]) -> String {
    if records.is_empty() {
        return "no purged dead letters".to_owned();
    }
    let titles = ["id", "group", "purged", "error", "event_id", "reason"];
    let mut rows = vec![titles.map(str::to_owned).to_vec()];
    for record in records {
        rows.push(vec![
            record.letter.clone(),
            record.group.clone(),
            record.at.map_or_else(String::new, |at| {
                at.to_rfc3339_opts(SecondsFormat::Secs, true)
            }),
            record.error_type.clone(),
            record.event_id.clone(),
            record.reason.clone(),
        ]);
    }
    table(&rows)
}
