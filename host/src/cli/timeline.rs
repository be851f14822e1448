//! What came in, what ran, what came out: read back from the bus.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, SecondsFormat, Utc};
use serde::Serialize;
use serde_json::Value;

use super::output::{event_json, grouped};
use crate::bus::{Bus, BusError, DeadLetter, EntryId, Subscription};
use crate::event::{Event, EventType, Fields};

/// Entries read at once.
const PAGE: usize = 500;

/// Longest text of a value in a line.
const MAX_VALUE: usize = 50;

/// The story of the events that were published.
#[derive(Debug, Serialize)]
pub(super) struct Timeline {
    events: Vec<Line>,
    dead_letters: usize,
}

/// One event that came in.
#[derive(Debug, Serialize)]
struct Line {
    event_id: String,
    #[serde(rename = "type")]
    event_type: EventType,
    stream: &'static str,
    /// When it was appended, by the bus's clock.
    at: String,
    ms: u64,
    /// Whether a group takes its type.
    taken: bool,
    outcomes: Vec<Outcome>,
    dead_letters: Vec<DeadLetter>,
}

/// One event that came out.
#[derive(Debug, Serialize)]
struct Outcome {
    #[serde(rename = "type")]
    event_type: String,
    ms: u64,
    data: Value,
}

impl Timeline {
    /// Reads the streams and dead letters once everything has ended.
    pub(super) async fn read(
        bus: &dyn Bus,
        published: &[Event],
        subscriptions: &[Subscription],
    ) -> Result<Self, BusError> {
        let ours: HashSet<String> = published
            .iter()
            .map(|event| event.envelope.event_id.to_string())
            .collect();
        let mut arrived: HashMap<String, u64> = HashMap::new();
        let mut outcomes: HashMap<String, Vec<Outcome>> = HashMap::new();
        for stream in EventType::STREAMS {
            let mut after = EntryId::ZERO;
            loop {
                let page = bus.read(stream, after, PAGE).await?;
                let Some(last) = page.last() else { break };
                after = last.id;
                for entry in page {
                    let field = |name| text(&entry.fields, name);
                    let event_id = field("event_id").unwrap_or_default();
                    if ours.contains(&event_id) {
                        arrived.entry(event_id).or_insert(entry.id.ms);
                        continue;
                    }
                    match field("causation_id") {
                        None => {}
                        Some(cause) => outcomes.entry(cause).or_default().push(Outcome {
                            event_type: field("type").unwrap_or_default(),
                            ms: entry.id.ms,
                            data: event_json(&entry.fields)["data"].take(),
                        }),
                    }
                }
            }
        }
        let mut dead_letters = dead_letters(bus, subscriptions).await?;
        let buried = dead_letters.values().map(Vec::len).sum();
        let events = published
            .iter()
            .map(|event| {
                let event_id = event.envelope.event_id.to_string();
                let kind = event.envelope.event_type;
                let ms = arrived.get(&event_id).copied().unwrap_or_default();
                Line {
                    at: time(ms).to_rfc3339_opts(SecondsFormat::Millis, true),
                    ms,
                    event_type: kind,
                    stream: kind.stream(),
                    taken: subscriptions.iter().any(|s| s.types.contains(&kind)),
                    outcomes: outcomes.remove(&event_id).unwrap_or_default(),
                    dead_letters: dead_letters.remove(&event_id).unwrap_or_default(),
                    event_id,
                }
            })
            .collect();
        Ok(Self {
            events,
            dead_letters: buried,
        })
    }

    /// For people.
    pub(super) fn text(&self) -> String {
        let start = self
            .events
            .iter()
            .map(|line| line.ms)
            .min()
            .unwrap_or_default();
        let mut lines = Vec::new();
        for event in &self.events {
            let since = event.ms.saturating_sub(start);
            let note = if event.taken {
                ""
            } else {
                "  no group takes it"
            };
            lines.push(format!(
                "{since:>5} ms  in   {:<25}  {}  on {}{note}",
                event.event_type,
                &event.event_id[..8],
                event.stream
            ));
            for outcome in &event.outcomes {
                outcome.tell(start, &mut lines);
            }
            for dead_letter in &event.dead_letters {
                lines.push(format!(
                    "          dlq  {} after {} run{}",
                    dead_letter.error_type,
                    dead_letter.attempts,
                    if dead_letter.attempts == 1 { "" } else { "s" }
                ));
            }
        }
        let outcomes: usize = self.events.iter().map(|event| event.outcomes.len()).sum();
        lines.push(String::new());
        lines.push(format!(
            "{} events in, {outcomes} outcomes out, {} dead letter{}",
            self.events.len(),
            self.dead_letters,
            if self.dead_letters == 1 { "" } else { "s" }
        ));
        lines.join("\n")
    }
}

impl Outcome {
    fn tell(&self, start: u64, lines: &mut Vec<String>) {
        let ours = &self.data["hothouse"];
        let cost = &ours["cost"];
        if let Some(plugin) = ours["plugin"].as_str() {
            lines.push(format!(
                "          run  {plugin:<25}  {} fuel, {:.2} ms",
                grouped(cost["fuel"].as_u64().unwrap_or_default()),
                cost["wall_ms"].as_f64().unwrap_or_default()
            ));
        }
        lines.push(format!(
            "{:>5} ms  out  {:<25}  {}",
            self.ms.saturating_sub(start),
            self.event_type,
            self.summary()
        ));
    }

    /// The data's fields but for ids and our own, the start of each.
    fn summary(&self) -> String {
        let Some(data) = self.data.as_object() else {
            return String::new();
        };
        let fields = data.iter().filter(|(name, _)| {
            !name.ends_with("_id") && *name != "hothouse" && *name != "token_usage"
        });
        let texts: Vec<String> = fields
            .map(|(name, value)| {
                let text = match value {
                    Value::String(text) => text.clone(),
                    other => other.to_string(),
                };
                format!("{name}={}", crate::failure::clean(&text, MAX_VALUE))
            })
            .collect();
        texts.join(", ")
    }
}

/// Dead letters by the id of their event.
async fn dead_letters(
    bus: &dyn Bus,
    subscriptions: &[Subscription],
) -> Result<HashMap<String, Vec<DeadLetter>>, BusError> {
    let mut found: HashMap<String, Vec<DeadLetter>> = HashMap::new();
    for Subscription { stream, group, .. } in subscriptions {
        for entry in bus.dead_letters(stream, group, EntryId::ZERO, PAGE).await? {
            let letter = entry.fields.get("hothouse");
            let letter = letter.and_then(|json| serde_json::from_slice(json).ok());
            if let (Some(id), Some(letter)) = (text(&entry.fields, "event_id"), letter) {
                found.entry(id).or_default().push(letter);
            }
        }
    }
    Ok(found)
}

fn text(fields: &Fields, name: &str) -> Option<String> {
    let bytes = fields.get(name)?;
    Some(String::from_utf8_lossy(bytes).into_owned())
}

fn time(ms: u64) -> DateTime<Utc> {
    let ms = i64::try_from(ms).unwrap_or_default();
    DateTime::from_timestamp_millis(ms).unwrap_or_default()
}
