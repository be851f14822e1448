//! Stream entries to events and back.
//!
//! Read: flat (one field for each key of the envelope, `data` as JSON text) or one field
//! `event` with the whole event as JSON. Written: always flat.

use chrono::{SecondsFormat, Utc};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Envelope, Event, EventType, Fields, Id, Payload, parse_timestamp};

/// Bytes that are no event of the contract, with what could be read of them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Malformed {
    /// What is wrong and where, for example `data.phase_number: invalid type: …`.
    pub reason: String,
    /// What could be read all the same.
    pub salvaged: Salvaged,
}

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
            execution_plan_id: None,
            generation: envelope.generation,
        }
    }
}

/// The envelope and data as texts, from either form.
struct Texts<'a> {
    event_id: &'a str,
    event_type: &'a str,
    timestamp: &'a str,
    correlation_id: Option<&'a str>,
    causation_id: Option<&'a str>,
    source: Option<&'a str>,
    version: Option<&'a str>,
    data: &'a str,
}

/// An event as one JSON object.
#[derive(Deserialize)]
struct Whole<'a> {
    event_id: String,
    #[serde(rename = "type")]
    event_type: String,
    timestamp: String,
    correlation_id: Option<String>,
    causation_id: Option<String>,
    source: Option<String>,
    version: Option<String>,
    #[serde(borrow)]
    data: &'a RawValue,
}

/// Decodes a stream entry.
///
/// # Errors
/// [`Malformed`] when the entry does not meet the contract.
pub fn decode(fields: &Fields) -> Result<Event, Malformed> {
    let generation = match fields.get("generation") {
        None => 0,
        Some(bytes) => text("generation", bytes)
            .and_then(|text| {
                text.parse()
                    .map_err(|_| format!("generation: expected a number, found {text:?}"))
            })
            .map_err(|reason| malformed(reason, salvage_flat(fields)))?,
    };
    let event = if fields.get("type").is_none()
        && let Some(whole) = fields.get("event")
    {
        let whole =
            text("event", whole).map_err(|reason| malformed(reason, Salvaged::default()))?;
        decode_json(whole)
    } else {
        flat(fields)
            .and_then(|texts| check(&texts))
            .map_err(|reason| malformed(reason, salvage_flat(fields)))
    };
    match event {
        Ok(mut event) => {
            event.envelope.generation = generation;
            Ok(event)
        }
        Err(mut error) => {
            error.salvaged.generation = generation;
            Err(error)
        }
    }
}

/// Decodes an event from one JSON object, the form of the contract's examples.
///
/// # Errors
/// [`Malformed`] when the text does not meet the contract.
pub fn decode_json(json: &str) -> Result<Event, Malformed> {
    let mut deserializer = serde_json::Deserializer::from_str(json);
    let whole: Whole<'_> = serde_path_to_error::deserialize(&mut deserializer)
        .map_err(|error| {
            let path = error.path().to_string();
            let inner = error.into_inner();
            if path == "." {
                inner.to_string()
            } else {
                format!("{path}: {inner}")
            }
        })
        .and_then(|whole| match deserializer.end() {
            Ok(()) => Ok(whole),
            Err(error) => Err(error.to_string()),
        })
        .map_err(|reason| malformed(reason, salvage_json(json)))?;
    let texts = Texts {
        event_id: &whole.event_id,
        event_type: &whole.event_type,
        timestamp: &whole.timestamp,
        correlation_id: whole.correlation_id.as_deref(),
        causation_id: whole.causation_id.as_deref(),
        source: whole.source.as_deref(),
        version: whole.version.as_deref(),
        data: whole.data.get(),
    };
    check(&texts).map_err(|reason| malformed(reason, salvage_texts(&texts)))
}

/// Encodes an envelope and its data as a flat entry.
#[must_use]
pub fn encode(envelope: &Envelope, data: &str) -> Fields {
    let mut fields = Fields::default();
    fields.push("event_id", envelope.event_id.to_string());
    fields.push("type", envelope.event_type.as_str());
    let timestamp = envelope
        .timestamp
        .with_timezone(&Utc)
        .to_rfc3339_opts(SecondsFormat::AutoSi, true);
    fields.push("timestamp", timestamp);
    if let Some(id) = envelope.correlation_id {
        fields.push("correlation_id", id.to_string());
    }
    if let Some(id) = envelope.causation_id {
        fields.push("causation_id", id.to_string());
    }
    if let Some(source) = &envelope.source {
        fields.push("source", source.as_str());
    }
    fields.push("version", envelope.version.as_str());
    if envelope.generation > 0 {
        fields.push("generation", envelope.generation.to_string());
    }
    fields.push("data", data);
    fields
}

fn malformed(reason: String, salvaged: Salvaged) -> Malformed {
    Malformed { reason, salvaged }
}

fn text<'a>(name: &str, bytes: &'a [u8]) -> Result<&'a str, String> {
    std::str::from_utf8(bytes)
        .map_err(|error| format!("{name}: not UTF-8 from byte {}", error.valid_up_to()))
}

fn flat(fields: &Fields) -> Result<Texts<'_>, String> {
    let optional = |name: &'static str| match fields.get(name) {
        Some(bytes) => text(name, bytes).map(Some),
        None => Ok(None),
    };
    let required =
        |name: &'static str| optional(name)?.ok_or_else(|| format!("missing field `{name}`"));
    Ok(Texts {
        event_type: required("type")?,
        event_id: required("event_id")?,
        timestamp: required("timestamp")?,
        correlation_id: optional("correlation_id")?,
        causation_id: optional("causation_id")?,
        source: optional("source")?,
        version: optional("version")?,
        data: required("data")?,
    })
}

fn check(texts: &Texts<'_>) -> Result<Event, String> {
    let version = present(texts.version).unwrap_or("1.0");
    if version != "1" && !version.starts_with("1.") {
        return Err(format!(
            "version: {version:?} is not a version of the contract that this host reads (1.x)"
        ));
    }
    let event_type = EventType::parse(texts.event_type)
        .ok_or_else(|| format!("type: {:?} is not a type of the contract", texts.event_type))?;
    let id = |name: &str, text: &str| text.parse::<Id>().map_err(|e| format!("{name}: {e}"));
    let optional_id =
        |name: &str, text: Option<&str>| present(text).map(|text| id(name, text)).transpose();
    let envelope = Envelope {
        event_id: id("event_id", texts.event_id)?,
        event_type,
        timestamp: parse_timestamp(texts.timestamp).map_err(|e| format!("timestamp: {e}"))?,
        correlation_id: optional_id("correlation_id", texts.correlation_id)?,
        causation_id: optional_id("causation_id", texts.causation_id)?,
        source: present(texts.source).map(str::to_owned),
        version: version.to_owned(),
        generation: 0,
    };
    let payload = Payload::parse(event_type, texts.data).map_err(|e| e.to_string())?;
    Ok(Event {
        envelope,
        payload,
        data: texts.data.to_owned(),
    })
}

/// Producers write an empty text where they have no value.
fn present(text: Option<&str>) -> Option<&str> {
    text.filter(|text| !text.is_empty())
}

fn salvage_flat(fields: &Fields) -> Salvaged {
    let text = |name| std::str::from_utf8(fields.get(name)?).ok();
    salvage(
        text("event_id"),
        text("type"),
        text("correlation_id"),
        text("data").unwrap_or_default(),
    )
}

fn salvage_texts(texts: &Texts<'_>) -> Salvaged {
    salvage(
        Some(texts.event_id),
        Some(texts.event_type),
        texts.correlation_id,
        texts.data,
    )
}

fn salvage_json(json: &str) -> Salvaged {
    let Ok(whole) = serde_json::from_str::<serde_json::Value>(json) else {
        return Salvaged::default();
    };
    let text = |name: &str| whole.get(name)?.as_str();
    let data = whole
        .get("data")
        .map(ToString::to_string)
        .unwrap_or_default();
    salvage(
        text("event_id"),
        text("type"),
        text("correlation_id"),
        &data,
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
    let data: serde_json::Value = serde_json::from_str(data).unwrap_or_default();
    let field = |name: &str| id(data.get(name).and_then(|value| value.as_str()));
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
