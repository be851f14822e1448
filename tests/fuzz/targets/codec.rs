//! Entries from a stream: decoded, or refused with a dead letter that can be written.

use chrono::{DateTime, Utc};
use hothouse::event::{Event, Fields, Malformed, decode, decode_json, encode};
use hothouse::failure::MAX_MESSAGE;
use hothouse::outcome::conclude_malformed;

use super::run::{assert_decodes, assert_is_clean, delivery};

/// Between two fields of an entry in the fuzzer's bytes: ASCII's own separator of records.
const BETWEEN_FIELDS: u8 = 0x1e;

/// Bytes that begin with `{` are an event in one JSON object, all others a flat entry of
/// `name=value`.
pub(crate) fn holds(bytes: &[u8]) {
    if bytes.starts_with(b"{") {
        let text = String::from_utf8_lossy(bytes);
        check(decode_json(&text));
        let mut one_field = Fields::default();
        one_field.push("event", bytes);
        check(decode(&one_field));
    } else {
        check(decode(&flat(bytes)));
    }
}

fn flat(bytes: &[u8]) -> Fields {
    let fields = bytes.split(|byte| *byte == BETWEEN_FIELDS);
    Fields(
        fields
            .map(|field| {
                let end = field.iter().position(|byte| *byte == b'=');
                let (name, value) = field.split_at(end.unwrap_or(field.len()));
                (name.to_vec(), value.get(1..).unwrap_or_default().to_vec())
            })
            .collect(),
    )
}

fn check(decoded: Result<Event, Malformed>) {
    match decoded {
        Ok(event) => comes_back(&event),
        Err(malformed) => is_refused(&malformed),
    }
}

fn comes_back(event: &Event) {
    let entry = encode(&event.envelope, &event.data);
    let again = decode(&entry).unwrap_or_else(|error| panic!("{error}: {entry:?}"));
    assert_eq!(again.envelope, event.envelope);
    assert_eq!(again.data, event.data);
    let typed = |event: &Event| event.payload.to_data().expect("data");
    assert_eq!(typed(&again), typed(event));
}

fn is_refused(malformed: &Malformed) {
    assert!(!malformed.reason.is_empty());
    let commit = conclude_malformed("workers", delivery(), malformed, now()).expect("a commit");
    let letter = assert_decodes(&commit).expect("a dead letter");
    assert_is_clean(&letter.error_message, MAX_MESSAGE);
}

fn now() -> DateTime<Utc> {
    DateTime::UNIX_EPOCH
}
