//! Guests that attack, and the `error_type` that each must get.

use std::sync::OnceLock;

use hothouse::failure::{ErrorType, Failure, MAX_MESSAGE};
use hothouse::sandbox::{LimitsPatch, Loaded, Run, World};
use serde_json::json;

use super::{Setup, call, load, run};

/// Runs a guest that must fail, then a good one: nothing of the attack may be left.
async fn attack(name: &str, world: World, setup: Setup<'_>) -> (Failure, Run) {
    let run = run(name, world, setup).await;
    let after = call(
        good_guest(),
        World::Agent,
        Setup {
            input_data: json!({"seq": 7, "sleep_ms": 0}),
            ..Setup::default()
        },
    )
    .await;
    after.result.expect("the run after the attack");
    match &run.result {
        Err(failure) => (failure.clone(), run),
        Ok(reply) => panic!("{name} got away with it: {reply:?}"),
    }
}

/// Loaded once: what matters is the run.
fn good_guest() -> &'static Loaded {
    static GUEST: OnceLock<Loaded> = OnceLock::new();
    GUEST.get_or_init(|| load("slow_echo_agent", World::Agent))
}

macro_rules! attacks {
    ($( $test:ident: $guest:literal ($world:ident, $limits:expr) => $error:ident, $part:literal; )*) => { $(
        #[tokio::test]
        async fn $test() {
            let setup = Setup { limits: $limits, ..Setup::default() };
            let (failure, _) = attack($guest, World::$world, setup).await;
            assert_eq!(failure.error_type, ErrorType::$error, "{failure}");
            assert!(failure.message.contains($part), "{failure}");
            assert!(failure.message.len() <= MAX_MESSAGE);
        }
    )* };
}

fn usual() -> LimitsPatch {
    LimitsPatch::default()
}

attacks! {
    a_loop_without_end_is_out_of_fuel:
        "loop_forever" (Agent, usual()) => OutOfFuel, "1000000000 units of fuel";
    a_loop_without_end_with_fuel_without_end_is_a_timeout:
        "loop_forever" (Agent, LimitsPatch { fuel: Some(u64::MAX), timeout_ms: Some(200), ..usual() })
        => Timeout, "200ms";
    a_sleep_without_end_is_a_timeout:
        "sleep_forever" (Agent, LimitsPatch { timeout_ms: Some(200), ..usual() }) => Timeout, "200ms";
    memory_without_end_is_a_memory_limit:
        "allocate_forever" (Agent, usual()) => MemoryLimit, "67108864 bytes of memory";
    a_component_that_needs_more_memory_than_its_limit_is_a_memory_limit:
        "rejects_input" (Agent, LimitsPatch { memory_bytes: Some(1 << 16), ..usual() })
        => MemoryLimit, "65536 bytes";
    a_recursion_without_end_is_a_stack_overflow:
        "recurse_forever" (Agent, usual()) => StackOverflow, "stack";
    a_panic_is_a_trap_with_its_message:
        "panics" (Agent, usual()) => Trap, "order 42 has no lines";
    an_exit_is_a_trap:
        "exits" (Agent, usual()) => Trap, "exited with code";
    a_huge_result_is_an_output_limit:
        "huge_output" (Agent, usual()) => OutputLimit, "1048576 bytes";
    a_result_that_is_no_object_is_a_contract_violation:
        "lies_about_output" (Agent, usual()) => ContractViolation, "not a JSON object";
    a_result_that_is_not_unicode_is_a_contract_violation:
        "invalid_utf8" (Agent, usual()) => ContractViolation, "not Unicode";
    a_risk_out_of_range_is_a_contract_violation:
        "risk_out_of_range" (Analyzer, usual()) => ContractViolation, "risk_score is 7";
    an_event_that_the_manifest_does_not_list_is_a_contract_violation:
        "emits_undeclared" (Handler, usual()) => ContractViolation, "does not list under `emits`";
    a_rejected_input_is_the_handlers_own_validation_error:
        "rejects_input" (Agent, usual()) => ValidationError, "";
    giving_up_is_the_handlers_own_permanent_error:
        "gives_up" (Agent, usual()) => PermanentError, "";
    asking_for_a_retry_is_a_retryable_error:
        "asks_for_retry" (Agent, usual()) => RetryableError, "attempt 1 is too early";
}

#[tokio::test]
async fn a_result_just_over_its_limit_is_an_output_limit() {
    let setup = Setup {
        input_data: json!({"seq": 1, "sleep_ms": 0}),
        limits: LimitsPatch {
            output_bytes: Some(8),
            ..LimitsPatch::default()
        },
        ..Setup::default()
    };
    let (failure, _) = attack("slow_echo_agent", World::Agent, setup).await;
    assert_eq!(failure.error_type, ErrorType::OutputLimit);
    assert_eq!(failure.message, "its result has 9 bytes, the limit is 8");
}

#[tokio::test]
async fn a_message_with_control_characters_is_cleaned_and_cut() {
    let (failure, _) = attack("control_characters", World::Agent, Setup::default()).await;
    assert_eq!(failure.error_type, ErrorType::PermanentError);
    assert!(
        !failure.message.chars().any(char::is_control),
        "{failure:?}"
    );
    assert!(failure.message.len() <= MAX_MESSAGE);
    assert!(failure.message.ends_with('…'), "{failure:?}");
}

#[tokio::test]
async fn a_failed_run_says_what_it_cost() {
    let (_, run) = attack("loop_forever", World::Agent, Setup::default()).await;
    assert_eq!(run.cost.fuel, 1_000_000_000);
    assert!(run.cost.peak_memory_bytes > 0);
    assert!(run.cost.wall_ms > 0.0);
}

#[tokio::test]
async fn many_attacks_at_once_leave_every_slot_free() {
    let attacks = [
        "loop_forever",
        "allocate_forever",
        "recurse_forever",
        "panics",
    ];
    let mut running = tokio::task::JoinSet::new();
    for name in attacks.into_iter().cycle().take(64) {
        running.spawn(async move {
            let limits = LimitsPatch {
                fuel: Some(100_000_000),
                ..LimitsPatch::default()
            };
            run(
                name,
                World::Agent,
                Setup {
                    limits,
                    ..Setup::default()
                },
            )
            .await
            .result
            .is_err()
        });
    }
    while let Some(failed) = running.join_next().await {
        assert!(failed.expect("run"));
    }
    let (failure, _) = attack("panics", World::Agent, Setup::default()).await;
    assert_eq!(failure.error_type, ErrorType::Trap);
}
