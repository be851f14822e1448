//! `hothouse replay --dry-run`: what has been handled, handled again and compared.

mod selected;

use hothouse::bus::{Entry, EntryId};
use serde_json::{Value, json};

use crate::event::{event, flat, id, id_of, started};
use crate::process::Answer;
use crate::site::{AGENTS, Group, Site, agent};

on_both_buses! {
    a_dry_run_of_what_has_not_changed_finds_all_the_same_and_writes_nothing
    a_dry_run_names_what_a_changed_plugin_makes_different
    a_dry_run_on_another_plugin_leaves_the_route_as_it_is
    a_failure_after_retries_is_the_same_where_the_handler_fails_in_the_same_way
    a_handlers_events_are_compared_one_by_one_and_its_failures_by_their_dead_letters
}

const ALL: [&str; 6] = ["replay", "--from", "0-0", "--dry-run", "--json", "--strict"];

/// Agent type `any` goes to the plugin; others are there and have no route.
fn any_to(site: &Site, plugin: &str, others: &[&str]) {
    let mut config = agent(plugin, "").replace(
        &format!("agent_type = \"{plugin}\""),
        "agent_type = \"any\"",
    );
    site.install(plugin, "world = \"agent\"");
    for other in others {
        site.install(other, "world = \"agent\"");
        config = format!("[plugins.{other}]\npath = \"plugins/{other}\"\n{config}");
    }
    site.configure(&config);
}

/// Handles what there is and ends.
async fn handle(site: &Site, group: Group) {
    let mut host = site.serve();
    site.settled(group).await;
    host.terminate();
    assert_eq!(host.exit_code().await, Some(0), "{}", host.log());
}

async fn entries(site: &Site) -> Vec<Entry> {
    let read = site.bus.read(AGENTS.0, EntryId::ZERO, 10_000);
    read.await.expect("read")
}

/// What is found of each event, in stream order.
fn findings(answer: &Answer) -> Vec<(String, String)> {
    let answer = answer.json();
    let events = answer["events"].as_array().expect("events");
    let text = |event: &Value, name: &str| event[name].as_str().expect("a text").to_owned();
    events
        .iter()
        .map(|event| (text(event, "event_id"), text(event, "finding")))
        .collect()
}

fn paths(answer: &Value, event: usize) -> Vec<&str> {
    let found = &answer["events"][event]["differences"];
    let found = found.as_array().expect("differences").iter();
    found
        .map(|one| one["path"].as_str().expect("a path"))
        .collect()
}

async fn a_dry_run_of_what_has_not_changed_finds_all_the_same_and_writes_nothing(site: Site) {
    any_to(&site, "slow-echo-agent", &[]);
    let events: Vec<Value> = (0..5)
        .map(|seq| started("any", json!({ "seq": seq })))
        .collect();
    site.publish(&events).await;
    handle(&site, AGENTS).await;
    let before = (
        entries(&site).await,
        site.bus.status(AGENTS.0, AGENTS.1).await.expect("status"),
    );

    let answer = site.hothouse(&ALL).await.exits(0);
    let expected = events
        .iter()
        .map(|event| (id_of(event).to_owned(), "same".to_owned()));
    assert_eq!(findings(&answer), expected.collect::<Vec<_>>());
    let first = &answer.json()["events"][0];
    assert_eq!(first["plugin"], "slow-echo-agent@1.2.3");
    assert_eq!(first["now"]["events"][0]["data"]["output_data"]["seq"], 0);
    assert_eq!(
        first["now"]["cost"]["fuel"],
        first["recorded"]["cost"]["fuel"]
    );

    let text = site
        .hothouse(&["replay", "--from", "1h", "--dry-run", "--jobs", "1"])
        .await
        .exits(0);
    assert!(text.stdout.contains("5 the same, 0 different"), "{text:#?}");
    let after = (
        entries(&site).await,
        site.bus.status(AGENTS.0, AGENTS.1).await.expect("status"),
    );
    assert_eq!(after, before);
}

async fn a_dry_run_names_what_a_changed_plugin_makes_different(site: Site) {
    any_to(&site, "slow-echo-agent", &[]);
    let input = json!({ "seq": 7, "succeed_on_attempt": 1 });
    site.publish(&[started("any", input)]).await;
    handle(&site, AGENTS).await;

    any_to(&site, "asks-for-retry", &[]);
    let answer = site.hothouse(&ALL[..5]).await.exits(1).json();
    assert_eq!(answer["different"], 1, "{answer:#}");
    assert_eq!(
        paths(&answer, 0),
        ["data.output_data.attempt", "data.output_data.seq"],
        "{answer:#}"
    );
    let [added, removed] = [0, 1].map(|n| &answer["events"][0]["differences"][n]);
    assert_eq!((&added["now"], added.get("recorded")), (&json!(1), None));
    assert_eq!(
        (&removed["recorded"], removed.get("now")),
        (&json!(7), None)
    );
    let text = site.hothouse(&ALL[..4]).await.exits(1).stdout;
    assert!(
        text.contains("data.output_data.seq: 7 -> nothing"),
        "{text}"
    );

    // Another type of event: a handler that refuses what it took before.
    any_to(&site, "rejects-input", &[]);
    let answer = site.hothouse(&ALL[..5]).await.exits(1).json();
    assert!(paths(&answer, 0).contains(&"type"), "{answer:#}");
    assert!(paths(&answer, 0).contains(&"data.error_type"), "{answer:#}");
}

async fn a_dry_run_on_another_plugin_leaves_the_route_as_it_is(site: Site) {
    any_to(&site, "slow-echo-agent", &["rejects-input"]);
    site.publish(&[started("any", json!({ "seq": 7 }))]).await;
    handle(&site, AGENTS).await;
    let on = async |plugin: &str| {
        site.hothouse(&[&ALL[..5], &["--to", plugin]].concat())
            .await
    };
    let other = on("rejects-input@1.2.3").await.exits(1).json();
    assert_eq!(
        other["events"][0]["plugin"], "rejects-input@1.2.3",
        "{other:#}"
    );
    on("slow-echo-agent@1.2.3").await.exits(0);
    for plugin in ["rejects-input@1.2.4", "nobody@1.0.0", "rejects-input"] {
        let answer = on(plugin).await.exits(2);
        assert!(answer.stderr.contains(plugin), "{answer:#?}");
    }
}

async fn a_failure_after_retries_is_the_same_where_the_handler_fails_in_the_same_way(site: Site) {
    any_to(&site, "asks-for-retry", &[]);
    let never = started("any", json!({}));
    let third = started("any", json!({ "succeed_on_attempt": 3 }));
    site.publish(&[never.clone(), third]).await;
    handle(&site, AGENTS).await;
    assert_eq!(site.outcome_of(AGENTS, id_of(&never)).await.attempts(), 4);

    let answer = site.hothouse(&ALL).await.exits(0).json();
    assert_eq!(answer["same"], 2, "{answer:#}");
    // The handler is told the attempt that its recorded outcome is of.
    assert_eq!(answer["events"][0]["attempt"], 4);
    assert_eq!(answer["events"][1]["attempt"], 3);
    let failed = &answer["events"][0]["now"]["events"][0];
    assert_eq!(failed["type"], "agent.execution.failed");
    assert_eq!(failed["data"]["retry_count"], 3);
}

async fn a_handlers_events_are_compared_one_by_one_and_its_failures_by_their_dead_letters(
    site: Site,
) {
    const MERGES: Group = Group("pr-events", "pr-workers");
    let configure = |emits: &str| {
        site.install("echo", &format!("world = \"handler\"\nemits = [{emits}]\n"));
        site.configure(
            "[plugins.echo]\npath = \"plugins/echo\"\n[[routes]]\ngroup = \"pr-workers\"\n\
             type = \"pr.created\"\nplugin = \"echo\"\nretry_delays_ms = []\n",
        );
    };
    let merged = || {
        let data = json!({ "pull_request_id": id(), "merge_commit_sha": "a", "merged_by": id() });
        json!({ "type": "pr.merged", "data": data })
    };
    let created = |emit: Value| {
        let data = json!({
            "pull_request_id": id(), "repository_id": id(), "agent_execution_id": id(),
            "title": "t", "branch_name": "b", "pr_number": 1, "url": "u", "emit": emit,
        });
        event("pr.created", data)
    };
    configure("\"pr.merged\"");
    let wrong = json!({ "type": "pr.merged", "data": {} });
    let events = [json!([merged(), merged()]), json!([]), json!([wrong])].map(created);
    for event in &events {
        site.append(MERGES, &flat(event)).await;
    }
    handle(&site, MERGES).await;
    assert_eq!(
        site.dead_letters(MERGES).await.len(),
        1,
        "the one with what is no event"
    );

    let answer = site.hothouse(&ALL).await.exits(0).json();
    assert_eq!(answer["same"], 3, "{answer:#}");
    assert_eq!(
        answer["events"][0]["now"]["events"]
            .as_array()
            .map(Vec::len),
        Some(2)
    );
    // It may emit nothing any more: what it put out becomes a dead letter.
    configure("\"repo.sync.completed\"");
    let answer = site.hothouse(&ALL[..5]).await.exits(1).json();
    assert_eq!(
        (&answer["same"], &answer["different"]),
        (&json!(1), &json!(2)),
        "{answer:#}"
    );
    assert_eq!(paths(&answer, 0)[0], "events[0].data", "{answer:#}");
    assert_eq!(
        paths(&answer, 2),
        ["dead_letter.error_message"],
        "{answer:#}"
    );
}

#[tokio::test]
async fn a_dry_run_writes_nothing_at_all_to_redis() {
    let site = Site::on_redis();
    any_to(&site, "slow-echo-agent", &[]);
    site.publish(&[started("any", json!({ "seq": 1 }))]).await;
    handle(&site, AGENTS).await;
    let server = site.redis.as_ref().expect("a Redis");
    let client = redis::Client::open(server.url()).expect("a URL");
    let mut connection = client
        .get_multiplexed_async_connection()
        .await
        .expect("connect");
    let mut writes = async || {
        let info = redis::cmd("INFO").arg("persistence").to_owned();
        let info: redis::InfoDict = info.query_async(&mut connection).await.expect("INFO");
        info.get::<u64>("rdb_changes_since_last_save")
            .expect("a count")
    };
    let before = writes().await;
    assert!(before > 0);
    site.hothouse(&ALL).await.exits(0);
    assert_eq!(writes().await, before);
}
