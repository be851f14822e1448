//! Hosts that die, freeze, join and leave.

use tokio::time::Duration;

use super::scenarios;
use crate::fault::Fault::{FreezeHost, HostJoins, HostLeaves, KillHost};
use crate::fault::Moment;
use crate::stage::LEASE;

scenarios! {
    what_a_host_held_moves_on_when_it_dies_before_and_after_the_reply_to_its_fetch [
        KillHost(Moment::BeforeFetchReply),
        KillHost(Moment::AfterFetchReply),
    ]
    what_a_host_ran_runs_again_when_it_dies_in_mid_handler [
        KillHost(Moment::MidHandler),
        KillHost(Moment::MidHandler),
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
