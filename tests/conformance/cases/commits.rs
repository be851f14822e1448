//! Commits: once, only by the holder, and all of it or nothing.

use std::time::Duration;

use hothouse::bus::{Commit, EntryId, Output};
use hothouse::event::{EventType, Fields, Id};

use crate::driver::{End, dead_letter, done, done_with, release, retry};
use crate::harness::events::{EXECUTIONS, completed, event_id_of, failed, flat, seq_of, started};
use crate::store::{Store, agent_workers};

/// More fields than a script in Redis can hand on.
const TOO_MANY_FIELDS: usize = 6000;

pub(crate) async fn a_commit_that_is_sent_twice_changes_nothing(store: Store) {
    let plan = Id::random();
    store
        .publish((0..3).map(|n| started(plan, n)).collect())
        .await;
    let mut host = store.host("a", &agent_workers()).await;
    let head = host.take_one().await;
    let next = host.commit(vec![done(&head)]).await.only_next();
    let before = (
        store.status(&agent_workers()).await,
        store.read_all(EXECUTIONS).await,
    );
    for _ in 0..3 {
        let answer = host.commit(vec![done(&head)]).await;
        answer.assert_all(End::Duplicate);
        assert_eq!(answer.next.len(), 0);
    }
    let after = (
        store.status(&agent_workers()).await,
        store.read_all(EXECUTIONS).await,
    );
    assert_eq!(after, before);
    let last = host.commit(vec![done(&next)]).await.only_next();
    assert_eq!(seq_of(&last.fields), 2);
}

pub(crate) async fn a_retry_that_is_sent_twice_uses_one_attempt(store: Store) {
    store.publish(vec![started(Id::random(), 0)]).await;
    let mut host = store.host("a", &agent_workers()).await;
    let first = host.take_one().await;
    let commit = retry(&first, Duration::ZERO);
    host.commit(vec![commit.clone()]).await;
    host.commit(vec![commit.clone()])
        .await
        .assert_all(End::Superseded);
    let second = host.take_one().await;
    host.commit(vec![commit]).await.assert_all(End::Superseded);
    assert_eq!((second.attempt, second.history.len()), (2, 1));
    host.commit(vec![done(&second)]).await.assert_applied();
    store.assert_at_rest(&agent_workers()).await;
}

pub(crate) async fn a_commit_of_another_delivery_is_superseded_and_changes_nothing(store: Store) {
    let (plan, other) = (Id::random(), Id::random());
    store
        .publish(vec![started(plan, 0), started(plan, 1), started(other, 0)])
        .await;
    let mut host = store.host("a", &agent_workers()).await;
    let old = host.take(10).await.remove(0);
    host.commit(vec![release(&old)]).await;
    let new = host.take_one().await;
    assert!(new.lease.fence > old.lease.fence);

    let mut wrong_fence = done(&new);
    wrong_fence.lease.fence += 1000;
    let mut wrong_entry = done(&new);
    wrong_entry.lease.entry = EntryId { ms: 1, seq: 1 };
    let stale = vec![
        done(&old),
        release(&old),
        retry(&old, Duration::ZERO),
        done_with(&old, vec![], Some(dead_letter(&old))),
        wrong_fence,
        wrong_entry,
    ];
    let before = (
        store.status(&agent_workers()).await,
        store.read_all(EXECUTIONS).await,
    );
    host.commit(stale).await.assert_all(End::Superseded);
    let after = (
        store.status(&agent_workers()).await,
        store.read_all(EXECUTIONS).await,
    );
    assert_eq!(after, before);
    let next = host.commit(vec![done(&new)]).await.only_next();
    assert_eq!(seq_of(&next.fields), 1);
}

pub(crate) async fn the_commits_of_a_batch_end_each_on_its_own(store: Store) {
    store
        .publish((0..5).map(|n| started(Id::random(), n)).collect())
        .await;
    let mut host = store.host("a", &agent_workers()).await;
    let heads = host.take(10).await;
    let mut wrong = done(&heads[1]);
    wrong.lease.fence += 1000;
    let answer = host
        .commit(vec![
            done(&heads[0]),
            wrong,
            retry(&heads[2], Duration::from_secs(3600)),
            done_with(
                &heads[3],
                vec![failed(&heads[3].fields)],
                Some(dead_letter(&heads[3])),
            ),
            release(&heads[4]),
        ])
        .await;
    assert_eq!(answer.ends[1], End::Superseded);
    if !answer.sent_again {
        let applied = [0, 2, 3, 4].map(|i| answer.ends[i]);
        assert_eq!(applied, [End::Applied; 4]);
    }
    assert_eq!(store.outcomes().await.len(), 1);
    assert_eq!(
        store.of_type(EventType::AgentExecutionFailed).await.len(),
        1
    );
    assert_eq!(store.dead_letters(&agent_workers()).await.len(), 1);
    let released = host.take_one().await;
    assert_eq!(seq_of(&released.fields), 4);
    let status = store.status(&agent_workers()).await;
    assert_eq!((status.pending, status.parked, status.lanes), (3, 1, 3));
    host.commit(vec![done(&heads[1]), done(&released)])
        .await
        .assert_applied();
    assert_eq!(store.outcomes().await.len(), 3);
}

pub(crate) async fn outputs_go_to_their_streams_in_order(store: Store) {
    let pull_request = Output {
        event_type: EventType::PrCreated,
        fields: Fields(vec![
            (b"type".to_vec(), b"pr.created".to_vec()),
            (b"data".to_vec(), b"\xff\x00 any bytes".to_vec()),
            (b"empty".to_vec(), Vec::new()),
        ]),
    };
    let entry = started(Id::random(), 0);
    store.publish(vec![entry.clone()]).await;
    let mut host = store.host("a", &agent_workers()).await;
    let head = host.take_one().await;
    let outputs = vec![completed(&entry), pull_request.clone(), failed(&entry)];
    host.commit(vec![done_with(&head, outputs, None)])
        .await
        .assert_applied();
    let own: Vec<Fields> = fields_of(&store, EXECUTIONS).await;
    assert_eq!(
        own,
        [
            entry.clone(),
            completed(&entry).fields,
            failed(&entry).fields
        ]
    );
    assert_eq!(fields_of(&store, "pr-events").await, [pull_request.fields]);
    // Its own outcomes go by the group.
    assert_eq!(host.finish_all().await.len(), 0);
    store.assert_at_rest(&agent_workers()).await;
}

async fn fields_of(store: &Store, stream: &str) -> Vec<Fields> {
    let entries = store.read_all(stream).await;
    entries.into_iter().map(|entry| entry.fields).collect()
}

pub(crate) async fn a_dead_letter_and_its_failed_event_come_together(store: Store) {
    let mut entry = started(Id::random(), 0);
    entry.0.push((b"\xff\xfe".to_vec(), b"\x00\xff".to_vec()));
    entry.0.push((b"twice".to_vec(), b"1".to_vec()));
    entry.0.push((b"twice".to_vec(), Vec::new()));
    store.publish(vec![entry.clone()]).await;
    let mut host = store.host("a", &agent_workers()).await;
    let first = host.take_one().await;
    host.commit(vec![retry(&first, Duration::ZERO)]).await;
    let second = host.take_one().await;
    let letter = dead_letter(&second);
    assert_eq!(letter.history.len(), 1);
    let end = done_with(&second, vec![failed(&entry)], Some(letter.clone()));
    host.commit(vec![end.clone()]).await.assert_applied();
    host.commit(vec![end]).await.assert_all(End::Duplicate);
    assert_eq!(
        store.dead_letters(&agent_workers()).await,
        [(entry, letter)]
    );
    assert_eq!(
        store.of_type(EventType::AgentExecutionFailed).await.len(),
        1
    );
    store.assert_at_rest(&agent_workers()).await;
}

pub(crate) async fn an_entry_without_an_id_ends_as_one_dead_letter(store: Store) {
    let mut nothing = Fields::default();
    nothing.push("what", "is this");
    store.publish(vec![nothing.clone(), nothing.clone()]).await;
    let mut host = store.host("a", &agent_workers()).await;
    let ends: Vec<Commit> = host
        .take(10)
        .await
        .iter()
        .map(|one| done_with(one, vec![], Some(dead_letter(one))))
        .collect();
    assert!(ends.iter().all(|end| end.event_id.is_none()));
    host.commit(ends.clone()).await.assert_applied();
    host.commit(ends).await.assert_all(End::Superseded);
    let letters = store.dead_letters(&agent_workers()).await;
    let originals: Vec<Fields> = letters.into_iter().map(|letter| letter.0).collect();
    assert_eq!(originals, [nothing.clone(), nothing]);
    store.assert_at_rest(&agent_workers()).await;
}

pub(crate) async fn an_entry_of_too_many_fields_is_buried_with_the_first_of_them(store: Store) {
    let event_id = Id::random();
    let mut entry = flat(event_id, "agent.execution.started", "{}");
    for n in 0..TOO_MANY_FIELDS {
        entry.push(&format!("field {n}"), "x");
    }
    store.publish(vec![entry.clone()]).await;
    let mut host = store.host("a", &agent_workers()).await;
    let delivery = host.take_one().await;
    assert_eq!(delivery.fields, entry);
    assert_eq!(event_id_of(&delivery.fields), event_id);
    let end = done_with(&delivery, vec![], Some(dead_letter(&delivery)));
    host.commit(vec![end]).await.assert_applied();
    let letters = store.dead_letters(&agent_workers()).await;
    assert_eq!(letters.len(), 1);
    assert_eq!(letters[0].0.0, entry.0[..3000]);
    store.assert_at_rest(&agent_workers()).await;
}

pub(crate) async fn a_batch_of_no_commits_has_no_answers(store: Store) {
    let mut host = store.host("a", &agent_workers()).await;
    let answer = host.commit(Vec::new()).await;
    assert_eq!((answer.ends.len(), answer.next.len()), (0, 0));
    store.assert_at_rest(&agent_workers()).await;
}
