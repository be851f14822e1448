//! Order within a lane, and lanes beside each other.

use std::collections::HashSet;

use hothouse::bus::Delivery;
use hothouse::event::Id;

use crate::driver::done;
use crate::harness::events::{seq_of, started};
use crate::harness::eventually;
use crate::store::{Store, agent_workers};

fn seqs(deliveries: &[Delivery]) -> Vec<u64> {
    deliveries.iter().map(|one| seq_of(&one.fields)).collect()
}

pub(crate) async fn a_lane_hands_out_one_entry_at_a_time_and_commit_gives_the_next(store: Store) {
    let plan = Id::random();
    store
        .publish((0..4).map(|n| started(plan, n)).collect())
        .await;
    let mut host = store.host("a", &agent_workers()).await;
    let mut head = host.take_one().await;
    for seq in 0..4 {
        assert_eq!(seq_of(&head.fields), seq);
        assert_eq!(head.lease.lane.as_str(), plan.to_string());
        assert_eq!((head.attempt, head.history.len()), (1, 0));
        assert_eq!(host.take(10).await.len(), 0, "the lane is held");
        let answer = host.commit(vec![done(&head)]).await;
        answer.assert_applied();
        if seq < 3 {
            head = answer.only_next();
        } else {
            assert_eq!(answer.next.len(), 0);
        }
    }
    store.assert_at_rest(&agent_workers()).await;
    let order: Vec<u64> = store.outcomes().await.iter().map(|one| one.1).collect();
    assert_eq!(order, [0, 1, 2, 3]);
}

pub(crate) async fn a_commit_that_does_not_ask_for_it_leaves_the_next_entry_to_a_fetch(
    store: Store,
) {
    let plan = Id::random();
    store
        .publish((0..2).map(|n| started(plan, n)).collect())
        .await;
    let mut host = store.host("a", &agent_workers()).await;
    let head = host.take_one().await;
    let answer = host.commit_only(vec![done(&head)]).await;
    assert_eq!(answer.next.len(), 0);
    let next = host.take_one().await;
    assert_eq!(seq_of(&next.fields), 1);
    let answer = host.commit_only(vec![done(&next)]).await;
    assert_eq!(answer.next.len(), 0);
    store.assert_at_rest(&agent_workers()).await;
    assert_eq!(store.outcomes().await.len(), 2);
}

pub(crate) async fn a_busy_lane_holds_back_no_other(store: Store) {
    let (busy, other, late) = (Id::random(), Id::random(), Id::random());
    let mut entries: Vec<_> = (0..20).map(|n| started(busy, n)).collect();
    entries.push(started(other, 100));
    entries.push(started(busy, 20));
    entries.push(started(other, 101));
    store.publish(entries).await;
    let mut host = store.host("a", &agent_workers()).await;
    let heads = host.take(64).await;
    assert_eq!(seqs(&heads), [0, 100]);
    let next = host.commit(vec![done(&heads[1])]).await.only_next();
    assert_eq!(seq_of(&next.fields), 101);
    store.publish(vec![started(late, 200)]).await;
    assert_eq!(seqs(&host.take(64).await), [200]);
    let next = host.commit(vec![done(&heads[0])]).await.only_next();
    assert_eq!(seq_of(&next.fields), 1);
}

pub(crate) async fn a_fetch_gives_no_more_than_it_was_asked_for(store: Store) {
    store
        .publish((0..10).map(|n| started(Id::random(), n)).collect())
        .await;
    let mut host = store.host("a", &agent_workers()).await;
    assert_eq!(host.take(0).await.len(), 0);
    assert_eq!(seqs(&host.take(3).await), [0, 1, 2]);
    assert_eq!(seqs(&host.take(1).await), [3]);
    assert_eq!(seqs(&host.take(100).await), [4, 5, 6, 7, 8, 9]);
    assert_eq!(host.take(100).await.len(), 0);
}

/// Written as text, 10 comes before 9.
pub(crate) async fn many_entries_of_one_millisecond_keep_their_order(store: Store) {
    let plan = eventually("more than ten entries in one millisecond", async || {
        let plan = Id::random();
        let entries = (0..120).map(|n| started(plan, n)).collect();
        let ids = store.publish(entries).await;
        ids.iter().any(|id| id.seq > 10).then_some(plan)
    })
    .await;
    let mut host = store.host("a", &agent_workers()).await;
    host.finish_all().await;
    let mut outcomes = store.outcomes().await;
    outcomes.retain(|one| one.0 == plan);
    let order: Vec<u64> = outcomes.iter().map(|one| one.1).collect();
    assert_eq!(order, (0..120).collect::<Vec<_>>());
    store.assert_at_rest(&agent_workers()).await;
}

pub(crate) async fn every_delivery_has_a_fence_of_its_own_that_grows(store: Store) {
    let plans = [Id::random(), Id::random(), Id::random()];
    let entries = (0..5).flat_map(|n| plans.map(|plan| started(plan, n)));
    store.publish(entries.collect()).await;
    let mut host = store.host("a", &agent_workers()).await;
    let run = host.finish_all().await;
    assert_eq!(run.len(), 15);
    let fences: HashSet<u64> = run.iter().map(|run| run.lease.fence).collect();
    assert_eq!(fences.len(), 15);
    for plan in plans {
        let lane = run
            .iter()
            .filter(|run| run.lease.lane.as_str() == plan.to_string());
        assert!(lane.map(|run| run.lease.fence).is_sorted());
    }
}
