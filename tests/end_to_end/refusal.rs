//! The bus answers, and refuses: the host waits, loses nothing and goes on.

use hothouse::bus::EntryId;
use serde_json::json;

use crate::event::{id_of, started};
use crate::harness::eventually;
use crate::site::{AGENTS, Site};

/// While a run is under way the bus breaks; it must be mended when the host has met that.
async fn goes_on(site: Site, breaks: impl FnOnce(&Site), says: &str, mends: impl FnOnce(&Site)) {
    let mut host = site.serve_agent("slow-echo-agent", "");
    let event = started("slow-echo-agent", json!({ "seq": 1, "sleep_ms": 2000 }));
    site.publish(std::slice::from_ref(&event)).await;
    host.runs(id_of(&event)).await;
    breaks(&site);
    host.logs(&["done", id_of(&event)]).await;
    host.logs(&["is not available", says]).await;
    let complaints = host.log().matches(" WARN ").count();
    assert!(complaints < 15, "it waits longer each time: {}", host.log());
    mends(&site);

    // Not the usual wait: the bus may refuse for a moment more.
    eventually("the outcome", async || {
        let entries = site.bus.read(AGENTS.0, EntryId::ZERO, 100).await.ok()?;
        (entries.len() == 2).then_some(())
    })
    .await;
    let outcome = site.outcome_of(AGENTS, id_of(&event)).await;
    assert_eq!(
        outcome.attempts(),
        1,
        "the run is not repeated: {}",
        host.log()
    );
    let next = started("slow-echo-agent", json!({ "seq": 2 }));
    site.publish(std::slice::from_ref(&next)).await;
    site.outcome_of(AGENTS, id_of(&next)).await;
}

fn command(site: &Site, words: &[&str]) {
    let client = redis::Client::open(site.url.as_str()).expect("a URL");
    let mut connection = client.get_connection().expect("connect");
    let command = words.iter().fold(redis::Cmd::new(), |mut command, word| {
        command.arg(word);
        command
    });
    command.exec(&mut connection).expect("Redis does it");
}

#[tokio::test]
async fn a_host_goes_on_when_redis_has_memory_again() {
    goes_on(
        Site::on_redis(),
        |site| command(site, &["CONFIG", "SET", "maxmemory", "1"]),
        "OOM",
        |site| command(site, &["CONFIG", "SET", "maxmemory", "0"]),
    )
    .await;
}

#[tokio::test]
async fn a_host_goes_on_when_redis_is_a_primary_again() {
    goes_on(
        Site::on_redis(),
        |site| command(site, &["REPLICAOF", "127.0.0.1", "1"]),
        "read only",
        |site| command(site, &["REPLICAOF", "NO", "ONE"]),
    )
    .await;
}

#[tokio::test]
async fn a_host_goes_on_when_another_process_lets_go_of_the_sqlite_file() {
    let site = Site::on_sqlite();
    let path = site.url.strip_prefix("sqlite:").expect("a path");
    let other = rusqlite::Connection::open(path).expect("open the file");
    let run = |sql| other.execute_batch(sql).expect("SQLite does it");
    goes_on(
        site,
        |_| run("BEGIN IMMEDIATE"),
        "locked",
        |_| run("ROLLBACK"),
    )
    .await;
}
