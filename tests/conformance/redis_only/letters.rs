//! Dead letters on a server that is full, or whose replies would be too large.

use std::time::Duration;

use hothouse::bus::{Entry, EntryId, Requeued, Subscription, purged_stream};
use hothouse::event::{Fields, Id};

use super::{assert_unavailable, command, join, publish};
use crate::driver::{Host, dead_letter, done_with};
use crate::harness::RedisServer;
use crate::harness::events::{EXECUTIONS, started};
use crate::store::agent_workers;

async fn letters(host: &Host) -> Vec<Entry> {
    let letters = host
        .bus
        .dead_letters(EXECUTIONS, "agent-workers", EntryId::ZERO, 100);
    letters.await.expect("dead letters")
}

async fn bury(host: &mut Host, entries: Vec<Fields>) {
    publish(host, entries).await;
    let heads = host.take(100).await;
    let ends = heads
        .iter()
        .map(|head| done_with(head, vec![], Some(dead_letter(head))));
    host.commit(ends.collect()).await.assert_applied();
}

#[tokio::test]
async fn a_full_server_requeues_nothing_and_purges_all_the_same() {
    let server = RedisServer::start();
    let mut host = join(&server, &agent_workers()).await;
    let entries = (0..2).map(|n| started(Id::random(), n)).collect();
    bury(&mut host, entries).await;
    let before = letters(&host).await;
    let ids: Vec<EntryId> = before.iter().map(|letter| letter.id).collect();

    command::<()>(&server, &["CONFIG", "SET", "maxmemory", "1"]).await;
    let subscription = agent_workers();
    assert_unavailable(&host.bus.requeue(&subscription, &ids, None).await);
    assert_eq!(letters(&host).await, before);
    let purged = host.bus.purge(&subscription, &ids[..1], "to make room");
    assert_eq!(purged.await.expect("purge"), 1);
    assert_eq!(letters(&host).await, before[1..]);
    let records = purged_stream(EXECUTIONS, "agent-workers");
    let records = host.bus.read(&records, EntryId::ZERO, 100).await;
    assert_eq!(records.expect("read").len(), 1);

    command::<()>(&server, &["CONFIG", "SET", "maxmemory", "0"]).await;
    let requeued = host.bus.requeue(&subscription, &ids, None).await;
    let requeued = requeued.expect("requeue");
    assert_eq!(requeued[0], Requeued::Gone);
    assert!(
        matches!(requeued[1], Requeued::Appended { generation: 1, .. }),
        "{requeued:?}"
    );
    assert_eq!(host.take(10).await.len(), 1);
}

#[tokio::test]
async fn a_page_of_large_letters_is_no_larger_than_one_waits_for() {
    let server = RedisServer::start();
    let mut host = join(&server, &agent_workers()).await;
    for n in 0..4 {
        let mut entry = started(Id::random(), n);
        entry.push("padding", "x".repeat(5 << 20));
        bury(&mut host, vec![entry]).await;
    }
    assert_eq!(letters(&host).await.len(), 2);
}

#[tokio::test]
async fn a_purge_to_a_key_that_is_no_stream_changes_nothing() {
    let server = RedisServer::start();
    let mut host = join(&server, &agent_workers()).await;
    bury(&mut host, vec![started(Id::random(), 0)]).await;
    let before = letters(&host).await;
    let key = purged_stream(EXECUTIONS, "agent-workers");
    command::<()>(&server, &["SET", &key, "a text"]).await;
    let (subscription, ids) = (agent_workers(), [before[0].id]);
    let purged = host.bus.purge(&subscription, &ids, "why").await;
    purged.expect_err("it cannot be written down");
    assert_eq!(letters(&host).await, before);
}

#[tokio::test]
async fn an_event_that_was_finished_in_the_window_before_runs_again_too() {
    let server = RedisServer::start();
    let years = Duration::from_secs(10 * 365 * 86_400);
    let subscription = Subscription {
        dedup_window: years,
        ..agent_workers()
    };
    let mut host = join(&server, &subscription).await;
    let entry = started(Id::random(), 0);
    bury(&mut host, vec![entry.clone()]).await;
    let (seconds, _): (u64, u64) = command(&server, &["TIME"]).await;
    let bucket = seconds / years.as_secs();
    let done = |bucket: u64| format!("{{execution-events}}:agent-workers:done:{bucket}");
    command::<()>(&server, &["RENAME", &done(bucket), &done(bucket - 1)]).await;
    publish(&host, vec![entry]).await;
    assert_eq!(host.take(10).await.len(), 0, "it counts as finished");

    let letter = letters(&host).await[0].id;
    let requeued = host.bus.requeue(&subscription, &[letter], None).await;
    requeued.expect("requeue");
    assert_eq!(host.take(10).await.len(), 1);
}
