//! `hothouse replay` for real: new events for old ones, each once.

mod interrupted;

use std::collections::BTreeMap;

use hothouse::bus::{Entry, EntryId};
use hothouse::event::Id;
use serde_json::{Value, json};

use crate::event::{flat, id, id_of, started, started_in};
use crate::outcome::sequences;
use crate::process::Host;
use crate::site::{AGENTS, Site, agent};

on_both_buses! {
    a_replayed_event_is_new_linked_to_the_old_one_and_has_an_outcome_of_its_own
    a_replay_goes_to_the_plugin_that_it_names
    a_replay_beside_a_live_group_keeps_order_and_every_outcome
    a_replay_of_a_replay_leaves_out_what_was_replayed
    nothing_is_appended_without_a_yes
    what_cannot_be_replayed_is_refused_with_what_to_do
}

const AGENT: &str = "slow-echo-agent";

fn configured(site: &Site) {
    site.install(AGENT, "world = \"agent\"");
    site.configure(&agent(AGENT, ""));
}

fn events(count: usize) -> Vec<Value> {
    let lanes: Vec<String> = (0..3).map(|_| id()).collect();
    (0..count)
        .map(|seq| started_in(&lanes[seq % lanes.len()], AGENT, json!({ "seq": seq })))
        .collect()
}

/// Appends them and gives the entries' ids.
async fn append(site: &Site, events: &[Value]) -> Vec<EntryId> {
    let entries = events.iter().map(flat).collect();
    site.bus.publish(AGENTS.0, entries).await.expect("publish")
}

/// What replays have appended, in stream order.
async fn replayed(site: &Site) -> Vec<Entry> {
    let read = site.bus.read(AGENTS.0, EntryId::ZERO, 10_000);
    let mut entries = read.await.expect("read");
    entries.retain(|entry| entry.fields.get("replay_of").is_some());
    entries
}

fn field<'a>(entry: &'a Entry, name: &str) -> &'a str {
    let value = entry.fields.get(name).unwrap_or_default();
    std::str::from_utf8(value).expect("UTF-8")
}

async fn replayed_ids(site: &Site) -> Vec<String> {
    let replayed = replayed(site).await;
    replayed
        .iter()
        .map(|entry| field(entry, "replay_of").to_owned())
        .collect()
}

/// The run that is listed last.
async fn last_run(site: &Site) -> Value {
    let listed = site
        .hothouse(&["replay", "--list", "--json"])
        .await
        .exits(0)
        .json();
    listed
        .as_array()
        .and_then(|runs| runs.last())
        .expect("a run")
        .clone()
}

fn texts(ids: &[EntryId]) -> Vec<String> {
    ids.iter().map(ToString::to_string).collect()
}

async fn a_replayed_event_is_new_linked_to_the_old_one_and_has_an_outcome_of_its_own(site: Site) {
    configured(&site);
    let _host = site.serve();
    let mut old = started(AGENT, json!({ "seq": 7 }));
    old["data"]["extra"] = json!({ "kept": [1.5] });
    old["tenant"] = json!("acme");
    let correlation = id();
    old["correlation_id"] = json!(correlation);
    let entry = append(&site, std::slice::from_ref(&old)).await[0];
    let first = site.outcome_of(AGENTS, id_of(&old)).await;

    let line = ["replay", "--event-id", id_of(&old), "--yes", "--json"];
    let answer = site.hothouse(&line).await.exits(0).json();
    assert_eq!(answer["finished"], true, "{answer:#}");
    assert_eq!(
        (&answer["selected"], &answer["appended"]),
        (&json!(1), &json!(1))
    );
    let new = replayed(&site).await.remove(0);
    let run: Id = answer["run"]
        .as_str()
        .expect("a run")
        .parse()
        .expect("an id");
    let expected = [
        ("event_id", run.derive(&entry.to_string()).to_string()),
        ("type", "agent.execution.started".to_owned()),
        ("causation_id", id_of(&old).to_owned()),
        ("correlation_id", correlation.clone()),
        ("source", "hothouse/replay".to_owned()),
        ("data", old["data"].to_string()),
        ("tenant", "acme".to_owned()),
        ("target_group", "agent-workers".to_owned()),
        ("replay_of", entry.to_string()),
        ("replay_run", run.to_string()),
    ];
    for (name, value) in expected {
        assert_eq!(field(&new, name), value, "{name}");
    }
    let second = site.outcome_of(AGENTS, field(&new, "event_id")).await;
    assert_eq!(second.data["output_data"], first.data["output_data"]);
    assert_eq!(second.envelope["correlation_id"], correlation);
    assert_ne!(second.envelope["event_id"], first.envelope["event_id"]);
    assert_eq!(site.outcomes(AGENTS).await.len(), 2);
}

async fn a_replay_goes_to_the_plugin_that_it_names(site: Site) {
    for guest in [AGENT, "rejects-input"] {
        site.install(guest, "world = \"agent\"");
    }
    site.configure(&[agent(AGENT, ""), agent("rejects-input", "")].concat());
    let _host = site.serve();
    let old = started(AGENT, json!({ "seq": 7 }));
    append(&site, std::slice::from_ref(&old)).await;
    site.outcome_of(AGENTS, id_of(&old)).await;

    let to = "rejects-input@1.2.3";
    let line = ["replay", "--event-id", id_of(&old), "--yes", "--to", to];
    site.hothouse(&line).await.exits(0);
    let new = replayed(&site).await.remove(0);
    assert_eq!(field(&new, "target_plugin"), to);
    let outcome = site.outcome_of(AGENTS, field(&new, "event_id")).await;
    assert_eq!(outcome.error_type(), "validation_error");
    assert_eq!(outcome.data["hothouse"]["plugin"], to);
    assert_eq!(last_run(&site).await["to"], to);
}

async fn a_replay_beside_a_live_group_keeps_order_and_every_outcome(site: Site) {
    configured(&site);
    let mut host: Host = site.serve();
    let old = events(30);
    append(&site, &old).await;
    site.settled(AGENTS).await;

    let lanes: Vec<&str> = old[..3].iter().map(lane).collect();
    let line = ["replay", "--from", "0-0", "--yes", "--rate", "100"];
    let mut replay = site.start(&line);
    replay.logs(&["0 of 30 events"]).await;
    for seq in 30..60 {
        let event = started_in(
            lanes[seq % 3],
            AGENT,
            json!({ "seq": seq, "sleep_ms": seq % 4 }),
        );
        append(&site, &[event]).await;
    }
    assert_eq!(replay.exit_code().await, Some(0), "{}", replay.log());
    site.settled(AGENTS).await;
    assert!(host.is_running(), "{}", host.log());

    // In each lane outcomes come in the order of their causes on the stream.
    let mut expected: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    let read = site.bus.read(AGENTS.0, EntryId::ZERO, 10_000);
    for entry in read.await.expect("read") {
        if field(&entry, "type") == "agent.execution.started" {
            let data: Value = serde_json::from_str(field(&entry, "data")).expect("JSON");
            let plan = data["execution_plan_id"]
                .as_str()
                .expect("a plan")
                .to_owned();
            let seq = data["input_data"]["seq"].as_u64().expect("a number");
            expected.entry(plan).or_default().push(seq);
        }
    }
    let outcomes = site.outcomes(AGENTS).await;
    assert_eq!(outcomes.len(), 90);
    for (lane, seqs) in sequences(&outcomes) {
        assert_eq!(seqs, expected[lane], "lane {lane}");
    }
    let status = site.bus.status(AGENTS.0, AGENTS.1).await.expect("status");
    assert_eq!(
        (status.duplicates, status.dead_letters),
        (0, 0),
        "{status:?}"
    );
}

fn lane(event: &Value) -> &str {
    event["data"]["execution_plan_id"].as_str().expect("a plan")
}

async fn a_replay_of_a_replay_leaves_out_what_was_replayed(site: Site) {
    configured(&site);
    let all = events(4);
    let ids = texts(&append(&site, &[&all[..], &all[..1]].concat()).await);
    for times in 1..=2 {
        let line = [
            "replay", "--from", "0-0", "--limit", "3", "--yes", "--rate", "0",
        ];
        site.hothouse(&line).await.exits(0);
        // The first event stands on the stream twice and is replayed once.
        let expected = std::iter::repeat_n(&ids[..3], times).flatten();
        assert!(
            replayed_ids(&site).await.iter().eq(expected),
            "the {times}. time"
        );
    }
    let new = replayed(&site).await.remove(0);
    let line = ["replay", "--event-id", field(&new, "event_id"), "--yes"];
    site.hothouse(&line).await.exits(0);
    assert_eq!(replayed_ids(&site).await.last(), Some(&new.id.to_string()));
}

async fn nothing_is_appended_without_a_yes(site: Site) {
    configured(&site);
    append(&site, &events(3)).await;
    let answer = site.hothouse(&["replay", "--from", "0-0"]).await.exits(2);
    assert!(answer.stderr.contains("add --yes"), "{answer:#?}");
    assert_eq!(replayed(&site).await, []);
    let answer = site
        .hothouse(&["replay", "--until", "1h", "--yes"])
        .await
        .exits(0);
    assert!(answer.stdout.contains("nothing to replay"), "{answer:#?}");
    let listed = site
        .hothouse(&["replay", "--list", "--json"])
        .await
        .exits(0)
        .json();
    assert_eq!(listed, json!([]));
}

async fn what_cannot_be_replayed_is_refused_with_what_to_do(site: Site) {
    site.install(AGENT, "world = \"agent\"");
    let second = agent(AGENT, "group = \"others\"").replace("[plugins", "[ignored");
    let second = second.split_once("[[routes]]").expect("a route").1;
    site.configure(&format!("{}[[routes]]{second}", agent(AGENT, "")));
    append(&site, &events(1)).await;
    let nobody = id();
    let cases: [(&[&str], &str); 7] = [
        (
            &["--from", "0-0", "--yes"],
            "--group others --stream execution-events",
        ),
        (&["--group", "others", "--yes"], "--from 0-0 is all"),
        (
            &["--group", "nobody", "--from", "0-0", "--yes"],
            "--group agent-workers",
        ),
        (&["--group", "others", "--from", "soon"], "2h"),
        (
            &[
                "--group", "others", "--from", "0-0", "--yes", "--to", "a@1.0.0",
            ],
            "slow-echo-agent@1.2.3",
        ),
        (&["--resume", &nobody], "replay --list"),
        (&["--resume", &nobody, "--from", "0-0"], "--from"),
    ];
    for (args, why) in cases {
        let answer = site
            .hothouse(&[&["replay", "--rate", "0"], args].concat())
            .await
            .exits(2);
        assert!(answer.stderr.contains(why), "{args:?}: {answer:#?}");
    }
    assert_eq!(replayed(&site).await, []);
}
