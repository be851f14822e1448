//! A plugin that is busy with all the runs that it may have holds up no other.

use serde_json::{Value, json};

use crate::event::{id_of, started};
use crate::harness::eventually;
use crate::process::Host;
use crate::site::{AGENTS, Site, agent};

on_both_buses! {
    a_plugin_that_is_busy_with_all_its_runs_holds_up_no_other
    what_waits_for_its_plugin_goes_back_without_an_attempt_when_the_host_stops
}

/// A host with few slots, and a plugin that never ends beside one that does.
fn configuration(concurrent_runs: u32) -> String {
    let endless = format!(
        "limits = {{ fuel = {}, timeout_ms = 3600000, concurrent_runs = {concurrent_runs} }}",
        u64::MAX >> 1
    );
    let looping = agent("loop-forever", "");
    let path = "path = \"plugins/loop-forever\"";
    format!(
        "[host]\nslots = 4\nin_flight = 32\nshutdown_grace_ms = 100\n{}{}",
        looping.replace(path, &format!("{path}\n{endless}")),
        agent("slow-echo-agent", "")
    )
}

fn install(site: &Site) {
    site.install("loop-forever", "world = \"agent\"");
    site.install("slow-echo-agent", "world = \"agent\"");
}

/// How many of the events have begun to run.
fn begun(host: &Host, events: &[Value]) -> usize {
    let log = host.log();
    let begins = |event: &&Value| {
        let of_it = |line: &str| line.contains("run begins") && line.contains(id_of(event));
        log.lines().any(of_it)
    };
    events.iter().filter(begins).count()
}

async fn a_plugin_that_is_busy_with_all_its_runs_holds_up_no_other(site: Site) {
    install(&site);
    site.configure(&configuration(2));
    let mut host = site.serve();
    // Two run, and more wait than there are slots.
    let looping: Vec<_> = (0..10)
        .map(|_| started("loop-forever", json!({})))
        .collect();
    site.publish(&looping).await;
    eventually("two of them run", async || {
        (begun(&host, &looping) == 2).then_some(())
    })
    .await;
    let good: Vec<_> = (0..20)
        .map(|seq| started("slow-echo-agent", json!({ "seq": seq })))
        .collect();
    site.publish(&good).await;
    eventually(
        "every event of the other plugin has its outcome",
        async || {
            let outcomes = site.outcomes(AGENTS).await;
            let has_one = |event| {
                outcomes
                    .iter()
                    .any(|outcome| outcome.cause() == id_of(event))
            };
            good.iter().all(has_one).then_some(())
        },
    )
    .await;
    assert_eq!(site.outcomes(AGENTS).await.len(), good.len());
    assert_eq!(begun(&host, &looping), 2, "{}", host.log());
    assert!(host.is_running(), "{}", host.log());
}

async fn what_waits_for_its_plugin_goes_back_without_an_attempt_when_the_host_stops(site: Site) {
    install(&site);
    site.configure(&configuration(1));
    let mut host = site.serve();
    let events = [(); 3].map(|()| started("loop-forever", json!({ "seq": 1 })));
    site.publish(&events[..1]).await;
    host.runs(id_of(&events[0])).await;
    site.publish(&events[1..]).await;
    eventually("the host holds all three", async || {
        let status = site.bus.status(AGENTS.0, AGENTS.1).await.expect("status");
        (status.pending == 3).then_some(())
    })
    .await;

    host.terminate();
    assert_eq!(host.exit_code().await, Some(0), "{}", host.log());
    assert!(site.outcomes(AGENTS).await.is_empty());

    // The same type goes to a plugin that ends.
    site.configure(&agent("slow-echo-agent", "").replace(
        "agent_type = \"slow-echo-agent\"",
        "agent_type = \"loop-forever\"",
    ));
    let _second = site.serve();
    for event in &events {
        let outcome = site.outcome_of(AGENTS, id_of(event)).await;
        assert_eq!(outcome.kind(), "agent.execution.completed");
        assert_eq!(outcome.attempts(), 1);
    }
}
