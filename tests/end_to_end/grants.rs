//! What plugins ask for, what operators allow, and what guests then have.

use std::os::unix::fs::symlink;

use serde_json::{Value, json};

use crate::event::{event, id, id_of, started};
use crate::outcome::Outcome;
use crate::site::{AGENTS, SYNCS, Site, agent};

const AGENT: &str = "uses-grants";
const SECRET: &str = "hunter2-is-my-secret";

/// A site with the agent, what it asks for and what it is allowed.
fn granting(needs: &str, allow: &str) -> Site {
    let site = Site::on_sqlite();
    site.install(AGENT, &format!("world = \"agent\"\n[needs]\n{needs}"));
    let allow = format!("[plugins.{AGENT}.allow]\n{allow}\n");
    site.configure(&(agent(AGENT, "") + &allow));
    site
}

/// What becomes of one event.
async fn outcome(site: &Site, input: Value) -> Outcome {
    let event = started(AGENT, input);
    site.publish(std::slice::from_ref(&event)).await;
    site.outcome_of(AGENTS, id_of(&event)).await
}

fn message(outcome: &Outcome) -> &str {
    outcome.data["error_message"].as_str().expect("a message")
}

#[tokio::test]
async fn a_guest_has_what_is_asked_for_and_allowed_and_nothing_else() {
    let site = granting(
        "env = ['LOG_LEVEL']\nsecrets = ['API_TOKEN']",
        "env = { LOG_LEVEL = 'info', OTHER = 'x' }\nsecrets = { API_TOKEN = { file = 'token' } }",
    );
    site.write("token", format!("{SECRET}\n"));
    let host = site.serve();
    let input = json!({ "show": ["LOG_LEVEL", "OTHER", "PATH"] });
    let outcome = outcome(&site, input).await;
    let output = &outcome.data["output_data"];
    assert_eq!(
        output["shown"],
        json!({ "LOG_LEVEL": "info", "OTHER": null, "PATH": null })
    );
    let lengths = json!({ "LOG_LEVEL": 4, "API_TOKEN": SECRET.len() });
    assert_eq!(output["lengths"], lengths);
    assert!(!host.log().contains(SECRET), "{}", host.log());
    let told = site.hothouse(&["plugin", "inspect", AGENT]).await.exits(0);
    assert!(!told.stdout.contains(SECRET), "{told:#?}");
}

#[tokio::test]
async fn what_is_asked_for_and_not_allowed_refuses_the_plugin_and_each_is_named() {
    let site = granting(
        "repository = 'write'\nenv = ['LOG_LEVEL']\nsecrets = ['API_TOKEN']\n\
         directories = { '/cache' = 'write' }\n\
         allowed_outbound_hosts = ['https://api.example.com:443']",
        "repository = 'read'\nenv = { LOG_LEVEL = 'info' }",
    );
    let host = site.serve();
    let outcome = outcome(&site, json!({})).await;
    assert_eq!(outcome.error_type(), "capability_denied");
    for part in [
        "repository (write)",
        "secret API_TOKEN",
        "directory /cache (write)",
        "outbound host https://api.example.com:443",
        "[plugins.uses-grants.allow]",
        "secrets.API_TOKEN = { env = \"API_TOKEN\" }",
    ] {
        assert!(message(&outcome).contains(part), "{part}: {outcome:#?}");
    }
    assert!(!message(&outcome).contains("LOG_LEVEL"), "{outcome:#?}");
    drop(host);

    let told = site
        .hothouse(&["plugin", "inspect", AGENT, "--json"])
        .await
        .exits(1)
        .json();
    let row = |name: &str| {
        let rows = told["grants"].as_array().expect("rows").iter();
        let found = rows.clone().find(|row| row["grant"] == name);
        found.unwrap_or_else(|| panic!("{name}: {told:#}")).clone()
    };
    let repository = row("repository");
    assert_eq!(repository["asked"], "write");
    assert_eq!(repository["allowed"], "read");
    assert_eq!(repository["granted"], Value::Null);
    assert_eq!(row("env LOG_LEVEL")["state"], "granted");
    assert_eq!(row("directory /cache")["state"], "missing");
    assert_eq!(told["refusals"].as_array().map(Vec::len), Some(1));

    // Every reason at once.
    site.write(&format!("plugins/{AGENT}/{AGENT}.wasm"), "no component");
    let told = site.hothouse(&["plugin", "inspect", AGENT]).await.exits(1);
    for part in ["secret API_TOKEN", "not a WebAssembly component"] {
        assert!(told.stderr.contains(part), "{part}: {told:#?}");
    }
}

#[tokio::test]
async fn a_secret_that_is_not_there_refuses_the_plugin_by_its_name() {
    let site = granting(
        "secrets = ['API_TOKEN']",
        "secrets = { API_TOKEN = { env = 'NO_SUCH_VARIABLE' } }",
    );
    let _host = site.serve();
    let outcome = outcome(&site, json!({})).await;
    assert_eq!(outcome.error_type(), "plugin_unavailable");
    let expected = "secret API_TOKEN: the host's environment has no variable NO_SUCH_VARIABLE";
    assert!(message(&outcome).contains(expected), "{outcome:#?}");
    site.hothouse(&["config", "validate"]).await.exits(2);
}

#[tokio::test]
async fn a_directory_to_write_to_keeps_what_runs_write_and_one_to_read_refuses_it() {
    let site = granting(
        "directories = { '/cache' = 'write', '/data' = 'read' }",
        "directories = { '/cache' = { path = 'cache', access = 'write' }, \
         '/data' = { path = 'data', access = 'write' } }",
    );
    site.write("cache/kept", "0");
    site.write("data/kept", "data");
    let _host = site.serve();
    for expected in ["01", "011"] {
        let input = json!({ "append": ["/cache/kept", "1"], "read": "/cache/kept" });
        let outcome = outcome(&site, input).await;
        assert_eq!(outcome.data["output_data"]["read"], expected);
    }
    let kept = std::fs::read_to_string(site.folder().join("cache/kept"));
    assert_eq!(kept.expect("the file"), "011");

    // It asks to read alone, whatever it is allowed.
    let read = outcome(&site, json!({ "read": "/data/kept" })).await;
    assert_eq!(read.data["output_data"]["read"], "data");
    let written = outcome(&site, json!({ "append": ["/data/kept", "1"] })).await;
    assert_eq!(written.error_type(), "permanent_error");
    let outside = outcome(&site, json!({ "read": "/cache/../token" })).await;
    assert_eq!(outside.error_type(), "permanent_error");
}

#[tokio::test]
async fn a_link_that_turns_up_in_a_mounts_path_is_not_followed() {
    let site = granting(
        "directories = { '/inner' = 'read' }",
        "directories = { '/inner' = { path = 'outer/inner', access = 'read' } }",
    );
    site.write("outer/inner/file", "inside");
    site.write("secrets/file", "outside");
    let _host = site.serve();
    let input = json!({ "read": "/inner/file" });
    let before = outcome(&site, input.clone()).await;
    assert_eq!(before.data["output_data"]["read"], "inside");

    // As a guest could that may write to `outer`.
    let inner = site.folder().join("outer/inner");
    std::fs::remove_dir_all(&inner).expect("remove it");
    symlink(site.folder().join("secrets"), &inner).expect("a link");
    let after = outcome(&site, input).await;
    assert_eq!(after.error_type(), "host_error", "{after:#?}");
}

#[tokio::test]
async fn a_plugin_of_any_world_gets_the_repository_that_its_event_names() {
    let site = Site::on_sqlite();
    let handler = "lists-repository";
    site.install(
        handler,
        "world = \"handler\"\nemits = ['repo.sync.completed']\n[needs]\nrepository = 'read'",
    );
    site.install(AGENT, "world = \"agent\"\n[needs]\nrepository = 'read'");
    let route = format!(
        "[plugins.{handler}]\npath = 'plugins/{handler}'\nallow.repository = 'read'\n\
         [[routes]]\ntype = 'repo.sync.started'\ngroup = 'sync-workers'\nplugin = '{handler}'\n\
         retry_delays_ms = []\n[plugins.{AGENT}.allow]\nrepository = 'read'\n\
         [repositories]\npath = 'repositories/{{repository_id}}'\n"
    );
    site.configure(&(agent(AGENT, "retry_delays_ms = []") + &route));
    let repository = id();
    site.write(&format!("repositories/{repository}/main.rs"), "hello");
    let _host = site.serve();

    let sync = |repository: &str| {
        let data = json!({ "repository_id": repository, "sync_type": "full", "trigger": "manual" });
        event("repo.sync.started", data)
    };
    let synced = sync(&repository);
    site.publish(std::slice::from_ref(&synced)).await;
    let outcome = site.outcome_of(SYNCS, id_of(&synced)).await;
    assert_eq!(outcome.data["detected_changes"], json!(["main.rs"]));

    // The contract does not name the field here, and it counts all the same.
    let mut execution = started(AGENT, json!({ "read": "/repo/main.rs" }));
    execution["data"]["repository_id"] = json!(repository);
    let mut wrong = started(AGENT, json!({}));
    wrong["data"]["repository_id"] = json!("main");
    site.publish(&[execution.clone(), wrong.clone()]).await;
    let read = site.outcome_of(AGENTS, id_of(&execution)).await;
    assert_eq!(read.data["output_data"]["read"], "hello");
    let refused = site.outcome_of(AGENTS, id_of(&wrong)).await;
    assert_eq!(refused.error_type(), "malformed_event");

    // Somebody put a link in the place of a repository.
    let linked = id();
    symlink("/etc", site.folder().join(format!("repositories/{linked}"))).expect("a link");
    let synced = sync(&linked);
    site.publish(std::slice::from_ref(&synced)).await;
    site.settled(SYNCS).await;
    let letters = site.dead_letters(SYNCS).await;
    assert_eq!(letters.len(), 1, "{letters:#?}");
    assert_eq!(letters[0].error_type(), "capability_denied");
    assert!(letters[0].message().contains(&linked), "{letters:#?}");
}

#[tokio::test]
async fn run_gives_a_directorys_plugin_what_its_flags_name_and_refuses_the_rest() {
    let site = Site::on_sqlite();
    site.install(
        AGENT,
        "world = \"agent\"\n[needs]\nenv = ['LOG_LEVEL']\nsecrets = ['API_TOKEN']\n\
         directories = { '/cache' = 'write' }",
    );
    site.write("cache/kept", "0");
    let input = json!({ "show": ["LOG_LEVEL"], "append": ["/cache/kept", "1"],
                        "read": "/cache/kept" });
    site.write("event.json", started(AGENT, input).to_string());
    let bare = [
        "run",
        "plugins/uses-grants",
        "--event",
        "event.json",
        "--json",
    ];
    let refused = site.hothouse(&bare).await.exits(1);
    assert!(refused.stderr.contains("secret API_TOKEN"), "{refused:#?}");

    let flags = [
        "--env",
        "LOG_LEVEL=debug",
        "--env",
        "API_TOKEN=abc",
        "--mount",
        "/cache=cache",
    ];
    let read_only = site.hothouse(&[&bare[..], &flags[..]].concat()).await;
    let refused = read_only.exits(1);
    assert!(
        refused.stderr.contains("directory /cache (write)"),
        "{refused:#?}"
    );
    let args = [&bare[..], &flags[..], &["--writable"]].concat();
    let done = site.hothouse(&args).await.exits(0).json();
    let output = &done["events"][0]["data"]["output_data"];
    assert_eq!(output["shown"]["LOG_LEVEL"], "debug");
    assert_eq!(output["lengths"]["API_TOKEN"], 3);
    assert_eq!(output["read"], "01");
}
