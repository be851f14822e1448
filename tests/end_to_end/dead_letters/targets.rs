//! Events that are sent to one version of a plugin.

use serde_json::json;

use super::{bury, listed, outcomes_of};
use crate::event::{flat, id_of, started};
use crate::process::Host;
use crate::site::{AGENTS, Site, agent, read_guest};

on_both_buses! {
    a_dead_letter_goes_to_the_version_that_it_is_sent_to
    a_version_that_is_not_configured_or_cannot_take_it_is_refused
    a_version_that_the_host_has_not_loaded_is_plugin_unavailable
}

/// Two versions of one plugin, of which the routes know the first one, and a plugin that takes
/// other events.
fn two_versions(site: &Site) -> Host {
    site.install_bytes("worker", "world = \"agent\"", read_guest("panics"));
    site.write(
        "plugins/next/plugin.toml",
        "name = \"worker\"\nversion = \"1.3.0\"\nworld = \"agent\"\n",
    );
    site.write("plugins/next/worker.wasm", read_guest("slow-echo-agent"));
    site.install("echo", "world = \"handler\"");
    site.configure(&format!(
        "{}[plugins.next]\npath = \"plugins/next\"\n[plugins.echo]\npath = \"plugins/echo\"\n",
        agent("worker", "")
    ));
    site.serve()
}

async fn a_dead_letter_goes_to_the_version_that_it_is_sent_to(site: Site) {
    let _host = two_versions(&site);
    let event = started("worker", json!({ "seq": 7 }));
    bury(&site, std::slice::from_ref(&event)).await;
    let requeue = ["dlq", "requeue", "--all", "--to", "worker@1.3.0", "--yes"];
    site.hothouse(&requeue).await.exits(0);
    let outcomes = outcomes_of(&site, id_of(&event), 2).await;
    assert_eq!(outcomes[1].kind(), "agent.execution.completed");
    assert_eq!(outcomes[1].envelope["source"], "hothouse/worker@1.3.0");
    assert!(!outcomes[1].envelope.contains_key("target_plugin"));
}

async fn a_version_that_is_not_configured_or_cannot_take_it_is_refused(site: Site) {
    let _host = two_versions(&site);
    let event = started("worker", json!({ "seq": 7 }));
    bury(&site, std::slice::from_ref(&event)).await;
    for (to, why) in [
        ("worker", "--to"),
        ("worker@2.0.0", "worker@1.3.0"),
        ("poet@1.2.3", "worker@1.2.3"),
        ("echo@1.2.3", "handler"),
    ] {
        let requeue = ["dlq", "requeue", "--all", "--to", to, "--yes"];
        let answer = site.hothouse(&requeue).await.exits(2);
        assert!(answer.stderr.contains(why), "{to}: {answer:#?}");
    }
    assert_eq!(listed(&site, &[]).await.len(), 1);
}

async fn a_version_that_the_host_has_not_loaded_is_plugin_unavailable(site: Site) {
    let _host = two_versions(&site);
    for (target, why) in [
        ("worker@2.0.0", "this host has worker@1.3.0, worker@1.2.3"),
        ("poet@1.0.0", "\"poet\""),
        ("echo@1.2.3", "handler"),
    ] {
        let event = started("worker", json!({ "seq": 7 }));
        let mut entry = flat(&event);
        entry.push("target_plugin", target);
        site.append(AGENTS, &entry).await;
        let outcome = site.outcome_of(AGENTS, id_of(&event)).await;
        assert_eq!(outcome.error_type(), "plugin_unavailable", "{outcome:#?}");
        assert_eq!(outcome.attempts(), 4, "its route's retries hold");
        let message = outcome.data["error_message"].as_str().expect("a message");
        assert!(message.contains(why), "{message}");
    }
    let event = started("worker", json!({ "seq": 7 }));
    let mut entry = flat(&event);
    entry.push("target_plugin", "the best one");
    site.append(AGENTS, &entry).await;
    let outcome = site.outcome_of(AGENTS, id_of(&event)).await;
    assert_eq!(outcome.error_type(), "malformed_event");
}
