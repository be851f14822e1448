//! What ships works as it is: the configuration at the repository's root, and the demo.

use std::fs;
use std::os::unix::fs::symlink;

use serde_json::Value;

use crate::process::{Host, run};
use crate::site::{AGENTS, DISCOVERIES, Group, SYNCS, Site, require_plugins, root};

on_both_buses! {
    the_bus_flag_goes_over_the_shipped_configurations_bus_for_every_verb
}

/// The sample events that the three groups of the shipped configuration take, and what becomes
/// of them.
const OUTCOMES: [(Group, &str, &str); 4] = [
    (
        SYNCS,
        "fe6f2938-e526-5b31-8825-e056c1cf3a27",
        "repo.sync.completed",
    ),
    (
        DISCOVERIES,
        "e2ebd972-dbd2-5b80-8048-fb72d20c2898",
        "discovery.completed",
    ),
    (
        AGENTS,
        "8ffa8515-2356-5d6c-bac7-1bc08400d269",
        "agent.execution.completed",
    ),
    (
        AGENTS,
        "84963f4d-724c-5e67-88a4-fa56c45beefd",
        "agent.execution.failed",
    ),
];

/// The event that only the demo's own configuration has a route for.
const RUNAWAY: &str = "15-a-handler-without-end.json";

/// The sample events' files but for that one.
fn samples() -> Vec<String> {
    let folder = fs::read_dir(root().join("demo/events")).expect("the sample events");
    let mut files: Vec<String> = folder
        .map(|entry| {
            entry
                .expect("an entry")
                .file_name()
                .into_string()
                .expect("UTF-8")
        })
        .filter(|name| name != RUNAWAY)
        .map(|name| format!("demo/events/{name}"))
        .collect();
    files.sort();
    files
}

fn publish_samples<'a>(files: &'a [String], more: &[&'a str]) -> Vec<&'a str> {
    let files = files.iter().map(String::as_str);
    ["publish"]
        .into_iter()
        .chain(files)
        .chain(more.iter().copied())
        .collect()
}

async fn check_outcomes(site: &Site) {
    for (group, event_id, kind) in OUTCOMES {
        let outcome = site.outcome_of(group, event_id).await;
        assert_eq!(outcome.kind(), kind, "{outcome:#?}");
    }
}

async fn the_bus_flag_goes_over_the_shipped_configurations_bus_for_every_verb(site: Site) {
    require_plugins();
    let root = root();
    let flag = ["--bus", site.url.as_str()];
    let files = samples();
    let published = run(&root, &publish_samples(&files, &flag), b"")
        .await
        .exits(0);
    assert_eq!(
        published.stdout.lines().count(),
        files.len(),
        "{published:#?}"
    );

    let mut host = Host::start(&root, &flag, site.folder().join("host.log"));
    check_outcomes(&site).await;

    let args = ["status", "--json", flag[0], flag[1]];
    let status = run(&root, &args, b"").await.exits(0).json();
    assert_eq!(status["bus"], site.url);
    assert_eq!(
        status["groups"].as_array().map(Vec::len),
        Some(3),
        "{status:#}"
    );
    for group in status["groups"].as_array().expect("groups") {
        assert_eq!(
            (&group["lag"], &group["pending"]),
            (&Value::from(0), &Value::from(0))
        );
        assert_eq!(group["hosts"], 1, "{group:#}");
    }
    for args in [["config", "validate"].as_slice(), &["doctor"]] {
        let answer = run(&root, &[args, &flag].concat(), b"").await.exits(0);
        assert!(!answer.stdout.is_empty(), "{answer:#?}");
    }
    host.terminate();
    assert_eq!(host.exit_code().await, Some(0), "{}", host.log());
}

/// In a folder that holds what the root holds, so that the root's own bus stays as it is.
#[tokio::test]
async fn the_shipped_configuration_works_as_it_is_without_any_flag() {
    require_plugins();
    let site = Site::at_sqlite(".hothouse/bus.db");
    let root = root();
    fs::copy(
        root.join("hothouse.toml"),
        site.folder().join("hothouse.toml"),
    )
    .expect("copy");
    for name in ["plugins", "demo"] {
        symlink(root.join(name), site.folder().join(name)).expect("link");
    }
    let files = samples();
    run(site.folder(), &publish_samples(&files, &[]), b"")
        .await
        .exits(0);
    let mut host = site.serve();
    check_outcomes(&site).await;
    run(site.folder(), &["status"], b"").await.exits(0);
    run(site.folder(), &["doctor"], b"").await.exits(0);
    host.terminate();
    assert_eq!(host.exit_code().await, Some(0), "{}", host.log());
}

#[tokio::test]
async fn the_demo_shows_a_discovery_a_handlers_verdict_and_a_limit() {
    require_plugins();
    let answer = run(&root(), &["demo", "--json"], b"").await.exits(0).json();
    let events = answer["events"].as_array().expect("events");
    assert_eq!(events.len(), 15);
    let outcomes: Vec<&Value> = events
        .iter()
        .flat_map(|event| event["outcomes"].as_array().expect("outcomes"))
        .collect();
    let failed_by = |error_type: &str| {
        let failed = outcomes
            .iter()
            .filter(|outcome| outcome["data"]["error_type"] == error_type);
        failed.count()
    };
    assert_eq!(failed_by("validation_error"), 1, "{answer:#}");
    assert_eq!(failed_by("out_of_fuel"), 1, "{answer:#}");
    let stack = outcomes
        .iter()
        .find(|outcome| outcome["type"] == "discovery.completed")
        .map(|outcome| &outcome["data"]["detected_stack"])
        .expect("a discovery");
    assert_eq!(stack["language"], "nodejs");
    assert_eq!(stack["framework"], "express");
    assert_eq!(stack["database"], "postgresql");
    assert_eq!(answer["dead_letters"], 1, "{answer:#}");
}

#[tokio::test]
async fn the_demo_tells_its_story_to_people() {
    require_plugins();
    let answer = run(&root(), &["demo"], b"").await.exits(0);
    for part in [
        "agent.execution.started",
        "backend-agent@0.1.0",
        "discovery-analyzer@0.1.0",
        "repo-sync@0.1.0",
        "error_type=validation_error",
        "out_of_fuel after 1 run",
        "15 events in, 5 outcomes out, 1 dead letter",
    ] {
        assert!(
            answer.stdout.contains(part),
            "{part} is not in {}",
            answer.stdout
        );
    }
}
