//! What the host does for a guest is charged, and ends at a limit that the failure names.

use std::process::Command;
use std::sync::OnceLock;

use guests::Guest;
use hothouse::failure::{ErrorType, Failure};
use hothouse::sandbox::{Grants, LimitsPatch, Loaded, Reply, Run, World};
use serde_json::{Value, json};

use super::guest::Setup;
use super::{call, load};

async fn run(input_data: Value, limits: LimitsPatch) -> Run {
    run_with(input_data, limits, Grants::default()).await
}

async fn run_with(input_data: Value, limits: LimitsPatch, grants: Grants) -> Run {
    static GUEST: OnceLock<Loaded> = OnceLock::new();
    let guest = GUEST.get_or_init(|| load(Guest::HostCalls, World::Agent));
    let setup = Setup {
        input_data,
        limits,
        grants,
        ..Setup::default()
    };
    call(guest, World::Agent, setup).await
}

async fn failure(input_data: Value, limits: LimitsPatch) -> Failure {
    run(input_data, limits).await.result.expect_err("a limit")
}

fn check(failure: &Failure, error_type: ErrorType, part: &str) {
    assert_eq!(failure.error_type, error_type, "{failure}");
    assert!(failure.message.contains(part), "{failure}");
}

fn none() -> LimitsPatch {
    LimitsPatch::default()
}

/// Fuel of a run that ends well.
async fn fuel(input_data: Value) -> u64 {
    let run = run(input_data, none()).await;
    run.result.expect("within the limits");
    run.cost.fuel
}

#[tokio::test]
pub(super) async fn what_a_call_passes_and_what_all_of_them_pass_is_bounded() {
    let limits = LimitsPatch {
        host_call_bytes: Some(10_000),
        host_bytes: Some(50_000),
        ..none()
    };
    let within = run(json!({"log": 10_000, "times": 5}), limits).await;
    within.result.expect("within both limits");
    let one = failure(json!({"log": 10_001}), limits).await;
    let part = "more than 10000 bytes to the host in one call (`host_call_bytes`)";
    check(&one, ErrorType::OutputLimit, part);
    let all = failure(json!({"log": 10_000, "times": 6}), limits).await;
    let part = "more than 50000 bytes to the host in all its calls (`host_bytes`)";
    check(&all, ErrorType::OutputLimit, part);
}

#[tokio::test]
pub(super) async fn random_bytes_are_bounded_in_one_call_and_in_all() {
    let limits = LimitsPatch {
        random_bytes: Some(1_000),
        ..none()
    };
    let part = "more than 1000 random bytes (`random_bytes`)";
    for input in [
        json!({"random": 1_001}),
        json!({"random": 100, "times": 11}),
        json!({"random": u64::MAX}),
    ] {
        check(&failure(input, limits).await, ErrorType::OutputLimit, part);
    }
    let within = run(json!({"random": 100, "times": 10}), limits).await;
    within.result.expect("within the limit");
}

#[tokio::test]
pub(super) async fn handles_are_bounded_held_or_lent_and_those_let_go_do_not_count() {
    let part = "more than 256 handles (`handles`)";
    for input in [json!({"hold": 257}), json!({"lend": 5_000})] {
        check(&failure(input, none()).await, ErrorType::MemoryLimit, part);
    }
    for input in [
        json!({"hold": 200, "times": 10}),
        json!({"lend": 200, "times": 10}),
    ] {
        run(input, none()).await.result.expect("within the limit");
    }
}

#[tokio::test]
pub(super) async fn calls_and_their_bytes_are_charged_and_the_same_run_costs_the_same() {
    let once = fuel(json!({"log": 1_000, "times": 100})).await;
    assert_eq!(fuel(json!({"log": 1_000, "times": 100})).await, once);
    let twice = fuel(json!({"log": 1_000, "times": 200})).await;
    // 500 for a call and 4 for a byte.
    assert!(twice - once >= 100 * (500 + 4 * 1_000), "{once} {twice}");
    let short = fuel(json!({"log": 10, "times": 100})).await;
    assert!(once - short >= 100 * 4 * 990, "{short} {once}");
    let random = fuel(json!({"random": 10_000})).await;
    assert!(random >= 16 * 10_000, "{random}");
}

#[tokio::test]
pub(super) async fn a_guest_that_only_calls_the_host_runs_out_of_fuel() {
    let limits = LimitsPatch {
        fuel: Some(10_000_000),
        ..none()
    };
    let run = run(json!({"log": 1, "times": 1_000_000}), limits).await;
    let failure = run.result.expect_err("no fuel is left");
    check(&failure, ErrorType::OutOfFuel, "10000000 units of fuel");
    assert_eq!(run.cost.fuel, 10_000_000);
}

/// Were there no yield in the calls, nothing would end this one.
#[tokio::test]
pub(super) async fn the_time_limit_holds_for_a_guest_that_does_little_but_call_the_host() {
    let limits = LimitsPatch {
        fuel: Some(u64::MAX),
        host_bytes: Some(usize::MAX),
        timeout_ms: Some(200),
        ..none()
    };
    let failure = failure(json!({"log": 1, "times": u64::MAX}), limits).await;
    check(&failure, ErrorType::Timeout, "200ms");
}

#[tokio::test]
pub(super) async fn a_pipe_or_a_device_in_a_mount_is_not_opened() {
    let mount = tempfile::tempdir().expect("directory");
    std::fs::write(mount.path().join("file"), "hello").expect("file");
    let pipe = mount.path().join("pipe");
    let made = Command::new("mkfifo").arg(pipe).status().expect("mkfifo");
    assert!(made.success());
    let socket = std::os::unix::net::UnixListener::bind(mount.path().join("socket"));
    let _socket = socket.expect("socket");
    let open = async |name: &str| {
        let grants = Grants::repository(mount.path());
        let input = json!({"open": format!("/repo/{name}")});
        let run = run_with(input, none(), grants).await;
        match run.result {
            Ok(Reply::Executed { output_data }) => output_data.get().to_owned(),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(open("file").await, r#"{"times":1}"#);
    for name in ["pipe", "socket"] {
        let refused = open(name).await;
        assert!(refused.contains("not permitted"), "{name}: {refused}");
    }
}
