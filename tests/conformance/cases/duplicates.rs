//! One outcome for one event_id.

use std::time::Duration;

use hothouse::bus::Subscription;
use hothouse::event::Id;

use crate::driver::{End, dead_letter, done, done_with, retry};
use crate::harness::events::{event_id_of, failed, flat, started, started_as, started_data};
use crate::harness::eventually;
use crate::store::{Store, agent_workers};

async fn assert_one_outcome(store: &Store, event_id: Id, duplicates: u64) {
    let outcomes = store.outcomes().await;
    let inputs: Vec<Id> = outcomes.iter().map(|one| one.2).collect();
    assert_eq!(inputs, [event_id]);
    assert_eq!(store.status(&agent_workers()).await.duplicates, duplicates);
    store.assert_at_rest(&agent_workers()).await;
}

pub(crate) async fn an_event_that_comes_twice_in_a_lane_runs_once(store: Store) {
    let (event_id, plan) = (Id::random(), Id::random());
    let entry = started_as(event_id, plan, 0);
    store.publish(vec![entry.clone(), entry]).await;
    let mut host = store.host("a", &agent_workers()).await;
    let head = host.take_one().await;
    let answer = host.commit(vec![done(&head)]).await;
    assert_eq!(answer.next.len(), 0, "the second one is not handed out");
    assert_one_outcome(&store, event_id, 1).await;
}

pub(crate) async fn a_duplicate_that_is_left_to_a_fetch_is_acknowledged_there(store: Store) {
    let (event_id, plan) = (Id::random(), Id::random());
    let entry = started_as(event_id, plan, 0);
    store
        .publish(vec![entry.clone(), entry, started(plan, 1)])
        .await;
    let mut host = store.host("a", &agent_workers()).await;
    let head = host.take_one().await;
    host.commit_only(vec![done(&head)]).await.assert_applied();
    let next = host.take_one().await;
    assert_ne!(event_id_of(&next.fields), event_id);
    host.commit_only(vec![done(&next)]).await.assert_applied();
    assert_eq!(store.outcomes().await.len(), 2);
    assert_eq!(store.status(&agent_workers()).await.duplicates, 1);
    store.assert_at_rest(&agent_workers()).await;
}

pub(crate) async fn an_event_in_two_lanes_at_once_has_one_outcome(store: Store) {
    let (event_id, other_lane) = (Id::random(), Id::random());
    let entries = vec![
        started_as(event_id, Id::random(), 0),
        started_as(event_id, other_lane, 0),
        started(other_lane, 1),
    ];
    store.publish(entries).await;
    let mut host = store.host("a", &agent_workers()).await;
    let heads = host.take(10).await;
    assert_eq!(heads.len(), 2, "both are handed out");
    host.commit(vec![done(&heads[0])]).await.assert_applied();
    let answer = host.commit(vec![done(&heads[1])]).await;
    answer.assert_all(End::Duplicate);
    let next = answer.only_next();
    host.commit(vec![done_with(&next, vec![], None)])
        .await
        .assert_applied();
    assert_one_outcome(&store, event_id, 1).await;
}

pub(crate) async fn an_event_in_two_lanes_has_one_outcome_also_within_one_batch(store: Store) {
    let event_id = Id::random();
    let entries = (0..3).map(|_| started_as(event_id, Id::random(), 0));
    store.publish(entries.collect()).await;
    let mut host = store.host("a", &agent_workers()).await;
    let heads = host.take(10).await;
    assert_eq!(heads.len(), 3);
    let answer = host.commit(heads.iter().map(done).collect()).await;
    if !answer.sent_again {
        assert_eq!(answer.ends, [End::Applied, End::Duplicate, End::Duplicate]);
    }
    assert_one_outcome(&store, event_id, 2).await;
}

pub(crate) async fn an_event_that_is_finished_is_acknowledged_when_it_comes_again(store: Store) {
    let (event_id, plan) = (Id::random(), Id::random());
    store.publish(vec![started_as(event_id, plan, 0)]).await;
    let mut host = store.host("a", &agent_workers()).await;
    assert_eq!(host.finish_all().await.len(), 1);
    let data = started_data(event_id, plan, 0);
    let mut upper_case = flat(event_id, "agent.execution.started", &data.to_string());
    upper_case.push("event_id", event_id.to_string().to_uppercase());
    let mut one_field = hothouse::event::Fields::default();
    let whole = serde_json::json!({
        "event_id": event_id.to_string(),
        "type": "agent.execution.started",
        "timestamp": "2024-01-16T20:01:00Z",
        "data": data,
    });
    one_field.push("event", whole.to_string());
    store
        .publish(vec![
            started_as(event_id, plan, 0),
            started_as(event_id, Id::random(), 0),
            upper_case,
            one_field,
        ])
        .await;
    assert_eq!(host.finish_all().await.len(), 0);
    assert_one_outcome(&store, event_id, 4).await;
}

pub(crate) async fn a_duplicate_of_an_event_that_waits_for_its_retry_waits_behind_it(store: Store) {
    let (event_id, plan) = (Id::random(), Id::random());
    let entry = started_as(event_id, plan, 0);
    store.publish(vec![entry.clone(), entry.clone()]).await;
    let mut host = store.host("a", &agent_workers()).await;
    let head = host.take_one().await;
    host.commit(vec![retry(&head, Duration::ZERO)]).await;
    store.publish(vec![entry]).await;
    let again = host.take_one().await;
    assert_eq!((again.lease.entry, again.attempt), (head.lease.entry, 2));
    host.commit(vec![done(&again)]).await.assert_applied();
    assert_eq!(host.finish_all().await.len(), 0);
    assert_one_outcome(&store, event_id, 2).await;
}

pub(crate) async fn a_retry_is_not_run_where_its_event_was_finished_in_another_lane(store: Store) {
    let event_id = Id::random();
    let entries = (0..2).map(|_| started_as(event_id, Id::random(), 0));
    store.publish(entries.collect()).await;
    let mut host = store.host("a", &agent_workers()).await;
    let heads = host.take(10).await;
    host.commit(vec![retry(&heads[0], Duration::ZERO), done(&heads[1])])
        .await;
    assert_eq!(host.finish_all().await.len(), 0);
    assert_one_outcome(&store, event_id, 1).await;
}

pub(crate) async fn an_event_that_ended_as_a_dead_letter_is_finished(store: Store) {
    let (event_id, plan) = (Id::random(), Id::random());
    let entry = started_as(event_id, plan, 0);
    store.publish(vec![entry.clone()]).await;
    let mut host = store.host("a", &agent_workers()).await;
    let head = host.take_one().await;
    let end = done_with(&head, vec![failed(&entry)], Some(dead_letter(&head)));
    host.commit(vec![end]).await.assert_applied();
    store.publish(vec![entry]).await;
    assert_eq!(host.finish_all().await.len(), 0);
    let status = store.status(&agent_workers()).await;
    assert_eq!((status.dead_letters, status.duplicates), (1, 1));
    store.assert_at_rest(&agent_workers()).await;
}

pub(crate) async fn entries_with_an_unreadable_id_are_no_duplicates_of_each_other(store: Store) {
    let entries = ["", "7", "not an id", "", "7", "not an id"].map(|id| {
        let mut entry = started(Id::random(), 0);
        entry.push("event_id", id);
        entry
    });
    store.publish(entries.to_vec()).await;
    let mut host = store.host("a", &agent_workers()).await;
    let heads = host.take(10).await;
    assert_eq!(heads.len(), 6);
    let ends = heads
        .iter()
        .map(|one| done_with(one, vec![], None))
        .collect();
    host.commit(ends).await.assert_applied();
    assert_eq!(store.status(&agent_workers()).await.duplicates, 0);
    store.assert_at_rest(&agent_workers()).await;
}

pub(crate) async fn an_event_id_is_forgotten_some_time_after_the_window(store: Store) {
    let short_memory = Subscription {
        dedup_window: Duration::from_millis(100),
        ..agent_workers()
    };
    let entry = started(Id::random(), 0);
    store.publish(vec![entry.clone()]).await;
    let mut host = store.host("a", &short_memory).await;
    assert_eq!(host.finish_all().await.len(), 1);
    eventually("the event runs again", async || {
        host.heartbeat().await;
        store.publish(vec![entry.clone()]).await;
        let run = host.finish_all().await;
        (run.len() == 1).then_some(())
    })
    .await;
    assert_eq!(store.outcomes().await.len(), 2);
    store.assert_at_rest(&short_memory).await;
}
