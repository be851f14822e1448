//! What doctor is told of a server and of what other programs do to it.

use hothouse::bus::{Advice, Severity, Subscription, TrimBound};
use hothouse::event::Id;

use super::{command, join, open, publish};
use crate::driver::done_with;
use crate::harness::RedisServer;
use crate::harness::events::{EXECUTIONS, started};
use crate::store::agent_workers;

const SAFE: [&str; 4] = ["--appendonly", "yes", "--appendfsync", "always"];

async fn advice(server: &RedisServer, subscriptions: &[Subscription]) -> Vec<Advice> {
    let advice = open(server, "onlooker").advice(subscriptions).await;
    advice.expect("advice")
}

async fn of_group(server: &RedisServer) -> Vec<Advice> {
    advice(server, &[agent_workers()]).await
}

#[track_caller]
fn assert_says(advice: &[Advice], severity: Severity, part: &str) {
    let found = advice.iter().find(|one| one.message.contains(part));
    assert_eq!(
        found.map(|one| one.severity),
        Some(severity),
        "{part}: {advice:#?}"
    );
}

#[tokio::test]
async fn a_server_with_safe_settings_and_one_with_those_of_a_cache() {
    let server = RedisServer::start_with(&SAFE);
    assert_eq!(of_group(&server).await, []);
    let _host = join(&server, &agent_workers()).await;
    assert_eq!(of_group(&server).await, []);

    let server = RedisServer::start_with(&["--maxmemory-policy", "allkeys-lru"]);
    let found = advice(&server, &[]).await;
    assert_says(&found, Severity::Advice, "appendonly is off");
    assert_says(&found, Severity::Advice, "maxmemory-policy is allkeys-lru");
    command::<()>(&server, &["CONFIG", "SET", "maxmemory", "1gb"]).await;
    let found = advice(&server, &[]).await;
    assert_says(&found, Severity::Fail, "maxmemory-policy is allkeys-lru");

    let server = RedisServer::start_with(&["--appendonly", "yes"]);
    let found = advice(&server, &[]).await;
    assert_says(&found, Severity::Advice, "appendfsync is everysec");
    assert_eq!(found.len(), 1, "{found:#?}");
}

#[tokio::test]
async fn what_the_server_refuses_to_tell_is_said_and_is_no_error() {
    let forbidden = ["--rename-command", "CONFIG", "", "--appendonly", "yes"];
    let server = RedisServer::start_with(&forbidden);
    let found = of_group(&server).await;
    assert_says(
        &found,
        Severity::Advice,
        "appendfsync (CONFIG GET) could not be checked",
    );
    // Without it nobody knows where the file is.
    assert_says(&found, Severity::Advice, "BGREWRITEAOF");
    command::<()>(&server, &["BGREWRITEAOF"]).await;
    crate::harness::eventually("it is rewritten", async || {
        let found = of_group(&server).await;
        (!found.iter().any(|one| one.message.contains("BGREWRITEAOF"))).then_some(())
    })
    .await;

    // As a managed service does, or an ACL.
    command::<()>(&server, &["ACL", "SETUSER", "default", "-info"]).await;
    let found = of_group(&server).await;
    assert_says(&found, Severity::Advice, "(INFO) could not be checked");
}

/// The file as it is after a stop in the middle of a script's effects.
fn tear(server: &RedisServer) {
    let folder = server.folder().join("appendonlydir");
    let file = folder.join("appendonly.aof.1.incr.aof");
    let bytes = std::fs::read(&file).expect("read the AOF");
    let exec = bytes.windows(4).rposition(|word| word == b"EXEC");
    // Half of the command before EXEC goes with it.
    let cut = exec.expect("a script's effects") - 20;
    std::fs::write(&file, &bytes[..cut]).expect("write the AOF");
}

#[tokio::test]
async fn a_transaction_without_its_end_in_the_aof_is_found_until_it_is_rewritten() {
    let mut server = RedisServer::start_with(&SAFE);
    let mut host = join(&server, &agent_workers()).await;
    publish(&host, vec![started(Id::random(), 0)]).await;
    host.take_one().await;
    assert_eq!(of_group(&server).await, []);

    server.kill();
    tear(&server);
    server.restart();
    assert_says(&of_group(&server).await, Severity::Fail, "BGREWRITEAOF");
    // Whatever is written after it, as long as Redis does not stop.
    let host = join(&server, &agent_workers()).await;
    publish(&host, vec![started(Id::random(), 1)]).await;
    assert_says(&of_group(&server).await, Severity::Fail, "without its end");

    command::<()>(&server, &["BGREWRITEAOF"]).await;
    crate::harness::eventually("it is rewritten", async || {
        of_group(&server).await.is_empty().then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_producer_that_trims_is_found_and_what_groups_lost_by_it_too() {
    let server = RedisServer::start_with(&SAFE);
    let mut host = join(&server, &agent_workers()).await;
    let entries = (0..6).map(|n| started(Id::random(), n)).collect();
    publish(&host, entries).await;
    for head in host.take(2).await {
        let end = done_with(&head, vec![], None);
        host.commit(vec![end]).await.assert_applied();
    }
    let bound = TrimBound {
        older_than: None,
        keep: Some(0),
    };
    let ours = host.bus.trim(EXECUTIONS, &[], bound, false).await;
    assert_eq!(ours.expect("trim").removed, 2);
    assert_eq!(
        of_group(&server).await,
        [],
        "our own trim is none of another"
    );

    host.take(1).await;
    command::<()>(&server, &["XTRIM", EXECUTIONS, "MAXLEN", "=", "1"]).await;
    let found = of_group(&server).await;
    assert_says(
        &found,
        Severity::Advice,
        "3 entries of execution-events were removed",
    );
    assert_says(
        &found,
        Severity::Fail,
        "2 entries were removed from execution-events before",
    );
    assert_says(
        &found,
        Severity::Fail,
        "1 entries were removed from execution-events before",
    );
    assert_eq!(found.len(), 3, "{found:#?}");
}

#[tokio::test]
async fn another_programs_consumer_in_the_group_is_found() {
    let server = RedisServer::start_with(&SAFE);
    let host = join(&server, &agent_workers()).await;
    let create = [
        "XGROUP",
        "CREATECONSUMER",
        EXECUTIONS,
        "agent-workers",
        "script",
    ];
    command::<()>(&server, &create).await;
    let found = of_group(&server).await;
    assert_says(
        &found,
        Severity::Advice,
        "XGROUP DELCONSUMER execution-events agent-workers",
    );
    publish(&host, vec![started(Id::random(), 0)]).await;
    let read = "XREADGROUP GROUP agent-workers script STREAMS execution-events >";
    let read: Vec<&str> = read.split(' ').collect();
    command::<redis::Value>(&server, &read).await;
    assert_says(&of_group(&server).await, Severity::Fail, "took 1 entries");
}
