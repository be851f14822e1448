//! Which events a verb is about.

use chrono::{DateTime, Utc};

use super::when::moment;
use crate::bus::{Entry, EntryId};
use crate::event::{EventType, Glance, Id};

/// Conditions on an entry; all that are given must hold. They are read from the entry as it
/// stands, so that they find events that do not meet the contract too.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Filters (all that are given must hold)")]
pub(super) struct Filter {
    /// Events of this type; given again, of that type too
    #[arg(long = "type", value_name = "TYPE", value_parser = event_type)]
    types: Vec<EventType>,

    /// Events of this aggregate, the id that their lane goes by
    #[arg(long, value_name = "ID")]
    aggregate: Option<Id>,

    /// The event with this event_id
    #[arg(long, value_name = "ID")]
    event_id: Option<Id>,

    /// Events with this correlation_id, and the one that has it for its event_id
    #[arg(long, value_name = "ID")]
    correlation_id: Option<Id>,

    /// Entries appended then or later: a time like 2024-01-16T20:01:00Z, or an age like 2h, 7d
    #[arg(long, value_name = "WHEN", value_parser = moment)]
    since: Option<DateTime<Utc>>,

    /// Entries appended before then
    #[arg(long, value_name = "WHEN", value_parser = moment)]
    until: Option<DateTime<Utc>>,
}

impl Filter {
    /// Whether nothing is asked for, so that every entry passes.
    pub(super) fn is_empty(&self) -> bool {
        let Self {
            types,
            aggregate,
            event_id,
            correlation_id,
            since,
            until,
        } = self;
        types.is_empty()
            && (aggregate, event_id, correlation_id) == (&None, &None, &None)
            && (since, until) == (&None, &None)
    }

    /// Where reading may begin: no entry up to this one passes.
    pub(super) fn after(&self) -> EntryId {
        match self.since.map_or(0, ms) {
            0 => EntryId::ZERO,
            since => EntryId {
                ms: since - 1,
                // The largest that every bus has room for.
                seq: i64::MAX as u64,
            },
        }
    }

    /// Whether reading may end: neither this entry passes nor any behind it.
    pub(super) fn ends_before(&self, id: EntryId) -> bool {
        self.until.is_some_and(|until| id.ms >= ms(until))
    }

    /// Whether the entry passes.
    pub(super) fn takes(&self, entry: &Entry) -> bool {
        if entry.id <= self.after() || self.ends_before(entry.id) {
            return false;
        }
        let seen = Glance::of(&entry.fields);
        let kind = seen.kind();
        let is = |wanted: Option<Id>, found: Option<Id>| wanted.is_none() || wanted == found;
        (self.types.is_empty() || kind.is_some_and(|kind| self.types.contains(&kind)))
            && is(self.event_id, seen.event_id)
            && is(self.correlation_id, seen.correlation_id.or(seen.event_id))
            && (self.aggregate.is_none()
                || self.aggregate == kind.and_then(|kind| seen.aggregate(kind)))
    }
}

fn ms(time: DateTime<Utc>) -> u64 {
    u64::try_from(time.timestamp_millis()).unwrap_or_default()
}

/// Reads a type of the contract.
pub(super) fn event_type(text: &str) -> Result<EventType, String> {
    EventType::parse(text).ok_or_else(|| {
        let names = EventType::ALL.map(EventType::as_str);
        format!("expected one of {}", names.join(", "))
    })
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::event::Fields;

    const EVENT: &str = "3fa85f64-5717-4562-b3fc-2c963f66afa6";
    const PLAN: &str = "51ddb75b-4313-57e9-9480-7102adec8628";
    const OTHER: &str = "9b2f1c58-0b4e-4e0b-9a39-6d7a4f0a1b2c";

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        filter: Filter,
    }

    fn filter(args: &[&str]) -> Filter {
        let line = Line::try_parse_from([&["verb"], args].concat());
        line.expect("a command line").filter
    }

    fn entry(fields: &[(&str, &str)]) -> Entry {
        let mut entry = Entry {
            id: EntryId {
                ms: 1_705_435_260_000,
                seq: 3,
            },
            fields: Fields::default(),
        };
        for (name, value) in fields {
            entry.fields.push(name, *value);
        }
        entry
    }

    fn flat() -> Entry {
        let data = format!(r#"{{"agent_execution_id":"{OTHER}","execution_plan_id":"{PLAN}"}}"#);
        entry(&[
            ("event_id", EVENT),
            ("type", "agent.execution.started"),
            ("data", &data),
        ])
    }

    #[test]
    fn all_that_is_given_must_hold() {
        let passing: [&[&str]; 9] = [
            &[],
            &["--type", "agent.execution.started"],
            &["--type", "pr.merged", "--type", "agent.execution.started"],
            &["--aggregate", PLAN],
            &["--event-id", EVENT],
            &["--correlation-id", EVENT],
            &["--since", "2024-01-16T20:01:00Z"],
            &["--until", "2024-01-16T20:01:00.001Z"],
            &[
                "--aggregate",
                PLAN,
                "--event-id",
                EVENT,
                "--since",
                "2024-01-16T20:00:00Z",
            ],
        ];
        for args in passing {
            let filter = filter(args);
            assert!(filter.takes(&flat()), "{args:?}");
            assert_eq!(filter.is_empty(), args.is_empty(), "{args:?}");
        }
        let failing: [&[&str]; 8] = [
            &["--type", "pr.merged"],
            &["--aggregate", OTHER],
            &["--event-id", OTHER],
            &["--correlation-id", OTHER],
            &["--since", "2024-01-16T20:01:00.001Z"],
            &["--since", "2h"],
            &["--until", "2024-01-16T20:01:00Z"],
            &["--aggregate", PLAN, "--event-id", OTHER],
        ];
        for args in failing {
            assert!(!filter(args).takes(&flat()), "{args:?}");
            assert!(!filter(args).is_empty(), "{args:?}");
        }
    }

    #[test]
    fn an_event_in_one_field_and_one_that_is_malformed_are_found_too() {
        let whole = format!(
            r#"{{"event_id":"{EVENT}","type":"pr.merged","correlation_id":"{OTHER}",
                "data":{{"pull_request_id":"{PLAN}"}}}}"#
        );
        let whole = entry(&[("event", &whole)]);
        assert!(filter(&["--aggregate", PLAN, "--correlation-id", OTHER]).takes(&whole));
        assert!(!filter(&["--correlation-id", EVENT]).takes(&whole));
        let malformed = entry(&[("event_id", EVENT), ("type", "pr.opened")]);
        assert!(filter(&["--event-id", EVENT]).takes(&malformed));
        assert!(!filter(&["--type", "pr.merged"]).takes(&malformed));
        assert!(filter(&[]).takes(&entry(&[("what", "is this")])));
    }

    #[test]
    fn a_type_or_an_id_that_is_none_is_refused() {
        for args in [
            ["--type", "pr.opened"],
            ["--aggregate", "7"],
            ["--since", "soon"],
        ] {
            let line = Line::try_parse_from(["verb", args[0], args[1]]);
            assert!(line.is_err(), "{args:?}");
        }
    }
}
