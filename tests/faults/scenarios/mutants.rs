//! Builds that are broken on purpose: the checker must notice, and say what does not hold.

use std::path::PathBuf;

use tokio::time::Duration;

use super::lines::a_commit_arrives_too_late;
use crate::checker::{Rule, Violation};
use crate::fault::Fault::{Catch, FreezeHost, KillHost};
use crate::fault::{Fault, Moment};
use crate::harness::guests::root;
use crate::load::Plan;
use crate::proxy::Side::{Reply, Request};
use crate::proxy::{Act, Call};
use crate::stage::{LEASE, Setup, Stage};

/// Where nothing has happened for so long, nothing will.
const PATIENCE: Duration = Duration::from_secs(8);

/// The build with the feature `mutations`.
fn mutants() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into());
    let path = root().join(target).join("mutants/hothouse");
    assert!(
        path.is_file(),
        "{} is not there: run the tests with `cargo xtask test`",
        path.display()
    );
    path
}

fn mutant(mutation: &'static str) -> Setup {
    Setup {
        mutant: Some((mutants(), mutation)),
        ..Setup::new(mutation)
    }
}

async fn what_breaks(setup: Setup, plan: Plan, faults: &[Fault]) -> Vec<Violation> {
    let mut stage = Stage::open(setup).await;
    stage.produce(plan);
    stage.flows(10).await;
    for fault in faults {
        fault.inflict(&mut stage).await;
    }
    stage.rest(PATIENCE).await
}

fn assert_breaks(rule: Rule, violations: &[Violation]) {
    let found = violations.iter().any(|violation| violation.rule == rule);
    assert!(found, "{rule:?} is not among {violations:#?}");
}

/// Few lanes and long runs, so that there is always something that runs.
fn busy() -> Plan {
    Plan {
        lanes: 3,
        pause: Duration::from_millis(300),
        longest_run: LEASE / 2,
        poisoned: false,
        repeats: None,
        ..Plan::default()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_fence_an_old_attempt_is_committed_over_a_newer_one() {
    let mut stage = a_commit_arrives_too_late(mutant("no_fence")).await;
    let violations = stage.rest(PATIENCE).await;
    assert_breaks(Rule::Fence, &violations);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_padding_the_order_breaks() {
    let bursts = Plan {
        lanes: 2,
        batch: 30,
        pause: Duration::from_millis(200),
        longest_run: Duration::from_millis(5),
        poisoned: false,
        repeats: None,
    };
    let violations = what_breaks(mutant("no_padding"), bursts, &[]).await;
    assert_breaks(Rule::Order, &violations);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_reaper_what_a_dead_host_held_stays_with_it() {
    let kill = KillHost(Moment::MidHandler);
    let violations = what_breaks(mutant("no_reaper"), busy(), &[kill]).await;
    assert_breaks(Rule::Rest, &violations);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_check_for_what_is_done_an_event_has_two_outcomes() {
    let repeating = Plan {
        repeats: Some(1),
        ..Plan::default()
    };
    let violations = what_breaks(mutant("no_done_check"), repeating, &[]).await;
    assert_breaks(Rule::OneOutcome, &violations);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_recovery_what_a_lost_reply_handed_out_is_never_run() {
    let lost = Catch(Call::Fetch, Reply, Act::Lose, 0);
    let violations = what_breaks(mutant("no_recover"), Plan::default(), &[lost]).await;
    assert_breaks(Rule::Rest, &violations);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_hold_of_what_is_in_work_it_is_trimmed() {
    let setup = Setup {
        trims: true,
        ..mutant("no_hold")
    };
    let faults = [
        KillHost(Moment::MidHandler),
        FreezeHost(LEASE * 2),
        KillHost(Moment::MidHandler),
    ];
    let violations = what_breaks(setup, Plan::default(), &faults).await;
    assert_breaks(Rule::Trim, &violations);
}

/// The same build with nothing off: what the others show comes from their mutation.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_every_guard_in_place_nothing_breaks() {
    let setup = Setup {
        mutant: Some((mutants(), "none")),
        ..Setup::new("with_every_guard_in_place")
    };
    let faults = [
        Catch(Call::Commit, Request, Act::Hold, 0),
        KillHost(Moment::MidHandler),
        Catch(Call::Fetch, Reply, Act::Lose, 0),
    ];
    let violations = what_breaks(setup, busy(), &faults).await;
    assert!(violations.is_empty(), "{violations:#?}");
}
