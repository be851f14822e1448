//! A replay on a server that refuses or forgets.

use hothouse::bus::{Bus, BusError, EntryId, ReplayStep};
use hothouse::event::Id;

use super::{assert_unavailable, command, open};
use crate::harness::RedisServer;
use crate::harness::events::{EXECUTIONS, started};

const DAY_MS: i64 = 24 * 3600 * 1000;

fn step(run: Id) -> ReplayStep {
    ReplayStep {
        stream: EXECUTIONS.into(),
        run,
        after: EntryId::ZERO,
        through: EntryId { ms: 5, seq: 0 },
        events: vec![started(Id::random(), 0), started(Id::random(), 1)],
        finishes: true,
    }
}

async fn begin(bus: &dyn Bus) -> Id {
    let run = Id::random();
    let begun = bus.replay_begin(EXECUTIONS, run, "", EntryId { ms: 5, seq: 0 });
    begun.await.expect("begin");
    run
}

async fn appended(bus: &dyn Bus) -> (u64, usize) {
    let runs = bus.replay_runs(EXECUTIONS).await.expect("runs");
    let read = bus.read(EXECUTIONS, EntryId::ZERO, 100).await;
    (runs[0].appended, read.map_or(0, |entries| entries.len()))
}

#[tokio::test]
async fn a_step_without_memory_for_it_changes_nothing_and_is_done_later() {
    let server = RedisServer::start();
    let bus = open(&server, "a");
    let run = begin(&*bus).await;
    command::<()>(&server, &["CONFIG", "SET", "maxmemory", "1"]).await;
    assert_unavailable(&bus.replay_append(&step(run)).await);
    assert_eq!(appended(&*bus).await, (0, 0));
    command::<()>(&server, &["CONFIG", "SET", "maxmemory", "0"]).await;
    let done = bus.replay_append(&step(run)).await.expect("append");
    assert!(done.is_some_and(|run| run.finished));
    assert_eq!(appended(&*bus).await, (2, 2));
}

#[tokio::test]
async fn a_step_to_a_key_that_is_no_stream_is_refused_and_changes_nothing() {
    let server = RedisServer::start();
    let bus = open(&server, "a");
    let run = begin(&*bus).await;
    command::<()>(&server, &["SET", EXECUTIONS, "text"]).await;
    let refused = bus.replay_append(&step(run)).await;
    assert!(
        matches!(refused, Err(BusError::Broken { .. })),
        "{refused:?}"
    );
    assert_eq!(appended(&*bus).await, (0, 0));
    command::<i64>(&server, &["DEL", EXECUTIONS]).await;
    bus.replay_append(&step(run)).await.expect("append");
    assert_eq!(appended(&*bus).await, (2, 2));
}

#[tokio::test]
async fn a_record_is_kept_for_thirty_days_after_its_last_step() {
    let server = RedisServer::start();
    let bus = open(&server, "a");
    let run = begin(&*bus).await;
    let key = format!("{{{EXECUTIONS}}}:replay:{run}");
    let left = async || command::<i64>(&server, &["PTTL", &key]).await;
    assert!((29 * DAY_MS..=30 * DAY_MS).contains(&left().await));
    command::<i64>(&server, &["EXPIRE", &key, "100"]).await;
    bus.replay_append(&step(run)).await.expect("append");
    assert!((29 * DAY_MS..=30 * DAY_MS).contains(&left().await));

    // What has expired is not listed, and takes no step.
    command::<i64>(&server, &["DEL", &key]).await;
    assert_eq!(bus.replay_runs(EXECUTIONS).await.expect("runs"), []);
    assert_eq!(bus.replay_append(&step(run)).await.expect("append"), None);
}

#[tokio::test]
async fn a_replay_goes_on_after_its_scripts_were_flushed() {
    let server = RedisServer::start();
    let bus = open(&server, "a");
    let run = begin(&*bus).await;
    command::<()>(&server, &["SCRIPT", "FLUSH"]).await;
    bus.replay_append(&step(run)).await.expect("append");
    assert_eq!(appended(&*bus).await, (2, 2));
}
