//! Retries and releases.

use std::time::{Duration, Instant};

use hothouse::bus::{Subscription, Verdict};
use hothouse::event::Id;

use crate::driver::{attempt, done, release, retry};
use crate::harness::events::{seq_of, started};
use crate::harness::eventually;
use crate::store::{Store, agent_workers};

const AN_HOUR: Duration = Duration::from_secs(3600);

pub(crate) async fn a_retry_keeps_its_place_and_history_and_raises_the_attempt(store: Store) {
    let plan = Id::random();
    store
        .publish((0..3).map(|n| started(plan, n)).collect())
        .await;
    let mut host = store.host("a", &agent_workers()).await;
    let mut history = Vec::new();
    for number in 1..=4 {
        let head = host.take_one().await;
        assert_eq!(seq_of(&head.fields), 0, "the lane waits for its head");
        assert_eq!(head.attempt, number);
        assert_eq!(head.history, history);
        history.push(attempt(number));
        host.commit(vec![retry(&head, Duration::ZERO)])
            .await
            .assert_applied();
        store
            .publish(vec![started(plan, 2 + u64::from(number))])
            .await;
    }
    let run = host.finish_all().await;
    let seqs: Vec<u64> = run.iter().map(|run| seq_of(&run.fields)).collect();
    assert_eq!(seqs, [0, 1, 2, 3, 4, 5, 6]);
    assert_eq!((run[0].attempt, &run[0].history), (5, &history));
    assert!(
        run[1..]
            .iter()
            .all(|run| run.attempt == 1 && run.history.is_empty())
    );
    store.assert_at_rest(&agent_workers()).await;
}

pub(crate) async fn other_lanes_go_on_while_one_waits_for_its_retry(store: Store) {
    let (waiting, other) = (Id::random(), Id::random());
    store
        .publish(vec![
            started(waiting, 0),
            started(waiting, 1),
            started(other, 10),
        ])
        .await;
    let mut host = store.host("a", &agent_workers()).await;
    assert_eq!(host.fetch(0).await.next_due, None);
    let heads = host.take(10).await;
    host.commit(vec![retry(&heads[0], AN_HOUR)])
        .await
        .assert_applied();
    host.commit(vec![done(&heads[1])]).await.assert_applied();
    store
        .publish(vec![started(other, 11), started(waiting, 2)])
        .await;
    let fetched = host.fetch(10).await;
    assert_eq!(fetched.deliveries.len(), 1);
    assert_eq!(seq_of(&fetched.deliveries[0].fields), 11);
    let due = fetched.next_due.expect("a retry is due");
    assert!(
        AN_HOUR - Duration::from_secs(600) < due && due <= AN_HOUR,
        "{due:?}"
    );
    host.commit(vec![done(&fetched.deliveries[0])])
        .await
        .assert_applied();
    let status = store.status(&agent_workers()).await;
    assert_eq!((status.pending, status.parked, status.lanes), (3, 3, 1));
}

pub(crate) async fn a_retry_comes_when_its_delay_is_over_and_not_before(store: Store) {
    let delay = Duration::from_millis(150);
    store.publish(vec![started(Id::random(), 0)]).await;
    let mut host = store.host("a", &agent_workers()).await;
    let head = host.take_one().await;
    let begin = Instant::now();
    host.commit(vec![retry(&head, delay)]).await;
    let again = eventually("the retry", async || host.take(10).await.pop()).await;
    // The server counts whole milliseconds.
    assert!(begin.elapsed() + Duration::from_millis(2) >= delay);
    assert_eq!(again.attempt, 2);
    host.commit(vec![done(&again)]).await.assert_applied();
    assert_eq!(host.fetch(10).await.next_due, None);
}

pub(crate) async fn the_next_due_retry_is_the_soonest(store: Store) {
    store
        .publish((0..3).map(|n| started(Id::random(), n)).collect())
        .await;
    let mut host = store.host("a", &agent_workers()).await;
    let heads = host.take(10).await;
    let commits = heads
        .iter()
        .zip([3, 1, 2])
        .map(|(head, hours)| retry(head, hours * AN_HOUR));
    host.commit(commits.collect()).await;
    let due = host.fetch(10).await.next_due.expect("a retry is due");
    assert!(due <= AN_HOUR, "{due:?}");
}

pub(crate) async fn a_release_gives_the_entry_back_at_once_and_uses_no_attempt(store: Store) {
    let plan = Id::random();
    store
        .publish(vec![started(plan, 0), started(plan, 1)])
        .await;
    let mut host = store.host("a", &agent_workers()).await;
    for _ in 0..5 {
        let head = host.take_one().await;
        assert_eq!((seq_of(&head.fields), head.attempt), (0, 1));
        assert_eq!(head.history, []);
        host.commit(vec![release(&head)]).await.assert_applied();
    }
    let head = host.take_one().await;
    host.commit(vec![retry(&head, Duration::ZERO)]).await;
    for _ in 0..3 {
        let head = host.take_one().await;
        assert_eq!((seq_of(&head.fields), head.attempt), (0, 2));
        assert_eq!(head.history, [attempt(1)]);
        host.commit(vec![release(&head)]).await.assert_applied();
    }
    assert_eq!(host.finish_all().await.len(), 2);
    store.assert_at_rest(&agent_workers()).await;
}

pub(crate) async fn a_delay_beyond_all_bounds_is_a_long_one(store: Store) {
    store.publish(vec![started(Id::random(), 0)]).await;
    let mut host = store.host("a", &agent_workers()).await;
    let head = host.take_one().await;
    host.commit(vec![retry(&head, Duration::MAX)])
        .await
        .assert_applied();
    let fetched = host.fetch(10).await;
    assert_eq!(fetched.deliveries.len(), 0);
    assert!(fetched.next_due.expect("it is due") > 1000 * AN_HOUR);
}

pub(crate) async fn a_host_is_lost_after_a_failure_that_left_no_history(store: Store) {
    store.publish(vec![started(Id::random(), 0)]).await;
    let group = Subscription {
        lease: Duration::from_millis(100),
        ..agent_workers()
    };
    let mut a = store.host("a", &group).await;
    let mut b = store.host("b", &agent_workers()).await;
    let head = a.take_one().await;
    let mut failed = retry(&head, Duration::ZERO);
    if let Verdict::Retry { history, .. } = &mut failed.verdict {
        history.clear();
    }
    a.commit(vec![failed]).await.assert_applied();
    a.take_one().await;
    let taken = eventually("the entry moves to b", async || {
        b.heartbeat().await;
        b.take(10).await.pop()
    })
    .await;
    let told: Vec<u32> = taken.history.iter().map(|run| run.attempt).collect();
    assert_eq!((taken.attempt, told), (3, vec![2]));
    b.commit(vec![done(&taken)]).await.assert_applied();
    store.assert_at_rest(&agent_workers()).await;
}
