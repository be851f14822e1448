//! Deliveries whose reply was lost.

use std::sync::Arc;
use std::time::Duration;

use hothouse::bus::{Commit, Delivery, EntryId, Lease};
use hothouse::event::Id;
use tokio::time::timeout;

use crate::driver::{Host, done, done_with, retry};
use crate::harness::events::{EXECUTIONS, started};
use crate::store::{Store, agent_workers};

async fn recover(host: &Host, held: &[&Delivery]) -> Vec<Delivery> {
    let held: Vec<Lease> = held.iter().map(|one| one.lease.clone()).collect();
    let found = host.bus.recover(&host.subscription, &held).await;
    let mut found = found.expect("recover");
    found.sort_by_key(|one| one.lease.entry);
    found
}

#[track_caller]
fn assert_same(found: &[Delivery], expected: &[&Delivery]) {
    let parts = |one: &Delivery| {
        let (lease, fields) = (one.lease.clone(), one.fields.clone());
        (lease, fields, one.attempt, one.history.clone())
    };
    let found: Vec<_> = found.iter().map(parts).collect();
    let expected: Vec<_> = expected.iter().map(|one| parts(one)).collect();
    assert_eq!(found, expected);
}

pub(crate) async fn recover_finds_exactly_what_is_not_held(store: Store) {
    store
        .publish((0..4).map(|n| started(Id::random(), n)).collect())
        .await;
    let mut host = store.host("a", &agent_workers()).await;
    assert_same(&recover(&host, &[]).await, &[]);
    let heads = host.take(10).await;
    host.commit(vec![retry(&heads[1], Duration::ZERO)]).await;
    let retried = host.take_one().await;
    assert_eq!((retried.attempt, retried.history.len()), (2, 1));

    let held = [&heads[0], &retried, &heads[2], &heads[3]];
    assert_same(&recover(&host, &held).await, &[]);
    assert_same(&recover(&host, &held[..1]).await, &held[1..]);
    assert_same(&recover(&host, &held[2..]).await, &held[..2]);
    assert_same(&recover(&host, &[]).await, &held);
    // The old fence of a lane is not the one that is held.
    assert_same(
        &recover(&host, &[&heads[0], &heads[1], &heads[2], &heads[3]]).await,
        &[&retried],
    );
    host.commit(held.map(done).to_vec()).await.assert_applied();
    assert_same(&recover(&host, &[]).await, &[]);
    store.assert_at_rest(&agent_workers()).await;
}

/// The lane's next entry comes in the reply to a commit, which may be lost as well.
pub(crate) async fn recover_finds_the_next_entry_of_a_lost_commit(store: Store) {
    let plan = Id::random();
    store
        .publish(vec![started(plan, 0), started(plan, 1)])
        .await;
    let mut host = store.host("a", &agent_workers()).await;
    let head = host.take_one().await;
    let next = host.commit(vec![done(&head)]).await.only_next();
    assert_same(&recover(&host, &[]).await, &[&next]);
    assert_same(&recover(&host, &[&next]).await, &[]);
}

pub(crate) async fn recover_finds_entries_that_cannot_be_read(store: Store) {
    let mut entry = hothouse::event::Fields::default();
    entry.0.push((b"\xff".to_vec(), b"\x00\xfe".to_vec()));
    store.publish(vec![entry]).await;
    let mut host = store.host("a", &agent_workers()).await;
    let head = host.take_one().await;
    assert_same(&recover(&host, &[]).await, &[&head]);
    host.commit(vec![done_with(&head, vec![], None)])
        .await
        .assert_applied();
    store.assert_at_rest(&agent_workers()).await;
    assert_eq!(store.read_all(EXECUTIONS).await.len(), 1);
}

/// A call whose future is dropped has happened or has not, and nothing in between.
pub(crate) async fn calls_may_be_dropped_at_any_time(store: Store) {
    let entries = (0..20).flat_map(|_| {
        let plan = Id::random();
        [started(plan, 0), started(plan, 1)]
    });
    store.publish(entries.collect()).await;
    let mut host = store.host("a", &agent_workers()).await;
    let (bus, subscription) = (Arc::clone(&host.bus), agent_workers());
    for _ in 0..5 {
        dropped(bus.fetch(&subscription, 3)).await;
        dropped(bus.heartbeat(&subscription)).await;
        dropped(bus.wait(&subscription, EntryId::ZERO, Duration::from_secs(60))).await;
    }
    let mut round = recover(&host, &[]).await;
    while !round.is_empty() {
        let commits: Vec<Commit> = round.iter().map(done).collect();
        dropped(bus.commit(&subscription, &commits, true)).await;
        // Whether it happened or not, it happens once.
        host.commit(commits).await;
        round = recover(&host, &[]).await;
    }
    host.leave().await;
    host.finish_all().await;
    assert_eq!(store.outcomes().await.len(), 40);
    store.assert_at_rest(&agent_workers()).await;
}

/// Polls once; a call that is not done then is dropped.
async fn dropped<T>(call: impl Future<Output = T>) {
    let _ = timeout(Duration::ZERO, call).await;
}
