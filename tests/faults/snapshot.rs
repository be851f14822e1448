//! A look at the stream and the group's books, all of one moment.

use std::collections::{BTreeMap, BTreeSet};

use hothouse::bus::EntryId;
use hothouse::event::Id;
use redis::streams::{StreamId, StreamInfoGroupsReply, StreamRangeReply};
use redis::{RedisResult, Value, from_redis_value};
use serde_json::Value as Json;

use crate::archive::{Archive, Noted};
use crate::harness::events::EXECUTIONS;
use crate::journal::name;
use crate::redis_side::connect;

pub(crate) const GROUP: &str = "agent-workers";

/// A second group, which answers every event of the same stream at once.
pub(crate) const AUDIT: &str = "auditors";

/// No event of a play is requeued more often.
const MOST_GENERATIONS: u64 = 200;

/// A group's keys.
pub(crate) fn key(group: &str, name: &str) -> String {
    format!("{{{EXECUTIONS}}}:{group}:{name}")
}

#[derive(Debug, Clone)]
pub(crate) struct Outcome {
    pub(crate) entry: EntryId,
    pub(crate) event_id: String,
    /// The event that it is the outcome of; see [`name`].
    pub(crate) cause: String,
    pub(crate) completed: bool,
    pub(crate) error_type: String,
    pub(crate) retry_count: u64,
    pub(crate) attempts: u64,
}

#[derive(Debug, Clone)]
pub(crate) struct DeadLetter {
    /// See [`name`].
    pub(crate) event_id: String,
    pub(crate) error_type: String,
    pub(crate) attempts: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Snapshot {
    /// Entries that are no outcomes, oldest first: id and [`name`].
    pub(crate) inputs: Vec<(EntryId, String)>,
    /// Outcomes, oldest first.
    pub(crate) outcomes: Vec<Outcome>,
    pub(crate) dead_letters: Vec<DeadLetter>,
    /// Read and not acknowledged.
    pub(crate) pending: BTreeSet<EntryId>,
    pub(crate) last_delivered: EntryId,
    /// Entries of the group's books that are to be empty at rest: how many each.
    pub(crate) books: BTreeMap<&'static str, u64>,
    /// Of the inputs and outcomes, those that were trimmed.
    pub(crate) trimmed: BTreeSet<EntryId>,
}

impl Snapshot {
    /// Nothing is there where the server does not answer, or the group is gone.
    pub(crate) async fn take(port: u16, group: &str, archive: Option<&Archive>) -> Option<Self> {
        let mut connection = connect(port).await?;
        let mut look = redis::pipe();
        look.atomic()
            .xrange_all(EXECUTIONS)
            .xrange_all(key(group, "dlq"))
            .cmd("XPENDING")
            .arg(EXECUTIONS)
            .arg(group)
            .arg("-")
            .arg("+")
            .arg(1_000_000)
            .xinfo_groups(EXECUTIONS)
            .hlen(key(group, "lanes"))
            .zcard(key(group, "wait"))
            .zcard(key(group, "ready"))
            .hlen(key(group, "try"));
        let values: Vec<Value> = look.query_async(&mut connection).await.ok()?;
        Self::read(values, group, archive).expect("the server's answers have their form")
    }

    fn read(
        values: Vec<Value>,
        group: &str,
        archive: Option<&Archive>,
    ) -> RedisResult<Option<Self>> {
        let [stream, dlq, pending, groups, lanes, wait, ready, tries] =
            <[Value; 8]>::try_from(values).expect("eight answers");
        let groups: StreamInfoGroupsReply = from_redis_value(groups)?;
        let Some(info) = groups.groups.iter().find(|info| info.name == group) else {
            return Ok(None);
        };
        let mut snapshot = Self {
            last_delivered: entry_id(&info.last_delivered_id),
            ..Self::default()
        };
        let stream: StreamRangeReply = from_redis_value(stream)?;
        let mut entries = stream.ids.iter().map(noted).collect();
        if let Some(archive) = archive {
            (entries, snapshot.trimmed) = archive.keep(entries);
        }
        for (id, noted) in entries {
            match noted {
                Noted::Input { event, target } if target.is_empty() || target == group => {
                    snapshot.inputs.push((id, event));
                }
                Noted::Outcome { group: of, outcome } if of == group => {
                    snapshot.outcomes.push(outcome);
                }
                Noted::Input { .. } | Noted::Outcome { .. } => {}
            }
        }
        let dlq: StreamRangeReply = from_redis_value(dlq)?;
        for entry in dlq.ids {
            let text = |name: &str| entry.get::<String>(name).unwrap_or_default();
            let said: Json = serde_json::from_str(&text("hothouse")).expect("it is JSON");
            snapshot.dead_letters.push(DeadLetter {
                event_id: name(&text("event_id"), text("generation").parse().unwrap_or(0)),
                error_type: said["error_type"].as_str().unwrap_or_default().to_owned(),
                attempts: said["attempts"].as_u64().unwrap_or(0),
            });
        }
        let pending: Vec<(String, String, u64, u64)> = from_redis_value(pending)?;
        snapshot.pending = pending.iter().map(|(id, ..)| entry_id(id)).collect();
        for (name, value) in [
            ("lanes", lanes),
            ("wait", wait),
            ("ready", ready),
            ("try", tries),
        ] {
            snapshot.books.insert(name, from_redis_value(value)?);
        }
        Ok(Some(snapshot))
    }

    /// Inputs without an outcome.
    pub(crate) fn unfinished(&self) -> impl Iterator<Item = &str> {
        let done: BTreeSet<&str> = self
            .outcomes
            .iter()
            .map(|outcome| outcome.cause.as_str())
            .collect();
        let inputs = self.inputs.iter().map(|(_, event_id)| event_id.as_str());
        inputs.filter(move |event_id| !done.contains(event_id))
    }

    /// Whether nothing is left to do.
    pub(crate) fn is_quiet(&self) -> bool {
        let newest_input = self.inputs.last().map_or(EntryId::ZERO, |(id, _)| *id);
        self.pending.is_empty()
            && newest_input <= self.last_delivered
            && self.unfinished().next().is_none()
    }
}

fn noted(entry: &StreamId) -> (EntryId, Noted) {
    let text = |name: &str| entry.get::<String>(name).unwrap_or_default();
    let id = entry_id(&entry.id);
    if !text("source").starts_with("hothouse") {
        let generation = text("generation").parse().unwrap_or(0);
        let event = name(&text("event_id"), generation);
        let target = text("target_group");
        return (id, Noted::Input { event, target });
    }
    let data: Json = serde_json::from_str(&text("data")).expect("data is JSON");
    let group = data["hothouse"]["group"].as_str().unwrap_or_default();
    let outcome = Outcome {
        entry: id,
        event_id: text("event_id"),
        cause: cause(&text("causation_id"), group, &text("event_id")),
        completed: text("type") == "agent.execution.completed",
        error_type: data["error_type"].as_str().unwrap_or_default().to_owned(),
        retry_count: data["retry_count"].as_u64().unwrap_or(0),
        attempts: data["hothouse"]["attempts"].as_u64().unwrap_or(0),
    };
    let group = group.to_owned();
    (id, Noted::Outcome { group, outcome })
}

/// Which time of the event it was, by the id that the design gives its outcome.
fn cause(event_id: &str, group: &str, outcome: &str) -> String {
    let of: Id = event_id.parse().expect("a UUID");
    (0..MOST_GENERATIONS)
        .find(|generation| of.derive(&format!("{group}/{generation}/0")).to_string() == outcome)
        .map_or_else(
            || format!("{event_id} of no generation"),
            |generation| name(event_id, generation),
        )
}

fn entry_id(text: &str) -> EntryId {
    EntryId::parse(text).expect("an entry id")
}
