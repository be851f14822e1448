//! Redis dies or hangs while a host serves and a producer publishes.

use serde_json::{Value, json};
use tokio::time::{Duration, sleep};

use crate::event::{flat, id, id_of, lines, started_in};
use crate::harness::eventually;
use crate::outcome::sequences;
use crate::process::signal;
use crate::site::{AGENTS, Site, agent};

const LANES: usize = 5;
pub(crate) const EVENTS: usize = 60;

/// A Redis that loses nothing that it acknowledged.
fn durable() -> Site {
    let site = Site::on_redis_with(&["--appendonly", "yes", "--appendfsync", "always"]);
    prepare(&site);
    site
}

/// Has a host with a short lease take the events of [`events`].
pub(crate) fn prepare(site: &Site) {
    site.install("slow-echo-agent", "world = \"agent\"");
    site.configure(&format!(
        "[host]\nlease_ms = 1000\n{}",
        agent("slow-echo-agent", "")
    ));
}

pub(crate) fn events() -> Vec<Value> {
    let lanes: Vec<String> = (0..LANES).map(|_| id()).collect();
    (0..EVENTS)
        .map(|seq| {
            let input = json!({ "seq": seq, "sleep_ms": 20 });
            started_in(&lanes[seq % LANES], "slow-echo-agent", input)
        })
        .collect()
}

/// Publishes each until it is acknowledged, as a careful producer does.
pub(crate) async fn produce(site: &Site, events: &[Value]) {
    for event in events {
        eventually("the event is acknowledged", async || {
            let entry = vec![flat(event)];
            site.bus.publish(AGENTS.0, entry).await.ok()
        })
        .await;
    }
}

/// Waits until the stream holds that many outcomes, over what Redis is away.
pub(crate) async fn outcomes_come(site: &Site, enough: usize) {
    eventually(&format!("{enough} outcomes"), async || {
        let read = site
            .bus
            .read(AGENTS.0, hothouse::bus::EntryId::ZERO, 10_000);
        let entries = read.await.ok()?;
        let outcomes = entries
            .iter()
            .filter(|entry| entry.fields.get("causation_id").is_some());
        (outcomes.count() >= enough).then_some(())
    })
    .await;
}

pub(crate) async fn every_event_has_one_outcome_in_order(site: &Site, events: &[Value]) {
    outcomes_come(site, events.len()).await;
    site.settled(AGENTS).await;
    let outcomes = site.outcomes(AGENTS).await;
    assert_eq!(outcomes.len(), events.len());
    let lanes = sequences(&outcomes);
    for event in events {
        assert!(
            outcomes
                .iter()
                .any(|outcome| outcome.cause() == id_of(event)),
            "{event}"
        );
    }
    for (lane, seqs) in lanes {
        assert!(seqs.is_sorted(), "lane {lane}: {seqs:?}");
    }
    assert!(site.dead_letters(AGENTS).await.is_empty());
}

#[tokio::test]
async fn every_acknowledged_event_has_one_outcome_though_redis_is_killed_twice() {
    let mut site = durable();
    let mut host = site.serve();
    let mut redis = site.redis.take().expect("a Redis");
    let events = events();
    let faults = async {
        for enough in [EVENTS / 4, EVENTS / 2] {
            outcomes_come(&site, enough).await;
            redis.kill();
            // Long enough for host and producer to meet it.
            host.logs(&["is not available"]).await;
            redis.restart();
        }
    };
    tokio::join!(produce(&site, &events), faults);
    every_event_has_one_outcome_in_order(&site, &events).await;
    assert!(host.is_running(), "{}", host.log());
}

#[tokio::test]
async fn every_acknowledged_event_has_one_outcome_though_redis_hangs_for_longer_than_a_lease() {
    let site = durable();
    let mut host = site.serve();
    let pid = site
        .redis
        .as_ref()
        .and_then(|redis| redis.pid())
        .expect("Redis runs");
    let events = events();
    let faults = async {
        outcomes_come(&site, EVENTS / 4).await;
        signal(pid, "STOP");
        sleep(Duration::from_secs(2)).await;
        signal(pid, "CONT");
    };
    tokio::join!(produce(&site, &events), faults);
    every_event_has_one_outcome_in_order(&site, &events).await;
    assert!(host.is_running(), "{}", host.log());
}

#[tokio::test]
async fn hosts_that_do_not_hear_the_bus_stop_their_runs_and_lose_no_attempt() {
    let site = durable();
    // Few in hand of each host, so that both have some.
    site.configure(&format!(
        "[host]\nlease_ms = 1000\nin_flight = 8\n{}",
        agent("slow-echo-agent", "")
    ));
    let mut hosts = [site.serve(), site.serve()];
    let pid = site.redis.as_ref().and_then(|redis| redis.pid());
    let pid = pid.expect("Redis runs");
    let events: Vec<Value> = (0..40)
        .map(|seq| {
            let input = json!({ "seq": seq, "sleep_ms": 1500 });
            started_in(&id(), "slow-echo-agent", input)
        })
        .collect();
    produce(&site, &events).await;
    for host in &mut hosts {
        host.logs(&["run begins"]).await;
    }
    signal(pid, "STOP");
    for host in &mut hosts {
        host.logs(&["stopping what runs"]).await;
    }
    // Longer than a lease, by the clock of a server that is there.
    sleep(Duration::from_secs(1)).await;
    signal(pid, "CONT");
    outcomes_come(&site, events.len()).await;
    site.settled(AGENTS).await;
    let outcomes = site.outcomes(AGENTS).await;
    assert_eq!(outcomes.len(), events.len());
    for outcome in &outcomes {
        assert_eq!(outcome.attempts(), 1, "{outcome:?}");
    }
}

#[tokio::test]
async fn publish_that_loses_its_redis_says_what_was_acknowledged_and_may_be_done_again() {
    let site = durable();
    let pid = site.redis.as_ref().and_then(|redis| redis.pid());
    let pid = pid.expect("Redis runs");
    let events = events();
    site.write("events.jsonl", lines(&events));
    signal(pid, "STOP");
    // It waits for an answer in vain; Redis has the command, and does it later.
    let answer = site.hothouse(&["publish", "events.jsonl"]).await.exits(3);
    assert!(
        answer.stderr.contains("acknowledged 0 of 60"),
        "{answer:#?}"
    );
    signal(pid, "CONT");
    site.publish(&events).await;
    site.publish(&events).await;
    let _host = site.serve();
    every_event_has_one_outcome_in_order(&site, &events).await;
}
