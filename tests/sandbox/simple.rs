//! Guests that behave, and what they are given.

use guests::Guest;
use hothouse::event::EventType;
use hothouse::failure::ErrorType;
use hothouse::sandbox::{Grants, LimitsPatch, Reply, Run, Secret, World};
use serde_json::{Value, json};

use super::guest::{REPOSITORY, Setup, given, good_call, limited};
use super::{call, load, run};

/// What an agent gave back.
pub(super) fn output(run: &Run) -> Value {
    match &run.result {
        Ok(Reply::Executed { output_data }) => {
            serde_json::from_str(output_data.get()).expect("JSON")
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
pub(super) async fn an_agent_gets_its_input_and_its_output_comes_back() {
    let setup = given(json!({"seq": 42, "sleep_ms": 1}));
    let run = run(Guest::SlowEchoAgent, World::Agent, setup).await;
    assert_eq!(output(&run), json!({"seq": 42}));
    assert!(run.cost.fuel > 0);
}

#[tokio::test]
pub(super) async fn a_handler_sees_the_number_of_its_attempt() {
    let component = load(Guest::AsksForRetry, World::Agent);
    for attempt in 1..=3 {
        let setup = Setup {
            input_data: json!({"succeed_on_attempt": 3}),
            attempt,
            ..Setup::default()
        };
        let run = call(&component, World::Agent, setup).await;
        match attempt {
            3 => assert_eq!(output(&run), json!({"attempt": 3})),
            _ => {
                let failure = run.result.expect_err("too early");
                assert_eq!(failure.error_type, ErrorType::RetryableError);
                assert_eq!(
                    failure.retry_after,
                    Some(std::time::Duration::from_millis(1))
                );
            }
        }
    }
}

#[tokio::test]
pub(super) async fn a_handler_emits_what_its_manifest_lists() {
    let data = json!({"repository_id": REPOSITORY, "sync_type": "full", "trigger": "manual"});
    let setup = Setup {
        input_data: json!({"emit": [{"type": "repo.sync.started", "data": data}]}),
        emits: &[EventType::RepoSyncStarted],
        ..Setup::default()
    };
    let run = run(Guest::Echo, World::Handler, setup).await;
    let Ok(Reply::Handled { events }) = run.result else {
        panic!("{run:?}")
    };
    assert_eq!(events.len(), 1);
    assert_eq!(events[0].0, EventType::RepoSyncStarted);
    let emitted: Value = serde_json::from_str(&events[0].1).expect("JSON");
    assert_eq!(emitted, data);
}

#[tokio::test]
pub(super) async fn an_emitted_event_must_meet_its_contract_and_leave_our_object_alone() {
    let good = json!({"repository_id": REPOSITORY, "sync_type": "full", "trigger": "manual"});
    let mut ours = good.clone();
    ours["hothouse"] = json!({});
    let mut wrong = good;
    wrong["trigger"] = "by hand".into();
    for (data, part) in [(ours, "data.hothouse"), (wrong, "data.trigger")] {
        let setup = Setup {
            input_data: json!({"emit": [{"type": "repo.sync.started", "data": data}]}),
            emits: &[EventType::RepoSyncStarted],
            ..Setup::default()
        };
        let failure = run(Guest::Echo, World::Handler, setup)
            .await
            .result
            .expect_err(part);
        assert_eq!(failure.error_type, ErrorType::ContractViolation);
        assert!(failure.message.contains(part), "{failure}");
    }
}

#[tokio::test]
pub(super) async fn a_flood_of_log_lines_is_cut_and_counted_and_the_run_goes_on() {
    let limits = LimitsPatch {
        log_lines: Some(10),
        ..LimitsPatch::default()
    };
    let run = run(Guest::LogFlood, World::Agent, limited(limits)).await;
    assert!(run.cost.log_lines_dropped >= 100_000 - 10, "{:?}", run.cost);
    output(&run);
}

#[tokio::test]
async fn a_fresh_instance_knows_nothing_of_the_last_one() {
    let component = load(Guest::SlowEchoAgent, World::Agent);
    let mut costs = Vec::new();
    for _ in 0..3 {
        let run = call(&component, World::Agent, good_call(1)).await;
        output(&run);
        costs.push(run.cost.peak_memory_bytes);
    }
    costs.dedup();
    assert_eq!(costs.len(), 1, "memory grows from run to run: {costs:?}");
}

#[tokio::test]
pub(super) async fn a_guest_sees_of_the_environment_what_it_is_granted() {
    assert!(std::env::var_os("PATH").is_some(), "nothing to hide");
    let granted = vec![("GREETING".to_owned(), "hello".to_owned())];
    for environment in [vec![], granted] {
        let variables: Value = environment.iter().cloned().collect();
        let environment = environment
            .into_iter()
            .map(|(name, value)| (name, Secret::new(value)))
            .collect();
        let setup = Setup {
            grants: Grants {
                environment,
                ..Grants::default()
            },
            ..Setup::default()
        };
        let run = run(Guest::ReadsEnvironment, World::Agent, setup).await;
        let seen = json!({"variables": variables, "arguments": [], "stdin": "", "files": 0});
        assert_eq!(output(&run), seen);
    }
}
