//! The hosts of a group share their routes.

use serde_json::{Value, json};

use crate::event::{id_of, started};
use crate::site::{AGENTS, Site, agent};

on_both_buses! {
    a_host_with_other_routes_is_refused_and_says_what_differs
    hosts_with_the_same_routes_share_a_group
    after_a_kill_a_host_with_other_routes_waits_for_the_lease_and_serves
}

const AGENT: &str = "slow-echo-agent";

fn configure(site: &Site, more: &str) {
    let route = agent(AGENT, more);
    site.configure(&format!("[host]\nlease_ms = 1000\n{route}"));
}

async fn a_host_with_other_routes_is_refused_and_says_what_differs(site: Site) {
    site.install(AGENT, "world = \"agent\"");
    configure(&site, "retry_delays_ms = [1]");
    let mut first = site.serve();
    first.logs(&["serving"]).await;
    site.settled(AGENTS).await;

    configure(&site, "retry_delays_ms = [2]");
    let refused = site.hothouse(&["serve"]).await.exits(2);
    for part in [
        "agent-workers",
        "\"retry_delays_ms\":[1]",
        "\"retry_delays_ms\":[2]",
        "stop those",
    ] {
        assert!(refused.stderr.contains(part), "{part}: {refused:#?}");
    }
    let doctor = site.hothouse(&["doctor", "--json"]).await.exits(0).json();
    let checks = doctor.as_array().expect("checks");
    let is_told = |check: &Value| {
        let message = check["message"].as_str().unwrap_or_default();
        check["finding"] == "advice" && message.contains("other routes")
    };
    assert!(checks.iter().any(is_told), "{doctor:#}");

    // The first one is none the worse for it.
    let event = started(AGENT, json!({ "seq": 1 }));
    site.publish(std::slice::from_ref(&event)).await;
    site.outcome_of(AGENTS, id_of(&event)).await;
    first.terminate();
    assert_eq!(first.exit_code().await, Some(0));
    let mut second = site.serve();
    let event = started(AGENT, json!({ "seq": 2 }));
    site.publish(std::slice::from_ref(&event)).await;
    site.outcome_of(AGENTS, id_of(&event)).await;
    assert!(!second.log().contains("other routes"), "{}", second.log());
    second.terminate();
    assert_eq!(second.exit_code().await, Some(0));
}

async fn hosts_with_the_same_routes_share_a_group(site: Site) {
    site.install(AGENT, "world = \"agent\"");
    configure(&site, "retry_on = [\"trap\", \"timeout\"]");
    let _first = site.serve();
    site.settled(AGENTS).await;
    // The same, written in another way, on a host with settings of its own.
    let route = agent(AGENT, "retry_on = [\"timeout\", \"trap\"]");
    site.configure(&format!("[host]\nlease_ms = 2000\nname = \"b\"\n{route}"));
    let mut second = site.serve();
    crate::harness::eventually("two hosts", async || {
        let status = site.bus.status(AGENTS.0, AGENTS.1).await.expect("status");
        (status.hosts == 2).then_some(())
    })
    .await;
    second.terminate();
    assert_eq!(second.exit_code().await, Some(0), "{}", second.log());
}

async fn after_a_kill_a_host_with_other_routes_waits_for_the_lease_and_serves(site: Site) {
    site.install(AGENT, "world = \"agent\"");
    configure(&site, "retry_delays_ms = [1]");
    let mut first = site.serve();
    site.settled(AGENTS).await;
    first.kill();
    configure(&site, "retry_delays_ms = [2]");
    let mut second = site.serve();
    second.logs(&["waiting", "other routes"]).await;
    let event = started(AGENT, json!({ "seq": 1 }));
    site.publish(std::slice::from_ref(&event)).await;
    site.outcome_of(AGENTS, id_of(&event)).await;
}
