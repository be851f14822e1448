//! The event that a replay appends for an old one. Pure.

use chrono::{DateTime, Utc};

use crate::bus::{EntryId, MOST_FIELDS};
use crate::event::{Envelope, Event, Fields, Id, PluginRef, encode};

/// The source of every event that a replay appends.
pub const SOURCE: &str = "hothouse/replay";

/// Names that the contract or Hothouse gives a meaning to. All others are the producer's, and
/// are kept.
const KNOWN: [&str; 15] = [
    "event_id",
    "type",
    "timestamp",
    "correlation_id",
    "causation_id",
    "source",
    "version",
    "data",
    "event",
    "generation",
    "target_group",
    "target_plugin",
    "replay_of",
    "replay_run",
    "hothouse",
];

/// The most fields of ours beside the producer's.
const ROOM_FOR_OURS: usize = 16;

/// A new event of the same type and data, caused by the old one and meant for `group` alone.
/// The same run derives the same event_id for an entry whenever it is asked.
///
/// Fields that nobody knows are kept, up to what an entry can hold.
#[must_use]
pub fn derive(
    run: Id,
    entry: EntryId,
    fields: &Fields,
    event: &Event,
    group: &str,
    to: Option<&PluginRef>,
    now: DateTime<Utc>,
) -> Fields {
    let old = &event.envelope;
    let envelope = Envelope {
        event_id: run.derive(&entry.to_string()),
        timestamp: now,
        correlation_id: Some(old.correlation_id.unwrap_or(old.event_id)),
        causation_id: Some(old.event_id),
        source: Some(SOURCE.to_owned()),
        generation: 0,
        target_plugin: to.cloned(),
        ..old.clone()
    };
    let mut derived = encode(&envelope, &event.data);
    let unknown = unknown(fields).into_iter();
    derived.0.extend(unknown.take(MOST_FIELDS - ROOM_FOR_OURS));
    derived.push("target_group", group);
    derived.push("replay_of", entry.to_string());
    derived.push("replay_run", run.to_string());
    derived
}

/// The fields that nobody knows, also those of an event that stands in one field.
fn unknown(fields: &Fields) -> Vec<(Vec<u8>, Vec<u8>)> {
    let is_known = |name: &[u8]| KNOWN.iter().any(|known| known.as_bytes() == name);
    let beside = fields.0.iter().filter(|(name, _)| !is_known(name)).cloned();
    let whole = fields.whole_event().unwrap_or_default();
    let whole: serde_json::Map<String, serde_json::Value> =
        serde_json::from_slice(whole).unwrap_or_default();
    let within = whole
        .into_iter()
        .filter(|(name, _)| !is_known(name.as_bytes()));
    let within = within.map(|(name, value)| {
        let text = match value {
            serde_json::Value::String(text) => text,
            other => other.to_string(),
        };
        (name.into_bytes(), text.into_bytes())
    });
    within.chain(beside).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::decode;

    const EVENT: &str = "3fa85f64-5717-4562-b3fc-2c963f66afa6";
    const RUN: &str = "9b2f1c58-0b4e-4e0b-9a39-6d7a4f0a1b2c";
    const DATA: &str = r#"{"pull_request_id":"9b2f1c58-0b4e-4e0b-9a39-6d7a4f0a1b2c",
        "merge_commit_sha":"a","merged_by":"9b2f1c58-0b4e-4e0b-9a39-6d7a4f0a1b2c","more":[1.50]}"#;

    fn flat(more: &[(&str, &str)]) -> Fields {
        let mut fields = Fields::default();
        for (name, value) in [
            ("event_id", EVENT),
            ("type", "pr.merged"),
            ("timestamp", "2024-01-16T20:01:00Z"),
            ("data", DATA),
        ] {
            fields.push(name, value);
        }
        for (name, value) in more {
            fields.push(name, *value);
        }
        fields
    }

    fn derived(fields: &Fields, to: Option<&str>) -> Fields {
        let event = decode(fields).expect("an event");
        let now = "2026-11-24T08:00:00Z".parse().expect("time");
        let run = RUN.parse().expect("id");
        let to = to.map(|to| to.parse().expect("a plugin"));
        derive(
            run,
            EntryId { ms: 7, seq: 1 },
            fields,
            &event,
            "g",
            to.as_ref(),
            now,
        )
    }

    fn text<'a>(fields: &'a Fields, name: &str) -> Option<&'a str> {
        fields
            .get(name)
            .map(|value| std::str::from_utf8(value).expect("UTF-8"))
    }

    #[test]
    fn a_derived_event_is_new_linked_to_the_old_and_for_one_group() {
        let old = flat(&[("generation", "2"), ("trace", "t|1"), ("target_group", "g")]);
        let new = derived(&old, Some("p@1.2.3"));
        let run: Id = RUN.parse().expect("id");
        let expected = [
            ("event_id", run.derive("7-1").to_string()),
            ("type", "pr.merged".into()),
            ("timestamp", "2026-11-24T08:00:00Z".into()),
            ("correlation_id", EVENT.into()),
            ("causation_id", EVENT.into()),
            ("source", SOURCE.into()),
            ("version", "1.0".into()),
            ("data", DATA.into()),
            ("trace", "t|1".into()),
            ("target_group", "g".into()),
            ("target_plugin", "p@1.2.3".into()),
            ("replay_of", "7-1".into()),
            ("replay_run", RUN.into()),
        ];
        for (name, value) in &expected {
            assert_eq!(text(&new, name), Some(value.as_str()), "{name}");
        }
        assert_eq!(new.0.len(), expected.len(), "nothing else: {new:?}");
        assert!(decode(&new).is_ok());
    }

    #[test]
    fn an_event_in_one_field_becomes_flat_and_keeps_what_nobody_knows() {
        let whole = format!(
            r#"{{"event_id":"{EVENT}","type":"pr.merged","timestamp":"2024-01-16T20:01:00Z",
                "correlation_id":"{RUN}","tenant":"acme","hops":[1],"data":{DATA}}}"#
        );
        let mut old = Fields::default();
        old.push("event", whole);
        old.push("trace", "t");
        let new = derived(&old, None);
        assert_eq!(text(&new, "data"), Some(DATA));
        assert_eq!(text(&new, "correlation_id"), Some(RUN));
        assert_eq!(text(&new, "tenant"), Some("acme"));
        assert_eq!(text(&new, "hops"), Some("[1]"));
        assert_eq!(text(&new, "trace"), Some("t"));
        assert_eq!(text(&new, "event"), None);
        assert_eq!(text(&new, "target_plugin"), None);
    }

    #[test]
    fn an_entry_of_very_many_fields_is_cut_to_what_can_be_appended() {
        let names: Vec<String> = (0..2 * MOST_FIELDS).map(|n| n.to_string()).collect();
        let many: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "x")).collect();
        let new = derived(&flat(&many), None);
        assert!(new.0.len() <= MOST_FIELDS, "{}", new.0.len());
        assert_eq!(text(&new, "replay_of"), Some("7-1"));
    }
}
