//! One event through one plugin, and what a component is: the verbs of a plugin's author.

use std::os::unix::fs::PermissionsExt as _;

use serde_json::json;

use crate::event::{id_of, started};
use crate::process::run;
use crate::site::{Site, read_guest, require_plugins, root};

const AGENT: &str = "slow-echo-agent";

#[tokio::test]
async fn plugin_inspect_shows_a_plugin_and_exits_with_1_where_a_host_would_refuse_it() {
    require_plugins();
    let site = Site::on_sqlite();
    let args = ["plugin", "inspect", "plugins/repo-sync", "--json"];
    let good = run(&root(), &args, b"").await.exits(0).json();
    assert_eq!(good["name"], "repo-sync");
    assert_eq!(good["world"], "handler");
    assert_eq!(good["ungranted"], json!([]));
    assert!(good["size"].as_u64() > Some(0), "{good:#}");
    assert!(
        good["exports"]
            .as_array()
            .is_some_and(|exports| !exports.is_empty())
    );

    site.write("guest.wasm", read_guest("imports-backdoor"));
    let denied = site
        .hothouse(&["plugin", "inspect", "guest.wasm", "--json"])
        .await
        .exits(1);
    assert_eq!(denied.json()["ungranted"], json!(["evil:backdoor/shell"]));
    let denied = site
        .hothouse(&["plugin", "inspect", "guest.wasm"])
        .await
        .exits(1);
    assert!(
        denied.stdout.contains("evil:backdoor/shell  <- no grant"),
        "{denied:#?}"
    );

    site.write("text.wasm", "no component");
    let none = site
        .hothouse(&["plugin", "inspect", "text.wasm"])
        .await
        .exits(1);
    assert!(
        none.stderr
            .contains("text.wasm: not a WebAssembly component"),
        "{none:#?}"
    );
}

#[tokio::test]
async fn plugin_inspect_takes_the_directory_of_a_plugin_that_asks_for_http() {
    let site = Site::on_sqlite();
    let asks = "world = \"agent\"\nneeds.allowed_outbound_hosts = ['https://api.example.com:443']";
    site.install("sends-request", asks);
    let args = ["plugin", "inspect", "plugins/sends-request", "--json"];
    let shown = site.hothouse(&args).await.exits(0).json();
    assert_eq!(shown["refusals"], json!([]), "{shown:#}");
    assert_eq!(shown["ungranted"], json!([]), "{shown:#}");
    // Whose manifest does not ask is refused for what its component imports.
    site.install("sends-request", "world = \"agent\"");
    let refused = site.hothouse(&args).await.exits(1).json();
    assert_ne!(refused["refusals"], json!([]), "{refused:#}");
}

#[tokio::test]
async fn run_shows_outcome_and_cost_and_exits_with_1_where_the_event_fails() {
    let site = Site::with_agent(AGENT);
    site.install("rejects-input", "world = \"agent\"");
    let event = started(AGENT, json!({ "seq": 1 }));
    site.write("event.json", event.to_string());
    let args = ["run", "plugins/slow-echo-agent", "--event", "event.json"];
    let text = site.hothouse(&args).await.exits(0).stdout;
    assert!(
        text.contains("completed by slow-echo-agent@1.2.3"),
        "{text}"
    );

    // By its name in the configuration, and from standard input.
    let args = ["run", AGENT, "--event", "-", "--json"];
    let answer = run(site.folder(), &args, event.to_string().as_bytes())
        .await
        .exits(0)
        .json();
    assert_eq!(answer["result"], "completed");
    assert_eq!(answer["events"][0]["type"], "agent.execution.completed");
    assert_eq!(answer["events"][0]["causation_id"], id_of(&event));
    assert_eq!(answer["events"][0]["data"]["output_data"]["seq"], 1);
    for cost in ["fuel", "wall_ms", "peak_memory_bytes"] {
        assert!(
            answer["cost"][cost].as_f64() > Some(0.0),
            "{cost}: {answer:#}"
        );
    }

    let args = [
        "run",
        "plugins/rejects-input",
        "--event",
        "event.json",
        "--json",
    ];
    let failed = site.hothouse(&args).await.exits(1).json();
    assert_eq!(failed["result"], "failed");
    assert_eq!(
        failed["events"][0]["data"]["error_type"],
        "validation_error"
    );

    let args = [
        "run",
        AGENT,
        "--event",
        "event.json",
        "--fuel",
        "1000",
        "--json",
    ];
    let starved = site.hothouse(&args).await.exits(1).json();
    assert_eq!(starved["events"][0]["data"]["error_type"], "out_of_fuel");
    assert_eq!(starved["dead_letter"]["error_type"], "out_of_fuel");
}

#[tokio::test]
async fn run_writes_a_core_dump_of_a_guest_that_traps_and_a_profile_with_the_hot_function() {
    let site = Site::on_sqlite();
    for guest in ["panics", "hot-spot"] {
        site.install(guest, "world = \"agent\"");
    }
    site.write("event.json", started(AGENT, json!({})).to_string());
    let event = ["--event", "event.json", "--json"];
    // What was there, others could read.
    site.write("core.wasm", "");
    let core = ["--coredump", "core.wasm"];
    let args = [&["run", "plugins/panics"], &event[..], &core].concat();
    let failed = site.hothouse(&args).await.exits(1).json();
    assert!(!failed["frames"].as_array().expect("a list").is_empty());
    let dump = std::fs::read(site.folder().join("core.wasm")).expect("the dump");
    assert!(dump.starts_with(b"\0asm"));
    let about = std::fs::metadata(site.folder().join("core.wasm")).expect("the dump");
    assert_eq!(about.permissions().mode() & 0o777, 0o600);
    assert_eq!(failed["coredump"]["bytes"], dump.len());
    assert!(failed.get("profile").is_none(), "{failed:#}");

    let profile = ["--profile", "profile.folded"];
    let args = [&["run", "plugins/hot-spot"], &event[..], &core, &profile].concat();
    let done = site.hothouse(&args).await.exits(0).json();
    assert_eq!(done["coredump"]["path"], serde_json::Value::Null);
    assert_eq!(done["profile"]["hottest"][0]["function"], "hot_spot::hot");
    let folded = std::fs::read_to_string(site.folder().join("profile.folded"));
    assert!(folded.expect("the profile").contains(";hot_spot::hot "));
}

#[tokio::test]
async fn the_log_of_a_host_says_where_a_guest_was_when_it_trapped() {
    let site = Site::on_sqlite();
    let mut host = site.serve_agent("panics", "");
    site.publish(&[started("panics", json!({}))]).await;
    let parts = ["order 42 has no lines", "error_type=trap", "frames=", " < "];
    host.logs(&parts).await;
}

#[tokio::test]
async fn run_exits_with_2_where_it_is_asked_for_what_cannot_be() {
    let site = Site::with_agent(AGENT);
    site.write(
        "event.json",
        started(AGENT, json!({ "seq": 1 })).to_string(),
    );
    site.write("text.json", "no event");
    for args in [
        ["run", "absent", "--event", "event.json"],
        ["run", AGENT, "--event", "absent.json"],
        ["run", AGENT, "--event", "text.json"],
    ] {
        let answer = site.hothouse(&args).await.exits(2);
        assert!(answer.stderr.starts_with("error: "), "{answer:#?}");
    }
}

#[tokio::test]
async fn nothing_that_a_guest_says_commands_a_terminal() {
    let site = Site::on_sqlite();
    site.install("control-characters", "world = \"agent\"");
    site.write("event.json", started(AGENT, json!({})).to_string());
    let args = ["run", "plugins/control-characters", "--event", "event.json"];
    let answer = site.hothouse(&args).await.exits(1);
    // Its log line, its two outputs, and its message.
    let said = answer.stdout.matches("red").count() + answer.stderr.matches("red").count();
    assert!(said >= 4, "{}{}", answer.stdout, answer.stderr);
    for text in [&answer.stdout, &answer.stderr] {
        let commands = |c: char| c.is_control() && c != '\n';
        assert!(!text.contains(commands), "{text:?}");
    }
}
