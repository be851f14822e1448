//! `hothouse replay --dry-run`: what has been handled, handled again and compared.

use hothouse::bus::{Entry, EntryId};
use serde_json::{Value, json};

use crate::event::{event, flat, id, id_of, started, started_in};
use crate::process::Answer;
use crate::site::{AGENTS, Group, Site, agent};

on_both_buses! {
    a_dry_run_of_what_has_not_changed_finds_all_the_same_and_writes_nothing
    a_dry_run_names_what_a_changed_plugin_makes_different
    a_dry_run_on_another_plugin_leaves_the_route_as_it_is
    a_failure_after_retries_is_the_same_where_the_handler_fails_in_the_same_way
    an_event_without_a_recorded_outcome_is_named
    a_handlers_events_are_compared_one_by_one_and_its_failures_by_their_dead_letters
    the_arguments_select_and_all_of_them_must_hold
    an_event_that_was_requeued_is_compared_once_with_its_latest_outcome
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

async fn an_event_without_a_recorded_outcome_is_named(site: Site) {
    any_to(&site, "slow-echo-agent", &[]);
    let handled = started("any", json!({ "seq": 1 }));
    site.publish(std::slice::from_ref(&handled)).await;
    handle(&site, AGENTS).await;
    let new = started("any", json!({ "seq": 2 }));
    site.publish(std::slice::from_ref(&new)).await;
    let mut malformed = started("any", json!({}));
    malformed["data"]["phase_number"] = json!("one");
    site.append_event(AGENTS, &malformed).await;

    let answer = site.hothouse(&ALL).await.exits(1);
    let expected = [(&handled, "same"), (&new, "not_recorded")];
    let expected = expected.map(|(event, finding)| (id_of(event).to_owned(), finding.to_owned()));
    assert_eq!(findings(&answer), expected);
    assert_eq!(answer.json()["unreadable"], 1);
    let text = site.hothouse(&ALL[..4]).await.exits(1).stdout;
    let line = text.lines().find(|line| line.contains(id_of(&new)));
    assert!(
        line.is_some_and(|line| line.starts_with("not recorded")),
        "{text}"
    );
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

async fn the_arguments_select_and_all_of_them_must_hold(site: Site) {
    any_to(&site, "slow-echo-agent", &[]);
    let (lane, correlation) = (id(), id());
    let mut events: Vec<Value> = (0..4)
        .map(|seq| started_in(&lane, "any", json!({ "seq": seq })))
        .collect();
    events[1]["correlation_id"] = json!(correlation);
    events.push(started("any", json!({ "seq": 4 })));
    let mut ids = Vec::new();
    for event in &events {
        let published = site.bus.publish(AGENTS.0, vec![flat(event)]).await;
        ids.push(published.expect("publish")[0].to_string());
    }
    let (first, second) = (id_of(&events[0]), id_of(&events[1]));
    let cases: [(&[&str], &[usize]); 10] = [
        (&["--from", "0-0"], &[0, 1, 2, 3, 4]),
        (&["--from", &ids[1], "--until", &ids[3]], &[1, 2, 3]),
        (&["--from", &ids[1], "--limit", "2"], &[1, 2]),
        (&["--from", "1h", "--aggregate", &lane], &[0, 1, 2, 3]),
        (&["--correlation-id", &correlation], &[1]),
        (&["--correlation-id", first], &[0]),
        (
            &["--event-id", second, "--type", "agent.execution.started"],
            &[1],
        ),
        (&["--event-id", second, "--aggregate", first], &[]),
        (&["--until", "1h"], &[]),
        (
            &[
                "--from",
                "2024-01-16T20:01:00Z",
                "--until",
                "2099-01-01T00:00:00Z",
            ],
            &[0, 1, 2, 3, 4],
        ),
    ];
    for (args, expected) in cases {
        let line = [&["replay", "--dry-run", "--json"], args].concat();
        let answer = site.hothouse(&line).await;
        let answer = answer.exits(i32::from(!expected.is_empty()));
        let found = findings(&answer).into_iter().map(|(id, _)| id);
        let expected = expected.iter().map(|n| id_of(&events[*n]).to_owned());
        assert_eq!(
            found.collect::<Vec<_>>(),
            expected.collect::<Vec<_>>(),
            "{args:?}"
        );
    }
}

async fn an_event_that_was_requeued_is_compared_once_with_its_latest_outcome(site: Site) {
    any_to(&site, "loop-forever", &["slow-echo-agent"]);
    let event = started("any", json!({ "seq": 3 }));
    site.publish(std::slice::from_ref(&event)).await;
    handle(&site, AGENTS).await;
    let letters = site.bus.dead_letters(AGENTS.0, AGENTS.1, EntryId::ZERO, 10);
    let letter = letters.await.expect("dead letters").remove(0).id;
    let config = hothouse::config::Config::load(&site.folder().join("hothouse.toml"), None);
    let subscription = hothouse::subscriptions(&config.expect("config")).remove(0);
    let requeued = site.bus.requeue(&subscription, &[letter], None).await;
    assert_eq!(requeued.expect("requeue").len(), 1);
    any_to(&site, "slow-echo-agent", &[]);
    handle(&site, AGENTS).await;

    let answer = site.hothouse(&ALL).await.exits(0);
    assert_eq!(
        findings(&answer),
        [(id_of(&event).to_owned(), "same".to_owned())]
    );
    let recorded = &answer.json()["events"][0]["recorded"]["events"][0];
    assert_eq!(
        recorded["type"], "agent.execution.completed",
        "{recorded:#}"
    );
}
