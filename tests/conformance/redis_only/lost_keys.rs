//! Keys and scripts that somebody deleted.

use std::time::Duration;

use hothouse::bus::{BusError, EntryId, LaneStep, Start, Subscription};
use hothouse::event::{Fields, Id};

use super::{command, completed_count, join, publish, seqs};
use crate::driver::{done, retry, stop_lane};
use crate::harness::RedisServer;
use crate::harness::events::{EXECUTIONS, seq_of, started};
use crate::store::{agent_workers, open_letter};

#[tokio::test]
async fn a_group_that_was_deleted_is_no_group_and_goes_on_where_it_was() {
    let server = RedisServer::start();
    for start in [Start::All, Start::New] {
        let subscription = Subscription {
            start,
            ..agent_workers()
        };
        command::<()>(&server, &["FLUSHALL"]).await;
        let mut host = join(&server, &subscription).await;
        let (busy, retried) = (Id::random(), Id::random());
        let entries = vec![
            started(Id::random(), 0),
            started(busy, 1),
            started(busy, 2),
            started(retried, 3),
        ];
        publish(&host, entries).await;
        let heads = host.take(10).await;
        assert_eq!(seqs(&heads), [0, 1, 3]);
        let commits = vec![done(&heads[0]), retry(&heads[2], Duration::ZERO)];
        host.commit(commits).await.assert_applied();

        let gone: i64 = command(&server, &["XGROUP", "DESTROY", EXECUTIONS, "agent-workers"]).await;
        assert_eq!(gone, 1);
        publish(&host, vec![started(busy, 4), started(Id::random(), 5)]).await;
        for max in [10, 0] {
            let fetched = host.bus.fetch(&subscription, max).await;
            assert!(
                matches!(&fetched, Err(BusError::NoGroup { stream, group })
                    if stream == EXECUTIONS && group == "agent-workers"),
                "{fetched:?}"
            );
        }
        host.bus.join(&subscription).await.expect("join again");
        // The fetch that failed may have handed out what was due.
        let held = [heads[1].lease.clone()];
        let recovered = host
            .bus
            .recover(&subscription, &held)
            .await
            .expect("recover");
        assert_eq!(seqs(&recovered), [3]);
        let next = host.commit(vec![done(&heads[1])]).await.only_next();
        host.commit_only(vec![done(&recovered[0]), done(&next)])
            .await
            .assert_applied();
        let run = host.finish_all().await;
        assert_eq!(seqs(&run), [4, 5], "{start:?}");
        assert_eq!(completed_count(&host).await, 6);
        let status = host
            .bus
            .status(EXECUTIONS, "agent-workers")
            .await
            .expect("status");
        assert_eq!((status.pending, status.parked, status.lanes), (0, 0, 0));
    }
}

#[tokio::test]
async fn a_stream_that_was_deleted_is_no_group() {
    let server = RedisServer::start();
    let host = join(&server, &agent_workers()).await;
    publish(&host, vec![started(Id::random(), 0)]).await;
    command::<()>(&server, &["DEL", EXECUTIONS]).await;
    for max in [10, 0] {
        let fetched = host.bus.fetch(&agent_workers(), max).await;
        assert!(
            matches!(fetched, Err(BusError::NoGroup { .. })),
            "{fetched:?}"
        );
    }
}

#[tokio::test]
async fn scripts_that_the_server_forgot_are_loaded_again() {
    let server = RedisServer::start();
    let mut host = join(&server, &agent_workers()).await;
    let plan = Id::random();
    publish(&host, vec![started(plan, 0), started(plan, 1)]).await;
    let flush = ["SCRIPT", "FLUSH"];
    command::<()>(&server, &flush).await;
    let head = host.take_one().await;
    command::<()>(&server, &flush).await;
    let next = host.commit(vec![done(&head)]).await.only_next();
    command::<()>(&server, &flush).await;
    host.heartbeat().await;
    command::<()>(&server, &flush).await;
    let recovered = host
        .bus
        .recover(&agent_workers(), &[])
        .await
        .expect("recover");
    assert_eq!(recovered.len(), 1);
    assert_eq!(recovered[0].lease, next.lease);
    command::<()>(&server, &flush).await;
    host.leave().await;
    assert_eq!(seqs(&host.finish_all().await), [1]);
    assert_eq!(completed_count(&host).await, 2);
}

#[tokio::test]
async fn an_entry_that_was_trimmed_before_its_turn_is_a_dead_letter() {
    let server = RedisServer::start();
    let mut host = join(&server, &agent_workers()).await;
    let plan = Id::random();
    let ids = publish(&host, (0..3).map(|n| started(plan, n)).collect()).await;
    let head = host.take_one().await;
    command::<()>(&server, &["XDEL", EXECUTIONS, &ids[1].to_string()]).await;
    let next = host.commit(vec![done(&head)]).await.only_next();
    assert_eq!(seq_of(&next.fields), 2);
    host.commit(vec![done(&next)]).await.assert_applied();
    let letters = host
        .bus
        .dead_letters(EXECUTIONS, "agent-workers", EntryId::ZERO, 10);
    let letters = letters.await.expect("dead letters");
    assert_eq!(letters.len(), 1);
    let (original, letter) = open_letter(letters[0].fields.clone());
    assert_eq!(original, Fields::default());
    assert_eq!((letter.entry_id, letter.attempts), (ids[1].to_string(), 0));
    let status = host
        .bus
        .status(EXECUTIONS, "agent-workers")
        .await
        .expect("status");
    assert_eq!((status.pending, status.parked, status.lanes), (0, 0, 0));
}

#[tokio::test]
async fn what_is_read_again_in_a_stopped_lane_is_counted_once() {
    let server = RedisServer::start();
    let mut host = join(&server, &agent_workers()).await;
    let plan = Id::random();
    publish(&host, (0..3).map(|n| started(plan, n)).collect()).await;
    let head = host.take_one().await;
    host.commit(vec![stop_lane(&head)]).await.assert_applied();
    command::<()>(
        &server,
        &["XGROUP", "SETID", EXECUTIONS, "agent-workers", "0"],
    )
    .await;
    assert_eq!(host.take(10).await.len(), 0);
    // Another lane with one entry that waits is at the limit.
    let other = Id::random();
    publish(&host, (0..2).map(|n| started(other, n)).collect()).await;
    assert_eq!(host.take(10).await.len(), 1);
    let limited = Subscription {
        parked_limit: 1,
        ..agent_workers()
    };
    let fetched = host.bus.fetch(&limited, 10).await.expect("fetch");
    assert!(fetched.full, "{fetched:?}");
}

#[tokio::test]
async fn a_lane_stays_stopped_where_its_group_is_deleted() {
    let server = RedisServer::start();
    let mut host = join(&server, &agent_workers()).await;
    let plan = Id::random();
    publish(&host, (0..3).map(|n| started(plan, n)).collect()).await;
    let head = host.take_one().await;
    host.commit(vec![stop_lane(&head)]).await.assert_applied();
    command::<()>(&server, &["XGROUP", "DESTROY", EXECUTIONS, "agent-workers"]).await;
    publish(&host, vec![started(plan, 3)]).await;
    host.bus.join(&agent_workers()).await.expect("join again");
    assert_eq!(host.take(10).await.len(), 0);
    let lane = &head.lease.lane;
    host.step(lane, LaneStep::Release).await;
    assert_eq!(seqs(&host.finish_all().await), [1, 2, 3]);
    let status = host.bus.status(EXECUTIONS, "agent-workers").await;
    let status = status.expect("status");
    let left = (status.stopped, status.parked, status.lanes);
    assert_eq!(left, (0, 0, 0));
    let limited = Subscription {
        parked_limit: 1,
        ..agent_workers()
    };
    let fetched = host.bus.fetch(&limited, 0).await.expect("fetch");
    assert!(!fetched.full, "nothing is held back, and nothing waits");
}
