//! Hosts that die, freeze, join and leave.

use tokio::time::Duration;

use super::scenarios;
use crate::fault::Fault::{
    CutAll, FillRedis, FreezeHost, HostJoins, HostLeaves, KillAllHosts, KillHost, KillRedis,
};
use crate::fault::Moment;
use crate::stage::{LEASE, Setup, Stage};

scenarios! {
    every_guarantee_holds_while_streams_are_trimmed_lanes_skip_and_letters_are_requeued (
        trims: true, audits: true, skips: true, requeues: true
    ) [
        KillHost(Moment::AfterCommit),
        FreezeHost(LEASE * 2),
        KillRedis(Duration::ZERO),
        FillRedis(Duration::from_secs(1)),
        CutAll,
        KillAllHosts,
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
