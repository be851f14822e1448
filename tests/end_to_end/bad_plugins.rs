//! Plugins that cannot be used: their events fail with what is wrong, and the host serves the
//! other plugins.

use serde_json::json;

use crate::event::{id_of, started};
use crate::outcome::{DeadLetter, Outcome};
use crate::site::{AGENTS, Site, agent};

on_both_buses! {
    a_component_that_is_none_is_plugin_unavailable
    a_plugin_whose_directory_is_missing_is_plugin_unavailable
    a_core_module_is_no_component
    an_import_that_nobody_grants_is_capability_denied_at_once_and_named
    a_component_of_another_world_is_refused
}

/// Configures the broken plugin beside one that is whole, sends each an event, and gives what
/// became of the broken one's.
async fn served(site: &Site, broken: &str) -> (Outcome, DeadLetter) {
    site.install("slow-echo-agent", "world = \"agent\"");
    site.configure(&format!(
        "{}{}",
        agent(broken, ""),
        agent("slow-echo-agent", "")
    ));
    let mut host = site.serve();
    let bad = started(broken, json!({ "seq": 1 }));
    let good = started("slow-echo-agent", json!({ "seq": 2 }));
    site.publish(&[bad.clone(), good.clone()]).await;
    let outcome = site.outcome_of(AGENTS, id_of(&good)).await;
    assert_eq!(outcome.kind(), "agent.execution.completed");

    let failed = site.outcome_of(AGENTS, id_of(&bad)).await;
    let mut letters = site.dead_letters(AGENTS).await;
    assert_eq!(letters.len(), 1, "{letters:#?}");
    assert_eq!(
        failed.data["error_message"],
        letters[0].said["error_message"]
    );
    assert!(host.is_running(), "{}", host.log());
    (failed, letters.remove(0))
}

/// The plugin may be on its way: it is retried.
fn check_unavailable((failed, letter): (Outcome, DeadLetter), why: &str) {
    assert_eq!(failed.error_type(), "plugin_unavailable");
    assert_eq!(failed.data["retry_count"], 3);
    assert_eq!(letter.error_type(), "plugin_unavailable");
    assert_eq!(letter.attempts(), 4);
    assert!(letter.message().contains(why), "{}", letter.message());
}

async fn a_component_that_is_none_is_plugin_unavailable(site: Site) {
    site.install_bytes("broken", "world = \"agent\"", "#!/bin/sh\n");
    check_unavailable(served(&site, "broken").await, "broken.wasm");
}

async fn a_plugin_whose_directory_is_missing_is_plugin_unavailable(site: Site) {
    check_unavailable(served(&site, "absent").await, "absent/plugin.toml");
}

async fn a_core_module_is_no_component(site: Site) {
    site.install_bytes("module", "world = \"agent\"", b"\0asm\x01\0\0\0");
    check_unavailable(served(&site, "module").await, "component");
}

async fn an_import_that_nobody_grants_is_capability_denied_at_once_and_named(site: Site) {
    site.install("imports-backdoor", "world = \"agent\"");
    let (failed, letter) = served(&site, "imports-backdoor").await;
    assert_eq!(failed.error_type(), "capability_denied");
    assert_eq!(failed.data["retry_count"], 0);
    assert_eq!(letter.error_type(), "capability_denied");
    assert_eq!(letter.attempts(), 1);
    assert!(
        letter.message().contains("evil:backdoor/shell"),
        "{}",
        letter.message()
    );
}

async fn a_component_of_another_world_is_refused(site: Site) {
    site.install("echo", "world = \"agent\"");
    let (failed, letter) = served(&site, "echo").await;
    assert_eq!(failed.kind(), "agent.execution.failed");
    assert_eq!(letter.said["error_type"], failed.data["error_type"]);
    assert!(letter.message().contains("world"), "{}", letter.message());
}
