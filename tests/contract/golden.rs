//! The contract's own examples, one for each type.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use hothouse::event::{Event, EventType, Fields, decode, decode_json, encode};
use serde_json::{Map, Value};

/// The examples that the demo publishes, and the one type that is ours.
fn files() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let folder = root.join("demo/events");
    let entries = std::fs::read_dir(&folder).expect("demo/events");
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("entry").path()).collect();
    files.push(root.join("tests/contract/discovery.failed.json"));
    files.sort();
    files
}

fn read(path: &Path) -> (String, Event) {
    let text = std::fs::read_to_string(path).expect("golden file");
    let event = decode_json(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    (text, event)
}

/// A flat entry as the object that it stands for.
fn object(fields: &Fields) -> Map<String, Value> {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("UTF-8");
    let pairs = fields.0.iter().map(|(name, value)| {
        let value = match name.as_slice() {
            b"data" => serde_json::from_slice(value).expect("data is JSON"),
            _ => Value::String(text(value)),
        };
        (text(name), value)
    });
    pairs.collect()
}

#[test]
fn every_type_of_the_contract_has_a_golden_file() {
    let found: BTreeSet<EventType> = files()
        .iter()
        .map(|path| read(path).1.envelope.event_type)
        .collect();
    assert_eq!(found, BTreeSet::from(EventType::ALL));
}

#[test]
fn every_golden_file_comes_back_from_a_flat_entry_as_it_was() {
    for path in files() {
        let (text, event) = read(&path);
        let entry = encode(&event.envelope, &event.data);
        let mut object = object(&entry);
        // The one thing that is added: an event without a version is a 1.0.
        assert_eq!(object.remove("version"), Some("1.0".into()));
        let original: Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(Value::Object(object), original, "{}", path.display());
    }
}

#[test]
fn every_golden_file_comes_back_from_its_typed_payload_as_it_was() {
    for path in files() {
        let (_, event) = read(&path);
        let typed: Value = event
            .payload
            .to_data()
            .and_then(|data| serde_json::from_str(&data))
            .expect("JSON");
        let original: Value = serde_json::from_str(&event.data).expect("JSON");
        assert_eq!(typed, original, "{}", path.display());
    }
}

#[test]
fn the_flat_form_and_the_form_in_one_field_are_the_same_event() {
    for path in files() {
        let (text, event) = read(&path);
        let mut whole = Fields::default();
        whole.push("event", text);
        let whole = decode(&whole).expect("one field");
        let flat = decode(&encode(&event.envelope, &event.data)).expect("flat");
        assert_eq!(whole.envelope, flat.envelope);
        assert_eq!(whole.data, flat.data);
    }
}

#[test]
fn leaving_out_any_required_field_is_refused_by_its_name() {
    for path in files() {
        let (_, event) = read(&path);
        let data: Map<String, Value> = serde_json::from_str(&event.data).expect("object");
        for name in data.keys() {
            let optional = ["execution_plan_id"].contains(&name.as_str())
                && event.envelope.event_type == EventType::AgentExecutionStarted;
            // What the demo's events carry beyond the contract.
            let unknown = event.payload.extra().contains_key(name);
            if optional || unknown {
                continue;
            }
            let mut less = data.clone();
            less.remove(name);
            let entry = encode(&event.envelope, &Value::Object(less).to_string());
            let error = decode(&entry).expect_err("a field is missing");
            assert!(error.reason.contains(name.as_str()), "{name}: {error}");
        }
    }
}
