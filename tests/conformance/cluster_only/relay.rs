//! Outputs for a stream in another slot.

use std::collections::HashMap;
use std::time::Duration;

use hothouse::bus::{EntryId, Output, Subscription, Verdict};
use hothouse::event::{EventType, Id};
use tokio::time::Instant;

use super::{TARGET, arrived, done_elsewhere, join, open};
use crate::driver::{End, Host, done_with};
use crate::harness::events::{EXECUTIONS, flat, started};
use crate::harness::{PooledCluster, eventually};
use crate::store::agent_workers;

const OUTBOX: &str = "{execution-events}:agent-workers:outbox:feature-events";

/// While this is there, nothing can be appended to the target.
fn block_target(cluster: &PooledCluster) {
    cluster
        .node_of(TARGET)
        .command::<()>(&["SET", TARGET, "no stream"]);
}

fn free_target(cluster: &PooledCluster) {
    cluster.node_of(TARGET).command::<()>(&["DEL", TARGET]);
}

fn waiting(cluster: &PooledCluster) -> usize {
    cluster.node_of(OUTBOX).command(&["XLEN", OUTBOX])
}

/// Completes all that there is, each with an output for the target.
async fn finish_all(host: &mut Host) -> usize {
    let mut finished = 0;
    let mut batch = host.take(64).await;
    while !batch.is_empty() {
        finished += batch.len();
        let commits = batch.iter().map(done_elsewhere).collect();
        let answer = host.commit(commits).await;
        answer.assert_all(End::Applied);
        batch = answer.next;
        if batch.is_empty() {
            batch = host.take(64).await;
        }
    }
    finished
}

async fn publish(host: &Host, lanes: usize, each: u64) -> Vec<String> {
    let plans: Vec<Id> = (0..lanes).map(|_| Id::random()).collect();
    for seq in 0..each {
        let entries = plans.iter().map(|plan| started(*plan, seq)).collect();
        host.bus
            .publish(EXECUTIONS, entries)
            .await
            .expect("publish");
    }
    plans.iter().map(Id::to_string).collect()
}

/// Each lane's outputs are there, in order, each once.
fn assert_each_once_in_order(arrived: &[(String, u64)], lanes: &[String], each: u64) {
    let mut of_lane: HashMap<&str, Vec<u64>> = HashMap::new();
    for (lane, seq) in arrived {
        of_lane.entry(lane).or_default().push(*seq);
    }
    let expected: Vec<u64> = (0..each).collect();
    for lane in lanes {
        assert_eq!(of_lane.get(lane.as_str()), Some(&expected), "lane {lane}");
    }
    assert_eq!(of_lane.len(), lanes.len());
}

#[tokio::test]
async fn an_output_that_cannot_be_relayed_waits_and_its_commit_is_done() {
    let cluster = PooledCluster::take();
    let mut host = join(&cluster.url(), "a", &agent_workers()).await;
    let lanes = publish(&host, 2, 3).await;
    block_target(&cluster);
    assert_eq!(finish_all(&mut host).await, 6);
    let status = host.bus.status(EXECUTIONS, "agent-workers").await;
    let status = status.expect("status");
    assert_eq!((status.lag, status.pending, status.lanes), (Some(0), 0, 0));
    assert_eq!((status.outbox, waiting(&cluster)), (6, 6));

    free_target(&cluster);
    host.heartbeat().await;
    assert_each_once_in_order(&arrived(&host.bus).await, &lanes, 3);
    assert_eq!(waiting(&cluster), 0);
    // And from now on at once.
    let more = publish(&host, 1, 2).await;
    assert_eq!(finish_all(&mut host).await, 2);
    let all: Vec<String> = lanes.into_iter().chain(more).collect();
    assert_eq!(arrived(&host.bus).await.len(), 8, "{all:?}");
}

#[tokio::test]
async fn a_stream_that_takes_nothing_holds_back_no_other() {
    const EVENTS: u64 = 200;
    let cluster = PooledCluster::take();
    let mut host = join(&cluster.url(), "a", &agent_workers()).await;
    publish(&host, 1, EVENTS).await;
    block_target(&cluster);
    let mut next = host.take(1000).await;
    while let Some(delivery) = next.pop() {
        let Verdict::Done { mut outputs, .. } = done_elsewhere(&delivery).verdict else {
            panic!("it is done");
        };
        outputs.push(Output {
            event_type: EventType::PrMerged,
            fields: flat(Id::random(), "pr.merged", "{}"),
        });
        let end = done_with(&delivery, outputs, None);
        next = host.commit(vec![end]).await.next;
    }
    let merged = host.bus.read("pr-events", EntryId::ZERO, 1000).await;
    assert_eq!(merged.expect("read").len() as u64, EVENTS);
    assert_eq!(waiting(&cluster) as u64, EVENTS);
    free_target(&cluster);
    host.heartbeat().await;
    assert_eq!(arrived(&host.bus).await.len() as u64, EVENTS);
}

#[tokio::test]
async fn the_outputs_of_a_host_that_died_after_its_commit_are_relayed_by_another() {
    let cluster = PooledCluster::take();
    let mut first = join(&cluster.url(), "a", &agent_workers()).await;
    let lanes = publish(&first, 1, 3).await;
    block_target(&cluster);
    finish_all(&mut first).await;
    drop(first);
    free_target(&cluster);
    // Joining is enough: there is nothing else to do.
    let second = join(&cluster.url(), "b", &agent_workers()).await;
    assert_each_once_in_order(&arrived(&second.bus).await, &lanes, 3);
    assert_eq!(waiting(&cluster), 0);
}

#[tokio::test]
async fn outputs_that_were_relayed_and_not_deleted_arrive_once() {
    let cluster = PooledCluster::take();
    let mut host = join(&cluster.url(), "a", &agent_workers()).await;
    let lanes = publish(&host, 2, 2).await;
    block_target(&cluster);
    finish_all(&mut host).await;
    let before = "{execution-events}:before";
    let own = cluster.node_of(OUTBOX);
    own.command::<()>(&["COPY", OUTBOX, before]);
    free_target(&cluster);
    host.heartbeat().await;
    // What a host leaves that dies, or loses its reply, between the two steps.
    own.command::<()>(&["COPY", before, OUTBOX, "REPLACE"]);
    assert_eq!(waiting(&cluster), 4);
    let more = publish(&host, 1, 2).await;
    finish_all(&mut host).await;
    let other = join(&cluster.url(), "b", &agent_workers()).await;
    let arrived = arrived(&other.bus).await;
    assert_each_once_in_order(&arrived[..4], &lanes, 2);
    assert_each_once_in_order(&arrived[4..], &more, 2);
    assert_eq!(waiting(&cluster), 0);
}

/// As after a failover that lost the newest commits, of which the outputs were relayed.
#[tokio::test]
async fn the_output_of_a_commit_that_is_made_again_arrives_once() {
    let cluster = PooledCluster::take();
    let mut host = join(&cluster.url(), "a", &agent_workers()).await;
    let lanes = publish(&host, 1, 2).await;
    assert_eq!(finish_all(&mut host).await, 2);
    let own = cluster.node_of(EXECUTIONS);
    let entries = host.bus.read(EXECUTIONS, Default::default(), 10).await;
    let entries = entries.expect("read");
    for key in own.command::<Vec<String>>(&["KEYS", "*"]) {
        own.command::<()>(&["DEL", &key]);
    }
    let started = entries
        .into_iter()
        .filter(|entry| entry.fields.get("causation_id").is_none());
    let started = started.map(|entry| entry.fields).collect();
    host.bus
        .publish(EXECUTIONS, started)
        .await
        .expect("publish");
    let mut host = join(&cluster.url(), "b", &agent_workers()).await;
    assert_eq!(finish_all(&mut host).await, 2);
    assert_each_once_in_order(&arrived(&host.bus).await, &lanes, 2);
    assert_eq!(waiting(&cluster), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_hosts_that_relay_at_once_bring_each_output_once_and_in_order() {
    const HOSTS: usize = 4;
    const LANES: usize = 4;
    const EACH: u64 = 100;
    let cluster = PooledCluster::take();
    let mut first = join(&cluster.url(), "first", &agent_workers()).await;
    let lanes = publish(&first, LANES, EACH).await;
    block_target(&cluster);
    finish_all(&mut first).await;
    let buses: Vec<_> = (0..HOSTS)
        .map(|n| open(&cluster.url(), &format!("host {n}")))
        .collect();
    for bus in &buses {
        bus.heartbeat(&agent_workers()).await.expect("connected");
    }
    free_target(&cluster);
    let relays: Vec<_> = buses
        .into_iter()
        .map(|bus| tokio::spawn(async move { bus.heartbeat(&agent_workers()).await }))
        .collect();
    for relay in relays {
        relay.await.expect("no panic").expect("heartbeat");
    }
    assert_each_once_in_order(&arrived(&first.bus).await, &lanes, EACH);
    assert_eq!(waiting(&cluster), 0);
}

#[tokio::test]
async fn a_node_that_does_not_answer_holds_up_one_commit_and_no_lease() {
    let cluster = PooledCluster::take();
    let subscription = Subscription {
        lease: Duration::from_secs(3),
        ..agent_workers()
    };
    let mut host = join(&cluster.url(), "a", &subscription).await;
    let lanes = publish(&host, 1, 4).await;
    cluster
        .node_of(TARGET)
        .command::<()>(&["CLIENT", "PAUSE", "600000", "WRITE"]);
    let begin = Instant::now();
    assert_eq!(finish_all(&mut host).await, 4);
    // A sixth of the lease for the first, nothing for the others.
    let took = begin.elapsed();
    assert!(took < Duration::from_secs(2), "{took:?}");
    let begin = Instant::now();
    host.heartbeat().await;
    let took = begin.elapsed();
    assert!(took < subscription.lease / 2, "{took:?}");
    assert_eq!(waiting(&cluster), 4);

    cluster
        .node_of(TARGET)
        .command::<()>(&["CLIENT", "UNPAUSE"]);
    eventually("the outputs are relayed", async || {
        host.heartbeat().await;
        (waiting(&cluster) == 0).then_some(())
    })
    .await;
    assert_each_once_in_order(&arrived(&host.bus).await, &lanes, 4);
}

#[tokio::test]
async fn what_is_remembered_of_relayed_outputs_is_forgotten_in_time() {
    let cluster = PooledCluster::take();
    let mut host = join(&cluster.url(), "a", &agent_workers()).await;
    publish(&host, 1, 1).await;
    finish_all(&mut host).await;
    let target = cluster.node_of(TARGET);
    let keys: Vec<String> = target.command(&["KEYS", "*"]);
    let remembered: Vec<&String> = keys
        .iter()
        .filter(|key| key.contains(":relayed:"))
        .collect();
    assert_eq!(remembered.len(), 1, "{keys:?}");
    let left: i64 = target.command(&["TTL", remembered[0]]);
    assert!(left > 0, "{left}");
}
