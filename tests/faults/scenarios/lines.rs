//! Connections that lose, hold up and tear what goes over them.

use tokio::time::Duration;

use super::scenarios;
use crate::fault::Fault::{Catch, CutAll, Line};
use crate::fault::Line::{BlackHole, ByteASecond, HalfOpen, Slow};
use crate::proxy::Side::{Reply, Request};
use crate::proxy::{Act, Call};
use crate::stage::LEASE;

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
