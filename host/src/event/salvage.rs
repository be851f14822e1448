//! What can be read of an entry that is no event of the contract.

use super::shallow::Shallow;
use super::{Event, EventType, Fields, Id};

/// The parts of a malformed event that a failed event needs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Salvaged {
    /// The event's id.
    pub event_id: Option<Id>,
    /// Its type.
    pub event_type: Option<EventType>,
    /// Its correlation id.
    pub correlation_id: Option<Id>,
    /// `agent_execution_id` or `repository_id`, whichever the failed event names.
    pub subject: Option<Id>,
    /// `execution_plan_id`.
    pub execution_plan_id: Option<Id>,
    /// How often it was requeued.
    pub generation: u32,
}

impl Salvaged {
    /// Of an event that is whole, and refused for another reason.
    #[must_use]
    pub fn of(event: &Event) -> Self {
        let envelope = &event.envelope;
        Self {
            event_id: Some(envelope.event_id),
            event_type: Some(envelope.event_type),
            correlation_id: envelope.correlation_id,
            subject: event.payload.failed_as().map(|(_, subject)| subject),
            execution_plan_id: event.payload.execution_plan_id(),
            generation: envelope.generation,
        }
    }
}

/// Of a flat entry.
pub(super) fn salvage_flat(fields: &Fields) -> Salvaged {
    // Ids stand in it all the same where something else is no UTF-8.
    let text = |name| Some(String::from_utf8_lossy(fields.get(name)?));
    salvage(
        text("event_id").as_deref(),
        text("type").as_deref(),
        text("correlation_id").as_deref(),
        &text("data").unwrap_or_default(),
    )
}

/// Of an event in one JSON object.
pub(super) fn salvage_json(json: &str) -> Salvaged {
    let Some(whole) = Shallow::parse(json) else {
        return Salvaged::default();
    };
    salvage(
        whole.text("event_id").as_deref(),
        whole.text("type").as_deref(),
        whole.text("correlation_id").as_deref(),
        whole.json("data").unwrap_or_default(),
    )
}

fn salvage(
    event_id: Option<&str>,
    event_type: Option<&str>,
    correlation_id: Option<&str>,
    data: &str,
) -> Salvaged {
    let id = |text: Option<&str>| text?.parse::<Id>().ok();
    let event_type = event_type.and_then(EventType::parse);
    let data = Shallow::parse(data);
    let field = |name: &str| data.as_ref()?.id(name);
    // The failed event's own id is the last of the paths that its aggregate may stand at.
    let subject = event_type
        .and_then(EventType::failed)
        .and_then(|failed| field(failed.aggregate().last()?));
    Salvaged {
        event_id: id(event_id),
        event_type,
        correlation_id: id(correlation_id),
        subject,
        execution_plan_id: field("execution_plan_id"),
        generation: 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::decode;

    #[test]
    fn the_ids_of_data_that_is_nested_too_deeply_or_no_utf8_are_salvaged() {
        let id = Id::random();
        let deep = format!("{}{}", "[".repeat(5_000), "]".repeat(5_000));
        for input in [deep.into_bytes(), b"\"\xff\"".to_vec()] {
            let mut data = format!(r#"{{"agent_execution_id":"{id}","input_data":"#).into_bytes();
            data.extend(input);
            data.push(b'}');
            let mut fields = Fields::default();
            fields.push("event_id", id.to_string());
            fields.push("type", "agent.execution.started");
            fields.push("timestamp", "2024-01-16T20:01:00Z");
            fields.push("data", data);
            let malformed = decode(&fields).expect_err("malformed");
            assert_eq!(malformed.salvaged.event_id, Some(id), "{malformed}");
            assert_eq!(malformed.salvaged.subject, Some(id), "{malformed}");
        }
    }
}
