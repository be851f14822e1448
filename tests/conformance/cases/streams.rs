//! Streams, groups on them, and waiting for entries.

use std::sync::Arc;
use std::time::Duration;

use hothouse::bus::{BusError, EntryId, Start, Subscription};
use hothouse::event::{Fields, Id};
use tokio::time::timeout;

use crate::driver::{dead_letter, done, done_with};
use crate::harness::DEADLINE;
use crate::harness::events::{EXECUTIONS, seq_of, started};
use crate::store::{Store, agent_workers};

const LONGER_THAN_ANY_TEST: Duration = Duration::from_secs(3600);

pub(crate) async fn published_entries_are_read_back_in_order_to_the_byte(store: Store) {
    let bytes = |pairs: &[(&[u8], &[u8])]| {
        Fields(
            pairs
                .iter()
                .map(|(n, v)| (n.to_vec(), v.to_vec()))
                .collect(),
        )
    };
    let entries = vec![
        bytes(&[(b"type", b"x"), (b"empty", b""), (b"", b"no name")]),
        bytes(&[
            (b"\xff\xfe name", b"\x00\xff\xc3\x28"),
            (b"crlf", b"a\r\n\r\nb"),
        ]),
        bytes(&[(b"twice", b"1"), (b"twice", b"2"), (b"twice", b"1")]),
        bytes(&[(b"large", &vec![0xAB; 10 * 1024 * 1024])]),
    ];
    let ids = store.publish(entries.clone()).await;
    let found = store.read_all(EXECUTIONS).await;
    let found_ids: Vec<EntryId> = found.iter().map(|entry| entry.id).collect();
    assert_eq!(found_ids, ids);
    assert!(ids.is_sorted_by(|a, b| a < b), "{ids:?}");
    // Not assert_eq: it would print ten megabytes.
    let same = found.iter().map(|entry| &entry.fields).eq(&entries);
    assert!(same, "the fields are not what was published");
}

pub(crate) async fn entries_are_read_in_pages(store: Store) {
    let plan = Id::random();
    let ids = store
        .publish((0..5).map(|n| started(plan, n)).collect())
        .await;
    let page = store.bus().read(EXECUTIONS, ids[1], 2).await.expect("read");
    let page: Vec<EntryId> = page.iter().map(|entry| entry.id).collect();
    assert_eq!(page, ids[2..4]);
    let rest = store.bus().read(EXECUTIONS, ids[4], 2).await.expect("read");
    assert_eq!(rest, []);
}

pub(crate) async fn entries_are_published_all_or_none(store: Store) {
    let entries = vec![
        started(Id::random(), 0),
        Fields::default(), // An entry has at least one field.
        started(Id::random(), 0),
    ];
    let published = store.bus().publish(EXECUTIONS, entries).await;
    assert!(
        matches!(published, Err(BusError::Broken { .. })),
        "{published:?}"
    );
    assert_eq!(store.read_all(EXECUTIONS).await, []);
    assert_eq!(store.publish(Vec::new()).await, []);
    assert_eq!(store.read_all(EXECUTIONS).await, []);
}

pub(crate) async fn a_group_begins_at_the_first_entry(store: Store) {
    store.publish(vec![started(Id::random(), 7)]).await;
    let mut host = store.host("a", &agent_workers()).await;
    assert_eq!(seq_of(&host.take_one().await.fields), 7);
}

pub(crate) async fn a_group_that_starts_new_begins_after_the_last_entry(store: Store) {
    store.publish(vec![started(Id::random(), 0)]).await;
    let new = Subscription {
        start: Start::New,
        ..agent_workers()
    };
    let mut host = store.host("a", &new).await;
    assert_eq!(host.take(10).await.len(), 0);
    store.publish(vec![started(Id::random(), 1)]).await;
    assert_eq!(seq_of(&host.take_one().await.fields), 1);
}

pub(crate) async fn a_group_that_is_joined_again_keeps_its_place(store: Store) {
    for start in [Start::All, Start::New] {
        let subscription = Subscription {
            group: format!("{start:?}"),
            start,
            ..agent_workers()
        };
        let mut host = store.host("a", &subscription).await;
        store.publish(vec![started(Id::random(), 0)]).await;
        assert_eq!(host.finish_all().await.len(), 1, "{start:?}");
        store.publish(vec![started(Id::random(), 1)]).await;
        let mut host = store.host("a", &subscription).await;
        let run = host.finish_all().await;
        let seqs: Vec<u64> = run.iter().map(|run| seq_of(&run.fields)).collect();
        assert_eq!(seqs, [1], "{start:?}");
        // For the next group this is a stream with entries.
        store.assert_at_rest(&subscription).await;
        if start == Start::All {
            assert_eq!(store.outcomes().await.len(), 2);
        }
    }
}

pub(crate) async fn a_group_that_nobody_joined_does_not_exist(store: Store) {
    store.publish(vec![started(Id::random(), 0)]).await;
    let fetched = store.bus().fetch(&agent_workers(), 1).await;
    assert!(
        matches!(&fetched, Err(BusError::NoGroup { stream, group })
            if stream == EXECUTIONS && group == "agent-workers"),
        "{fetched:?}"
    );
}

pub(crate) async fn two_groups_on_one_stream_are_independent(store: Store) {
    let (first, second) = (
        agent_workers(),
        Subscription {
            group: "auditors".into(),
            ..agent_workers()
        },
    );
    let plan = Id::random();
    store
        .publish((0..3).map(|n| started(plan, n)).collect())
        .await;
    let mut a = store.host("a", &first).await;
    let mut b = store.host("a", &second).await;

    let head = a.take_one().await;
    a.commit(vec![done_with(&head, vec![], Some(dead_letter(&head)))])
        .await
        .assert_applied();
    // The lane is held in the first group and free in the second, and what is finished in
    // the first is not in the second.
    let run = b.finish_all().await;
    let seqs: Vec<u64> = run.iter().map(|run| seq_of(&run.fields)).collect();
    assert_eq!(seqs, [0, 1, 2]);
    store.assert_at_rest(&second).await;

    assert_eq!(store.dead_letters(&first).await.len(), 1);
    assert_eq!(store.dead_letters(&second).await.len(), 0);
    assert_eq!(store.status(&first).await.lanes, 1);
}

pub(crate) async fn one_group_on_two_streams_is_two_groups(store: Store) {
    use hothouse::event::EventType;
    let repositories = Subscription {
        stream: "repository-events",
        types: vec![EventType::DiscoveryStarted],
        ..agent_workers()
    };
    let (id, event_id) = (Id::random(), Id::random());
    let data = format!(r#"{{"repository_id":"{id}","discovery_type":"full"}}"#);
    let discovery = crate::harness::events::flat(event_id, "discovery.started", &data);
    let published = store.bus().publish("repository-events", vec![discovery]);
    published.await.expect("publish");
    let execution = crate::harness::events::started_as(event_id, id, 0);
    store.publish(vec![execution]).await;

    let mut a = store.host("a", &agent_workers()).await;
    let mut b = store.host("a", &repositories).await;
    let (x, y) = (a.take_one().await, b.take_one().await);
    assert_eq!(x.lease.lane, y.lease.lane);
    a.commit(vec![done(&x)]).await.assert_applied();
    b.commit(vec![done_with(&y, vec![], None)])
        .await
        .assert_applied();
    store.assert_at_rest(&agent_workers()).await;
    store.assert_at_rest(&repositories).await;
    assert_eq!(store.status(&repositories).await.duplicates, 0);
}

pub(crate) async fn wait_ends_when_an_entry_is_appended(store: Store) {
    let mut host = store.host("a", &agent_workers()).await;
    let cursor = host.fetch(10).await.cursor;
    let (bus, subscription) = (Arc::clone(&host.bus), host.subscription.clone());
    let waiting = tokio::spawn(async move {
        let wait = bus.wait(&subscription, cursor, LONGER_THAN_ANY_TEST);
        wait.await.expect("wait");
    });
    store.publish(vec![started(Id::random(), 3)]).await;
    let ended = timeout(DEADLINE, waiting).await;
    ended.expect("wait ends").expect("wait does not panic");
    assert_eq!(seq_of(&host.take_one().await.fields), 3);
}

pub(crate) async fn wait_ends_at_once_where_there_are_entries_already(store: Store) {
    let host = store.host("a", &agent_workers()).await;
    store.publish(vec![started(Id::random(), 0)]).await;
    let wait = host
        .bus
        .wait(&host.subscription, EntryId::ZERO, LONGER_THAN_ANY_TEST);
    let ended = timeout(DEADLINE, wait).await;
    ended.expect("wait ends").expect("wait");
}

pub(crate) async fn wait_ends_where_nothing_comes(store: Store) {
    let mut host = store.host("a", &agent_workers()).await;
    store.publish(vec![started(Id::random(), 0)]).await;
    let cursor = host.fetch(10).await.cursor;
    // Twice: the second wait goes over what the first one left behind.
    for _ in 0..2 {
        let wait = host
            .bus
            .wait(&host.subscription, cursor, Duration::from_millis(30));
        let ended = timeout(DEADLINE, wait).await;
        ended.expect("wait ends").expect("wait");
    }
}
