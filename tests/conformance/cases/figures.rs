//! What onlookers see, and the limit on what is read ahead.

use std::time::Duration;

use hothouse::bus::{EntryId, GroupStatus, Subscription};
use hothouse::event::Id;

use crate::driver::{dead_letter, done, done_with, retry};
use crate::harness::events::{EXECUTIONS, event_id_of, started, started_as};
use crate::store::{Store, agent_workers, open_letter};

pub(crate) async fn a_group_that_does_not_exist_has_figures_too(store: Store) {
    let status = store.status(&agent_workers()).await;
    assert!(!status.exists);
    assert_eq!((status.pending, status.parked, status.lanes), (0, 0, 0));
    store.publish(vec![started(Id::random(), 0)]).await;
    let status = store.status(&agent_workers()).await;
    assert!(!status.exists);
    assert_eq!(
        (status.dead_letters, status.duplicates, status.hosts),
        (0, 0, 0)
    );
    let letters = store
        .bus()
        .dead_letters(EXECUTIONS, "agent-workers", EntryId::ZERO, 10);
    assert_eq!(letters.await.expect("dead letters"), []);
}

pub(crate) async fn the_figures_of_a_group_are_right(store: Store) {
    let mut host = store.host("a", &agent_workers()).await;
    let expected = GroupStatus {
        stream: EXECUTIONS.into(),
        group: "agent-workers".into(),
        exists: true,
        lag: Some(0),
        pending: 0,
        parked: 0,
        lanes: 0,
        stopped: 0,
        dead_letters: 0,
        duplicates: 0,
        hosts: 1,
        outbox: 0,
    };
    assert_eq!(store.status(&agent_workers()).await, expected);

    let (a, b, c) = (Id::random(), Id::random(), Id::random());
    let twice = Id::random();
    let mut entries = vec![started_as(twice, a, 0), started(a, 1), started(a, 2)];
    entries.extend([started(b, 0), started_as(twice, c, 0)]);
    store.publish(entries).await;
    let status = store.status(&agent_workers()).await;
    assert_eq!(
        status,
        GroupStatus {
            lag: Some(5),
            ..expected.clone()
        }
    );

    let heads = host.take(10).await;
    let status = store.status(&agent_workers()).await;
    let read = GroupStatus {
        pending: 5,
        parked: 2,
        lanes: 3,
        ..expected.clone()
    };
    assert_eq!(status, read);

    // b waits for its retry; a's event is finished; c's is the same event.
    host.commit(vec![
        retry(&heads[1], Duration::from_secs(3600)),
        done(&heads[0]),
        done_with(&heads[2], vec![], Some(dead_letter(&heads[2]))),
    ])
    .await;
    let status = store.status(&agent_workers()).await;
    let now = GroupStatus {
        lag: Some(1), // The outcome of a's first.
        pending: 3,
        parked: 2,
        lanes: 2,
        duplicates: 1,
        ..expected
    };
    assert_eq!(status, now);
}

pub(crate) async fn dead_letters_come_in_pages(store: Store) {
    let entries: Vec<_> = (0..5).map(|n| started(Id::random(), n)).collect();
    store.publish(entries.clone()).await;
    let mut host = store.host("a", &agent_workers()).await;
    let heads = host.take(10).await;
    let ends = heads
        .iter()
        .map(|head| done_with(head, vec![], Some(dead_letter(head))));
    host.commit(ends.collect()).await.assert_applied();
    assert_eq!(store.status(&agent_workers()).await.dead_letters, 5);

    let mut after = EntryId::ZERO;
    let mut found = Vec::new();
    for expected in [2, 2, 1, 0] {
        let page = store
            .bus()
            .dead_letters(EXECUTIONS, "agent-workers", after, 2)
            .await
            .expect("dead letters");
        assert_eq!(page.len(), expected);
        for entry in page {
            assert!(entry.id > after);
            after = entry.id;
            found.push(open_letter(entry.fields).0);
        }
    }
    assert_eq!(found, entries);
}

pub(crate) async fn reading_stops_while_too_much_waits_and_goes_on_after(store: Store) {
    let limited = Subscription {
        parked_limit: 5,
        ..agent_workers()
    };
    let (plan, other) = (Id::random(), Id::random());
    let mut entries: Vec<_> = (0..30).map(|n| started(plan, n)).collect();
    entries.push(started(other, 0));
    store.publish(entries).await;
    let mut host = store.host("a", &limited).await;
    let mut head = host.take(3).await.remove(0);
    let mut fetched = host.fetch(3).await;
    for _ in 0..3 {
        assert_eq!(fetched.deliveries.len(), 0);
        fetched = host.fetch(3).await;
    }
    assert!(fetched.full);
    let status = store.status(&limited).await;
    assert!((5..8).contains(&status.parked), "{status:?}");
    let lag = status.lag.expect("a lag");
    assert!(lag > 20, "{status:?}");

    // As long as it is full, only what waits is run.
    let mut read_again = false;
    for _ in 0..29 {
        head = host.commit(vec![done(&head)]).await.only_next();
        let fetched = host.fetch(3).await;
        read_again |= !fetched.full;
        for delivery in &fetched.deliveries {
            assert_eq!(
                event_id_of(&delivery.fields),
                event_id_of(&fetched.deliveries[0].fields)
            );
            host.commit(vec![done(delivery)]).await.assert_applied();
        }
    }
    assert!(read_again);
    host.commit(vec![done(&head)]).await.assert_applied();
    host.finish_all().await;
    assert_eq!(store.outcomes().await.len(), 31);
    store.assert_at_rest(&limited).await;
}
