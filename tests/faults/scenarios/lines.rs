//! Connections that lose, hold up and tear what goes over them.

use tokio::time::Duration;

use super::scenarios;
use crate::fault::Fault::{Catch, CutAll, Line};
use crate::fault::Line::{BlackHole, ByteASecond, HalfOpen, Slow};
use crate::proxy::Side::{Reply, Request};
use crate::proxy::{Act, Call};
use crate::stage::{LEASE, Setup, Stage};

scenarios! {
    a_lost_request_is_as_if_it_had_never_been [
        Catch(Call::Fetch, Request, Act::Lose, 0),
        Catch(Call::Commit, Request, Act::Lose, 0),
        Catch(Call::Commit, Request, Act::Lose, 3),
        Catch(Call::Heartbeat, Request, Act::Lose, 0),
    ]
    a_lost_reply_loses_nothing_and_doubles_nothing [
        Catch(Call::Fetch, Reply, Act::Lose, 0),
        Catch(Call::Fetch, Reply, Act::Lose, 2),
        Catch(Call::Commit, Reply, Act::Lose, 0),
        Catch(Call::Commit, Reply, Act::Lose, 3),
        Catch(Call::Heartbeat, Reply, Act::Lose, 0),
    ]
    a_connection_that_goes_silent_is_given_up [
        Catch(Call::Fetch, Reply, Act::Hang, 0),
        Catch(Call::Commit, Reply, Act::Hang, 0),
    ]
    a_request_that_comes_after_the_lease_is_refused [
        Catch(Call::Commit, Request, Act::Hold, 0),
        Catch(Call::Fetch, Request, Act::Hold, 0),
    ]
    connections_that_break_all_at_once_are_made_again [CutAll, CutAll, CutAll]
    a_half_open_line_and_a_black_hole_cost_no_event [
        Line(HalfOpen, LEASE * 2),
        Line(BlackHole, LEASE * 2),
    ]
    a_line_that_gives_a_byte_a_second_costs_no_event [
        Line(ByteASecond, Duration::from_secs(4)),
        Line(Slow, Duration::from_secs(2)),
    ]
}

/// A commit stays on its way until the lease of its host is over and another host runs the
/// event again; then it arrives, and the events behind follow.
pub(super) async fn a_commit_arrives_too_late(setup: Setup) -> Stage {
    let mut stage = Stage::open(setup).await;
    // Long enough for a slow machine to see the second run before it ends.
    let events = stage.publish(&[LEASE * 3, LEASE, LEASE]).await;
    let first = stage.runs(&events[0], 1).await;
    let commit = &stage.hosts[first].proxy;
    let mut commit = commit.trap(Call::Commit, Request, 0, Act::Hold);
    commit.sprung().await;
    stage.tell("the commit is on its way");
    stage.journal.crashed();
    stage.runs(&events[0], 2).await;
    commit.release();
    stage.tell("the commit arrives");
    stage
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_that_arrives_while_another_host_runs_the_event_is_refused() {
    let setup = Setup::new("a_commit_that_arrives_while_another_host_runs_the_event_is_refused");
    let mut stage = a_commit_arrives_too_late(setup).await;
    stage.assert_rests().await;
}
