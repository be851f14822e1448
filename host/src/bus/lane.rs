//! Which lane an entry belongs to. The Redis bus derives the same in `redis/fetch.lua`; the
//! conformance list holds the two together.
//!
//! Lua's parser takes some texts that serde_json refuses (NaN, hexadecimal numbers, control
//! characters in strings) and refuses what is nested deeper than 1000. Such an event, where the
//! group handles its type, is malformed whichever lane it has.

use std::fmt;

use super::{EntryId, Subscription};
use crate::event::{Fields, Glance, Id};

/// Key of a lane: the aggregate's id, or `!` and the entry's id where no aggregate can be
/// read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Lane(pub(super) String);

impl Lane {
    /// The lane of a key that a person typed: ids are written in lower case.
    #[must_use]
    pub fn named(key: &str) -> Self {
        Self(
            key.parse::<Id>()
                .map_or(key.to_owned(), |id| id.to_string()),
        )
    }

    /// Whether the lane is one entry's own, because its aggregate could not be read.
    #[must_use]
    pub fn is_own(&self) -> bool {
        self.0.starts_with('!')
    }

    /// The key as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// What a group does with an entry that it reads.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Claim {
    /// Acknowledges it: it is another group's, or of a type that nobody handles here.
    Skip,
    /// Runs it in this lane.
    Run { lane: Lane, event_id: Option<Id> },
}

pub(super) fn claim(subscription: &Subscription, id: EntryId, fields: &Fields) -> Claim {
    let target = fields.get("target_group");
    if target.is_some_and(|target| target != subscription.group.as_bytes()) {
        return Claim::Skip;
    }
    let own = || Lane(format!("!{id}"));
    let seen = Glance::of(fields);
    let Some(name) = &seen.event_type else {
        return Claim::Run {
            lane: own(),
            event_id: seen.event_id,
        };
    };
    let handled = subscription
        .types
        .iter()
        .find(|kind| kind.as_str().as_bytes() == name.as_ref());
    let Some(kind) = handled else {
        return Claim::Skip;
    };
    Claim::Run {
        lane: seen
            .aggregate(*kind)
            .map_or_else(own, |id| Lane(id.to_string())),
        event_id: seen.event_id,
    }
}

/// The event's id alone, for entries that are claimed already.
pub(super) fn event_id(fields: &Fields) -> Option<Id> {
    Glance::of(fields).event_id
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bus::Start;
    use crate::event::EventType;
    use std::time::Duration;

    const PLAN: &str = "3fa85f64-5717-4562-b3fc-2c963f66afa6";
    const RUN: &str = "9b2f1c58-0b4e-4e0b-9a39-6d7a4f0a1b2c";

    fn claim_of(kind: &str, data: &str) -> Claim {
        let subscription = Subscription {
            stream: "execution-events",
            group: "agent-workers".into(),
            types: vec![EventType::AgentExecutionStarted],
            start: Start::All,
            dedup_window: Duration::from_secs(60),
            lease: Duration::from_secs(10),
            parked_limit: 10,
            routes: String::new(),
        };
        let mut fields = Fields::default();
        fields.push("type", kind);
        fields.push("data", data);
        claim(&subscription, EntryId { ms: 5, seq: 1 }, &fields)
    }

    fn lane_of(data: &str) -> String {
        match claim_of("agent.execution.started", data) {
            Claim::Run { lane, .. } => lane.to_string(),
            Claim::Skip => panic!("skipped: {data}"),
        }
    }

    #[test]
    fn the_plan_is_the_lane_and_the_execution_where_there_is_no_plan() {
        let both = format!(r#"{{"agent_execution_id":"{RUN}","execution_plan_id":"{PLAN}"}}"#);
        assert_eq!(lane_of(&both), PLAN);
        let none = format!(r#"{{"agent_execution_id":"{RUN}","execution_plan_id":null}}"#);
        assert_eq!(lane_of(&none), RUN);
        assert_eq!(
            lane_of(
                &both
                    .to_uppercase()
                    .replace("AGENT_EXECUTION_ID", "agent_execution_id")
                    .replace("EXECUTION_PLAN_ID", "execution_plan_id")
            ),
            PLAN
        );
    }

    #[test]
    fn an_entry_whose_aggregate_cannot_be_read_has_a_lane_of_its_own() {
        let wrong = format!(r#"{{"agent_execution_id":"{RUN}","execution_plan_id":7}}"#);
        for data in ["", "{", "[]", "{}", &wrong] {
            assert_eq!(lane_of(data), "!5-1", "{data}");
        }
    }

    #[test]
    fn a_type_that_the_group_does_not_handle_is_skipped_whatever_its_data() {
        assert_eq!(claim_of("agent.execution.completed", "{"), Claim::Skip);
        assert_eq!(claim_of("no.such.type", "{"), Claim::Skip);
    }
}
