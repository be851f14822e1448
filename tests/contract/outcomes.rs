//! Outcomes, to the field.

use chrono::{DateTime, Utc};
use hothouse::bus::{
    Attempt, Commit, DeadLetter, Delivery, EntryId, Lane, Lease, Loss, Output, Verdict,
};
use hothouse::config::{PoisonedLane, RetryPolicy};
use hothouse::event::{DetectedStack, Event, EventType, Extra, Fields, Id, decode, decode_json};
use hothouse::failure::{ErrorType, Failure};
use hothouse::outcome::{Ended, conclude, conclude_malformed};
use hothouse::plugin::PluginId;
use hothouse::sandbox::{Cost, Reply};
use serde_json::value::RawValue;
use serde_json::{Value, json};

const EVENT: &str = "3fa85f64-5717-4562-b3fc-2c963f66afa6";
const EXECUTION: &str = "9b2f1c58-0b4e-4e0b-9a39-6d7a4f0a1b2c";
const PLAN: &str = "51ddb75b-4313-57e9-9480-7102adec8628";
const REPOSITORY: &str = "c841794c-46e1-5f5c-9414-6ef1e1e7bc8f";

fn now() -> DateTime<Utc> {
    "2026-11-24T08:00:00.123456Z".parse().expect("time")
}

fn started() -> Event {
    event(
        "agent.execution.started",
        json!({"agent_execution_id": EXECUTION, "agent_type": "backend", "phase_number": 1,
               "execution_plan_id": PLAN, "input_data": {}}),
    )
}

fn event(kind: &str, data: Value) -> Event {
    let whole = json!({"event_id": EVENT, "type": kind, "timestamp": "2024-01-16T20:01:00Z",
                       "data": data});
    decode_json(&whole.to_string()).expect("event")
}

fn delivery(attempt: u32) -> Delivery {
    Delivery {
        lease: Lease {
            entry: EntryId { ms: 5, seq: 1 },
            lane: Lane::default(),
            fence: 7,
        },
        fields: Fields::default(),
        attempt,
        history: Vec::new(),
    }
}

fn commit(event: Event, attempt: u32, result: Result<Reply, Failure>) -> Commit {
    commit_with(&RetryPolicy::default(), event, attempt, result)
}

fn commit_with(
    retry: &RetryPolicy,
    event: Event,
    attempt: u32,
    result: Result<Reply, Failure>,
) -> Commit {
    let ended = Ended {
        group: "workers",
        delivery: delivery(attempt),
        is_run: true,
        event,
        plugin: Some(PluginId {
            name: "p".into(),
            version: "1.2.3".into(),
            digest: "d1".into(),
        }),
        result,
        cost: Some(Cost {
            fuel: 9,
            wall_ms: 1.5,
            ..Cost::default()
        }),
        retry,
    };
    conclude(ended, now()).expect("commit")
}

/// The outputs and the dead letter of a commit that is final.
fn done(commit: &Commit) -> (&[Output], Option<&DeadLetter>) {
    let Verdict::Done {
        outputs,
        dead_letter,
        stops_lane: false,
    } = &commit.verdict
    else {
        panic!("not final: {commit:?}")
    };
    (outputs, dead_letter.as_deref())
}

/// The one output, decoded by the contract: what we write, we can read.
fn output(commit: &Commit) -> (Fields, Event) {
    let (outputs, _) = done(commit);
    assert_eq!(outputs.len(), 1, "{outputs:?}");
    let event = decode(&outputs[0].fields).expect("an event of the contract");
    assert_eq!(event.envelope.event_type, outputs[0].event_type);
    (outputs[0].fields.clone(), event)
}

fn data(event: &Event) -> Value {
    serde_json::from_str(&event.data).expect("JSON")
}

fn failure(error_type: ErrorType) -> Result<Reply, Failure> {
    Err(Failure::new(error_type, "it broke"))
}

#[test]
fn a_completed_execution_has_the_contracts_fields_and_ours() {
    let raw = RawValue::from_string(r#"{"files_modified":["a"]}"#.into()).expect("raw");
    let commit = commit(started(), 2, Ok(Reply::Executed { output_data: raw }));
    let (fields, outcome) = output(&commit);
    assert_eq!(
        data(&outcome),
        json!({
            "agent_execution_id": EXECUTION,
            "output_data": {"files_modified": ["a"]},
            "token_usage": {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0},
            "hothouse": {
                "group": "workers", "plugin": "p@1.2.3", "digest": "d1", "attempts": 2,
                "execution_plan_id": PLAN,
                "cost": {"fuel": 9, "wall_ms": 1.5, "peak_memory_bytes": 0, "log_lines_dropped": 0,
                    "token_usage": {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}},
            },
        })
    );
    let names: Vec<&str> = fields
        .0
        .iter()
        .map(|(name, _)| std::str::from_utf8(name).expect("name"))
        .collect();
    assert_eq!(
        names,
        [
            "event_id",
            "type",
            "timestamp",
            "correlation_id",
            "causation_id",
            "source",
            "version",
            "data"
        ]
    );
    let input: Id = EVENT.parse().expect("id");
    assert_eq!(outcome.envelope.event_id, input.derive("workers/0/0"));
    assert_eq!(outcome.envelope.correlation_id, Some(input));
    assert_eq!(outcome.envelope.causation_id, Some(input));
    assert_eq!(outcome.envelope.source.as_deref(), Some("hothouse/p@1.2.3"));
    assert_eq!(
        fields.get("timestamp"),
        Some(&b"2026-11-24T08:00:00.123Z"[..])
    );
}

#[test]
fn a_completed_discovery_gets_the_same_report_id_each_time() {
    let run = || {
        let started = event(
            "discovery.started",
            json!({"repository_id": REPOSITORY, "discovery_type": "full"}),
        );
        let reply = Reply::Analyzed {
            detected_stack: DetectedStack {
                language: "rust".into(),
                framework: "axum".into(),
                database: "none".into(),
                extra: Extra::new(),
            },
            service_boundaries: vec!["api".into()],
            risk_score: 0.25,
        };
        let (_, outcome) = output(&commit(started, 1, Ok(reply)));
        data(&outcome)
    };
    let mut first = run();
    assert_eq!(first, run());
    assert!(first["discovery_report_id"].take().is_string());
    assert!(first["hothouse"].take().is_object());
    assert_eq!(
        first,
        json!({"repository_id": REPOSITORY, "discovery_report_id": null, "risk_score": 0.25,
            "detected_stack": {"language": "rust", "framework": "axum", "database": "none"},
            "service_boundaries": ["api"], "hothouse": null})
    );
}

#[test]
fn what_a_handler_emits_keeps_its_text_and_its_order() {
    let merged =
        json!({"pull_request_id": REPOSITORY, "merged_by": REPOSITORY, "merge_commit_sha": "a"});
    let text = r#"{"repository_id":"c841794c-46e1-5f5c-9414-6ef1e1e7bc8f","sync_type":"full","trigger":"webhook","exact":1.50}"#;
    let events = vec![
        (EventType::RepoSyncStarted, text.to_owned()),
        (EventType::PrMerged, merged.to_string()),
    ];
    let commit = commit(event("pr.merged", merged), 1, Ok(Reply::Handled { events }));
    let (outputs, dead_letter) = done(&commit);
    assert!(dead_letter.is_none());
    let ids: Vec<&[u8]> = outputs
        .iter()
        .filter_map(|output| output.fields.get("event_id"))
        .collect();
    assert_eq!(ids.len(), 2);
    assert_ne!(ids[0], ids[1]);
    let first = outputs[0].fields.get("data").expect("data");
    let first = std::str::from_utf8(first).expect("text");
    assert!(first.starts_with(r#"{"repository_id":"c841794c-46e1-5f5c-9414-6ef1e1e7bc8f","sync_type":"full","trigger":"webhook","exact":1.50,"hothouse":{"#), "{first}");
}

#[test]
fn a_verdict_of_the_handler_fails_at_once_without_a_dead_letter() {
    for error_type in [ErrorType::ValidationError, ErrorType::PermanentError] {
        let commit = commit(started(), 1, failure(error_type));
        let (_, outcome) = output(&commit);
        let mut data = data(&outcome);
        data.as_object_mut()
            .expect("object")
            .remove("hothouse")
            .expect("ours");
        assert_eq!(
            data,
            json!({"agent_execution_id": EXECUTION, "error_message": "it broke",
                   "error_type": error_type.as_str(), "retry_count": 0})
        );
        assert!(matches!(
            commit.verdict,
            Verdict::Done {
                dead_letter: None,
                ..
            }
        ));
    }
}

#[test]
fn every_retried_class_gets_three_retries_and_then_both_failed_event_and_dead_letter() {
    for error_type in ErrorType::ALL.into_iter().filter(|kind| kind.retried()) {
        for (attempt, seconds) in [(1, 1.0), (2, 5.0), (3, 25.0)] {
            let commit = commit(started(), attempt, failure(error_type));
            let Verdict::Retry {
                after,
                aside: false,
                history,
            } = commit.verdict
            else {
                panic!("{error_type}: no retry after attempt {attempt}")
            };
            let jitter = after.as_secs_f64() / seconds;
            assert!((0.8..=1.2).contains(&jitter), "{after:?} for {seconds} s");
            assert_eq!(history.len(), 1);
        }
        let commit = commit(started(), 4, failure(error_type));
        let (_, outcome) = output(&commit);
        assert_eq!(data(&outcome)["retry_count"], 3);
        let letter = done(&commit).1.expect("dead letter");
        assert_eq!((letter.attempts, letter.error_type), (4, error_type));
    }
}

#[test]
fn a_run_is_told_of_though_an_earlier_one_that_was_given_back_had_its_number() {
    let lost = Attempt {
        attempt: 2,
        at: now(),
        error_type: ErrorType::HostError,
        error_message: "nothing more was heard of the host".into(),
        plugin: None,
        lost: Some(Loss::InCompany),
        fence: Some(6),
    };
    let ends = |is_run| {
        let ended = Ended {
            group: "workers",
            delivery: Delivery {
                history: vec![lost.clone()],
                ..delivery(2)
            },
            is_run,
            event: started(),
            plugin: None,
            result: failure(ErrorType::Trap),
            cost: None,
            retry: &RetryPolicy::default(),
        };
        match conclude(ended, now()).expect("commit").verdict {
            Verdict::Retry { history, .. } => history,
            other => panic!("no retry: {other:?}"),
        }
    };
    let told: Vec<ErrorType> = ends(true).iter().map(|run| run.error_type).collect();
    assert_eq!(told, [ErrorType::HostError, ErrorType::Trap]);
    assert_eq!(ends(false).len(), 1, "what was no run adds nothing");
}

#[test]
fn the_route_decides_what_becomes_of_the_lane() {
    for policy in [PoisonedLane::Block, PoisonedLane::Skip, PoisonedLane::Park] {
        let retry = RetryPolicy {
            poisoned_lane: policy,
            ..RetryPolicy::default()
        };
        let verdict = |attempt, result| commit_with(&retry, started(), attempt, result).verdict;
        let Verdict::Retry { aside, .. } = verdict(1, failure(ErrorType::Trap)) else {
            panic!("no retry");
        };
        assert_eq!(aside, policy == PoisonedLane::Skip);
        let stops = |result| match verdict(4, result) {
            Verdict::Done { stops_lane, .. } => stops_lane,
            other => panic!("not final: {other:?}"),
        };
        assert_eq!(
            stops(failure(ErrorType::Trap)),
            policy == PoisonedLane::Park
        );
        assert!(!stops(failure(ErrorType::PermanentError)), "no dead letter");
    }
}

#[test]
fn every_other_class_is_a_dead_letter_at_once() {
    let at_once = |kind: &ErrorType| !kind.retried() && !kind.is_verdict();
    for error_type in ErrorType::ALL.into_iter().filter(at_once) {
        let commit = commit(started(), 1, failure(error_type));
        let (_, outcome) = output(&commit);
        assert_eq!(data(&outcome)["retry_count"], 0);
        assert!(
            matches!(
                commit.verdict,
                Verdict::Done {
                    dead_letter: Some(_),
                    ..
                }
            ),
            "{error_type}"
        );
    }
}

#[test]
fn a_failure_of_a_type_without_a_failed_event_is_a_dead_letter_alone() {
    let merged = event(
        "pr.merged",
        json!({"pull_request_id": REPOSITORY, "merged_by": REPOSITORY, "merge_commit_sha": "a"}),
    );
    let commit = commit(merged, 1, failure(ErrorType::OutOfFuel));
    let (outputs, dead_letter) = done(&commit);
    assert!(outputs.is_empty());
    assert!(dead_letter.is_some());
}

#[test]
fn a_malformed_event_has_a_failed_event_exactly_where_its_ids_can_be_read() {
    let cases = [
        (json!({"agent_execution_id": EXECUTION}).to_string(), true),
        (json!({"agent_execution_id": 7}).to_string(), false),
        ("{".to_owned(), false),
    ];
    for (data_text, expected) in cases {
        let mut fields = Fields::default();
        fields.push("type", "agent.execution.started");
        fields.push("event_id", EVENT);
        fields.push("timestamp", "2024-01-16T20:01:00Z");
        fields.push("data", data_text.as_str());
        let malformed = decode(&fields).expect_err("malformed");
        let commit = conclude_malformed("workers", delivery(1), &malformed, now()).expect("commit");
        assert_eq!(
            commit.event_id.map(|id| id.to_string()).as_deref(),
            Some(EVENT)
        );
        let (outputs, dead_letter) = done(&commit);
        let letter = dead_letter.expect("dead letter");
        assert_eq!(letter.error_type, ErrorType::MalformedEvent);
        assert_eq!(outputs.len(), usize::from(expected), "{data_text}");
        if expected {
            let (_, outcome) = output(&commit);
            assert_eq!(data(&outcome)["error_type"], "malformed_event");
            assert_eq!(outcome.envelope.source.as_deref(), Some("hothouse"));
        }
    }
}

#[test]
fn a_plugins_own_delay_is_capped_and_has_no_jitter() {
    let policy = RetryPolicy::default();
    let salt: Id = EVENT.parse().expect("id");
    for (asked, expected) in [(10, 10), (100_000, 300)] {
        let failure = Failure {
            retry_after: Some(std::time::Duration::from_secs(asked)),
            ..Failure::new(ErrorType::RetryableError, "later")
        };
        let after = policy.next(&failure, 1, salt);
        assert_eq!(after, Some(std::time::Duration::from_secs(expected)));
    }
}
