//! Which entries are replayed. Pure.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use crate::bus::{Entry, EntryId};
use crate::event::{Event, EventType, Fields, Glance, Id, decode};

/// Which entries of a stream a replay is about. All conditions must hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Selection {
    /// The group whose events they are.
    pub group: String,
    /// Their types: of those that the group takes.
    pub types: Vec<EventType>,
    /// The first entry.
    pub from: EntryId,
    /// The last entry.
    pub until: EntryId,
    /// The aggregate, which their lane goes by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aggregate: Option<Id>,
    /// Their correlation_id; of an event without one, its event_id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub correlation_id: Option<Id>,
    /// The one event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_id: Option<Id>,
}

/// What an entry is to a replay.
#[derive(Debug)]
pub enum Choice {
    /// None of its matter.
    Other,
    /// It meets the conditions and is no event of the contract: it can only fail again.
    Unreadable,
    /// One to replay.
    Selected(Box<Event>),
}

/// Looks at entries in stream order.
#[derive(Debug)]
pub struct Selector {
    selection: Selection,
    seen: HashSet<Id>,
}

impl Selector {
    /// A selector that has seen nothing yet.
    #[must_use]
    pub fn new(selection: Selection) -> Self {
        Self {
            selection,
            seen: HashSet::new(),
        }
    }

    /// Whether the entry is to be replayed. An event that stands on the stream several times,
    /// as one that was published twice or requeued, is selected once. What was made for
    /// another group, what the group itself put out, and what a replay appended is not, unless
    /// the selection names the latter's event_id.
    pub fn look(&mut self, entry: &Entry) -> Choice {
        if !self.concerns(entry) {
            return Choice::Other;
        }
        let Ok(event) = decode(&entry.fields) else {
            return Choice::Unreadable;
        };
        let own = group_of(&event) == Some(self.selection.group.as_str());
        if own || !self.seen.insert(event.envelope.event_id) {
            return Choice::Other;
        }
        Choice::Selected(Box::new(event))
    }

    fn concerns(&self, entry: &Entry) -> bool {
        let wanted = &self.selection;
        if entry.id < wanted.from || entry.id > wanted.until {
            return false;
        }
        let field = |name| entry.fields.get(name);
        let elsewhere = field("target_group").is_some_and(|group| group != wanted.group.as_bytes());
        let replayed = field("replay_of").is_some() && wanted.event_id.is_none();
        !elsewhere && !replayed && self.meets(&entry.fields)
    }

    fn meets(&self, fields: &Fields) -> bool {
        let wanted = &self.selection;
        let seen = Glance::of(fields);
        let Some(kind) = seen.kind().filter(|kind| wanted.types.contains(kind)) else {
            return false;
        };
        let is = |wanted: Option<Id>, found: Option<Id>| wanted.is_none() || wanted == found;
        is(wanted.event_id, seen.event_id)
            && is(wanted.correlation_id, seen.correlation_id.or(seen.event_id))
            && (wanted.aggregate.is_none() || wanted.aggregate == seen.aggregate(kind))
    }
}

/// The group that put the event out, where one did.
fn group_of(event: &Event) -> Option<&str> {
    event
        .payload
        .extra()
        .get("hothouse")?
        .get("group")?
        .as_str()
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVENT: &str = "3fa85f64-5717-4562-b3fc-2c963f66afa6";
    const PLAN: &str = "51ddb75b-4313-57e9-9480-7102adec8628";
    const OTHER: &str = "9b2f1c58-0b4e-4e0b-9a39-6d7a4f0a1b2c";

    fn id(text: &str) -> Option<Id> {
        Some(text.parse().expect("an id"))
    }

    fn selection() -> Selection {
        Selection {
            group: "g".into(),
            types: vec![EventType::AgentExecutionStarted],
            from: EntryId { ms: 5, seq: 2 },
            until: EntryId { ms: 9, seq: 9 },
            aggregate: None,
            correlation_id: None,
            event_id: None,
        }
    }

    fn entry(more: &[(&str, &str)]) -> Entry {
        let mut fields = Fields::default();
        fields.push("event_id", EVENT);
        fields.push("type", "agent.execution.started");
        fields.push("timestamp", "2024-01-16T20:01:00Z");
        let data = format!(
            r#"{{"agent_execution_id":"{OTHER}","agent_type":"a","phase_number":1,
                "execution_plan_id":"{PLAN}","input_data":{{}}}}"#
        );
        fields.push("data", data);
        for (name, value) in more {
            fields.push(name, *value);
        }
        Entry {
            id: EntryId { ms: 7, seq: 0 },
            fields,
        }
    }

    fn takes(selection: Selection, entry: &Entry) -> bool {
        matches!(Selector::new(selection).look(entry), Choice::Selected(_))
    }

    #[test]
    fn the_range_has_both_its_ends() {
        for (ms, seq, inside) in [
            (5, 1, false),
            (5, 2, true),
            (5, 10, true),
            (9, 9, true),
            (9, 10, false),
        ] {
            let mut entry = entry(&[]);
            entry.id = EntryId { ms, seq };
            assert_eq!(takes(selection(), &entry), inside, "{ms}-{seq}");
        }
    }

    #[test]
    fn all_conditions_must_hold() {
        let holding = Selection {
            aggregate: id(PLAN),
            correlation_id: id(EVENT),
            event_id: id(EVENT),
            ..selection()
        };
        assert!(takes(holding.clone(), &entry(&[])));
        let failing = [
            Selection {
                aggregate: id(OTHER),
                ..holding.clone()
            },
            Selection {
                correlation_id: id(OTHER),
                ..holding.clone()
            },
            Selection {
                event_id: id(OTHER),
                ..holding.clone()
            },
            Selection {
                types: vec![EventType::PrMerged],
                ..holding
            },
        ];
        for selection in failing {
            assert!(!takes(selection.clone(), &entry(&[])), "{selection:?}");
        }
    }

    #[test]
    fn other_groups_entries_and_what_a_replay_appended_are_left_out() {
        assert!(takes(selection(), &entry(&[("target_group", "g")])));
        assert!(!takes(selection(), &entry(&[("target_group", "h")])));
        let replayed = entry(&[("replay_of", "1-0")]);
        assert!(!takes(selection(), &replayed));
        let named = Selection {
            event_id: id(EVENT),
            ..selection()
        };
        assert!(takes(named, &replayed));
    }

    #[test]
    fn what_the_group_put_out_is_left_out_and_what_another_did_is_not() {
        for (group, taken) in [("g", false), ("h", true)] {
            let data = format!(
                r#"{{"agent_execution_id":"{OTHER}","agent_type":"a","phase_number":1,
                    "input_data":{{}},"hothouse":{{"group":"{group}"}}}}"#
            );
            let entry = entry(&[("data", &data)]);
            assert_eq!(takes(selection(), &entry), taken, "{group}");
        }
    }

    #[test]
    fn an_event_that_comes_again_is_selected_once() {
        let mut selector = Selector::new(selection());
        assert!(matches!(selector.look(&entry(&[])), Choice::Selected(_)));
        let requeued = entry(&[("generation", "1")]);
        assert!(matches!(selector.look(&requeued), Choice::Other));
    }

    #[test]
    fn what_cannot_be_decoded_is_told_apart() {
        let mut selector = Selector::new(selection());
        let broken = entry(&[("data", "{}")]);
        assert!(matches!(selector.look(&broken), Choice::Unreadable));
        let other = entry(&[("type", "pr.merged"), ("data", "{}")]);
        assert!(matches!(selector.look(&other), Choice::Other));
    }
}
