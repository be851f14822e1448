//! `publish` and `status` as a user meets them, and what all verbs have in common.

use hothouse::failure::ErrorType;
use serde_json::{Value, json};

use crate::event::{id_of, lines, started};
use crate::process::run;
use crate::site::{AGENTS, Site, agent, root};

on_both_buses! {
    publish_takes_json_lines_and_tells_where_each_event_went
    publish_names_each_wrong_line_and_publishes_nothing_then
    status_shows_lag_pending_and_plugins
}

const AGENT: &str = "slow-echo-agent";

fn configured(site: &Site) {
    site.install(AGENT, "world = \"agent\"");
    site.configure(&agent(AGENT, ""));
}

fn good() -> Value {
    started(AGENT, json!({ "seq": 1 }))
}

async fn on_stream(site: &Site) -> usize {
    let after = hothouse::bus::EntryId::ZERO;
    site.bus
        .read(AGENTS.0, after, 1_000)
        .await
        .expect("read")
        .len()
}

async fn publish_takes_json_lines_and_tells_where_each_event_went(site: Site) {
    configured(&site);
    let events = [good(), good()];
    let input = lines(&events);
    let answer = run(site.folder(), &["publish", "-", "--json"], &input)
        .await
        .exits(0)
        .json();
    let published = answer.as_array().expect("a list");
    assert_eq!(published.len(), 2, "{answer:#}");
    for (told, event) in published.iter().zip(&events) {
        assert_eq!(told["event_id"], id_of(event));
        assert_eq!(told["type"], "agent.execution.started");
        assert_eq!(told["stream"], "execution-events");
        assert!(
            told["entry_id"].as_str().is_some_and(|id| id.contains('-')),
            "{told}"
        );
    }
    // The same from a file, for people.
    site.write(
        "one.json",
        serde_json::to_string_pretty(&good()).expect("JSON"),
    );
    let told = site.hothouse(&["publish", "one.json"]).await.exits(0);
    assert!(told.stdout.contains("agent.execution.started"), "{told:#?}");
    assert_eq!(on_stream(&site).await, 3);
}

async fn publish_names_each_wrong_line_and_publishes_nothing_then(site: Site) {
    configured(&site);
    let mut wrong = good();
    wrong["data"]["phase_number"] = json!("one");
    let mut unknown = good();
    unknown["type"] = json!("agent.execution.begun");
    let input = lines(&[good(), wrong, good(), unknown]);
    let answer = run(site.folder(), &["publish", "-"], &input).await.exits(1);
    let told: Vec<&str> = answer.stdout.lines().collect();
    assert_eq!(told.len(), 3, "{answer:#?}");
    assert!(told[0].contains("line 2: data.phase_number"), "{answer:#?}");
    assert!(
        told[1].contains("line 4: type: \"agent.execution.begun\""),
        "{answer:#?}"
    );
    assert!(told[2].contains("nothing was published"), "{answer:#?}");

    let answer = run(site.folder(), &["publish", "-", "--json"], &input)
        .await
        .exits(1)
        .json();
    assert_eq!(
        answer["refused"].as_array().map(Vec::len),
        Some(2),
        "{answer:#}"
    );

    let list = format!("[{}]", good());
    let answer = run(site.folder(), &["publish", "-"], list.as_bytes())
        .await
        .exits(1);
    let why = "line 1: expected an event as one JSON object";
    assert!(answer.stdout.contains(why), "{answer:#?}");
    assert_eq!(on_stream(&site).await, 0);
}

async fn status_shows_lag_pending_and_plugins(site: Site) {
    configured(&site);
    let status = async || {
        let answer = site.hothouse(&["status", "--json"]).await.exits(0).json();
        assert_eq!(answer["plugins"][0]["name"], AGENT, "{answer:#}");
        assert_eq!(answer["plugins"][0]["version"], "1.2.3");
        assert_eq!(
            answer["plugins"][0]["digest"].as_str().map(str::len),
            Some(64)
        );
        answer["groups"][0].clone()
    };
    let before = status().await;
    assert_eq!(before["group"], "agent-workers");
    assert_eq!(before["exists"], false, "{before:#}");

    // A killed host's entry stays pending, and what came after it is lag.
    let mut host = site.serve();
    let slow = started(AGENT, json!({ "seq": 1, "sleep_ms": 25_000 }));
    site.publish(std::slice::from_ref(&slow)).await;
    host.runs(id_of(&slow)).await;
    host.kill();
    site.publish(&[good(), good()]).await;
    let killed = status().await;
    assert_eq!(killed["exists"], true);
    assert_eq!(killed["pending"], 1, "{killed:#}");
    assert_eq!(killed["lag"], 2, "{killed:#}");
    assert_eq!(killed["lanes"], 1, "{killed:#}");

    let text = site.hothouse(&["status"]).await.exits(0).stdout;
    assert!(text.contains("slow-echo-agent@1.2.3"), "{text}");
    assert!(text.contains("agent-workers"), "{text}");

    // What the configuration calls a plugin is its own affair: `--to` takes the manifest's name.
    let renamed = agent(AGENT, "")
        .replace("[plugins.slow-echo-agent]", "[plugins.other]")
        .replace("plugin = \"slow-echo-agent\"", "plugin = \"other\"");
    site.configure(&renamed);
    let text = site.hothouse(&["status"]).await.exits(0).stdout;
    assert!(text.contains("slow-echo-agent@1.2.3"), "{text}");
}

#[tokio::test]
async fn a_bus_in_memory_is_refused_by_verbs_that_look_at_another_process() {
    let site = Site::on_sqlite();
    configured(&site);
    for verb in [
        ["status", "--bus", "memory:"].as_slice(),
        &["publish", "-", "--bus", "memory:"],
    ] {
        let answer = run(site.folder(), verb, &lines(&[good()])).await.exits(2);
        assert!(answer.stderr.contains("memory:"), "{answer:#?}");
    }
}

#[tokio::test]
async fn an_error_is_json_where_json_is_asked_for() {
    let site = Site::on_sqlite();
    configured(&site);
    let verb = ["status", "--bus", "memory:", "--json"];
    let answer = run(site.folder(), &verb, b"").await.exits(2);
    let error: Value = serde_json::from_str(&answer.stderr).expect("JSON");
    let text = error["error"].as_str().expect("a text");
    assert!(text.contains("memory:"), "{answer:#?}");

    for (wrong, why) in [
        (
            ["lane", "list", "--state=odd"].as_slice(),
            "invalid value 'odd'",
        ),
        (&["dlq", "purge", "--all"], "--reason <TEXT>"),
        (&["dlq"], "requires a subcommand"),
    ] {
        let verb = [wrong, &["--json"]].concat();
        let answer = run(site.folder(), &verb, b"").await.exits(2);
        let error: Value = serde_json::from_str(&answer.stderr).expect("JSON");
        let text = error["error"].as_str().expect("a text");
        assert!(text.contains(why), "{answer:#?}");
        assert!(!text.starts_with("error: "), "{answer:#?}");
    }
}

#[tokio::test]
async fn every_verb_has_help_with_examples() {
    let folder = root();
    for verb in [
        ["serve"].as_slice(),
        &["run"],
        &["publish"],
        &["replay"],
        &["trim"],
        &["plugin", "inspect"],
        &["lane", "list"],
        &["lane", "show"],
        &["lane", "release"],
        &["lane", "retry-now"],
        &["lane", "skip"],
        &["dlq", "list"],
        &["dlq", "show"],
        &["dlq", "requeue"],
        &["dlq", "purge"],
        &["status"],
        &["config", "validate"],
        &["doctor"],
        &["explain"],
        &["demo"],
    ] {
        let help = run(&folder, &[verb, &["--help"]].concat(), b"")
            .await
            .exits(0)
            .stdout;
        let example = format!("hothouse {}", verb.join(" "));
        let examples = help.split("Examples:").nth(1).unwrap_or_default();
        assert!(examples.contains(&example), "{example}: {help}");
        assert!(help.contains("--json"), "{help}");
        // Links of the docstrings' own are for rustdoc.
        assert!(!help.contains("[`"), "{help}");
        // What the verb does is told in more than one line: the next is of the usage.
        let lines = help.lines().filter(|line| !line.is_empty());
        let told = lines.take_while(|line| !line.starts_with("Usage:")).count();
        assert!(told > 1, "{help}");
    }
    let help = run(&folder, &["--help"], b"").await.exits(0).stdout;
    assert!(help.contains("Exit codes:"), "{help}");
}

#[tokio::test]
async fn the_version_names_the_wasmtime_that_runs_guests() {
    let answer = run(&root(), &["--version"], b"").await.exits(0);
    let shown = format!("(wasmtime {})", hothouse::sandbox::WASMTIME_VERSION);
    assert!(answer.stdout.contains(&shown), "{answer:?}");
}

#[tokio::test]
async fn every_error_type_is_explained() {
    let folder = root();
    let list = run(&folder, &["explain", "--json"], b"").await.exits(0);
    let list = list.json();
    let all = list.as_array().expect("a list");
    assert_eq!(all.len(), ErrorType::ALL.len());
    for one in all {
        let name = one["error_type"].as_str().expect("a name");
        let page = run(&folder, &["explain", name], b"").await.exits(0).stdout;
        assert!(page.starts_with(&format!("# {name}\n")), "{page}");
        let retried = one["retried"].as_bool().expect("whether it is retried");
        assert_eq!(page.contains("It is retried"), retried, "{page}");
    }
    let unknown = run(&folder, &["explain", "bad_luck"], b"").await.exits(2);
    assert!(unknown.stderr.contains("out_of_fuel"), "{unknown:#?}");
}

#[tokio::test]
async fn a_command_line_that_is_wrong_exits_with_2() {
    let site = Site::on_sqlite();
    for args in [
        ["juggle"].as_slice(),
        &["serve"],
        &["serve", "--config", "absent.toml"],
        &["status", "--bus", "postgres://x"],
        &["publish", "absent.json", "--bus", "sqlite:bus.db"],
    ] {
        let answer = site.hothouse(args).await.exits(2);
        assert!(answer.stderr.starts_with("error: "), "{answer:#?}");
    }
}

#[tokio::test]
async fn without_a_configuration_the_error_says_how_to_name_one() {
    let site = Site::on_sqlite();
    let answer = site.hothouse(&["serve"]).await.exits(2);
    assert!(answer.stderr.contains("hothouse.toml"), "{answer:#?}");
    assert!(answer.stderr.contains("--config FILE"), "{answer:#?}");
}

#[tokio::test]
async fn a_sqlite_bus_that_cannot_be_opened_exits_with_3_and_says_why() {
    let site = Site::on_sqlite();
    configured(&site);
    site.write(
        "text.db",
        "this is no database, and long enough to be looked at as one",
    );
    for args in [["status", "--bus"], ["serve", "--bus"]] {
        let args = [args.as_slice(), &["sqlite:text.db"]].concat();
        let answer = site.hothouse(&args).await.exits(3);
        let why = "error: the bus at sqlite:text.db cannot be used: ";
        assert!(answer.stderr.contains(why), "{answer:#?}");
    }
}
