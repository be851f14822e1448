//! `kill -9` or a hang in mid-run: the lease runs out, and another host takes over.

use serde_json::json;

use crate::event::{flat, id_of, started};
use crate::site::{AGENTS, Site, agent};

on_both_buses! {
    a_killed_hosts_event_is_finished_once_by_the_next_host
    an_event_that_kills_every_host_ends_as_a_dead_letter
    the_neighbours_of_an_event_that_kills_hosts_end_well
    events_that_waited_for_a_slot_in_a_killed_host_keep_their_attempts
    a_host_that_wakes_after_its_lease_commits_nothing_and_goes_on
}

const SHORT_LEASE: &str = "[host]\nlease_ms = 1000\n";

/// A configuration that sends agent type `any` to the plugin.
fn any_to(plugin: &str) -> String {
    let route = agent(plugin, "");
    let any = route.replace(
        &format!("agent_type = \"{plugin}\""),
        "agent_type = \"any\"",
    );
    format!("{SHORT_LEASE}{any}")
}

async fn a_killed_hosts_event_is_finished_once_by_the_next_host(site: Site) {
    site.install("sleep-forever", "world = \"agent\"");
    site.install("slow-echo-agent", "world = \"agent\"");
    site.configure(&any_to("sleep-forever"));
    let mut first = site.serve();
    let event = started("any", json!({ "seq": 7 }));
    site.publish(std::slice::from_ref(&event)).await;
    first.runs(id_of(&event)).await;
    first.kill();

    site.configure(&any_to("slow-echo-agent"));
    let _second = site.serve();
    let outcome = site.outcome_of(AGENTS, id_of(&event)).await;
    assert_eq!(outcome.kind(), "agent.execution.completed");
    assert_eq!(outcome.data["output_data"]["seq"], 7);
    assert_eq!(outcome.attempts(), 2, "a crash uses up its attempt");
}

async fn an_event_that_kills_every_host_ends_as_a_dead_letter(site: Site) {
    site.install("sleep-forever", "world = \"agent\"");
    site.configure(&any_to("sleep-forever"));
    let event = started("any", json!({}));
    site.append_event(AGENTS, &event).await;
    for _ in 0..4 {
        let mut host = site.serve();
        host.runs(id_of(&event)).await;
        host.kill();
    }

    let _fifth = site.serve();
    let outcome = site.outcome_of(AGENTS, id_of(&event)).await;
    assert_eq!(outcome.error_type(), "host_error");
    assert_eq!(outcome.data["retry_count"], 3);
    assert_eq!(outcome.attempts(), 4);
    let letters = site.dead_letters(AGENTS).await;
    assert_eq!(letters.len(), 1, "{letters:#?}");
    assert_eq!(letters[0].error_type(), "host_error");
    assert_eq!(letters[0].attempts(), 4);
    assert_eq!(letters[0].original, flat(&event));
    let history = letters[0].said["history"].as_array().expect("a history");
    let lost: Vec<_> = history.iter().map(|run| run["lost"].as_str()).collect();
    let in_company = Some("in_company");
    assert_eq!(lost, [in_company, in_company, in_company, Some("alone")]);
}

async fn the_neighbours_of_an_event_that_kills_hosts_end_well(site: Site) {
    site.install("sleep-forever", "world = \"agent\"");
    site.install("slow-echo-agent", "world = \"agent\"");
    let killer = started("killer", json!({}));
    let neighbours: Vec<_> = (0..3)
        .map(|seq| started("any", json!({ "seq": seq })))
        .collect();
    let killer_route = agent("sleep-forever", "")
        .replace("agent_type = \"sleep-forever\"", "agent_type = \"killer\"");
    let route = |plugin: &str| {
        format!(
            "[[routes]]\ntype = \"agent.execution.started\"\nagent_type = \"any\"\n\
             plugin = \"{plugin}\"\n[plugins.slow-echo-agent]\npath = \"plugins/slow-echo-agent\"\n"
        )
    };
    site.configure(&format!(
        "{SHORT_LEASE}{killer_route}{}",
        route("sleep-forever")
    ));
    site.append_event(AGENTS, &killer).await;
    for neighbour in &neighbours {
        site.append_event(AGENTS, neighbour).await;
    }
    // Three times all of them run when the host dies.
    for _ in 0..3 {
        let mut host = site.serve();
        host.runs(id_of(&killer)).await;
        for neighbour in &neighbours {
            host.runs(id_of(neighbour)).await;
        }
        host.kill();
    }
    // The fourth time each runs alone.
    site.configure(&format!(
        "{SHORT_LEASE}{killer_route}{}",
        route("slow-echo-agent")
    ));
    let mut fourth = site.serve();
    fourth.runs(id_of(&killer)).await;
    fourth.kill();

    let _fifth = site.serve();
    for neighbour in &neighbours {
        let outcome = site.outcome_of(AGENTS, id_of(neighbour)).await;
        assert_eq!(outcome.kind(), "agent.execution.completed");
    }
    site.settled(AGENTS).await;
    let letters = site.dead_letters(AGENTS).await;
    assert_eq!(letters.len(), 1, "{letters:#?}");
    assert_eq!(letters[0].original, flat(&killer));
    assert_eq!(letters[0].attempts(), 4);
}

async fn events_that_waited_for_a_slot_in_a_killed_host_keep_their_attempts(site: Site) {
    site.install("sleep-forever", "world = \"agent\"");
    site.install("slow-echo-agent", "world = \"agent\"");
    let routes = format!(
        "[host]\nlease_ms = 1000\nslots = 1\n{}{}",
        agent("sleep-forever", ""),
        agent("slow-echo-agent", "")
    );
    site.configure(&routes);
    let killer = started("sleep-forever", json!({}));
    let neighbours: Vec<_> = (0..10)
        .map(|seq| started("slow-echo-agent", json!({ "seq": seq })))
        .collect();
    site.append_event(AGENTS, &killer).await;
    for neighbour in &neighbours {
        site.append_event(AGENTS, neighbour).await;
    }
    for _ in 0..4 {
        let mut host = site.serve();
        host.runs(id_of(&killer)).await;
        host.kill();
    }

    let _fifth = site.serve();
    for neighbour in &neighbours {
        let outcome = site.outcome_of(AGENTS, id_of(neighbour)).await;
        assert_eq!(outcome.kind(), "agent.execution.completed");
        assert_eq!(outcome.attempts(), 1);
    }
    site.settled(AGENTS).await;
    let letters = site.dead_letters(AGENTS).await;
    assert_eq!(letters.len(), 1, "{letters:#?}");
    assert_eq!(letters[0].original, flat(&killer));
}

async fn a_host_that_wakes_after_its_lease_commits_nothing_and_goes_on(site: Site) {
    site.install("slow-echo-agent", "world = \"agent\"");
    site.configure(&any_to("slow-echo-agent"));
    let mut first = site.serve();
    let event = started("any", json!({ "seq": 1, "sleep_ms": 2000 }));
    site.publish(std::slice::from_ref(&event)).await;
    first.runs(id_of(&event)).await;
    first.signal("STOP");

    let mut second = site.serve();
    let outcome = site.outcome_of(AGENTS, id_of(&event)).await;
    assert_eq!(outcome.attempts(), 2);
    second.terminate();
    assert_eq!(second.exit_code().await, Some(0), "{}", second.log());

    first.signal("CONT");
    // Of its run, or of handing it back, whichever comes first.
    first.logs(&["nothing more was changed"]).await;
    let next = started("any", json!({ "seq": 2 }));
    site.publish(std::slice::from_ref(&next)).await;
    assert_eq!(site.outcome_of(AGENTS, id_of(&next)).await.attempts(), 1);
    // It has committed everything when it has ended.
    first.terminate();
    assert_eq!(first.exit_code().await, Some(0), "{}", first.log());
    let outcomes = site.outcomes(AGENTS).await;
    let causes: Vec<&str> = outcomes.iter().map(|outcome| outcome.cause()).collect();
    assert_eq!(causes, [id_of(&event), id_of(&next)]);
}
