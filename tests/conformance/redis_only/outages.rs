//! A server that does not answer, or refuses.

use std::time::Duration;

use hothouse::bus::EntryId;
use hothouse::event::Id;

use super::{assert_unavailable, command, completed_count, join, open, publish};
use crate::driver::{End, done};
use crate::harness::events::{EXECUTIONS, seq_of, started};
use crate::harness::{RedisServer, eventually};
use crate::store::agent_workers;

#[tokio::test]
async fn a_bus_that_was_down_works_again_and_has_lost_nothing() {
    let mut server = RedisServer::start_with(&["--appendonly", "yes", "--appendfsync", "always"]);
    let mut host = join(&server, &agent_workers()).await;
    let plan = Id::random();
    publish(&host, vec![started(plan, 0), started(plan, 1)]).await;
    let head = host.take_one().await;
    let subscription = agent_workers();

    server.kill();
    assert_unavailable(&host.bus.fetch(&subscription, 10).await);
    assert_unavailable(
        &host
            .bus
            .commit(&subscription, &[done(&head)], true)
            .await
            .map(|_| ()),
    );
    assert_unavailable(&host.bus.recover(&subscription, &[]).await.map(|_| ()));
    assert_unavailable(&host.bus.heartbeat(&subscription).await);
    assert_unavailable(&host.bus.leave(&subscription).await);
    assert_unavailable(&host.bus.publish(EXECUTIONS, vec![started(plan, 9)]).await);
    assert_unavailable(&host.bus.read(EXECUTIONS, EntryId::ZERO, 1).await);
    assert_unavailable(&host.bus.join(&subscription).await);
    let wait = host
        .bus
        .wait(&subscription, EntryId::ZERO, Duration::from_millis(10));
    assert_unavailable(&wait.await);
    assert_unavailable(&host.bus.status(EXECUTIONS, "agent-workers").await);

    server.restart();
    eventually("the bus is there again", async || {
        host.bus.heartbeat(&subscription).await.ok()
    })
    .await;
    let next = host.commit(vec![done(&head)]).await.only_next();
    host.commit(vec![done(&next)]).await.assert_applied();
    assert_eq!(completed_count(&host).await, 2);
    let wait = host
        .bus
        .wait(&subscription, EntryId::ZERO, Duration::from_secs(60));
    wait.await.expect("wait");
}

#[tokio::test]
async fn a_bus_may_be_opened_before_its_server_is_there() {
    let mut server = RedisServer::start();
    server.kill();
    let bus = open(&server, "a");
    assert_unavailable(&bus.join(&agent_workers()).await);
    server.restart();
    eventually("the host joins", async || {
        bus.join(&agent_workers()).await.ok()
    })
    .await;
}

#[tokio::test]
async fn a_server_whose_memory_is_full_takes_nothing_and_loses_nothing() {
    let server = RedisServer::start();
    let mut host = join(&server, &agent_workers()).await;
    let plan = Id::random();
    publish(&host, vec![started(plan, 0), started(plan, 1)]).await;
    let head = host.take_one().await;
    command::<()>(&server, &["CONFIG", "SET", "maxmemory", "1"]).await;
    let subscription = agent_workers();
    let before = completed_count(&host).await;
    assert_unavailable(
        &host
            .bus
            .commit(&subscription, &[done(&head)], true)
            .await
            .map(|_| ()),
    );
    assert_unavailable(&host.bus.fetch(&subscription, 10).await);
    assert_unavailable(&host.bus.heartbeat(&subscription).await);
    let refused = host.bus.publish(EXECUTIONS, vec![started(plan, 2)]).await;
    assert_unavailable(&refused);
    assert_eq!(completed_count(&host).await, before);

    command::<()>(&server, &["CONFIG", "SET", "maxmemory", "0"]).await;
    let next = host.commit(vec![done(&head)]).await;
    next.assert_all(End::Applied);
    let next = next.only_next();
    assert_eq!((seq_of(&next.fields), next.attempt), (1, 1));
    host.commit(vec![done(&next)])
        .await
        .assert_all(End::Applied);
    assert_eq!(completed_count(&host).await, 2);
}
