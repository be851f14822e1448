//! SIGTERM: what is in hand ends or goes back, and the exit code is 0.

use serde_json::json;

use crate::event::{id, id_of, started, started_in};
use crate::harness::eventually;
use crate::site::{AGENTS, Site, agent};

on_both_buses! {
    a_run_in_flight_ends_and_is_committed_before_the_host_exits
    a_run_longer_than_the_grace_goes_back_without_an_attempt_and_another_host_finishes_it
    an_idle_host_exits_at_once
    events_that_wait_behind_a_run_are_left_for_the_next_host
}

/// Waits until the host has joined the group.
async fn joined(site: &Site) {
    eventually("the host joins its group", async || {
        let status = site.bus.status(AGENTS.0, AGENTS.1).await.expect("status");
        (status.exists && status.hosts == 1).then_some(())
    })
    .await;
}

async fn a_run_in_flight_ends_and_is_committed_before_the_host_exits(site: Site) {
    let mut host = site.serve_agent("slow-echo-agent", "");
    let event = started("slow-echo-agent", json!({ "seq": 1, "sleep_ms": 1500 }));
    site.publish(std::slice::from_ref(&event)).await;
    host.runs(id_of(&event)).await;

    host.terminate();
    assert_eq!(host.exit_code().await, Some(0), "{}", host.log());

    let outcomes = site.outcomes(AGENTS).await;
    assert_eq!(outcomes.len(), 1, "{outcomes:#?}");
    assert_eq!(outcomes[0].kind(), "agent.execution.completed");
    assert_eq!(outcomes[0].cause(), id_of(&event));
    assert_eq!(outcomes[0].attempts(), 1);
    let status = site.bus.status(AGENTS.0, AGENTS.1).await.expect("status");
    assert_eq!(status.pending, 0, "{status:?}");
}

async fn a_run_longer_than_the_grace_goes_back_without_an_attempt_and_another_host_finishes_it(
    site: Site,
) {
    site.install("sleep-forever", "world = \"agent\"");
    site.install("slow-echo-agent", "world = \"agent\"");
    let route = |plugin: &str| {
        agent(plugin, "").replace(
            &format!("agent_type = \"{plugin}\""),
            "agent_type = \"any\"",
        )
    };
    let grace = "[host]\nshutdown_grace_ms = 100\n";
    site.configure(&format!("{grace}{}", route("sleep-forever")));
    let mut host = site.serve();
    let event = started("any", json!({ "seq": 1 }));
    site.publish(std::slice::from_ref(&event)).await;
    host.runs(id_of(&event)).await;

    host.terminate();
    assert_eq!(host.exit_code().await, Some(0), "{}", host.log());
    assert!(site.outcomes(AGENTS).await.is_empty());

    site.configure(&route("slow-echo-agent"));
    let _second = site.serve();
    let outcome = site.outcome_of(AGENTS, id_of(&event)).await;
    assert_eq!(outcome.kind(), "agent.execution.completed");
    assert_eq!(
        outcome.attempts(),
        1,
        "the first run's attempt was not used up"
    );
}

async fn an_idle_host_exits_at_once(site: Site) {
    let mut host = site.serve_agent("slow-echo-agent", "");
    joined(&site).await;
    let before = std::time::Instant::now();
    host.terminate();
    assert_eq!(host.exit_code().await, Some(0), "{}", host.log());
    // The grace is 30 s: it waited for nothing.
    assert!(before.elapsed().as_secs() < 15, "{:?}", before.elapsed());
    let status = site.bus.status(AGENTS.0, AGENTS.1).await.expect("status");
    assert_eq!(status.hosts, 0, "it took leave: {status:?}");
}

async fn events_that_wait_behind_a_run_are_left_for_the_next_host(site: Site) {
    let mut host = site.serve_agent("slow-echo-agent", "");
    let plan = id();
    let events: Vec<_> = (0..4)
        .map(|seq| {
            started_in(
                &plan,
                "slow-echo-agent",
                json!({ "seq": seq, "sleep_ms": 700 }),
            )
        })
        .collect();
    site.publish(&events).await;
    host.runs(id_of(&events[0])).await;
    host.terminate();
    assert_eq!(host.exit_code().await, Some(0), "{}", host.log());
    let left = site.outcomes(AGENTS).await.len();
    assert!(
        left < events.len(),
        "it went on with the lane: {}",
        host.log()
    );

    let _second = site.serve();
    for event in &events {
        let outcome = site.outcome_of(AGENTS, id_of(event)).await;
        assert_eq!(outcome.attempts(), 1);
    }
    let seqs: Vec<_> = site
        .outcomes(AGENTS)
        .await
        .iter()
        .map(|outcome| outcome.data["output_data"]["seq"].as_u64())
        .collect();
    assert_eq!(seqs, [Some(0), Some(1), Some(2), Some(3)]);
}

#[tokio::test]
async fn a_host_whose_redis_is_away_exits_on_sigterm() {
    let mut site = Site::on_redis();
    let mut host = site.serve_agent("slow-echo-agent", "");
    joined(&site).await;
    site.redis.as_mut().expect("a Redis").kill();
    host.logs(&["is not available"]).await;
    host.terminate();
    assert_eq!(host.exit_code().await, Some(0), "{}", host.log());
}

#[tokio::test]
async fn a_host_whose_redis_never_came_exits_on_sigterm() {
    let mut site = Site::on_redis();
    site.redis.as_mut().expect("a Redis").kill();
    let mut host = site.serve_agent("slow-echo-agent", "");
    host.logs(&["is not available"]).await;
    assert!(host.is_running(), "it waits for the bus: {}", host.log());
    host.terminate();
    assert_eq!(host.exit_code().await, Some(0), "{}", host.log());
}

#[tokio::test]
async fn a_host_that_runs_an_event_while_redis_is_away_exits_on_sigterm_after_its_grace() {
    let mut site = Site::on_redis();
    site.install("sleep-forever", "world = \"agent\"");
    let grace = "[host]\nshutdown_grace_ms = 100\n";
    site.configure(&format!("{grace}{}", agent("sleep-forever", "")));
    let mut host = site.serve();
    let event = started("sleep-forever", json!({}));
    site.publish(std::slice::from_ref(&event)).await;
    host.runs(id_of(&event)).await;
    site.redis.as_mut().expect("a Redis").kill();
    host.terminate();
    assert_eq!(host.exit_code().await, Some(0), "{}", host.log());
}
