//! Guests that attack: what a row of the table cannot say.

use std::sync::OnceLock;

use guests::Guest;
use hothouse::failure::{ErrorType, Failure, MAX_MESSAGE};
use hothouse::sandbox::{LimitsPatch, Loaded, Run, World};

use super::guest::{Setup, good_call, limited};
use super::{call, load, run};

/// Runs a guest that must fail, then a good one: nothing of the attack may be left.
pub(super) async fn attack(guest: Guest, world: World, setup: Setup) -> (Failure, Run) {
    let run = run(guest, world, setup).await;
    let after = call(good_guest(), World::Agent, good_call(7)).await;
    after.result.expect("the run after the attack");
    match &run.result {
        Err(failure) => (failure.clone(), run),
        Ok(reply) => panic!("{guest:?} got away with it: {reply:?}"),
    }
}

/// Loaded once: what matters is the run.
pub(super) fn good_guest() -> &'static Loaded {
    static GUEST: OnceLock<Loaded> = OnceLock::new();
    GUEST.get_or_init(|| load(Guest::SlowEchoAgent, World::Agent))
}

#[tokio::test]
pub(super) async fn a_result_just_over_its_limit_is_an_output_limit() {
    let setup = Setup {
        limits: LimitsPatch {
            output_bytes: Some(8),
            ..LimitsPatch::default()
        },
        ..good_call(1)
    };
    let (failure, _) = attack(Guest::SlowEchoAgent, World::Agent, setup).await;
    assert_eq!(failure.error_type, ErrorType::OutputLimit);
    assert_eq!(failure.message, "its result has 9 bytes, the limit is 8");
}

#[tokio::test]
pub(super) async fn a_message_with_control_characters_is_cleaned_and_cut() {
    let guest = Guest::ControlCharacters;
    let (failure, _) = attack(guest, World::Agent, Setup::default()).await;
    assert_eq!(failure.error_type, ErrorType::PermanentError);
    assert!(
        !failure.message.chars().any(char::is_control),
        "{failure:?}"
    );
    assert!(failure.message.len() <= MAX_MESSAGE);
    assert!(failure.message.ends_with('…'), "{failure:?}");
}

#[tokio::test]
pub(super) async fn a_failed_run_says_what_it_cost() {
    let (_, run) = attack(Guest::LoopForever, World::Agent, Setup::default()).await;
    assert_eq!(run.cost.fuel, 1_000_000_000);
    assert!(run.cost.peak_memory_bytes > 0);
    assert!(run.cost.wall_ms > 0.0);
}

#[tokio::test]
async fn many_attacks_at_once_leave_every_slot_free() {
    let attacks = [
        Guest::LoopForever,
        Guest::AllocateForever,
        Guest::RecurseForever,
        Guest::Panics,
    ];
    let mut running = tokio::task::JoinSet::new();
    for guest in attacks.into_iter().cycle().take(64) {
        running.spawn(async move {
            let limits = LimitsPatch {
                fuel: Some(100_000_000),
                ..LimitsPatch::default()
            };
            let run = run(guest, World::Agent, limited(limits)).await;
            run.result.is_err()
        });
    }
    while let Some(failed) = running.join_next().await {
        assert!(failed.expect("run"));
    }
    let (failure, _) = attack(Guest::Panics, World::Agent, Setup::default()).await;
    assert_eq!(failure.error_type, ErrorType::Trap);
}
