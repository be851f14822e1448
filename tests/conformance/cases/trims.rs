//! Trimming takes nothing from a group that it has not acknowledged.

use std::time::Duration;

use hothouse::bus::{EntryId, HeldBack, LaneStep, Start, Subscription, TrimBound, Trimmed};
use hothouse::event::Id;

use crate::driver::{dead_letter, done, done_with, retry, retry_aside, stop_lane};
use crate::harness::events::{EXECUTIONS, flat, seq_of, started};
use crate::harness::eventually;
use crate::store::{Store, agent_workers};

/// All that is acknowledged.
const ALL: TrimBound = TrimBound {
    older_than: None,
    keep: Some(0),
};

fn keep(count: u64) -> TrimBound {
    TrimBound {
        keep: Some(count),
        ..ALL
    }
}

fn auditors() -> Subscription {
    Subscription {
        group: "auditors".into(),
        ..agent_workers()
    }
}

fn by(group: &str) -> Option<HeldBack> {
    Some(HeldBack::Group(group.into()))
}

async fn trim(store: &Store, bound: TrimBound) -> Trimmed {
    let groups = ["agent-workers".to_owned()];
    let trimmed = store.bus().trim(EXECUTIONS, &groups, bound, false);
    trimmed.await.expect("trim")
}

async fn ids(store: &Store) -> Vec<EntryId> {
    let entries = store.read_all(EXECUTIONS).await;
    entries.iter().map(|entry| entry.id).collect()
}

pub(crate) async fn what_is_in_work_parked_waiting_or_unread_is_not_trimmed(store: Store) {
    let mut host = store.host("a", &agent_workers()).await;
    let (quick, busy) = (Id::random(), Id::random());
    let entries = vec![started(quick, 0), started(busy, 1), started(busy, 2)];
    let published = store.publish(entries).await;
    let unread = Trimmed {
        held_back_by: by("agent-workers"),
        ..Trimmed::default()
    };
    assert_eq!(trim(&store, ALL).await, unread, "nothing is read");

    let heads = host.take(10).await;
    assert_eq!(trim(&store, ALL).await, unread, "the first is in work");
    host.commit(vec![done_with(&heads[0], vec![], None)])
        .await
        .assert_applied();
    let first = Trimmed {
        removed: 1,
        up_to: Some(published[0]),
        held_back_by: by("agent-workers"),
    };
    assert_eq!(trim(&store, ALL).await, first);
    host.commit(vec![retry(&heads[1], Duration::ZERO)])
        .await
        .assert_applied();
    assert_eq!(trim(&store, ALL).await, unread, "one waits for its retry");
    let again = host.take_one().await;
    let parked = host
        .commit(vec![done_with(&again, vec![], None)])
        .await
        .only_next();
    assert_eq!(trim(&store, ALL).await.up_to, Some(published[1]));
    assert_eq!(seq_of(&parked.fields), 2);
    assert_eq!(ids(&store).await, published[2..]);

    host.commit(vec![done_with(&parked, vec![], None)])
        .await
        .assert_applied();
    let last = Trimmed {
        removed: 1,
        up_to: Some(published[2]),
        held_back_by: None,
    };
    assert_eq!(trim(&store, ALL).await, last);
    assert_eq!(ids(&store).await, []);
    store.assert_at_rest(&agent_workers()).await;
    assert_eq!(trim(&store, ALL).await, Trimmed::default());
}

pub(crate) async fn a_second_group_that_is_behind_holds_back_what_the_first_has_finished(
    store: Store,
) {
    let mut first = store.host("a", &agent_workers()).await;
    let mut second = store.host("a", &auditors()).await;
    let entries = (0..4).map(|n| started(Id::random(), n)).collect();
    let published = store.publish(entries).await;
    for head in first.take(10).await {
        let end = done_with(&head, vec![], None);
        first.commit(vec![end]).await.assert_applied();
    }
    // It is not among the groups that were named.
    assert_eq!(trim(&store, ALL).await.held_back_by, by("auditors"));
    let heads = second.take(2).await;
    second
        .commit(vec![done_with(&heads[1], vec![], None)])
        .await
        .assert_applied();
    assert_eq!(trim(&store, ALL).await.removed, 0);
    second
        .commit(vec![done_with(&heads[0], vec![], None)])
        .await
        .assert_applied();
    let trimmed = trim(&store, ALL).await;
    assert_eq!((trimmed.removed, trimmed.up_to), (2, Some(published[1])));
    assert_eq!(second.take(10).await.len(), 2);
}

pub(crate) async fn nothing_is_trimmed_while_a_configured_group_does_not_exist(store: Store) {
    let mut host = store.host("a", &agent_workers()).await;
    store.publish(vec![started(Id::random(), 0)]).await;
    let head = host.take_one().await;
    let end = done_with(&head, vec![], None);
    host.commit(vec![end]).await.assert_applied();
    let groups = ["agent-workers".to_owned(), "auditors".to_owned()];
    let missing = store.bus().trim(EXECUTIONS, &groups, ALL, false).await;
    let held = Trimmed {
        held_back_by: Some(HeldBack::Missing("auditors".into())),
        ..Trimmed::default()
    };
    assert_eq!(missing.expect("trim"), held);
    // It begins at the first entry.
    let mut late = store.host("a", &auditors()).await;
    assert_eq!(seq_of(&late.take_one().await.fields), 0);
}

pub(crate) async fn a_stream_without_a_group_is_not_trimmed(store: Store) {
    store.publish(vec![started(Id::random(), 0)]).await;
    let trimmed = store.bus().trim(EXECUTIONS, &[], ALL, false).await;
    let held = Trimmed {
        held_back_by: Some(HeldBack::NoGroup),
        ..Trimmed::default()
    };
    assert_eq!(trimmed.expect("trim"), held);
    let nothing = store.bus().trim("pr-events", &[], ALL, false).await;
    assert_eq!(nothing.expect("trim"), Trimmed::default());
}

pub(crate) async fn the_bound_that_was_asked_for_is_kept(store: Store) {
    let mut host = store.host("a", &agent_workers()).await;
    let entries = (0..5).map(|n| started(Id::random(), n)).collect();
    let published = store.publish(entries).await;
    let heads = host.take(10).await;
    let ends = heads.iter().map(|head| done_with(head, vec![], None));
    host.commit(ends.collect()).await.assert_applied();

    let hour = Some(Duration::from_secs(3600));
    let young = TrimBound {
        older_than: hour,
        ..TrimBound::default()
    };
    assert_eq!(trim(&store, young).await, Trimmed::default());
    // Both bounds must let it go.
    let both = TrimBound {
        older_than: hour,
        keep: Some(0),
    };
    assert_eq!(trim(&store, both).await, Trimmed::default());
    assert_eq!(trim(&store, keep(5)).await, Trimmed::default());
    assert_eq!(trim(&store, keep(2)).await.removed, 3);
    assert_eq!(ids(&store).await, published[3..]);
    let old = TrimBound {
        older_than: Some(Duration::from_millis(1)),
        keep: None,
    };
    eventually("the rest is a millisecond old", async || {
        trim(&store, old).await;
        ids(&store).await.is_empty().then_some(())
    })
    .await;
}

pub(crate) async fn a_dry_run_changes_nothing_and_says_what_the_real_one_does(store: Store) {
    // More than one step looks at.
    const MANY: usize = 2_500;
    let mut host = store.host("a", &agent_workers()).await;
    let skipped = (0..MANY).map(|_| flat(Id::random(), "no.such.type", "{}"));
    let published = store.publish(skipped.collect()).await;
    assert_eq!(host.finish_all().await.len(), 0);
    for (bound, removed) in [(keep(1_200), 1_300), (ALL, 1_200)] {
        let groups = ["agent-workers".to_owned()];
        let dry = store.bus().trim(EXECUTIONS, &groups, bound, true).await;
        let dry = dry.expect("dry run");
        let left = ids(&store).await;
        assert_eq!(dry.removed, removed);
        assert_eq!(
            dry.up_to,
            Some(left[usize::try_from(removed).expect("few") - 1])
        );
        assert_eq!(trim(&store, bound).await, dry);
    }
    assert_eq!(ids(&store).await, []);
    let more = store.publish(vec![started(Id::random(), 0)]).await;
    assert!(more[0] > published[MANY - 1]);
    assert_eq!(host.take_one().await.lease.entry, more[0]);
}

pub(crate) async fn after_everything_is_trimmed_groups_go_on_where_they_were(store: Store) {
    let mut host = store.host("a", &agent_workers()).await;
    for seq in 0..3 {
        let published = store.publish(vec![started(Id::random(), seq)]).await;
        let head = host.take_one().await;
        assert_eq!(head.lease.entry, published[0]);
        let end = done_with(&head, vec![], None);
        host.commit(vec![end]).await.assert_applied();
        assert_eq!(trim(&store, ALL).await.removed, 1);
        assert_eq!(store.status(&agent_workers()).await.lag, Some(0));
    }
    let new = Subscription {
        start: Start::New,
        ..auditors()
    };
    let mut late = store.host("a", &new).await;
    store.publish(vec![started(Id::random(), 3)]).await;
    assert_eq!(seq_of(&late.take_one().await.fields), 3);
}

pub(crate) async fn dead_letters_are_not_trimmed(store: Store) {
    let mut host = store.host("a", &agent_workers()).await;
    store.publish(vec![started(Id::random(), 0)]).await;
    let head = host.take_one().await;
    let end = done_with(&head, vec![], Some(dead_letter(&head)));
    host.commit(vec![end]).await.assert_applied();
    assert_eq!(trim(&store, ALL).await.removed, 1);
    let letters = store.dead_letters(&agent_workers()).await;
    assert_eq!(letters.len(), 1);
    assert_eq!(letters[0].0, head.fields);
}

pub(crate) async fn what_a_dead_host_held_is_not_trimmed(store: Store) {
    let short = Subscription {
        lease: Duration::from_millis(100),
        ..agent_workers()
    };
    let mut dead = store.host("dead", &short).await;
    let published = store.publish(vec![started(Id::random(), 0)]).await;
    assert_eq!(dead.take(10).await.len(), 1);
    let mut next = store.host("next", &agent_workers()).await;
    let taken = eventually("its lease ends", async || {
        assert_eq!(trim(&store, ALL).await.removed, 0);
        next.heartbeat().await;
        next.take(10).await.pop()
    })
    .await;
    assert_eq!(taken.lease.entry, published[0]);
    assert_eq!(trim(&store, ALL).await.removed, 0);
    next.commit(vec![done(&taken)]).await.assert_applied();
    assert_eq!(trim(&store, ALL).await.removed, 1);
}

pub(crate) async fn what_waits_aside_or_in_a_stopped_lane_is_not_trimmed(store: Store) {
    let mut host = store.host("a", &agent_workers()).await;
    let (aside, stopped) = (Id::random(), Id::random());
    let entries = vec![
        started(stopped, 0),
        started(stopped, 1),
        started(aside, 2),
        started(aside, 3),
    ];
    let published = store.publish(entries).await;
    let heads = host.take(10).await;
    let stop = stop_lane(&heads[0]);
    host.commit(vec![stop]).await.assert_applied();
    let passes = host
        .commit(vec![retry_aside(&heads[1], Duration::from_secs(3600))])
        .await
        .only_next();
    let end = done_with(&passes, vec![], None);
    host.commit(vec![end]).await.assert_applied();
    // The dead letter that stopped the lane is acknowledged, what waits behind it is not.
    let trimmed = trim(&store, ALL).await;
    assert_eq!(trimmed.up_to, Some(published[0]));
    assert_eq!(trimmed.held_back_by, by("agent-workers"));

    let lane = &heads[0].lease.lane;
    let release = host
        .bus
        .step_lane(&host.subscription, lane, LaneStep::Release);
    release.await.expect("release");
    let released = host.take_one().await;
    assert_eq!(seq_of(&released.fields), 1);
    let end = done_with(&released, vec![], None);
    host.commit(vec![end]).await.assert_applied();
    assert_eq!(trim(&store, ALL).await.up_to, Some(published[1]));
    assert_eq!(trim(&store, ALL).await.removed, 0);
}
