//! What only a server can do to a host.

use std::sync::Arc;
use std::time::Duration;

use hothouse::bus::{self, Bus, BusError, BusUrl, EntryId, Start, Subscription};
use hothouse::event::{Fields, Id};
use redis::FromRedisValue;

use crate::driver::{End, Host, done, done_with, retry};
use crate::harness::events::{EXECUTIONS, completed, failed, seq_of, started};
use crate::harness::{RedisServer, eventually};
use crate::store::{agent_workers, open_letter};

const PREFIX: &str = "{execution-events}:agent-workers";

fn open(server: &RedisServer, consumer: &str) -> Arc<dyn Bus> {
    bus::connect(&BusUrl::Redis(server.url()), consumer).expect("open the bus")
}

async fn join(server: &RedisServer, subscription: &Subscription) -> Host {
    let bus = open(server, "a");
    bus.join(subscription).await.expect("join");
    Host::new(bus, subscription.clone())
}

async fn publish(host: &Host, entries: Vec<Fields>) -> Vec<EntryId> {
    host.bus
        .publish(EXECUTIONS, entries)
        .await
        .expect("publish")
}

/// What an operator might type.
async fn command<T: FromRedisValue>(server: &RedisServer, words: &[&str]) -> T {
    let client = redis::Client::open(server.url()).expect("a Redis URL");
    let mut connection = client
        .get_multiplexed_async_connection()
        .await
        .expect("connect");
    let mut command = redis::cmd(words[0]);
    for word in &words[1..] {
        command.arg(*word);
    }
    let reply = command.query_async(&mut connection).await;
    reply.unwrap_or_else(|error| panic!("{words:?}: {error}"))
}

async fn completed_count(host: &Host) -> usize {
    let all = host.bus.read(EXECUTIONS, EntryId::ZERO, 10_000).await;
    let mut all = all.expect("read");
    all.retain(|entry| entry.fields.get("type") == Some(b"agent.execution.completed"));
    all.len()
}

fn assert_unavailable<T: std::fmt::Debug>(result: &Result<T, BusError>) {
    assert!(
        matches!(result, Err(BusError::Unavailable { .. })),
        "{result:?}"
    );
}

fn seqs(run: &[hothouse::bus::Delivery]) -> Vec<u64> {
    run.iter().map(|one| seq_of(&one.fields)).collect()
}

#[tokio::test]
async fn a_group_that_was_deleted_is_no_group_and_goes_on_where_it_was() {
    let server = RedisServer::start();
    for start in [Start::All, Start::New] {
        let subscription = Subscription {
            start,
            ..agent_workers()
        };
        command::<()>(&server, &["FLUSHALL"]).await;
        let mut host = join(&server, &subscription).await;
        let (busy, retried) = (Id::random(), Id::random());
        let entries = vec![
            started(Id::random(), 0),
            started(busy, 1),
            started(busy, 2),
            started(retried, 3),
        ];
        publish(&host, entries).await;
        let heads = host.take(10).await;
        assert_eq!(seqs(&heads), [0, 1, 3]);
        let commits = vec![done(&heads[0]), retry(&heads[2], Duration::ZERO)];
        host.commit(commits).await.assert_applied();

        let gone: i64 = command(&server, &["XGROUP", "DESTROY", EXECUTIONS, "agent-workers"]).await;
        assert_eq!(gone, 1);
        publish(&host, vec![started(busy, 4), started(Id::random(), 5)]).await;
        for max in [10, 0] {
            let fetched = host.bus.fetch(&subscription, max).await;
            assert!(
                matches!(&fetched, Err(BusError::NoGroup { stream, group })
                    if stream == EXECUTIONS && group == "agent-workers"),
                "{fetched:?}"
            );
        }
        host.bus.join(&subscription).await.expect("join again");
        // The fetch that failed may have handed out what was due.
        let held = [heads[1].lease.clone()];
        let recovered = host
            .bus
            .recover(&subscription, &held)
            .await
            .expect("recover");
        assert_eq!(seqs(&recovered), [3]);
        let next = host.commit(vec![done(&heads[1])]).await.only_next();
        host.commit_only(vec![done(&recovered[0]), done(&next)])
            .await
            .assert_applied();
        let run = host.finish_all().await;
        assert_eq!(seqs(&run), [4, 5], "{start:?}");
        assert_eq!(completed_count(&host).await, 6);
        let status = host
            .bus
            .status(EXECUTIONS, "agent-workers")
            .await
            .expect("status");
        assert_eq!((status.pending, status.parked, status.lanes), (0, 0, 0));
    }
}

#[tokio::test]
async fn a_stream_that_was_deleted_is_no_group() {
    let server = RedisServer::start();
    let host = join(&server, &agent_workers()).await;
    publish(&host, vec![started(Id::random(), 0)]).await;
    command::<()>(&server, &["DEL", EXECUTIONS]).await;
    for max in [10, 0] {
        let fetched = host.bus.fetch(&agent_workers(), max).await;
        assert!(
            matches!(fetched, Err(BusError::NoGroup { .. })),
            "{fetched:?}"
        );
    }
}

#[tokio::test]
async fn scripts_that_the_server_forgot_are_loaded_again() {
    let server = RedisServer::start();
    let mut host = join(&server, &agent_workers()).await;
    let plan = Id::random();
    publish(&host, vec![started(plan, 0), started(plan, 1)]).await;
    let flush = ["SCRIPT", "FLUSH"];
    command::<()>(&server, &flush).await;
    let head = host.take_one().await;
    command::<()>(&server, &flush).await;
    let next = host.commit(vec![done(&head)]).await.only_next();
    command::<()>(&server, &flush).await;
    host.heartbeat().await;
    command::<()>(&server, &flush).await;
    let recovered = host
        .bus
        .recover(&agent_workers(), &[])
        .await
        .expect("recover");
    assert_eq!(recovered.len(), 1);
    assert_eq!(recovered[0].lease, next.lease);
    command::<()>(&server, &flush).await;
    host.leave().await;
    assert_eq!(seqs(&host.finish_all().await), [1]);
    assert_eq!(completed_count(&host).await, 2);
}

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

#[tokio::test]
async fn a_commit_to_a_key_that_is_no_stream_changes_nothing() {
    let server = RedisServer::start();
    let mut host = join(&server, &agent_workers()).await;
    let entry = started(Id::random(), 0);
    publish(&host, vec![entry.clone()]).await;
    command::<()>(&server, &["SET", "pr-events", "a text"]).await;
    let head = host.take_one().await;
    let mut output = failed(&entry);
    output.event_type = hothouse::event::EventType::PrCreated;
    let end = done_with(&head, vec![completed(&entry), output], None);
    let subscription = agent_workers();
    for _ in 0..2 {
        let committed = host
            .bus
            .commit(&subscription, std::slice::from_ref(&end), true)
            .await;
        assert!(
            matches!(committed, Err(BusError::Broken { .. })),
            "{committed:?}"
        );
        assert_eq!(completed_count(&host).await, 0);
    }
    command::<()>(&server, &["DEL", "pr-events"]).await;
    host.commit(vec![end]).await.assert_all(End::Applied);
    assert_eq!(completed_count(&host).await, 1);
    let outputs: u64 = command(&server, &["XLEN", "pr-events"]).await;
    assert_eq!(outputs, 1);
}

#[tokio::test]
async fn an_entry_that_was_trimmed_before_its_turn_is_a_dead_letter() {
    let server = RedisServer::start();
    let mut host = join(&server, &agent_workers()).await;
    let plan = Id::random();
    let ids = publish(&host, (0..3).map(|n| started(plan, n)).collect()).await;
    let head = host.take_one().await;
    command::<()>(&server, &["XDEL", EXECUTIONS, &ids[1].to_string()]).await;
    let next = host.commit(vec![done(&head)]).await.only_next();
    assert_eq!(seq_of(&next.fields), 2);
    host.commit(vec![done(&next)]).await.assert_applied();
    let letters = host
        .bus
        .dead_letters(EXECUTIONS, "agent-workers", EntryId::ZERO, 10);
    let letters = letters.await.expect("dead letters");
    assert_eq!(letters.len(), 1);
    let (original, letter) = open_letter(letters[0].fields.clone());
    assert_eq!(original, Fields::default());
    assert_eq!((letter.entry_id, letter.attempts), (ids[1].to_string(), 0));
    let status = host
        .bus
        .status(EXECUTIONS, "agent-workers")
        .await
        .expect("status");
    assert_eq!((status.pending, status.parked, status.lanes), (0, 0, 0));
}

#[tokio::test]
async fn nothing_is_left_behind_in_the_groups_keys() {
    let server = RedisServer::start();
    let mut host = join(&server, &agent_workers()).await;
    let plan = Id::random();
    publish(&host, (0..5).map(|n| started(plan, n)).collect()).await;
    let head = host.take_one().await;
    host.commit(vec![retry(&head, Duration::ZERO)]).await;
    assert_eq!(host.finish_all().await.len(), 5);
    host.leave().await;
    let mut keys: Vec<String> = command(&server, &["KEYS", "*"]).await;
    keys.sort();
    // `done` holds the finished events for one window, `meta` some figures.
    let left: Vec<&str> = keys
        .iter()
        .filter(|key| !key.contains(":done:"))
        .map(String::as_str)
        .collect();
    assert_eq!(left, [EXECUTIONS, &format!("{PREFIX}:meta")]);
    let done: Vec<&String> = keys.iter().filter(|key| key.contains(":done:")).collect();
    for key in done {
        let left: i64 = command(&server, &["TTL", key]).await;
        assert!(left > 0, "{key} is never deleted");
    }
}

#[tokio::test]
async fn doctors_advice_names_settings_that_may_lose_events() {
    let server = RedisServer::start();
    let advice = open(&server, "a").advice().await.expect("advice");
    assert!(
        advice.iter().any(|line| line.contains("appendonly")),
        "{advice:?}"
    );
    let args = ["--appendonly", "yes", "--appendfsync", "always"];
    let server = RedisServer::start_with(&args);
    let advice = open(&server, "a").advice().await.expect("advice");
    assert_eq!(advice, Vec::<String>::new());
}
