//! Agents and handlers that ship, from published events to outcomes: every field as the
//! contract has it.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::event::{event, id, id_of, started_in};
use crate::outcome::Outcome;
use crate::site::{AGENTS, Group, SYNCS, Site, require_plugins, root};

on_both_buses! {
    an_agents_outcome_has_the_contracts_fields
    a_syncs_outcome_has_the_contracts_fields
    the_inputs_correlation_id_goes_on_to_the_outcome
    a_failed_execution_has_the_contracts_fields
}

/// Configures one of the plugins that ship, and a repository that is the sample one.
pub(crate) fn configure(site: &Site, plugin: &str, route: &str) -> String {
    require_plugins();
    let repository_id = id();
    let root = root();
    let root = root.display();
    site.configure(&format!(
        r#"
        [plugins.{plugin}]
        path = "{root}/plugins/{plugin}"
        allow = {{ repository = "read" }}
        [[routes]]
        plugin = "{plugin}"
        retry_delays_ms = [1, 1, 1]
        {route}
        [repositories.table]
        "{repository_id}" = "{root}/demo/sample-repo"
        "#
    ));
    repository_id
}

fn backend(site: &Site) {
    let route = "type = \"agent.execution.started\"\nagent_type = \"backend\"";
    configure(site, "backend-agent", route);
}

fn execution(requirements: &str) -> Value {
    started_in(
        &id(),
        "backend",
        json!({ "files_to_modify": ["src/api/orders.js"], "requirements": requirements }),
    )
}

/// The envelope of the first outcome of `input` in the group, made by the plugin.
pub(crate) fn check_envelope(
    outcome: &Outcome,
    input: &Value,
    Group(_, group): Group,
    plugin: &str,
) {
    let field = |name: &str| outcome.envelope.get(name).map(String::as_str);
    let input_id = id_of(input);
    let names: Vec<&str> = outcome.envelope.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        [
            "causation_id",
            "correlation_id",
            "event_id",
            "source",
            "timestamp",
            "type",
            "version"
        ]
    );
    let namespace = Uuid::parse_str(input_id).expect("a UUID");
    let expected = Uuid::new_v5(&namespace, format!("{group}/0/0").as_bytes());
    assert_eq!(field("event_id"), Some(expected.to_string().as_str()));
    assert_eq!(field("causation_id"), Some(input_id));
    let correlation = input["correlation_id"].as_str().unwrap_or(input_id);
    assert_eq!(field("correlation_id"), Some(correlation));
    assert_eq!(
        field("source"),
        Some(format!("hothouse/{plugin}@0.1.0").as_str())
    );
    assert_eq!(field("version"), Some("1.0"));
    let timestamp = field("timestamp").expect("a timestamp");
    assert!(timestamp.ends_with('Z'), "{timestamp}");
    chrono::DateTime::parse_from_rfc3339(timestamp).expect("RFC 3339");
}

/// The object of the host's own, in every outcome of a run.
pub(crate) fn check_ours(outcome: &Outcome, Group(_, group): Group, plugin: &str) {
    let ours = &outcome.data["hothouse"];
    assert_eq!(ours["group"], group);
    assert_eq!(ours["plugin"], format!("{plugin}@0.1.0"));
    assert_eq!(ours["digest"].as_str().map(str::len), Some(64), "{ours}");
    assert!(ours["cost"]["fuel"].as_u64() > Some(0), "{ours}");
    assert!(ours["cost"]["wall_ms"].as_f64() > Some(0.0), "{ours}");
    assert!(
        ours["cost"]["peak_memory_bytes"].as_u64() > Some(0),
        "{ours}"
    );
}

async fn an_agents_outcome_has_the_contracts_fields(site: Site) {
    backend(&site);
    let _host = site.serve();
    let input = execution("Add pagination with limit/offset");
    site.publish(std::slice::from_ref(&input)).await;

    let outcome = site.outcome_of(AGENTS, id_of(&input)).await;
    assert_eq!(outcome.kind(), "agent.execution.completed");
    check_envelope(&outcome, &input, AGENTS, "backend-agent");
    check_ours(&outcome, AGENTS, "backend-agent");
    let data = &outcome.data;
    assert_eq!(
        outcome.data_fields(),
        [
            "agent_execution_id",
            "hothouse",
            "output_data",
            "token_usage"
        ]
    );
    assert_eq!(
        data["agent_execution_id"],
        input["data"]["agent_execution_id"]
    );
    assert_eq!(
        data["output_data"]["files_modified"],
        json!(["src/api/orders.js"])
    );
    assert_eq!(
        data["output_data"]["tests_generated"],
        json!(["tests/orders.test.js"])
    );
    assert!(data["output_data"]["changes_summary"].is_string(), "{data}");
    assert_eq!(
        data["token_usage"],
        json!({ "prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0 })
    );
    assert_eq!(
        data["hothouse"]["execution_plan_id"],
        input["data"]["execution_plan_id"]
    );
    assert_eq!(outcome.attempts(), 1);
}

async fn a_syncs_outcome_has_the_contracts_fields(site: Site) {
    let route = "group = \"sync-workers\"\ntype = \"repo.sync.started\"";
    let repository_id = configure(&site, "repo-sync", route);
    let _host = site.serve();
    // `files` and `changed` are no fields of the contract: they reach the plugin all the same.
    let input = event(
        "repo.sync.started",
        json!({
            "repository_id": repository_id, "sync_type": "incremental", "trigger": "webhook",
            "files": [{ "path": "a.js", "bytes": 5 }, { "path": "b.js", "bytes": 7 }],
            "changed": ["a.js"],
        }),
    );
    site.publish(std::slice::from_ref(&input)).await;

    let outcome = site.outcome_of(SYNCS, id_of(&input)).await;
    assert_eq!(outcome.kind(), "repo.sync.completed");
    check_envelope(&outcome, &input, SYNCS, "repo-sync");
    check_ours(&outcome, SYNCS, "repo-sync");
    assert_eq!(
        outcome.data_fields(),
        [
            "chunks_indexed",
            "detected_changes",
            "file_tree_hash",
            "files_processed",
            "hothouse",
            "repository_id"
        ]
    );
    assert_eq!(outcome.data["repository_id"], repository_id);
    assert_eq!(outcome.data["files_processed"], 1);
    assert_eq!(outcome.data["detected_changes"], json!(["a.js"]));
}

async fn the_inputs_correlation_id_goes_on_to_the_outcome(site: Site) {
    backend(&site);
    let _host = site.serve();
    let mut input = execution("Add pagination");
    input["correlation_id"] = json!(id());
    input["causation_id"] = json!(id());
    input["source"] = json!("planner");
    site.publish(std::slice::from_ref(&input)).await;

    let outcome = site.outcome_of(AGENTS, id_of(&input)).await;
    check_envelope(&outcome, &input, AGENTS, "backend-agent");
}

async fn a_failed_execution_has_the_contracts_fields(site: Site) {
    backend(&site);
    let _host = site.serve();
    let input = started_in(
        &id(),
        "backend",
        json!({ "files_to_modify": [], "requirements": "x" }),
    );
    site.publish(std::slice::from_ref(&input)).await;

    let outcome = site.outcome_of(AGENTS, id_of(&input)).await;
    assert_eq!(outcome.kind(), "agent.execution.failed");
    check_envelope(&outcome, &input, AGENTS, "backend-agent");
    check_ours(&outcome, AGENTS, "backend-agent");
    assert_eq!(
        outcome.data_fields(),
        [
            "agent_execution_id",
            "error_message",
            "error_type",
            "hothouse",
            "retry_count"
        ]
    );
    assert_eq!(
        outcome.data["agent_execution_id"],
        input["data"]["agent_execution_id"]
    );
    assert_eq!(outcome.error_type(), "validation_error");
    assert_eq!(outcome.data["retry_count"], 0);
}
