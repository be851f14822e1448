//! Nodes that hand over slots, and servers that are no cluster.

use std::sync::Arc;

use hothouse::bus::{BusError, EntryId};
use hothouse::event::Id;

use super::{arrived, done_elsewhere, join, open};
use crate::driver::done;
use crate::harness::events::{EXECUTIONS, seq_of, started};
use crate::harness::{DEADLINE, RedisCluster, RedisServer, eventually};
use crate::store::agent_workers;

#[tokio::test]
async fn a_host_goes_on_when_the_slot_of_its_stream_moves_to_another_node() {
    let cluster = RedisCluster::start();
    let mut host = join(&cluster.url(), "a", &agent_workers()).await;
    let plan = Id::random();
    let entries = (0..3).map(|seq| started(plan, seq)).collect();
    host.bus
        .publish(EXECUTIONS, entries)
        .await
        .expect("publish");
    let head = host.take_one().await;
    let (bus, subscription) = (Arc::clone(&host.bus), agent_workers());
    let wait = async || bus.wait(&subscription, EntryId::ZERO, DEADLINE).await;
    wait().await.expect("wait");

    let to = (cluster.owner(EXECUTIONS) + 1) % 3;
    cluster.move_slot(EXECUTIONS, to);
    // The first answer is that it moved.
    let next = host.commit(vec![done_elsewhere(&head)]).await.only_next();
    assert_eq!(seq_of(&next.fields), 1);
    let error = wait()
        .await
        .expect_err("the idle connection is to the old node");
    assert!(matches!(error, BusError::Unavailable { .. }), "{error}");
    wait().await.expect("wait");
    let last = host.commit(vec![done_elsewhere(&next)]).await.only_next();
    host.commit(vec![done_elsewhere(&last)])
        .await
        .assert_applied();
    assert_eq!(arrived(&host.bus).await.len(), 3);
    let slots: usize = cluster.nodes[to].command(&["EXISTS", EXECUTIONS]);
    assert_eq!(slots, 1, "it is there and nowhere else");
}

#[tokio::test]
async fn a_slot_that_is_on_its_way_is_not_available_and_nothing_is_changed() {
    let cluster = RedisCluster::start();
    let mut host = join(&cluster.url(), "a", &agent_workers()).await;
    let entries = (0..2).map(|seq| started(Id::random(), seq)).collect();
    host.bus
        .publish(EXECUTIONS, entries)
        .await
        .expect("publish");
    let heads = host.take(10).await;
    let to = (cluster.owner(EXECUTIONS) + 1) % 3;
    let moving = cluster.begin_move(EXECUTIONS, to);
    let keys = moving.keys();
    assert!(keys.len() > 2, "{keys:?}");
    for key in keys {
        let subscription = agent_workers();
        let commits = [done(&heads[0])];
        let commit = host.bus.commit(&subscription, &commits, true).await;
        assert!(
            matches!(commit, Err(BusError::Unavailable { .. })),
            "{commit:?}"
        );
        let fetch = host.bus.fetch(&subscription, 10).await;
        assert!(
            matches!(fetch, Err(BusError::Unavailable { .. })),
            "{fetch:?}"
        );
        moving.hand_over(&key);
    }
    moving.finish();
    let commits = heads.iter().map(done).collect();
    host.commit(commits).await.assert_applied();
    let all = host.bus.read(EXECUTIONS, EntryId::ZERO, 10).await;
    assert_eq!(all.expect("read").len(), 4);
}

#[tokio::test]
async fn a_host_goes_on_when_a_replica_takes_over() {
    let mut cluster = RedisCluster::start();
    let mut host = join(&cluster.url(), "a", &agent_workers()).await;
    let plan = Id::random();
    let entries = (0..3).map(|seq| started(plan, seq)).collect();
    host.bus
        .publish(EXECUTIONS, entries)
        .await
        .expect("publish");
    let head = host.take_one().await;
    let owner = cluster.owner(EXECUTIONS);
    let replica = cluster.replica_of(owner);

    replica.command::<()>(&["CLUSTER", "FAILOVER"]);
    eventually("the replica is the primary", async || {
        let commits = [done(&head)];
        let committed = host.bus.commit(&agent_workers(), &commits, false).await;
        let role: String = replica.command(&["INFO", "replication"]);
        (committed.is_ok() && role.contains("role:master")).then_some(())
    })
    .await;
    let next = host.take_one().await;
    assert_eq!(seq_of(&next.fields), 1);

    // And it is so for good: the old primary is not needed any more.
    cluster.nodes[owner].kill();
    let last = host.commit(vec![done(&next)]).await.only_next();
    host.commit(vec![done(&last)]).await.assert_applied();
    let late = open(&cluster.url(), "late");
    let all = late.read(EXECUTIONS, EntryId::ZERO, 10).await;
    assert_eq!(all.expect("one seed that answers is enough").len(), 6);
}

#[tokio::test]
async fn a_cluster_with_tls_is_used_with_tls_on_every_node() {
    let certificates = crate::harness::Certificates::new();
    let cluster = RedisCluster::start_with_tls(&certificates);
    let url = cluster.tls_url(&certificates);
    let mut host = join(&url, "a", &agent_workers()).await;
    let entries = (0..3).map(|seq| started(Id::random(), seq)).collect();
    host.bus
        .publish(EXECUTIONS, entries)
        .await
        .expect("publish");
    let commits = host.take(10).await.iter().map(done_elsewhere).collect();
    host.commit(commits).await.assert_applied();
    assert_eq!(arrived(&host.bus).await.len(), 3);
    let advice = host.bus.advice(&[agent_workers()]).await.expect("advice");
    let mut ports = cluster.nodes.iter().map(|node| node.arg("--tls-port"));
    assert!(
        ports.any(|port| advice.iter().any(|one| one.message.contains(port))),
        "{advice:?}"
    );
}

#[tokio::test]
async fn a_cluster_url_for_a_single_server_and_the_other_way_round_say_what_to_write() {
    let server = RedisServer::start();
    let url = server.url().replace("redis://", "redis+cluster://");
    let error = open(&url, "a").join(&agent_workers()).await;
    let error = error.expect_err("no cluster");
    assert!(matches!(error, BusError::Broken { .. }), "{error}");
    assert!(
        error.to_string().contains("begin the URL with redis://"),
        "{error}"
    );

    let cluster = RedisCluster::start();
    for node in &cluster.nodes {
        let bus = open(&node.url(), "a");
        let error = match bus.join(&agent_workers()).await {
            Err(error) => error,
            // It has the stream, and not all that a commit may append to.
            Ok(()) => {
                let commit = bus.commit(&agent_workers(), &[], true).await;
                commit.expect_err("several slots")
            }
        };
        assert!(matches!(error, BusError::Broken { .. }), "{error}");
        assert!(error.to_string().contains("redis+cluster://"), "{error}");
    }
}
