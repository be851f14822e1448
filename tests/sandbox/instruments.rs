//! What is recorded of a run where it is asked for.

use guests::Guest;
use hothouse::failure::ErrorType;
use hothouse::sandbox::{Compilation, Compiler, Instruments, Recorded, Run, Sandbox, World};
use serde_json::json;

use super::guest::{Setup, call, given, load};

/// Runs a guest in a sandbox that records.
async fn recorded(guest: Guest, instruments: Instruments, setup: Setup) -> Run {
    let compilation = Compilation::new(Compiler::InProcess);
    let sandbox = Sandbox::compiling(1, instruments, compilation).expect("sandbox");
    let component = load(&sandbox, guest, World::Agent);
    call(&sandbox, &component, World::Agent, setup).await
}

const PROFILE: Instruments = Instruments {
    coredump: false,
    profile: true,
};

const COREDUMP: Instruments = Instruments {
    coredump: true,
    profile: false,
};

#[tokio::test]
pub(super) async fn a_profile_has_the_hot_function_on_top_and_where_it_was_called() {
    let run = recorded(Guest::HotSpot, PROFILE, Setup::default()).await;
    run.result.expect("it ends well");
    let profile = run.recorded.profile.expect("a profile");
    let hottest = profile.hottest(1);
    assert_eq!(hottest[0].function, "hot_spot::hot", "{}", profile.folded());
    assert!(hottest[0].share > 0.5, "{hottest:?}");

    let folded = profile.folded();
    let (stack, us) = folded
        .lines()
        .filter_map(|line| line.rsplit_once(' '))
        .max_by_key(|(_, us)| us.parse::<u64>().expect("a number"))
        .expect("a stack");
    assert!(us.parse::<u64>().expect("a number") > 0);
    let functions: Vec<&str> = stack.split(';').collect();
    assert_eq!(functions.last(), Some(&"hot_spot::hot"), "{stack}");
    assert!(functions.len() > 1, "{stack}");
    assert!(profile.samples() >= folded.lines().count() as u64);
}

#[tokio::test]
async fn time_in_a_call_of_the_host_is_the_hosts_in_a_profile() {
    let setup = given(json!({"seq": 1, "sleep_ms": 200}));
    let run = recorded(Guest::SlowEchoAgent, PROFILE, setup).await;
    run.result.expect("it ends well");
    let profile = run.recorded.profile.expect("a profile");
    assert_eq!(
        profile.hottest(1)[0].function,
        "[host]",
        "{}",
        profile.folded()
    );
}

#[tokio::test]
async fn a_profile_of_a_run_that_fails_is_there_too() {
    let run = recorded(Guest::LoopForever, PROFILE, Setup::default()).await;
    let failure = run.result.expect_err("without end");
    assert_eq!(failure.error_type, ErrorType::OutOfFuel);
    let profile = run.recorded.profile.expect("a profile");
    assert!(profile.samples() > 0);
}

#[tokio::test]
async fn a_core_dump_has_the_stack_and_the_memory_of_a_guest_that_traps() {
    let run = recorded(Guest::Panics, COREDUMP, Setup::default()).await;
    let failure = run.result.expect_err("a panic");
    assert_eq!(failure.error_type, ErrorType::Trap);
    assert!(!failure.frames.is_empty());
    let dump = run.recorded.coredump.expect("a core dump");
    assert!(dump.starts_with(b"\0asm"));
    let has = |part: &[u8]| dump.windows(part.len()).any(|window| window == part);
    for part in [
        "corestack",
        "coremodules",
        "guest@0.0.0",
        "order 42 has no lines",
    ] {
        assert!(has(part.as_bytes()), "no {part}");
    }
}

#[tokio::test]
async fn a_guest_that_returns_leaves_no_core_dump_and_a_host_records_nothing() {
    let run = recorded(Guest::RejectsInput, COREDUMP, Setup::default()).await;
    assert!(run.recorded.coredump.is_none());
    let run = super::run(Guest::Panics, World::Agent, Setup::default()).await;
    assert!(matches!(
        run.recorded,
        Recorded {
            coredump: None,
            profile: None
        }
    ));
}
