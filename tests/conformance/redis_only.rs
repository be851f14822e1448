//! What only a server can do to a host.

mod advice;
mod books;
mod letters;
mod login;
mod lost_keys;
mod outages;
mod replays;
mod replies;
mod trims;

use std::sync::Arc;

use hothouse::bus::{self, Bus, BusError, BusUrl, Delivery, EntryId, Subscription};
use hothouse::event::Fields;
use redis::FromRedisValue;

use crate::driver::Host;
use crate::harness::RedisServer;
use crate::harness::events::{EXECUTIONS, seq_of};

fn open(server: &RedisServer, consumer: &str) -> Arc<dyn Bus> {
    let url: BusUrl = server.url().parse().expect("a bus URL");
    bus::connect(&url, consumer).expect("open the bus")
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

fn seqs(run: &[Delivery]) -> Vec<u64> {
    run.iter().map(|one| seq_of(&one.fields)).collect()
}
