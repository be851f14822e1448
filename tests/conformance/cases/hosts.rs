//! Several hosts in one group.

use std::sync::Arc;
use std::time::Duration;

use hothouse::bus::{Delivery, Lease, Loss, Subscription};
use hothouse::event::Id;
use tokio::time::timeout;

use crate::driver::{End, Host, attempt, dead_letter, done, done_with, release, retry};
use crate::harness::events::{EXECUTIONS, seq_of, started, started_as};
use crate::harness::{DEADLINE, eventually};
use crate::store::{Store, agent_workers};

/// A lease that is over soon after its host stops.
fn short_lease() -> Subscription {
    Subscription {
        lease: Duration::from_millis(100),
        ..agent_workers()
    }
}

pub(crate) async fn a_lane_is_one_hosts_at_a_time(store: Store) {
    let plan = Id::random();
    store
        .publish((0..3).map(|n| started(plan, n)).collect())
        .await;
    let mut a = store.host("a", &agent_workers()).await;
    let mut b = store.host("b", &agent_workers()).await;
    let head = a.take_one().await;
    assert_eq!(b.take(10).await.len(), 0);
    // What another host holds is not to be committed or recovered.
    let mut stolen = done(&head);
    b.commit(vec![stolen.clone()])
        .await
        .assert_all(End::Superseded);
    stolen.event_id = None;
    b.commit(vec![stolen]).await.assert_all(End::Superseded);
    let recovered = b.bus.recover(&b.subscription, &[]).await.expect("recover");
    assert_eq!(recovered.len(), 0);

    a.commit_only(vec![done(&head)]).await.assert_applied();
    let next = b.take_one().await;
    assert_eq!(seq_of(&next.fields), 1);
    assert_eq!(a.take(10).await.len(), 0);
    let last = b.commit(vec![done(&next)]).await.only_next();
    b.commit(vec![done(&last)]).await.assert_applied();
    store.assert_at_rest(&agent_workers()).await;
}

pub(crate) async fn a_retry_goes_to_any_host_with_its_history(store: Store) {
    store.publish(vec![started(Id::random(), 0)]).await;
    let mut a = store.host("a", &agent_workers()).await;
    let mut b = store.host("b", &agent_workers()).await;
    let head = a.take_one().await;
    a.commit(vec![retry(&head, Duration::ZERO)]).await;
    let again = b.take_one().await;
    assert_eq!(
        (again.attempt, again.history.clone()),
        (2, vec![attempt(1)])
    );
    a.commit(vec![done(&head)])
        .await
        .assert_all(End::Superseded);
    b.commit(vec![done(&again)]).await.assert_applied();
    store.assert_at_rest(&agent_workers()).await;
}

pub(crate) async fn a_host_that_leaves_frees_its_entries_with_no_attempt_used(store: Store) {
    let plan = Id::random();
    let entries = vec![
        started(plan, 0),
        started(plan, 1),
        started(Id::random(), 10),
    ];
    store.publish(entries).await;
    let mut a = store.host("a", &agent_workers()).await;
    let mut b = store.host("b", &agent_workers()).await;
    let head = a.take(1).await.remove(0);
    a.commit(vec![retry(&head, Duration::ZERO)]).await;
    let heads = a.take(10).await;
    assert_eq!(heads.len(), 2);
    assert_eq!(store.status(&agent_workers()).await.hosts, 2);
    a.leave().await;
    assert_eq!(store.status(&agent_workers()).await.hosts, 1);
    a.commit(heads.iter().map(done).collect())
        .await
        .assert_all(End::Superseded);

    let mut freed = b.take(10).await;
    freed.sort_by_key(|one| one.lease.entry);
    let attempts: Vec<(u64, u32, usize)> = freed
        .iter()
        .map(|one| (seq_of(&one.fields), one.attempt, one.history.len()))
        .collect();
    assert_eq!(attempts, [(0, 2, 1), (10, 1, 0)]);
    b.commit_only(freed.iter().map(done).collect()).await;
    b.finish_all().await;
    assert_eq!(store.outcomes().await.len(), 3);
    store.assert_at_rest(&agent_workers()).await;
}

pub(crate) async fn a_host_whose_lease_ended_loses_its_entries_and_their_attempt(store: Store) {
    let (plan, event_id) = (Id::random(), Id::random());
    store
        .publish(vec![started_as(event_id, plan, 0), started(plan, 1)])
        .await;
    let mut a = store.host("a", &short_lease()).await;
    let mut b = store.host("b", &agent_workers()).await;
    let first = a.take_one().await;
    a.commit(vec![retry(&first, Duration::ZERO)]).await;
    let held = a.take_one().await;
    // From here on nothing is heard of a.
    let taken = eventually("the entry moves to b", async || {
        b.heartbeat().await;
        b.take(10).await.pop()
    })
    .await;
    assert_eq!(taken.lease.entry, held.lease.entry);
    assert_eq!(taken.attempt, 3);
    assert_eq!(taken.history[..1], [attempt(1)]);
    let lost = (taken.history[1].attempt, taken.history[1].lost);
    assert_eq!(lost, (2, Some(Loss::InCompany)));
    assert_eq!(taken.history.len(), 2);

    // a wakes up.
    let before = store.read_all(EXECUTIONS).await;
    for late in [
        done(&held),
        retry(&held, Duration::ZERO),
        release(&held),
        done_with(&held, vec![], Some(dead_letter(&held))),
    ] {
        a.commit(vec![late]).await.assert_all(End::Superseded);
    }
    assert_eq!(store.read_all(EXECUTIONS).await, before);
    assert_eq!(store.dead_letters(&agent_workers()).await, []);
    assert_eq!(a.take(10).await.len(), 0);

    let next = b.commit(vec![done(&taken)]).await.only_next();
    b.commit(vec![done(&next)]).await.assert_applied();
    assert_eq!(store.outcomes().await.len(), 2);
    store.assert_at_rest(&agent_workers()).await;
    a.commit(vec![done(&held)]).await.assert_all(End::Duplicate);
}

pub(crate) async fn a_run_that_is_lost_alone_is_told_from_one_in_company(store: Store) {
    store.publish(vec![started(Id::random(), 0)]).await;
    let mut a = store.host("a", &short_lease()).await;
    let mut b = store.host("b", &agent_workers()).await;
    let held = a.take_one().await;
    let alone = |host: &Host, lease: &Lease| {
        let (bus, subscription) = (Arc::clone(&host.bus), host.subscription.clone());
        let lease = lease.clone();
        async move { bus.begin_alone(&subscription, &lease).await.expect("begin") }
    };
    assert!(alone(&a, &held.lease).await);
    assert!(alone(&a, &held.lease).await, "sent again it is the same");
    assert!(!alone(&b, &held.lease).await, "it is not b's");
    let taken = eventually("the entry moves to b", async || {
        b.heartbeat().await;
        b.take(10).await.pop()
    })
    .await;
    assert_eq!(taken.loss(), Some(Loss::Alone));
    assert!(!alone(&a, &held.lease).await, "a has lost it");
    assert!(
        taken.history[0].error_message.contains("host a"),
        "{taken:?}"
    );
    b.commit(vec![done(&taken)]).await.assert_applied();
    store.assert_at_rest(&agent_workers()).await;
}

pub(crate) async fn a_host_that_is_there_after_all_gives_back_the_attempt(store: Store) {
    store.publish(vec![started(Id::random(), 0)]).await;
    let mut a = store.host("a", &short_lease()).await;
    let mut b = store.host("b", &agent_workers()).await;
    let held = a.take_one().await;
    let taken = eventually("the entry moves to b", async || {
        b.heartbeat().await;
        b.take(10).await.pop()
    })
    .await;
    assert_eq!(taken.attempt, 2);
    for _ in 0..2 {
        a.commit(vec![release(&held)])
            .await
            .assert_all(End::Superseded);
    }
    b.commit(vec![release(&taken)]).await.assert_applied();
    let again = b.take_one().await;
    assert_eq!((again.attempt, again.history.len()), (1, 1));
    assert_eq!(again.history[0].lost, Some(Loss::GivenBack));
    assert_eq!(again.loss(), None);
    b.commit(vec![retry(&again, Duration::ZERO)])
        .await
        .assert_applied();
    let last = b.take_one().await;
    assert_eq!(last.attempt, 2, "the failed run counts");
    b.commit(vec![done(&last)]).await.assert_applied();
    store.assert_at_rest(&agent_workers()).await;
}

pub(crate) async fn a_heartbeat_tells_when_the_next_lease_ends_and_whether_a_lane_waits(
    store: Store,
) {
    store.publish(vec![started(Id::random(), 0)]).await;
    let mut b = store.host("b", &agent_workers()).await;
    assert!(b.heartbeat().await.next_end > Duration::from_secs(3000));
    let mut a = store.host("a", &short_lease()).await;
    let held = a.take_one().await;
    let beat = b.heartbeat().await;
    assert!(beat.next_end <= short_lease().lease, "{beat:?}");
    assert!(!beat.waiting, "{beat:?}");
    let taken = eventually("a lane waits for a host", async || {
        let beat = b.heartbeat().await;
        match beat.waiting {
            true => Some(b.take_one().await),
            false => None,
        }
    })
    .await;
    assert_eq!(taken.lease.entry, held.lease.entry);
    let beat = b.heartbeat().await;
    assert!(
        !beat.waiting && beat.next_end > Duration::from_secs(3000),
        "{beat:?}"
    );
}

/// Two hosts of a group of which nobody was heard of for a lease, as after an outage of the bus,
/// and what the first one holds.
async fn two_silent_hosts(store: &Store) -> (Host, Host, Delivery) {
    store.publish(vec![started(Id::random(), 0)]).await;
    let mut a = store.host("a", &short_lease()).await;
    let b = store.host("b", &short_lease()).await;
    let held = a.take_one().await;
    eventually("both leases are over", async || {
        (store.status(&short_lease()).await.hosts == 0).then_some(())
    })
    .await;
    (a, b, held)
}

pub(crate) async fn nobody_is_given_up_where_the_whole_group_was_silent(store: Store) {
    // What a silent host of a group holds moves when its lease is over (above). Here it is the
    // bus that was away.
    let (mut a, mut b, held) = two_silent_hosts(&store).await;
    b.heartbeat().await;
    a.heartbeat().await;
    assert_eq!(b.take(10).await.len(), 0);
    a.commit(vec![done(&held)]).await.assert_applied();
    store.assert_at_rest(&short_lease()).await;
}

pub(crate) async fn a_host_that_does_not_come_back_with_the_bus_is_given_up(store: Store) {
    let (_a, mut b, held) = two_silent_hosts(&store).await;
    let taken = eventually("the entry moves to b", async || {
        b.heartbeat().await;
        b.take(10).await.pop()
    })
    .await;
    assert_eq!((taken.lease.entry, taken.attempt), (held.lease.entry, 2));
}

pub(crate) async fn a_host_that_is_heard_of_keeps_what_it_holds(store: Store) {
    store
        .publish(vec![started(Id::random(), 0), started(Id::random(), 1)])
        .await;
    let mut a = store.host("a", &agent_workers()).await;
    let mut gone = store.host("gone", &short_lease()).await;
    let mut b = store.host("b", &agent_workers()).await;
    let kept = a.take(1).await.remove(0);
    let lost = gone.take_one().await;
    let taken = eventually("what the host that is gone held", async || {
        b.heartbeat().await;
        a.heartbeat().await;
        b.take(10).await.pop()
    })
    .await;
    assert_eq!(taken.lease.entry, lost.lease.entry);
    a.commit(vec![done(&kept)]).await.assert_applied();
    assert_eq!(store.outcomes().await.len(), 1);
}

pub(crate) async fn only_hosts_with_a_running_lease_are_counted(store: Store) {
    store.host("a", &agent_workers()).await;
    store.host("b", &short_lease()).await;
    // Nobody's heartbeat clears up: the figure is right all the same.
    eventually("b's lease is over", async || {
        (store.status(&agent_workers()).await.hosts == 1).then_some(())
    })
    .await;
}

pub(crate) async fn a_host_that_joins_again_under_its_name_recovers_what_it_held(store: Store) {
    store.publish(vec![started(Id::random(), 0)]).await;
    let mut a = store.host("a", &agent_workers()).await;
    let head = a.take_one().await;
    let a = store.host("a", &agent_workers()).await;
    let held: [Lease; 0] = [];
    let found = a
        .bus
        .recover(&a.subscription, &held)
        .await
        .expect("recover");
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].lease, head.lease);
}

pub(crate) async fn wait_ends_when_another_host_appends(store: Store) {
    let mut a = store.host("a", &agent_workers()).await;
    let mut b = store.host("b", &agent_workers()).await;
    store.publish(vec![started(Id::random(), 0)]).await;
    let head = b.take_one().await;
    let cursor = a.fetch(10).await.cursor;
    let (bus, subscription) = (Arc::clone(&a.bus), a.subscription.clone());
    let waiting = tokio::spawn(async move {
        let wait = bus.wait(&subscription, cursor, Duration::from_secs(3600));
        wait.await.expect("wait");
    });
    b.commit(vec![done(&head)]).await.assert_applied();
    let ended = timeout(DEADLINE, waiting).await;
    ended.expect("wait ends").expect("wait does not panic");
}

pub(crate) async fn many_hosts_may_open_one_bus_at_once(store: Store) {
    let store = Arc::new(store);
    let opened: Vec<_> = (0..8)
        .map(|n| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                store.host(&format!("host {n}"), &agent_workers()).await;
            })
        })
        .collect();
    for host in opened {
        host.await.expect("the host joins");
    }
    assert_eq!(store.status(&agent_workers()).await.hosts, 8);
}
