//! Redis dies, hangs, fills up, forgets, and hands over.

use tokio::time::Duration;

use super::{play, scenarios};
use crate::fault::Fault::{
    DestroyGroup, FailDisk, FailOver, FillRedis, FlushScripts, KillRedis, ReadOnlyRedis, StopRedis,
    TearAof,
};
use crate::load::Plan;
use crate::stage::{Fsync, Remedy, Setup};

scenarios! {
    redis_that_writes_always_loses_nothing_when_it_is_killed_again_and_again [
        KillRedis(Duration::ZERO),
        KillRedis(Duration::from_secs(2)),
    ]
    redis_that_writes_every_second_doubles_nothing_when_it_is_killed_again_and_again (
        fsync: Fsync::EverySec
    ) [
        KillRedis(Duration::ZERO),
        KillRedis(Duration::from_secs(2)),
    ]
    a_torn_aof_that_is_mended_before_the_start_doubles_nothing [
        TearAof(1_000, Remedy::Fix),
        TearAof(137, Remedy::Fix),
    ]
    a_torn_aof_that_is_rewritten_after_the_start_doubles_nothing [
        TearAof(1_000, Remedy::Rewrite),
        TearAof(137, Remedy::Rewrite),
    ]
    redis_that_hangs_costs_no_event [
        StopRedis(Duration::from_millis(300)),
        StopRedis(Duration::from_secs(1)),
    ]
    redis_that_hangs_for_longer_than_a_lease_costs_no_event [
        StopRedis(Duration::from_secs(5)),
    ]
    redis_that_is_full_or_read_only_uses_up_no_attempt [
        FillRedis(Duration::from_secs(1)),
        FillRedis(Duration::from_secs(3)),
        ReadOnlyRedis(Duration::from_secs(1)),
        ReadOnlyRedis(Duration::from_secs(3)),
        FailDisk(Duration::from_secs(2)),
    ]
    an_outage_of_less_than_a_lease_uses_up_no_attempt [
        ReadOnlyRedis(Duration::from_millis(1_000)),
        ReadOnlyRedis(Duration::from_millis(1_100)),
        ReadOnlyRedis(Duration::from_millis(1_200)),
        ReadOnlyRedis(Duration::from_millis(1_300)),
        ReadOnlyRedis(Duration::from_millis(1_400)),
    ]
    flushed_scripts_are_loaded_again [FlushScripts, FlushScripts]
    a_group_that_is_destroyed_is_made_again_where_it_was [DestroyGroup, DestroyGroup]
    a_replica_that_is_in_step_takes_over (replica: true) [FailOver(Duration::ZERO)]
    a_replica_that_lags_takes_over_with_what_it_has (replica: true, fsync: Fsync::EverySec) [
        FailOver(Duration::from_millis(800)),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_that_is_still_loading_uses_up_no_attempt() {
    let setup = Setup {
        slow_to_load: true,
        ..Setup::new("redis_that_is_still_loading_uses_up_no_attempt")
    };
    let kills = [KillRedis(Duration::ZERO), KillRedis(Duration::ZERO)];
    let stage = play(setup, Plan::default(), &kills).await;
    assert!(stage.logged("Redis is loading"), "no host met it");
}
