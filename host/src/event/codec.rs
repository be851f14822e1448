//! Stream entries to events and back.
//!
//! Read: flat (one field for each key of the envelope, `data` as JSON text) or one field
//! `event` with the whole event as JSON. Written: always flat.

use chrono::{SecondsFormat, Utc};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::salvage::{Salvaged, salvage_flat, salvage_json};
use super::{Envelope, Event, EventType, Fields, Id, Payload, PluginRef, parse_timestamp};

/// Deepest nesting of `data`. JSON parsers differ in what they bear, Redis's own and those in
/// guests among them: below this, all agree.
const MAX_NESTING: usize = 100;

/// Bytes that are no event of the contract, with what could be read of them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Malformed {
    /// What is wrong and where, for example `data.phase_number: invalid type: …`.
    pub reason: String,
    /// What could be read all the same.
    pub salvaged: Salvaged,
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
    let (generation, target_plugin) = (generation(fields), target_plugin(fields));
    let known = *generation.as_ref().unwrap_or(&0);
    let event = if let Some(whole) = fields.whole_event() {
        text("event", whole)
            .map_err(|reason| malformed(reason, salvage_json(&String::from_utf8_lossy(whole))))
            .and_then(decode_json)
    } else {
        flat(fields)
            .and_then(|texts| check(&texts))
            .map_err(|reason| malformed(reason, salvage_flat(fields)))
    };
    let mut event = event.map_err(|mut error| {
        error.salvaged.generation = known;
        error
    })?;
    event.envelope.generation = known;
    match (generation, target_plugin) {
        (Ok(_), Ok(target_plugin)) => {
            event.envelope.target_plugin = target_plugin;
            Ok(event)
        }
        (Err(reason), _) | (Ok(_), Err(reason)) => Err(malformed(reason, Salvaged::of(&event))),
    }
}

/// What stands beside the event in both forms, as does `target_plugin`.
fn generation(fields: &Fields) -> Result<u32, String> {
    let Some(bytes) = fields.get("generation") else {
        return Ok(0);
    };
    let text = text("generation", bytes)?;
    text.parse()
        .map_err(|_| format!("generation: expected a number, found {text:?}"))
}

fn target_plugin(fields: &Fields) -> Result<Option<PluginRef>, String> {
    let Some(bytes) = fields.get("target_plugin") else {
        return Ok(None);
    };
    let plugin = text("target_plugin", bytes)?.parse();
    plugin.map(Some).map_err(|e| format!("target_plugin: {e}"))
}

/// Decodes an event from one JSON object, the form of the contract's examples.
///
/// # Errors
/// [`Malformed`] when the text does not meet the contract.
pub fn decode_json(json: &str) -> Result<Event, Malformed> {
    // Serde would take a list of the fields' values too.
    if !json.trim_start().starts_with('{') {
        let reason = "expected an event as one JSON object, and several one behind the other";
        return Err(malformed(reason.into(), Salvaged::default()));
    }
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
    check(&texts).map_err(|reason| malformed(reason, salvage_json(json)))
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
    if let Some(plugin) = &envelope.target_plugin {
        fields.push("target_plugin", plugin.to_string());
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
    let minor = version.strip_prefix("1.").unwrap_or("none");
    if version != "1" && minor.parse::<u32>().is_err() {
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
        target_plugin: None,
    };
    if is_too_deep(texts.data) {
        return Err(format!("data: nested deeper than {MAX_NESTING} levels"));
    }
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

/// Whether a JSON text is nested deeper than the `data` of an event may be.
#[must_use]
pub fn is_too_deep(json: &str) -> bool {
    nesting(json) > MAX_NESTING
}

/// How deep objects and lists go in a JSON text, whether or not it is JSON.
fn nesting(json: &str) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    let (mut in_text, mut escaped) = (false, false);
    for byte in json.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            b'{' | b'[' if !in_text => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' if !in_text => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brackets_in_texts_are_no_nesting() {
        for (json, depth) in [
            ("7", 0),
            (r#"{"a":[{}]}"#, 3),
            (r#"[[],[],[]]"#, 2),
            (r#"{"a":"[[[[","b\"{{":"\\"}"#, 1),
        ] {
            assert_eq!(nesting(json), depth, "{json}");
        }
    }
}
