//! One plugin for each world, run natively on the JSON of an event.

use std::time::Duration;

use hothouse_sdk::serde_json::{Map, Value, json};
use hothouse_sdk::{
    Agent, Analyzer, Discovery, Event, Execution, Handler, HandlerError, NewEvent, Report, Stack,
    log, testing,
};
use serde::{Deserialize, Serialize};

struct Doubler;

#[derive(Deserialize)]
struct Number {
    number: i64,
}

#[derive(Serialize)]
struct Doubled {
    doubled: i64,
    extra: Map<String, Value>,
}

impl Agent for Doubler {
    type Input = Number;
    type Output = Doubled;

    fn execute(execution: Execution<Number>) -> Result<Doubled, HandlerError> {
        log::debug!("doubling {}", execution.input.number);
        if execution.metadata.attempt < 2 && execution.input.number < 0 {
            return Err(HandlerError::retryable_after(
                "later",
                Duration::from_secs(1),
            ));
        }
        Ok(Doubled {
            doubled: execution.input.number * 2,
            extra: execution.extra,
        })
    }
}

struct Looker;

impl Analyzer for Looker {
    fn analyze(discovery: Discovery) -> Result<Report, HandlerError> {
        // A path that isn't there is an io::Error, which `?` turns into a permanent error.
        let entries = std::fs::read_dir(discovery.repository()?)?;
        Ok(Report {
            stack: Stack {
                language: "rust".to_owned(),
                framework: "none".to_owned(),
                database: "unknown".to_owned(),
            },
            service_boundaries: vec![format!("{} entries", entries.count())],
            risk_score: 0.5,
        })
    }
}

struct Forwarder;

#[derive(Deserialize)]
struct Connected {
    repository_id: String,
    #[serde(flatten)]
    extra: Map<String, Value>,
}

impl Handler for Forwarder {
    type Data = Connected;

    fn handle(event: Event<Connected>) -> Result<Vec<NewEvent>, HandlerError> {
        Ok(vec![NewEvent::new(
            "repo.sync.started",
            json!({
                "repository_id": event.data.repository_id,
                "because_of": event.metadata.event_type,
                "extra": event.data.extra,
            }),
        )?])
    }
}

struct Lister;

impl Agent for Lister {
    type Input = Value;
    type Output = [u8; 2];

    fn execute(_: Execution<Value>) -> Result<[u8; 2], HandlerError> {
        Ok([1, 2])
    }
}

// Natively an export only checks its types, so several can stand in one crate.
hothouse_sdk::export!(Doubler: Agent);
hothouse_sdk::export!(Looker: Analyzer);
hothouse_sdk::export!(Forwarder: Handler);

#[test]
fn an_agent_gets_its_decoded_input_and_its_extra_fields() {
    let mut execution = Execution::sample(json!({ "number": 21 }));
    execution.extra.insert("priority".to_owned(), json!("high"));

    assert_eq!(
        testing::execute::<Doubler>(execution),
        Ok(json!({ "doubled": 42, "extra": { "priority": "high" } }))
    );
}

#[test]
fn an_input_that_does_not_decode_is_a_validation_error_that_names_the_field() {
    let error = testing::execute::<Doubler>(Execution::sample(json!({})))
        .expect_err("the number is missing");

    assert_eq!(
        error,
        HandlerError::validation("input_data: missing field `number` at line 1 column 2")
    );
}

#[test]
fn a_delay_and_the_attempt_cross_the_contract() {
    let mut execution = Execution::sample(json!({ "number": -1 }));
    assert_eq!(
        testing::execute::<Doubler>(execution.clone()),
        Err(HandlerError::retryable_after(
            "later",
            Duration::from_secs(1)
        ))
    );

    execution.metadata.attempt = 2;
    assert!(testing::execute::<Doubler>(execution).is_ok());
}

#[test]
#[should_panic(expected = "the host would refuse output_data: [1,2] is not a JSON object")]
fn an_output_that_is_no_object_fails_the_plugins_own_test() {
    let _ = testing::execute::<Lister>(Execution::sample(json!({})));
}

#[test]
fn an_analyzer_reads_the_repository_with_std_fs() {
    let report = testing::analyze::<Looker>(Discovery::sample(env!("CARGO_MANIFEST_DIR")))
        .expect("the directory is there");

    assert_eq!(report.stack.language, "rust");
    assert!((report.risk_score - 0.5).abs() < f64::EPSILON);
}

#[test]
fn an_analyzer_without_a_grant_says_what_is_missing() {
    let mut discovery = Discovery::sample("/repo");
    discovery.repository_path = None;

    let error = testing::analyze::<Looker>(discovery).expect_err("nothing is mounted");

    assert!(error.message().contains("[needs]"), "{error}");
}

#[test]
fn a_missing_file_is_a_permanent_error() {
    let error = testing::analyze::<Looker>(Discovery::sample("/no/such/repository"))
        .expect_err("it is not there");

    assert!(matches!(error, HandlerError::Permanent(_)), "{error:?}");
}

#[test]
fn a_handler_emits_events_in_order_with_data_as_json() {
    let data = json!({ "repository_id": "r-1", "full_name": "org/repo" });

    let events = testing::handle::<Forwarder>(Event::sample("repo.connected", data))
        .expect("the data decodes");

    assert_eq!(
        events,
        [NewEvent {
            event_type: "repo.sync.started".to_owned(),
            data: json!({
                "repository_id": "r-1",
                "because_of": "repo.connected",
                "extra": { "full_name": "org/repo" },
            }),
        }]
    );
}

#[test]
fn data_that_does_not_decode_is_a_validation_error() {
    let error = testing::handle::<Forwarder>(Event::sample("repo.connected", json!({})))
        .expect_err("the id is missing");

    assert!(matches!(error, HandlerError::Validation(_)), "{error:?}");
}
