//! The outcomes that stand on the streams for the events of a dry run. Pure.

use std::collections::HashMap;

use crate::bus::{DeadLetter, Entry, EntryId};
use crate::event::{Fields, Glance, Id};
use crate::outcome::outcome_id;

/// Where an entry stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The stream.
    pub stream: &'static str,
    /// The entry.
    pub entry: EntryId,
}

/// What is known of one event.
#[derive(Debug, Default)]
struct Trace {
    /// How often it was requeued.
    generation: u32,
    /// The event_ids of what it caused, and where they stand.
    caused: Vec<(Id, Place)>,
    letter: Option<DeadLetter>,
}

/// The latest outcome of one event.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Record {
    /// The generation that it is of; the event's latest where there is none.
    pub generation: u32,
    /// Its events, in the order in which they were put out.
    pub places: Vec<Place>,
    /// Its dead letter.
    pub letter: Option<DeadLetter>,
}

/// The outcomes of some events of one group, found by going through the streams.
#[derive(Debug)]
pub struct Recorded {
    group: String,
    traces: HashMap<Id, Trace>,
}

impl Recorded {
    /// For these events of a group.
    #[must_use]
    pub fn new(group: &str, events: impl IntoIterator<Item = Id>) -> Self {
        let traces = events.into_iter().map(|id| (id, Trace::default()));
        Self {
            group: group.to_owned(),
            traces: traces.collect(),
        }
    }

    /// Notes an entry of a stream, where it has to do with one of the events.
    pub fn note(&mut self, stream: &'static str, entry: &Entry) {
        let place = Place {
            stream,
            entry: entry.id,
        };
        let event_id = Glance::of(&entry.fields).event_id;
        let Some(event_id) = event_id else { return };
        if let Some(cause) = id(&entry.fields, "causation_id")
            && let Some(trace) = self.traces.get_mut(&cause)
        {
            trace.caused.push((event_id, place));
        }
        if let Some(trace) = self.traces.get_mut(&event_id)
            && let Some(generation) = parsed(&entry.fields, "generation")
        {
            trace.generation = trace.generation.max(generation);
        }
    }

    /// Notes a dead letter of the group: the latest of an event counts.
    pub fn note_letter(&mut self, entry: &Entry) {
        let event_id = Glance::of(&entry.fields).event_id;
        let trace = event_id.and_then(|event_id| self.traces.get_mut(&event_id));
        let said = entry.fields.get("hothouse");
        let letter = said.and_then(|said| serde_json::from_slice(said).ok());
        if let (Some(trace), Some(letter)) = (trace, letter) {
            trace.letter = Some(letter);
        }
    }

    /// The latest outcome of an event: what has the event_ids that the group derives for it.
    #[must_use]
    pub fn latest(&self, event_id: Id) -> Record {
        let Some(trace) = self.traces.get(&event_id) else {
            return Record::default();
        };
        let of_generation = |generation: u32| {
            let ids = (0..trace.caused.len())
                .map(|index| outcome_id(event_id, &self.group, generation, &index.to_string()));
            let places = ids.filter_map(|id| {
                let found = trace.caused.iter().find(|(caused, _)| *caused == id);
                found.map(|(_, place)| *place)
            });
            places.collect::<Vec<Place>>()
        };
        let latest = (0..=trace.generation)
            .rev()
            .map(|generation| (generation, of_generation(generation)))
            .find(|(_, places)| !places.is_empty());
        let (generation, places) = latest.unwrap_or((trace.generation, Vec::new()));
        Record {
            generation,
            places,
            letter: trace.letter.clone(),
        }
    }
}

fn id(fields: &Fields, name: &str) -> Option<Id> {
    parsed(fields, name)
}

fn parsed<T: std::str::FromStr>(fields: &Fields, name: &str) -> Option<T> {
    std::str::from_utf8(fields.get(name)?).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: &str = "execution-events";

    fn entry(ms: u64, fields: &[(&str, String)]) -> Entry {
        let mut entry = Entry {
            id: EntryId { ms, seq: 0 },
            fields: Fields::default(),
        };
        for (name, value) in fields {
            entry.fields.push(name, value.as_str());
        }
        entry
    }

    fn caused(ms: u64, cause: Id, group: &str, generation: u32, index: &str) -> Entry {
        let id = outcome_id(cause, group, generation, index);
        entry(
            ms,
            &[
                ("event_id", id.to_string()),
                ("causation_id", cause.to_string()),
            ],
        )
    }

    fn places(recorded: &Recorded, event: Id) -> Vec<u64> {
        let record = recorded.latest(event);
        record.places.iter().map(|place| place.entry.ms).collect()
    }

    #[test]
    fn the_outcome_of_the_latest_generation_counts_in_the_order_it_was_put_out() {
        let event = Id::random();
        let mut recorded = Recorded::new("g", [event]);
        recorded.note(STREAM, &caused(1, event, "g", 0, "0"));
        recorded.note(STREAM, &caused(3, event, "g", 2, "1"));
        recorded.note(STREAM, &caused(4, event, "g", 2, "0"));
        assert_eq!(places(&recorded, event), [1], "no requeue is known of");
        let requeued = [("event_id", event.to_string()), ("generation", "2".into())];
        recorded.note(STREAM, &entry(2, &requeued));
        assert_eq!(places(&recorded, event), [4, 3]);
        assert_eq!(recorded.latest(event).generation, 2);
    }

    #[test]
    fn what_other_groups_and_replays_made_of_an_event_is_not_its_outcome() {
        let event = Id::random();
        let mut recorded = Recorded::new("g", [event]);
        recorded.note(STREAM, &caused(1, event, "h", 0, "0"));
        recorded.note(STREAM, &caused(2, Id::random(), "g", 0, "0"));
        let replayed = [
            ("event_id", Id::random().to_string()),
            ("causation_id", event.to_string()),
        ];
        recorded.note(STREAM, &entry(3, &replayed));
        assert_eq!(places(&recorded, event), [0_u64; 0]);
        assert_eq!(recorded.latest(event), Record::default());
    }

    #[test]
    fn an_event_that_was_requeued_and_has_no_outcome_since_keeps_the_one_before() {
        let event = Id::random();
        let mut recorded = Recorded::new("g", [event]);
        recorded.note(STREAM, &caused(1, event, "g", 0, "0"));
        let requeued = [("event_id", event.to_string()), ("generation", "1".into())];
        recorded.note(STREAM, &entry(2, &requeued));
        assert_eq!(places(&recorded, event), [1]);
        assert_eq!(recorded.latest(event).generation, 0);
    }
}
