//! Guests that behave, and what they are given.

use hothouse::event::EventType;
use hothouse::failure::ErrorType;
use hothouse::sandbox::{Access, Grants, LimitsPatch, Mount, Reply, Run, Secret, World};
use serde_json::{Value, json};

use super::{REPOSITORY, Setup, call, load, run};

fn output(run: &Run) -> Value {
    match &run.result {
        Ok(Reply::Executed { output_data }) => {
            serde_json::from_str(output_data.get()).expect("JSON")
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn an_agent_gets_its_input_and_its_output_comes_back() {
    let setup = Setup {
        input_data: json!({"seq": 42, "sleep_ms": 1}),
        ..Setup::default()
    };
    let run = run("slow_echo_agent", World::Agent, setup).await;
    assert_eq!(output(&run), json!({"seq": 42}));
    assert!(run.cost.fuel > 0);
}

#[tokio::test]
async fn a_handler_sees_the_number_of_its_attempt() {
    let component = load("asks_for_retry", World::Agent);
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
async fn a_handler_emits_what_its_manifest_lists() {
    let data = json!({"repository_id": REPOSITORY, "sync_type": "full", "trigger": "manual"});
    let setup = Setup {
        input_data: json!({"emit": [{"type": "repo.sync.started", "data": data}]}),
        emits: &[EventType::RepoSyncStarted],
        ..Setup::default()
    };
    let run = run("echo", World::Handler, setup).await;
    let Ok(Reply::Handled { events }) = run.result else {
        panic!("{run:?}")
    };
    assert_eq!(events.len(), 1);
    assert_eq!(events[0].0, EventType::RepoSyncStarted);
    let emitted: Value = serde_json::from_str(&events[0].1).expect("JSON");
    assert_eq!(emitted, data);
}

#[tokio::test]
async fn an_emitted_event_must_meet_its_contract_and_leave_our_object_alone() {
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
        let failure = run("echo", World::Handler, setup)
            .await
            .result
            .expect_err(part);
        assert_eq!(failure.error_type, ErrorType::ContractViolation);
        assert!(failure.message.contains(part), "{failure}");
    }
}

#[tokio::test]
async fn a_repository_can_be_read_and_nothing_else_and_not_written() {
    let repository = tempfile::tempdir().expect("directory");
    std::fs::write(repository.path().join("README.md"), "hello").expect("file");
    let setup = Setup {
        grants: Grants::repository(repository.path()),
        ..Setup::default()
    };
    let run = run("writes_to_repository", World::Analyzer, setup).await;
    run.result.expect("every attempt was refused");
    let left: Vec<_> = std::fs::read_dir(repository.path())
        .expect("directory")
        .map(|entry| entry.expect("entry").file_name())
        .collect();
    assert_eq!(left, ["README.md"]);
}

#[tokio::test]
async fn what_is_granted_to_write_is_written_and_variables_are_those_that_are_granted() {
    let folder = tempfile::tempdir().expect("directory");
    let directory = folder.path().canonicalize().expect("its path");
    let grants = Grants {
        mounts: vec![Mount {
            at: "/cache".to_owned(),
            directory: directory.clone(),
            access: Access::Write,
        }],
        environment: vec![("TOKEN".to_owned(), Secret::new("abc".to_owned()))],
    };
    let setup = Setup {
        input_data: json!({"show": ["TOKEN", "PATH"], "append": ["/cache/new", "hello"],
                           "read": "/cache/new"}),
        grants,
        ..Setup::default()
    };
    let run = run("uses_grants", World::Agent, setup).await;
    let told = output(&run);
    assert_eq!(told["shown"], json!({"TOKEN": "abc", "PATH": null}));
    assert_eq!(told["lengths"], json!({"TOKEN": 3}));
    assert_eq!(told["read"], "hello");
    assert!(directory.join("new").is_file());
}

#[tokio::test]
async fn a_mount_whose_path_has_a_link_in_it_is_not_mounted() {
    let folder = tempfile::tempdir().expect("directory");
    let directory = folder.path().canonicalize().expect("its path");
    std::fs::create_dir(directory.join("real")).expect("directory");
    std::os::unix::fs::symlink("real", directory.join("link")).expect("link");
    let setup = |name: &str| Setup {
        grants: Grants::repository(&directory.join(name)),
        emits: &[EventType::RepoSyncCompleted],
        input_data: json!({"repository_id": REPOSITORY}),
        ..Setup::default()
    };
    let component = load("lists_repository", World::Handler);
    let real = call(&component, World::Handler, setup("real")).await;
    real.result.expect("a mount");
    let link = call(&component, World::Handler, setup("link")).await;
    let failure = link.result.expect_err("a link");
    assert_eq!(failure.error_type, ErrorType::HostError);
    assert!(failure.message.contains("cannot mount"), "{failure}");
}

#[tokio::test]
async fn a_flood_of_log_lines_is_cut_and_counted_and_the_run_goes_on() {
    let setup = Setup {
        limits: LimitsPatch {
            log_lines: Some(10),
            ..LimitsPatch::default()
        },
        ..Setup::default()
    };
    let run = run("log_flood", World::Agent, setup).await;
    assert!(run.cost.log_lines_dropped >= 100_000 - 10, "{:?}", run.cost);
    output(&run);
}

#[tokio::test]
async fn a_fresh_instance_knows_nothing_of_the_last_one() {
    let component = load("slow_echo_agent", World::Agent);
    let mut costs = Vec::new();
    for _ in 0..3 {
        let setup = Setup {
            input_data: json!({"seq": 1, "sleep_ms": 0}),
            ..Setup::default()
        };
        let run = call(&component, World::Agent, setup).await;
        output(&run);
        costs.push(run.cost.peak_memory_bytes);
    }
    costs.dedup();
    assert_eq!(costs.len(), 1, "memory grows from run to run: {costs:?}");
}
