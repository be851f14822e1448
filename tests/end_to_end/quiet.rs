//! A host that has nothing to do asks its bus for little.

use std::time::Duration;

use serde_json::json;

use crate::event::started_in;
use crate::harness::eventually;
use crate::site::{AGENTS, Site, agent};

/// How long commands are counted.
const WHILE: Duration = Duration::from_secs(2);

/// Calls of scripts and blocking reads: what a host sends.
async fn calls(site: &Site) -> u64 {
    let client = redis::Client::open(site.url.as_str()).expect("a Redis URL");
    let mut connection = client
        .get_multiplexed_async_connection()
        .await
        .expect("connect");
    let stats: redis::InfoDict = redis::cmd("INFO")
        .arg("commandstats")
        .query_async(&mut connection)
        .await
        .expect("INFO");
    let of = |name: &str| -> u64 {
        let line: String = stats.get(&format!("cmdstat_{name}")).unwrap_or_default();
        let calls = line.split(',').find_map(|part| part.strip_prefix("calls="));
        calls.and_then(|calls| calls.parse().ok()).unwrap_or(0)
    };
    of("evalsha") + of("xread")
}

async fn calls_while(site: &Site) -> u64 {
    let before = calls(site).await;
    tokio::time::sleep(WHILE).await;
    calls(site).await - before
}

#[tokio::test]
async fn an_idle_host_sends_fewer_than_ten_commands_a_second() {
    let site = Site::on_redis();
    site.configure(&agent("nobody", ""));
    let _host = site.serve();
    site.settled(AGENTS).await;
    let calls = calls_while(&site).await;
    assert!(calls < 20, "{calls} in {WHILE:?}");
}

#[tokio::test]
async fn a_group_that_is_full_waits_and_does_not_ask_without_end() {
    let site = Site::on_redis();
    let route = agent("nobody", "retry_delays_ms = [600000]\n");
    site.configure(&format!("[host]\nparked_limit = 5\n{route}"));
    let plan = uuid::Uuid::new_v4().to_string();
    for seq in 0..100 {
        site.append_event(AGENTS, &started_in(&plan, "nobody", json!({ "seq": seq })))
            .await;
    }
    let _host = site.serve();
    eventually("the group is full", async || {
        let status = site.bus.status("execution-events", "agent-workers").await;
        let status = status.expect("status");
        (status.parked >= 5 && status.lag > Some(0)).then_some(())
    })
    .await;
    let calls = calls_while(&site).await;
    assert!(calls < 100, "{calls} in {WHILE:?}");
}
