//! Anything that a guest can return: it is right and taken as it is, or refused with the name of
//! what is wrong.

use hothouse::event::{EventType, Payload, is_too_deep};
use hothouse::failure::{ErrorType, Failure, MAX_MESSAGE, clean};
use hothouse::sandbox::{Reply, World};
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::Value;

use crate::image::{Answer, Failed, Line, image};
use crate::log;
use crate::targets::guest_output::{EMITS, LIMITS, answer, event};
use crate::targets::run::{assert_is_clean, assert_within_contract};

/// Longest line of a log, as the journal has it.
const MAX_LINE: usize = 4096;

/// Runs a guest that gives an answer. What holds of every run holds of it.
fn returned(world: World, said: &Answer, line: Option<&Line>) -> (Result<Reply, Failure>, Log) {
    log::keep();
    let event = event(world, &image(said, line));
    let run = answer(world, &event);
    let log = Log {
        lines: log::take(&event.envelope.event_id.to_string()),
        dropped: run.cost.log_lines_dropped,
    };
    for line in &log.lines {
        assert_is_clean(line, MAX_LINE);
    }
    let again = answer(world, &event);
    assert_within_contract(again, &event, &LIMITS);
    (run.result, log)
}

struct Log {
    lines: Vec<String>,
    dropped: u64,
}

/// Texts that hide, reorder and command, JSON of every kind, and bytes that are no text.
fn any_bytes() -> impl Strategy<Value = Vec<u8>> {
    let id = "c841794c-46e1-5f5c-9414-6ef1e1e7bc8f";
    let sync = format!(r#"{{"repository_id":"{id}","sync_type":"full","trigger":"manual"}}"#);
    let ours = format!(
        r#"{{"repository_id":"{id}","sync_type":"full","trigger":"manual","hothouse":{{}}}}"#
    );
    prop_oneof![
        2 => any::<String>().prop_map(String::into_bytes),
        1 => "[\u{0}-\u{20}\u{7f}-\u{9f}\u{200b}-\u{202e}\u{1b}\\[\\]0-9;m]{0,64}".prop_map(String::into_bytes),
        1 => vec(any::<u8>(), 0..64),
        1 => (0..30_000usize).prop_map(|length| vec![b'x'; length]),
        2 => any_json().prop_map(|json| json.to_string().into_bytes()),
        1 => (0..300usize).prop_map(|deep| {
            format!(r#"{{"a":{}{}}}"#, "[".repeat(deep), "]".repeat(deep)).into_bytes()
        }),
        1 => Just(sync.into_bytes()),
        1 => Just(ours.into_bytes()),
    ]
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            vec((any::<String>(), inner), 0..4)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

fn any_type() -> impl Strategy<Value = Vec<u8>> {
    let known = EventType::ALL.map(|kind| kind.as_str().as_bytes().to_vec());
    prop_oneof![3 => proptest::sample::select(known.to_vec()), 1 => any_bytes()]
}

fn any_failed() -> impl Strategy<Value = Failed> {
    prop_oneof![
        any_bytes().prop_map(Failed::Validation),
        any_bytes().prop_map(Failed::Permanent),
        (any_bytes(), any::<Option<u64>>())
            .prop_map(|(text, delay)| Failed::Retryable(text, delay)),
    ]
}

fn any_world() -> impl Strategy<Value = World> {
    proptest::sample::select(World::ALL.to_vec())
}

/// The failure of a text that the host takes from a guest, if it is one.
fn not_a_text(bytes: &[u8]) -> Option<ErrorType> {
    if bytes.len() > LIMITS.output_bytes {
        return Some(ErrorType::OutputLimit);
    }
    std::str::from_utf8(bytes)
        .err()
        .map(|_| ErrorType::ContractViolation)
}

fn is_object(text: &str) -> bool {
    let parsed = serde_json::from_str::<Value>(text);
    !is_too_deep(text) && parsed.is_ok_and(|value| value.is_object())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn any_output_data_is_an_object_or_refused(output_data in any_bytes()) {
        let said = Answer::Executed { output_data: output_data.clone() };
        let (result, _) = returned(World::Agent, &said, None);
        let wrong = not_a_text(&output_data);
        match result {
            Ok(Reply::Executed { output_data: taken }) => {
                prop_assert_eq!(taken.get().as_bytes(), &output_data);
                prop_assert!(is_object(taken.get()));
            }
            Ok(other) => prop_assert!(false, "{other:?}"),
            Err(failure) => {
                let expected = wrong.unwrap_or(ErrorType::ContractViolation);
                prop_assert_eq!(failure.error_type, expected);
                let text = std::str::from_utf8(&output_data);
                prop_assert!(wrong.is_some() || !text.is_ok_and(is_object), "{}", failure);
            }
        }
    }

    #[test]
    fn any_report_is_taken_as_it_is_or_refused(
        stack in proptest::array::uniform3(any_bytes()),
        boundaries in vec(any_bytes(), 0..4),
        risk in prop_oneof![any::<f64>(), 0.0..=1.0],
    ) {
        let texts: Vec<_> = stack.iter().chain(&boundaries).cloned().collect();
        let said = Answer::Analyzed { stack, boundaries, risk };
        let (result, _) = returned(World::Analyzer, &said, None);
        match result {
            Ok(Reply::Analyzed { detected_stack, service_boundaries, risk_score }) => {
                let taken = [detected_stack.language, detected_stack.framework, detected_stack.database]
                    .into_iter().chain(service_boundaries).map(String::into_bytes);
                prop_assert_eq!(taken.collect::<Vec<_>>(), texts);
                prop_assert_eq!(risk_score, risk);
                prop_assert!((0.0..=1.0).contains(&risk));
            }
            Ok(other) => prop_assert!(false, "{other:?}"),
            Err(failure) => {
                let size: usize = texts.iter().map(Vec::len).sum();
                let wrong = size > LIMITS.output_bytes
                    || texts.iter().any(|text| not_a_text(text).is_some())
                    || !(0.0..=1.0).contains(&risk);
                prop_assert!(wrong, "{}", failure);
            }
        }
    }

    #[test]
    fn any_emitted_event_meets_its_contract_or_is_refused(
        events in vec((any_type(), any_bytes()), 0..4)
    ) {
        let said = Answer::Handled { events: events.clone() };
        let (result, _) = returned(World::Handler, &said, None);
        let right = |(kind, data): &(Vec<u8>, Vec<u8>)| {
            let kind = std::str::from_utf8(kind).ok().and_then(EventType::parse)?;
            let data = std::str::from_utf8(data).ok()?;
            let payload = Payload::parse(kind, data).ok().filter(|_| !is_too_deep(data))?;
            let ours = payload.extra().contains_key("hothouse");
            (EMITS.contains(&kind) && !ours).then(|| (kind, data.to_owned()))
        };
        let expected: Option<Vec<_>> = events.iter().map(right).collect();
        match (result, expected) {
            (Ok(Reply::Handled { events }), Some(expected)) => prop_assert_eq!(events, expected),
            (Err(failure), None) => prop_assert!(
                matches!(failure.error_type, ErrorType::ContractViolation | ErrorType::OutputLimit),
                "{}", failure
            ),
            (result, expected) => prop_assert!(false, "{result:?}, expected {expected:?}"),
        }
    }

    #[test]
    fn any_error_is_the_handlers_own_cleaned_and_cut(world in any_world(), failed in any_failed()) {
        let (result, _) = returned(world, &Answer::Failed(failed.clone()), None);
        let failure = result.expect_err("a failure");
        let (class, message, delay) = match &failed {
            Failed::Validation(message) => (ErrorType::ValidationError, message, None),
            Failed::Permanent(message) => (ErrorType::PermanentError, message, None),
            Failed::Retryable(message, delay) => (ErrorType::RetryableError, message, *delay),
        };
        match std::str::from_utf8(message) {
            Ok(text) => {
                prop_assert_eq!(failure.error_type, class);
                prop_assert_eq!(failure.message, clean(text, MAX_MESSAGE));
                let asked = failure.retry_after.map(|delay| delay.as_millis());
                prop_assert_eq!(asked, delay.map(u128::from));
            }
            Err(_) => prop_assert_eq!(failure.error_type, ErrorType::ContractViolation),
        }
    }

    #[test]
    fn any_line_is_logged_cleaned_and_cut_or_counted(
        world in any_world(), level in 0..8u32, text in any_bytes()
    ) {
        let line = Line { level, text: text.clone() };
        let said = Answer::Failed(Failed::Permanent(b"enough".to_vec()));
        let (result, log) = returned(world, &said, Some(&line));
        let failure = result.expect_err("a failure");
        let text = std::str::from_utf8(&text);
        if failure.error_type != ErrorType::PermanentError {
            prop_assert!(level > 4 || text.is_err(), "{}", failure);
            prop_assert_eq!(failure.error_type, ErrorType::ContractViolation);
            prop_assert!(log.lines.is_empty());
            return Ok(());
        }
        let cleaned = clean(text.expect("a text"), MAX_LINE);
        let (lines, dropped) = match cleaned.len() > LIMITS.log_bytes {
            true => (vec![], 1),
            false => (vec![cleaned], 0),
        };
        prop_assert_eq!(log.lines, lines);
        prop_assert_eq!(log.dropped, dropped);
    }
}
