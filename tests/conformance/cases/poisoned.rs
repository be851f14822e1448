//! Lanes whose head fails: those that go on, those that stop, and what operators do to them.

use std::time::Duration;

use hothouse::bus::{EntryId, Lane, LaneState, LaneStateName, LaneStep, Stepped, Subscription};
use hothouse::event::Id;

use crate::driver::{Host, dead_letter, done, done_with, retry, retry_aside, stop_lane};
use crate::harness::events::{seq_of, started};
use crate::harness::eventually;
use crate::store::{Store, agent_workers};

const AN_HOUR: Duration = Duration::from_secs(3600);
const SOON: Duration = Duration::from_millis(100);

/// A host, and a plan with as many entries.
async fn a_lane(store: &Store, entries: u64) -> (Host, Id) {
    let plan = Id::random();
    let entries = (0..entries).map(|seq| started(plan, seq)).collect();
    store.publish(entries).await;
    (store.host("a", &agent_workers()).await, plan)
}

/// Waits for so long by the clock of the bus: a retry in another lane tells.
async fn let_pass(store: &Store, host: &mut Host, delay: Duration) {
    store.publish(vec![started(Id::random(), 0)]).await;
    let clock = host.take_one().await;
    host.commit(vec![retry(&clock, delay)])
        .await
        .assert_applied();
    let rings = eventually("the delay is over", async || host.take(10).await.pop()).await;
    assert_eq!(rings.lease.entry, clock.lease.entry);
    host.commit(vec![done(&rings)]).await.assert_applied();
}

async fn step(host: &Host, lane: &Lane, step: LaneStep) -> Stepped {
    let stepped = host.bus.step_lane(&host.subscription, lane, step).await;
    stepped.expect("a step")
}

async fn lane_state(host: &Host, lane: &Lane) -> Option<LaneState> {
    let Subscription { stream, group, .. } = &host.subscription;
    let found = host.bus.lane(stream, group, lane).await.expect("a lane");
    found.map(|status| status.state)
}

pub(crate) async fn later_entries_pass_a_head_that_waits_aside(store: Store) {
    let (mut host, _) = a_lane(&store, 3).await;
    let head = host.take_one().await;
    let second = host
        .commit(vec![retry_aside(&head, AN_HOUR)])
        .await
        .only_next();
    assert_eq!(seq_of(&second.fields), 1);
    let third = host.commit(vec![done(&second)]).await.only_next();
    assert_eq!(seq_of(&third.fields), 2);
    let last = host.commit(vec![done(&third)]).await;
    assert_eq!(last.next.len(), 0);
    let fetched = host.fetch(10).await;
    assert_eq!(fetched.deliveries.len(), 0);
    let due = fetched.next_due.expect("the head is due");
    assert!(due > AN_HOUR / 2 && due <= AN_HOUR, "{due:?}");
}

pub(crate) async fn a_head_that_waits_aside_is_first_again_when_it_is_due(store: Store) {
    let (mut host, _) = a_lane(&store, 3).await;
    let head = host.take_one().await;
    let second = host
        .commit(vec![retry_aside(&head, SOON)])
        .await
        .only_next();
    // The second is held until the first is due: then the first comes before the third.
    let_pass(&store, &mut host, SOON).await;
    let again = host.commit(vec![done(&second)]).await.only_next();
    assert_eq!((seq_of(&again.fields), again.attempt), (0, 2));
    assert_eq!(again.history.len(), 1);
    let third = host.commit(vec![done(&again)]).await.only_next();
    assert_eq!(seq_of(&third.fields), 2);
    host.commit(vec![done(&third)]).await.assert_applied();
    store.assert_at_rest(&agent_workers()).await;
}

pub(crate) async fn a_new_entry_passes_what_waits_aside(store: Store) {
    let (mut host, plan) = a_lane(&store, 1).await;
    let head = host.take_one().await;
    let answer = host.commit(vec![retry_aside(&head, AN_HOUR)]).await;
    assert_eq!(answer.next.len(), 0);
    store
        .publish(vec![started(plan, 1), started(plan, 2)])
        .await;
    let second = host.take_one().await;
    assert_eq!(seq_of(&second.fields), 1);
    let third = host.commit(vec![done(&second)]).await.only_next();
    host.commit(vec![done(&third)]).await.assert_applied();
    assert!(host.fetch(10).await.next_due.is_some(), "the head waits");
}

pub(crate) async fn two_entries_of_a_lane_never_run_at_once_though_one_waited_aside(store: Store) {
    let (mut host, _) = a_lane(&store, 2).await;
    let head = host.take_one().await;
    let second = host
        .commit(vec![retry_aside(&head, Duration::ZERO)])
        .await
        .only_next();
    // Due at once, it comes again before its successor.
    assert_eq!(seq_of(&second.fields), 0);
    let second = host
        .commit(vec![retry_aside(&second, SOON)])
        .await
        .only_next();
    let_pass(&store, &mut host, SOON).await;
    assert_eq!(host.take(10).await.len(), 0, "its successor is held");
    let head = host.commit(vec![done(&second)]).await.only_next();
    assert_eq!((seq_of(&head.fields), head.attempt), (0, 3));
    host.commit(vec![done(&head)]).await.assert_applied();
    store.assert_at_rest(&agent_workers()).await;
}

pub(crate) async fn a_stopped_lane_hands_out_nothing_until_it_is_released(store: Store) {
    let (mut host, plan) = a_lane(&store, 2).await;
    store.publish(vec![started(Id::random(), 9)]).await;
    let heads = host.take(10).await;
    let (head, other) = (&heads[0], &heads[1]);
    let answer = host.commit(vec![stop_lane(head)]).await;
    answer.assert_applied();
    assert_eq!(answer.next.len(), 0);
    store.publish(vec![started(plan, 2)]).await;
    host.commit(vec![done(other)]).await.assert_applied();
    assert_eq!(host.take(10).await.len(), 0);
    assert_eq!(host.fetch(10).await.next_due, None);
    let status = store.status(&agent_workers()).await;
    assert_eq!((status.stopped, status.lanes, status.parked), (1, 1, 2));
    assert_eq!(store.dead_letters(&agent_workers()).await.len(), 1);

    let lane = &head.lease.lane;
    let released = step(&host, lane, LaneStep::Release).await;
    assert!(matches!(released, Stepped::Done(None)), "{released:?}");
    assert_eq!(store.status(&agent_workers()).await.stopped, 0);
    let run = host.finish_all().await;
    let seqs: Vec<u64> = run.iter().map(|one| seq_of(&one.fields)).collect();
    assert_eq!(seqs, [1, 2]);
    store.assert_at_rest(&agent_workers()).await;
}

pub(crate) async fn a_stopped_lane_does_not_count_towards_the_parked_limit(store: Store) {
    let plan = Id::random();
    let group = Subscription {
        parked_limit: 2,
        ..agent_workers()
    };
    let mut host = store.host("a", &group).await;
    store
        .publish((0..3).map(|seq| started(plan, seq)).collect())
        .await;
    let head = host.take_one().await;
    host.commit(vec![stop_lane(&head)]).await.assert_applied();
    store
        .publish((3..9).map(|seq| started(plan, seq)).collect())
        .await;
    store.publish(vec![started(Id::random(), 0)]).await;
    let other = host.take_one().await;
    assert_eq!(store.status(&group).await.parked, 8);
    host.commit(vec![done(&other)]).await.assert_applied();

    // Released, they count again.
    step(&host, &head.lease.lane, LaneStep::Release).await;
    let next = host.fetch(10).await;
    assert!(next.full, "{next:?}");
    let mut next = next.deliveries;
    while let Some(delivery) = next.pop() {
        next = host.commit(vec![done(&delivery)]).await.next;
    }
    store.assert_at_rest(&group).await;
}

pub(crate) async fn a_stopped_lane_without_entries_is_free_when_it_is_released(store: Store) {
    let (mut host, plan) = a_lane(&store, 1).await;
    let head = host.take_one().await;
    host.commit(vec![stop_lane(&head)]).await.assert_applied();
    let lane = &head.lease.lane;
    let Some(LaneState::Stopped { by, .. }) = lane_state(&host, lane).await else {
        panic!("it is not stopped");
    };
    assert_eq!(by, head.lease.entry);
    step(&host, lane, LaneStep::Release).await;
    assert_eq!(lane_state(&host, lane).await, None);
    store.publish(vec![started(plan, 1)]).await;
    assert_eq!(host.finish_all().await.len(), 1);
    store.assert_at_rest(&agent_workers()).await;
}

pub(crate) async fn a_waiting_head_is_run_at_once_where_an_operator_says_so(store: Store) {
    for aside in [false, true] {
        let (mut host, _) = a_lane(&store, 1).await;
        let head = host.take_one().await;
        let failed = match aside {
            false => retry(&head, AN_HOUR),
            true => retry_aside(&head, AN_HOUR),
        };
        host.commit(vec![failed]).await.assert_applied();
        assert_eq!(host.take(10).await.len(), 0);
        step(&host, &head.lease.lane, LaneStep::RetryNow).await;
        let again = host.take_one().await;
        assert_eq!((again.lease.entry, again.attempt), (head.lease.entry, 2));
        host.commit(vec![done(&again)]).await.assert_applied();
    }
    store.assert_at_rest(&agent_workers()).await;
}

pub(crate) async fn a_waiting_head_can_be_claimed_and_ended(store: Store) {
    let (mut host, _) = a_lane(&store, 2).await;
    let head = host.take_one().await;
    host.commit(vec![retry(&head, AN_HOUR)])
        .await
        .assert_applied();
    let claimed = host.claim(&head.lease.lane).await;
    assert_eq!(
        (claimed.lease.entry, claimed.attempt),
        (head.lease.entry, 2)
    );
    assert_eq!(host.take(10).await.len(), 0, "it is held");
    let buried = done_with(&claimed, vec![], Some(dead_letter(&claimed)));
    let next = host.commit(vec![buried]).await.only_next();
    assert_eq!(seq_of(&next.fields), 1);
    host.commit(vec![done(&next)]).await.assert_applied();
    assert_eq!(store.dead_letters(&agent_workers()).await.len(), 1);
    store.assert_at_rest(&agent_workers()).await;
}

pub(crate) async fn steps_that_do_not_fit_the_lane_change_nothing(store: Store) {
    let (mut host, _) = a_lane(&store, 1).await;
    let head = host.take_one().await;
    let lane = head.lease.lane.clone();
    for wish in [LaneStep::Release, LaneStep::RetryNow, LaneStep::Claim] {
        let stepped = step(&host, &lane, wish).await;
        assert!(matches!(stepped, Stepped::Held { .. }), "{stepped:?}");
    }
    host.commit(vec![retry(&head, AN_HOUR)])
        .await
        .assert_applied();
    let stepped = step(&host, &lane, LaneStep::Release).await;
    assert!(matches!(stepped, Stepped::Waiting), "{stepped:?}");
    assert_eq!(host.take(10).await.len(), 0);
    step(&host, &lane, LaneStep::RetryNow).await;
    let again = host.take_one().await;
    host.commit(vec![stop_lane(&again)]).await.assert_applied();
    for wish in [LaneStep::RetryNow, LaneStep::Claim] {
        let stepped = step(&host, &lane, wish).await;
        assert!(matches!(stepped, Stepped::Stopped), "{stepped:?}");
    }
    step(&host, &lane, LaneStep::Release).await;
    for wish in [LaneStep::Release, LaneStep::RetryNow, LaneStep::Claim] {
        let stepped = step(&host, &lane, wish).await;
        assert!(matches!(stepped, Stepped::Free), "{stepped:?}");
    }
    store.assert_at_rest(&agent_workers()).await;
}

pub(crate) async fn lanes_are_listed_with_what_keeps_them(store: Store) {
    let mut host = store.host("a", &agent_workers()).await;
    let plans: [Id; 3] = std::array::from_fn(|_| Id::random());
    for plan in plans {
        store
            .publish(vec![started(plan, 0), started(plan, 1)])
            .await;
    }
    let mut heads = host.take(10).await;
    heads.sort_by_key(|one| one.lease.entry);
    let [held, waits, stops] = &heads[..] else {
        panic!("{heads:?}");
    };
    host.commit(vec![retry(waits, AN_HOUR), stop_lane(stops)])
        .await
        .assert_applied();

    let Subscription { stream, group, .. } = agent_workers();
    let list = async |state, max| {
        host.bus
            .lanes(stream, &group, state, max)
            .await
            .expect("lanes")
    };
    let all = list(None, 10).await;
    assert_eq!((all.total, all.lanes.len()), (3, 3));
    assert_eq!(
        (list(None, 2).await.total, list(None, 2).await.lanes.len()),
        (3, 2)
    );
    let one = async |state| {
        let mut found = list(Some(state), 10).await;
        assert_eq!(found.total, 1, "{state:?}");
        found.lanes.remove(0)
    };
    let status = one(LaneStateName::Held).await;
    let Some(LaneState::Held {
        host: holder,
        attempt,
        alone,
    }) = Some(status.state)
    else {
        panic!("not held");
    };
    // A bus in memory has one view, which is the onlooker's.
    assert!(["a", "onlooker"].contains(&holder.as_str()), "{holder}");
    assert_eq!((attempt, alone), (1, false));
    assert_eq!((status.head, status.waiting), (Some(held.lease.entry), 1));

    let status = one(LaneStateName::Waiting).await;
    assert_eq!((status.head, status.attempts), (Some(waits.lease.entry), 1));
    assert_eq!((status.history.len(), status.waiting), (1, 2));
    assert!(matches!(status.state, LaneState::Waiting { due_in } if due_in > AN_HOUR / 2));

    let status = one(LaneStateName::Stopped).await;
    assert_eq!(status.lane, stops.lease.lane);
    assert_eq!((status.attempts, status.waiting), (0, 1));
    assert!(
        status
            .head
            .is_some_and(|head: EntryId| head > stops.lease.entry)
    );
    eventually("a lane by its key", async || {
        lane_state(&host, &stops.lease.lane).await
    })
    .await;
}
