//! Hosts that die, freeze, join and leave.

use std::collections::BTreeMap;

use tokio::time::Duration;

use super::scenarios;
use crate::fault::Fault::{
    CutAll, FillRedis, FreezeHost, HostJoins, HostLeaves, KillAllHosts, KillHost, KillRedis,
};
use crate::fault::Moment;
use crate::journal::{Millis, Poisoned};
use crate::stage::{LEASE, Setup, Stage};

scenarios! {
    every_guarantee_holds_while_streams_are_trimmed_lanes_skip_and_letters_are_requeued (
        trims: true, audits: true, poisoned: Poisoned::Skip, requeues: true
    ) [
        KillHost(Moment::AfterCommit),
        FreezeHost(LEASE * 2),
        KillRedis(Duration::ZERO),
        FillRedis(Duration::from_secs(1)),
        CutAll,
        KillAllHosts,
    ]
    a_lane_that_a_dead_letter_stopped_rests_until_it_is_released_whatever_goes_wrong (
        poisoned: Poisoned::Park, requeues: true
    ) [
        KillHost(Moment::AfterCommit),
        FreezeHost(LEASE * 2),
        KillRedis(Duration::ZERO),
        KillHost(Moment::BeforeCommit),
    ]
    what_a_host_held_moves_on_when_it_dies_before_and_after_the_reply_to_its_fetch [
        KillHost(Moment::BeforeFetchReply),
        KillHost(Moment::AfterFetchReply),
    ]
    what_a_host_ran_runs_again_when_it_dies_in_mid_handler [
        KillHost(Moment::MidHandler),
        KillHost(Moment::MidHandler),
        KillAllHosts,
    ]
    a_commit_counts_once_whether_its_host_died_before_or_after_the_server_had_it [
        KillHost(Moment::BeforeCommit),
        KillHost(Moment::AfterCommit),
    ]
    hosts_that_freeze_for_less_and_for_more_than_their_lease_do_no_harm [
        FreezeHost(Duration::from_millis(300)),
        FreezeHost(LEASE * 2),
        FreezeHost(LEASE * 2),
    ]
    hosts_join_and_leave_and_nothing_runs_twice [
        HostJoins,
        HostLeaves,
        HostJoins,
        HostLeaves,
        HostLeaves,
    ]
}

/// An event that runs for longer than two leases, and one behind it.
const LONG: [Duration; 2] = [Duration::from_millis(3_500), Duration::from_millis(500)];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_that_wakes_after_its_lease_is_refused_and_says_so() {
    let setup = Setup::new("a_host_that_wakes_after_its_lease_is_refused_and_says_so");
    let mut stage = Stage::open(setup).await;
    let events = stage.publish(&LONG).await;
    let first = stage.runs(&events[0], 1).await;
    stage.hosts[first].process.signal("STOP");
    stage.journal.crashed();
    stage.runs(&events[0], 2).await;
    stage.hosts[first].process.signal("CONT");
    stage.hosts[first].process.logs(&["superseded"]).await;
    stage.assert_rests().await;
}

/// As in the shipped configuration.
const DEFAULT_LEASE: Duration = Duration::from_secs(10);

/// Far more than it takes where the machine has time: the figure is what is printed.
const SLOW_MACHINE: Duration = Duration::from_secs(30);

/// Prints how long after the death of their host its events run on another one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_dead_host_ran_runs_on_another_one_soon_after_the_lease() {
    let setup = Setup {
        lease: DEFAULT_LEASE,
        ..Setup::new("what_a_dead_host_ran_runs_on_another_one_soon_after_the_lease")
    };
    let mut stage = Stage::open(setup).await;
    let mut events = Vec::new();
    for _ in 0..4 {
        events.extend(stage.publish(&LONG[..1]).await);
    }
    let mut holders = BTreeMap::new();
    for event in &events {
        holders.insert(event.clone(), stage.runs(event, 1).await);
    }
    let dead = holders[&events[0]];
    stage.kill_host(dead);
    let killed = chrono::Utc::now().timestamp_millis();
    for event in events.iter().filter(|event| holders[*event] == dead) {
        stage.runs(event, 2).await;
    }
    let next: Vec<Millis> = stage
        .all_runs()
        .into_iter()
        .filter(|run| run.attempt == 2)
        .map(|run| run.begin - killed)
        .collect();
    let slowest = next.iter().max().expect("it ran something");
    eprintln!(
        "{} events of a dead host ran again after {next:?} ms, with a lease of {DEFAULT_LEASE:?}",
        next.len()
    );
    assert!(*slowest < (DEFAULT_LEASE + SLOW_MACHINE).as_millis() as Millis);
    stage.assert_rests().await;
}
