//! A look at the stream and the group's books, all of one moment.

use std::collections::{BTreeMap, BTreeSet};

use hothouse::bus::EntryId;
use redis::streams::{StreamInfoGroupsReply, StreamRangeReply};
use redis::{RedisResult, Value, from_redis_value};
use serde_json::Value as Json;

use crate::harness::events::EXECUTIONS;
use crate::redis_side::connect;

pub(crate) const GROUP: &str = "agent-workers";

/// The group's keys.
pub(crate) fn key(name: &str) -> String {
    format!("{{{EXECUTIONS}}}:{GROUP}:{name}")
}

#[derive(Debug, Clone)]
pub(crate) struct Outcome {
    pub(crate) entry: EntryId,
    pub(crate) event_id: String,
    /// The event that it is the outcome of.
    pub(crate) cause: String,
    pub(crate) completed: bool,
    pub(crate) error_type: String,
    pub(crate) retry_count: u64,
    pub(crate) attempts: u64,
}

#[derive(Debug, Clone)]
pub(crate) struct DeadLetter {
    pub(crate) event_id: String,
    pub(crate) error_type: String,
    pub(crate) attempts: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Snapshot {
    /// Entries that are no outcomes, oldest first: id and event_id.
    pub(crate) inputs: Vec<(EntryId, String)>,
    /// Outcomes, oldest first.
    pub(crate) outcomes: Vec<Outcome>,
    pub(crate) dead_letters: Vec<DeadLetter>,
    /// Read and not acknowledged.
    pub(crate) pending: BTreeSet<EntryId>,
    pub(crate) last_delivered: EntryId,
    /// Entries of the group's books that are to be empty at rest: how many each.
    pub(crate) books: BTreeMap<&'static str, u64>,
}

impl Snapshot {
    /// Nothing is there where the server does not answer, or the group is gone.
    pub(crate) async fn take(port: u16) -> Option<Self> {
        let mut connection = connect(port).await?;
        let mut look = redis::pipe();
        look.atomic()
            .xrange_all(EXECUTIONS)
            .xrange_all(key("dlq"))
            .cmd("XPENDING")
            .arg(EXECUTIONS)
            .arg(GROUP)
            .arg("-")
            .arg("+")
            .arg(1_000_000)
            .xinfo_groups(EXECUTIONS)
            .hlen(key("lanes"))
            .zcard(key("wait"))
            .zcard(key("ready"))
            .hlen(key("try"));
        let values: Vec<Value> = look.query_async(&mut connection).await.ok()?;
        Self::read(values).expect("the server's answers have their form")
    }

    fn read(values: Vec<Value>) -> RedisResult<Option<Self>> {
        let [stream, dlq, pending, groups, lanes, wait, ready, tries] =
            <[Value; 8]>::try_from(values).expect("eight answers");
        let groups: StreamInfoGroupsReply = from_redis_value(groups)?;
        let Some(group) = groups.groups.iter().find(|group| group.name == GROUP) else {
            return Ok(None);
        };
        let mut snapshot = Self {
            last_delivered: entry_id(&group.last_delivered_id),
            ..Self::default()
        };
        let stream: StreamRangeReply = from_redis_value(stream)?;
        for entry in stream.ids {
            let text = |name: &str| entry.get::<String>(name).unwrap_or_default();
            let id = entry_id(&entry.id);
            if !text("source").starts_with("hothouse") {
                snapshot.inputs.push((id, text("event_id")));
                continue;
            }
            let data: Json = serde_json::from_str(&text("data")).expect("data is JSON");
            snapshot.outcomes.push(Outcome {
                entry: id,
                event_id: text("event_id"),
                cause: text("causation_id"),
                completed: text("type") == "agent.execution.completed",
                error_type: data["error_type"].as_str().unwrap_or_default().to_owned(),
                retry_count: data["retry_count"].as_u64().unwrap_or(0),
                attempts: data["hothouse"]["attempts"].as_u64().unwrap_or(0),
            });
        }
        let dlq: StreamRangeReply = from_redis_value(dlq)?;
        for entry in dlq.ids {
            let text = |name: &str| entry.get::<String>(name).unwrap_or_default();
            let said: Json = serde_json::from_str(&text("hothouse")).expect("it is JSON");
            snapshot.dead_letters.push(DeadLetter {
                event_id: text("event_id"),
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

fn entry_id(text: &str) -> EntryId {
    EntryId::parse(text).expect("an entry id")
}
