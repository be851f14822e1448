//! `hothouse trim`, and hosts that trim by themselves.

use hothouse::bus::EntryId;
use serde_json::{Value, json};

use crate::event::{id_of, started};
use crate::harness::eventually;
use crate::site::{AGENTS, Group, Site, agent};

on_both_buses! {
    trim_shows_what_would_go_and_removes_it_with_yes
    trim_leaves_what_a_group_of_the_configuration_has_still_to_do
    a_host_trims_by_itself_what_its_groups_have_finished
}

const AGENT: &str = "slow-echo-agent";
const AUDITORS: Group = Group("execution-events", "auditors");

async fn length(site: &Site) -> usize {
    let entries = site.bus.read(AGENTS.0, EntryId::ZERO, 1_000).await;
    entries.expect("read").len()
}

fn events(count: usize) -> Vec<Value> {
    let events = (0..count).map(|seq| started(AGENT, json!({ "seq": seq })));
    events.collect()
}

async fn trim(site: &Site, args: &[&str]) -> Value {
    let args = [&["trim", "--json"], args].concat();
    site.hothouse(&args).await.exits(0).json()
}

async fn trim_shows_what_would_go_and_removes_it_with_yes(site: Site) {
    let mut host = site.serve_agent(AGENT, "");
    let events = events(3);
    site.publish(&events).await;
    for event in &events {
        site.outcome_of(AGENTS, id_of(event)).await;
    }
    host.terminate();
    assert_eq!(host.exit_code().await, Some(0));
    assert_eq!(length(&site).await, 6);

    let young = trim(&site, &["--older-than", "1h", "--yes"]).await;
    assert_eq!(young["streams"][0]["removed"], 0, "{young:#}");
    for flags in [&["--keep", "2"][..], &["--keep", "2", "--yes", "--dry-run"]] {
        let shown = trim(&site, flags).await;
        assert_eq!(shown["done"], false, "{shown:#}");
        assert_eq!(shown["streams"][0]["stream"], "execution-events");
        assert_eq!(shown["streams"][0]["removed"], 4, "{shown:#}");
    }
    assert_eq!(length(&site).await, 6);
    let told = site.hothouse(&["trim", "--keep", "2"]).await.exits(0);
    assert!(told.stdout.contains("--yes"), "{told:#?}");
    let unbounded = site.hothouse(&["trim", "--yes"]).await.exits(2);
    for bound in ["--older-than", "--keep"] {
        assert!(unbounded.stderr.contains(bound), "{unbounded:#?}");
    }

    let done = trim(&site, &["--keep", "2", "--yes"]).await;
    assert_eq!(
        (&done["done"], &done["streams"][0]["removed"]),
        (&json!(true), &json!(4))
    );
    assert_eq!(length(&site).await, 2);
    // Nobody has looked at the streams of other types.
    let other = trim(&site, &["--keep", "0", "--yes", "--stream", "pr-events"]).await;
    assert_eq!(other["streams"][0]["removed"], 0, "{other:#}");
    assert_eq!(length(&site).await, 2);

    site.hothouse(&["trim"]).await.exits(2);
    let wrong = ["trim", "--keep", "1", "--stream", "no-events"];
    site.hothouse(&wrong).await.exits(2);
}

async fn trim_leaves_what_a_group_of_the_configuration_has_still_to_do(site: Site) {
    site.install("sleep-forever", "world = \"agent\"");
    site.install(AGENT, "world = \"agent\"");
    let auditors = "[[routes]]\ntype = \"agent.execution.started\"\ngroup = \"auditors\"\n\
                    plugin = \"sleep-forever\"\n[plugins.sleep-forever]\n\
                    path = \"plugins/sleep-forever\"\n";
    site.configure(&agent(AGENT, ""));
    let mut host = site.serve();
    let event = started(AGENT, json!({ "seq": 1 }));
    site.publish(std::slice::from_ref(&event)).await;
    site.outcome_of(AGENTS, id_of(&event)).await;
    host.terminate();
    assert_eq!(host.exit_code().await, Some(0));

    site.configure(&agent(AGENT, auditors));
    let missing = trim(&site, &["--keep", "0", "--yes"]).await;
    let held = &missing["streams"][0]["held_back_by"];
    assert_eq!(held, &json!({ "missing": "auditors" }), "{missing:#}");
    let mut host = site.serve();
    // The auditors alone have still to run it.
    host.runs(id_of(&event)).await;
    let busy = trim(&site, &["--keep", "0", "--yes"]).await;
    let held = &busy["streams"][0]["held_back_by"];
    assert_eq!(held, &json!({ "group": "auditors" }), "{busy:#}");
    assert_eq!(length(&site).await, 2);
    let status = site.bus.status(AUDITORS.0, AUDITORS.1).await;
    assert_eq!(status.expect("status").pending, 1);
}

async fn a_host_trims_by_itself_what_its_groups_have_finished(site: Site) {
    site.install(AGENT, "world = \"agent\"");
    site.configure(&format!(
        "[trim]\nkeep = 1\nevery_s = 1\n{}",
        agent(AGENT, "")
    ));
    let mut host = site.serve();
    site.publish(&events(3)).await;
    host.logs(&["trimmed", "execution-events"]).await;
    eventually("one entry is left", async || {
        (length(&site).await == 1).then_some(())
    })
    .await;
    site.settled(AGENTS).await;
    assert!(site.dead_letters(AGENTS).await.is_empty());
    host.terminate();
    assert_eq!(host.exit_code().await, Some(0), "{}", host.log());
}
