//! The codec under bytes that nobody vouches for.

use hothouse::event::{EventType, Fields, Id, decode, decode_json, encode};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use serde_json::{Value, json};

/// Any JSON, a few levels deep.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            btree_map("[a-z_]{1,8}", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

fn any_id() -> impl Strategy<Value = String> {
    any::<u128>().prop_map(|bits| uuid::Uuid::from_u128(bits).to_string())
}

/// Names that the envelope knows, or any other.
fn any_name() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        3 => proptest::sample::select(vec![
            "event_id", "type", "timestamp", "data", "event", "version", "correlation_id",
            "causation_id", "source", "generation", "target_group", "target_plugin",
        ]).prop_map(|name| name.as_bytes().to_vec()),
        1 => vec(any::<u8>(), 0..8),
    ]
}

/// Values that get past some of the checks, or any other.
fn any_value() -> impl Strategy<Value = Vec<u8>> {
    let types = EventType::ALL.map(|kind| kind.as_str().to_owned()).to_vec();
    prop_oneof![
        proptest::sample::select(types).prop_map(String::into_bytes),
        any_id().prop_map(String::into_bytes),
        Just(b"2024-01-16T20:01:00Z".to_vec()),
        any_json().prop_map(|json| json.to_string().into_bytes()),
        vec(any::<u8>(), 0..64),
    ]
}

proptest! {
    #[test]
    fn any_fields_are_decoded_or_refused_and_never_panic(
        pairs in vec((any_name(), any_value()), 0..10)
    ) {
        if let Err(error) = decode(&Fields(pairs)) {
            prop_assert!(!error.reason.is_empty());
        }
    }

    #[test]
    fn any_text_is_an_event_or_refused_and_never_panics(text in ".{0,256}") {
        if let Err(error) = decode_json(&text) {
            prop_assert!(!error.reason.is_empty());
        }
    }

    #[test]
    fn unknown_fields_and_any_input_data_survive(
        (event_id, execution, plan) in (any_id(), any_id(), proptest::option::of(any_id())),
        agent_type in ".{0,16}",
        phase in any::<u32>(),
        input in any_json(),
        unknown in btree_map("x_[a-z]{1,6}", any_json(), 0..4),
    ) {
        let mut data = json!({
            "agent_execution_id": execution, "agent_type": agent_type,
            "phase_number": phase, "input_data": input,
        });
        if let Some(plan) = plan {
            data["execution_plan_id"] = plan.into();
        }
        for (name, value) in unknown {
            data[name] = value;
        }
        let whole = json!({
            "event_id": event_id, "type": "agent.execution.started",
            "timestamp": "2024-01-16T20:01:00Z", "data": data,
        });
        let event = decode_json(&whole.to_string()).expect("an event of the contract");
        let again = decode(&encode(&event.envelope, &event.data)).expect("its encoding");
        prop_assert_eq!(&again.envelope, &event.envelope);
        let typed: Value = serde_json::from_str(&again.payload.to_data().expect("data")).expect("JSON");
        prop_assert_eq!(typed, data);
    }

    #[test]
    fn an_id_is_derived_from_its_name_alone(bits: u128, name in ".{0,32}", other in ".{0,32}") {
        let id = Id(uuid::Uuid::from_u128(bits));
        prop_assert_eq!(id.derive(&name), id.derive(&name));
        prop_assert_eq!(id.derive(&name) == id.derive(&other), name == other);
    }
}

#[test]
fn an_empty_text_is_no_value_and_a_minor_version_is_read() {
    let event = decode_json(
        r#"{"event_id":"3FA85F64-5717-4562-B3FC-2C963F66AFA6","type":"pr.merged","version":"1.7",
        "timestamp":"2024-01-16T21:01:00+01:00","correlation_id":"","source":"",
        "data":{"pull_request_id":"3fa85f64-5717-4562-b3fc-2c963f66afa6",
        "merged_by":"3fa85f64-5717-4562-b3fc-2c963f66afa6","merge_commit_sha":"abc123"}}"#,
    )
    .expect("event");
    assert_eq!(event.envelope.correlation_id, None);
    assert_eq!(event.envelope.source, None);
    assert_eq!(
        event.envelope.event_id.to_string(),
        "3fa85f64-5717-4562-b3fc-2c963f66afa6"
    );
    let entry = encode(&event.envelope, &event.data);
    assert_eq!(entry.get("timestamp"), Some(&b"2024-01-16T20:01:00Z"[..]));
    assert_eq!(entry.get("correlation_id"), None);
}

#[test]
fn another_major_version_is_refused() {
    let error = decode_json(
        r#"{"event_id":"3fa85f64-5717-4562-b3fc-2c963f66afa6","type":"pr.merged","version":"2.0",
        "timestamp":"2024-01-16T20:01:00Z","data":{}}"#,
    )
    .expect_err("2.0");
    assert!(error.reason.starts_with("version: \"2.0\""), "{error}");
    assert!(error.salvaged.event_id.is_some());
}

/// An event in both forms, with a field beside it.
fn in_both_forms(name: &str, value: &str) -> [Fields; 2] {
    let event_id = "3fa85f64-5717-4562-b3fc-2c963f66afa6";
    let data = json!({ "pull_request_id": event_id, "merge_commit_sha": "abc123",
                       "merged_by": event_id });
    let mut flat = Fields::default();
    for (name, value) in [
        ("event_id", event_id),
        ("type", "pr.merged"),
        ("timestamp", "2024-01-16T20:01:00Z"),
        ("data", &data.to_string()),
    ] {
        flat.push(name, value);
    }
    let mut one_field = Fields::default();
    let whole = json!({ "event_id": event_id, "type": "pr.merged",
                        "timestamp": "2024-01-16T20:01:00Z", "data": data });
    one_field.push("event", whole.to_string());
    [flat, one_field].map(|mut fields| {
        fields.push("generation", "3");
        fields.push(name, value);
        fields
    })
}

#[test]
fn an_entry_may_name_the_plugin_that_is_to_take_its_event() {
    for fields in in_both_forms("target_plugin", "backend-agent@1.2.0-rc.1") {
        let event = decode(&fields).expect("an event");
        let target = event.envelope.target_plugin.as_ref().expect("a plugin");
        assert_eq!(target.to_string(), "backend-agent@1.2.0-rc.1");
        assert_eq!(event.envelope.generation, 3);
        let again = decode(&encode(&event.envelope, &event.data)).expect("an event");
        assert_eq!(again.envelope, event.envelope);
    }
    for fields in in_both_forms("target_group", "pr-workers") {
        let event = decode(&fields).expect("an event");
        assert_eq!(event.envelope.target_plugin, None);
    }
}

#[test]
fn a_plugin_or_a_generation_that_is_none_is_malformed_and_the_ids_are_kept() {
    for (name, value, generation) in [
        ("target_plugin", "backend-agent", 3),
        ("target_plugin", "", 3),
        ("generation", "many", 0),
    ] {
        for fields in in_both_forms(name, value) {
            let malformed = decode(&fields).expect_err("malformed");
            assert!(malformed.reason.starts_with(name), "{malformed}");
            assert_eq!(malformed.salvaged.generation, generation, "{malformed}");
            assert!(malformed.salvaged.event_id.is_some(), "{malformed}");
        }
    }
}
