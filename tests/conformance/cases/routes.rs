//! The hosts of a group share their routes.

use std::time::Duration;

use hothouse::bus::{BusError, Severity, Subscription};
use hothouse::event::Id;

use crate::harness::events::{seq_of, started};
use crate::harness::eventually;
use crate::store::{Store, agent_workers};

fn with_routes(routes: &str) -> Subscription {
    Subscription {
        routes: routes.into(),
        ..agent_workers()
    }
}

fn assert_refused(joined: Result<(), BusError>) {
    let Err(BusError::RoutesDiffer {
        stream,
        group,
        difference,
    }) = joined
    else {
        panic!("{joined:?}");
    };
    assert_eq!(
        (stream.as_str(), group.as_str()),
        ("execution-events", "agent-workers")
    );
    assert_eq!(difference, "only theirs: b; only ours: c");
}

pub(crate) async fn a_host_with_other_routes_than_a_running_one_is_refused(store: Store) {
    let first = store.host("a", &with_routes("a\nb")).await;
    let other = with_routes("a\nc");
    let joined = store.connect("b").join(&other).await;
    assert_refused(joined);
    // Nothing was changed: it has no lease, and the routes are the first one's.
    assert_eq!(store.status(&other).await.hosts, 1);
    let mut same = store.host("c", &with_routes("a\nb")).await;
    store.publish(vec![started(Id::random(), 0)]).await;
    assert_eq!(seq_of(&same.take_one().await.fields), 0);

    let advice = store
        .bus()
        .advice(std::slice::from_ref(&other))
        .await
        .expect("advice");
    let found = advice
        .iter()
        .find(|one| one.message.contains("only theirs: b; only ours: c"));
    assert_eq!(
        found.map(|one| one.severity),
        Some(Severity::Advice),
        "{advice:?}"
    );
    let advice = store.bus().advice(&[first.subscription]).await;
    let advice = advice.expect("advice");
    assert!(
        !advice.iter().any(|one| one.message.contains("routes")),
        "{advice:?}"
    );
}

pub(crate) async fn where_no_other_host_is_alive_the_routes_are_the_newcomers(store: Store) {
    let mut first = store.host("a", &with_routes("a\nb")).await;
    first.leave().await;
    let second = store.host("b", &with_routes("a\nc")).await;
    let joined = store.connect("d").join(&with_routes("a\nb")).await;
    let refused = matches!(joined, Err(BusError::RoutesDiffer { .. }));
    assert!(refused, "{joined:?}");
    // Its own lease is no other host's.
    let again = with_routes("a");
    second.bus.join(&again).await.expect("join with new routes");
    store.host("c", &again).await;
}

pub(crate) async fn a_host_whose_lease_ended_no_longer_refuses_others(store: Store) {
    let short = Subscription {
        lease: Duration::from_millis(100),
        ..with_routes("a\nb")
    };
    store.host("a", &short).await;
    let bus = store.connect("b");
    eventually("the lease ends", async || {
        bus.join(&with_routes("c")).await.ok()
    })
    .await;
}

pub(crate) async fn routes_on_one_stream_say_nothing_of_another_group(store: Store) {
    store.host("a", &with_routes("a")).await;
    let other = Subscription {
        group: "auditors".into(),
        ..with_routes("b")
    };
    store.host("b", &other).await;
    assert_eq!(store.status(&other).await.hosts, 1);
}
