//! `hothouse dlq`: dead letters as an operator meets them.

mod purging;
mod refusals;
mod targets;

use hothouse::event::Id;
use serde_json::{Value, json};

use crate::event::{flat, id_of, started};
use crate::harness::eventually;
use crate::outcome::Outcome;
use crate::process::Host;
use crate::site::{AGENTS, Site, agent, read_guest};

on_both_buses! {
    a_mended_plugin_gets_its_dead_letters_once
    a_filter_chooses_what_is_requeued_and_the_rest_stays
    a_dead_letter_is_shown_with_its_event_and_every_attempt
    a_list_says_where_it_ends_and_what_to_do
    a_malformed_event_fails_again_as_the_next_generation
}

const WORKER: &str = "worker";

/// A site with one agent that panics, and one that uses up its fuel.
fn failing(site: &Site) -> Host {
    site.install_bytes(WORKER, "world = \"agent\"", read_guest("panics"));
    site.install(
        "loop-forever",
        "world = \"agent\"\n[limits]\nfuel = 5_000_000\n",
    );
    site.configure(&format!(
        "{}{}",
        agent(WORKER, ""),
        agent("loop-forever", "")
    ));
    site.serve()
}

/// The same, with the plugin that panicked replaced by one that does not.
async fn mended(site: &Site, mut host: Host) -> Host {
    host.terminate();
    assert_eq!(host.exit_code().await, Some(0), "{}", host.log());
    site.install_bytes(WORKER, "world = \"agent\"", read_guest("slow-echo-agent"));
    site.serve()
}

/// Publishes events and waits until so many dead letters are there and all is done.
async fn bury(site: &Site, events: &[Value]) {
    let before = site.dead_letters(AGENTS).await.len();
    site.publish(events).await;
    eventually("the dead letters", async || {
        (site.dead_letters(AGENTS).await.len() == before + events.len()).then_some(())
    })
    .await;
    site.settled(AGENTS).await;
}

/// The outcomes of an event, once there are so many.
async fn outcomes_of(site: &Site, event_id: &str, count: usize) -> Vec<Outcome> {
    let outcomes = eventually(&format!("{count} outcomes of {event_id}"), async || {
        let mut outcomes = site.outcomes(AGENTS).await;
        outcomes.retain(|outcome| outcome.cause() == event_id);
        (outcomes.len() >= count).then_some(outcomes)
    })
    .await;
    site.settled(AGENTS).await;
    assert_eq!(outcomes.len(), count, "{outcomes:#?}");
    outcomes
}

/// The id that an event's only outcome has in a generation.
fn outcome_id(event_id: &str, generation: u32) -> String {
    let event_id: Id = event_id.parse().expect("an id");
    event_id
        .derive(&format!("agent-workers/{generation}/0"))
        .to_string()
}

async fn listed(site: &Site, filters: &[&str]) -> Vec<Value> {
    let args = [&["dlq", "list", "--json"], filters].concat();
    let answer = site.hothouse(&args).await.exits(0).json();
    let letters = answer["dead_letters"].as_array().expect("a list");
    letters.clone()
}

async fn a_mended_plugin_gets_its_dead_letters_once(site: Site) {
    let host = failing(&site);
    let event = started(WORKER, json!({ "seq": 7 }));
    let event_id = id_of(&event);
    bury(&site, std::slice::from_ref(&event)).await;
    let letters = listed(&site, &[]).await;
    assert_eq!(letters.len(), 1, "{letters:#?}");
    assert_eq!(letters[0]["event_id"], event_id);
    assert_eq!(letters[0]["error_type"], "trap");
    assert_eq!(letters[0]["plugin"], "worker@1.2.3");
    assert_eq!(letters[0]["attempts"], 4);

    let _host = mended(&site, host).await;
    let requeue = ["dlq", "requeue", event_id, "--yes", "--json"];
    let answer = site.hothouse(&requeue).await.exits(0).json();
    let done = json!({ "requeued": 1, "gone": 0, "refused": [] });
    assert_eq!(answer["done"], done, "{answer:#}");
    let outcomes = outcomes_of(&site, event_id, 2).await;
    assert_eq!(outcomes[0].kind(), "agent.execution.failed");
    assert_eq!(outcomes[0].envelope["event_id"], outcome_id(event_id, 0));
    assert_eq!(outcomes[1].kind(), "agent.execution.completed");
    assert_eq!(outcomes[1].envelope["event_id"], outcome_id(event_id, 1));
    assert_eq!(outcomes[1].data["output_data"], json!({ "seq": 7 }));
    assert_eq!(outcomes[1].attempts(), 1, "its runs are counted anew");
    for ours in ["generation", "target_group", "target_plugin"] {
        assert!(!outcomes[1].envelope.contains_key(ours), "{outcomes:#?}");
    }

    // It is no dead letter any more, and the event counts as finished again.
    let answer = site.hothouse(&requeue).await.exits(1).json();
    assert_eq!(answer["not_found"], json!([event_id]), "{answer:#}");
    site.publish(&[event.clone(), event.clone()]).await;
    outcomes_of(&site, event_id, 2).await;
    assert!(site.dead_letters(AGENTS).await.is_empty());
}

async fn a_filter_chooses_what_is_requeued_and_the_rest_stays(site: Site) {
    let host = failing(&site);
    let traps: Vec<Value> = (0..3)
        .map(|seq| started(WORKER, json!({ "seq": seq })))
        .collect();
    let hungry = started("loop-forever", json!({}));
    bury(
        &site,
        &[traps.as_slice(), std::slice::from_ref(&hungry)].concat(),
    )
    .await;
    let _host = mended(&site, host).await;

    let filter = ["--error-type", "trap", "--plugin", WORKER, "--since", "1h"];
    let requeue = |more: &'static str| [&["dlq", "requeue", more][..], &filter].concat();
    let preview = site.hothouse(&requeue("--dry-run")).await.exits(0);
    let told = preview.stdout.as_str();
    assert!(told.contains("3 dead letters"), "{told}");
    assert!(
        told.contains("trap") && told.contains("worker@1.2.3"),
        "{told}"
    );
    assert!(!told.contains("out_of_fuel"), "{told}");
    assert_eq!(site.dead_letters(AGENTS).await.len(), 4, "it was a preview");

    let done = site.hothouse(&requeue("--yes")).await.exits(0);
    assert!(done.stdout.contains("requeued 3 dead letters"), "{done:#?}");
    for (seq, event) in traps.iter().enumerate() {
        let outcomes = outcomes_of(&site, id_of(event), 2).await;
        assert_eq!(outcomes[1].data["output_data"], json!({ "seq": seq }));
    }
    let left = listed(&site, &[]).await;
    assert_eq!(left.len(), 1, "{left:#?}");
    assert_eq!(left[0]["event_id"], id_of(&hungry));

    // All that is left: it fails once more.
    let all = ["dlq", "requeue", "--all", "--yes"];
    site.hothouse(&all).await.exits(0);
    let outcomes = outcomes_of(&site, id_of(&hungry), 2).await;
    assert_eq!(outcomes[1].error_type(), "out_of_fuel");
    let left = listed(&site, &[]).await;
    assert_eq!(left.len(), 1, "{left:#?}");
    assert_eq!(left[0]["generation"], "1");
}

async fn a_dead_letter_is_shown_with_its_event_and_every_attempt(site: Site) {
    let _host = failing(&site);
    let event = started(WORKER, json!({ "seq": "the whole of it" }));
    bury(&site, std::slice::from_ref(&event)).await;
    let letter = listed(&site, &[]).await.remove(0);
    let letter_id = letter["id"].as_str().expect("an id");

    let answer = site.hothouse(&["dlq", "show", letter_id, "--json"]).await;
    let answer = answer.exits(0).json();
    let shown = &answer[0];
    assert_eq!(shown["event"]["data"], event["data"], "{answer:#}");
    assert_eq!(shown["event"]["event_id"], id_of(&event));
    assert_eq!(shown["group"], "agent-workers");
    assert_eq!(shown["stream"], "execution-events");
    let history = shown["dead_letter"]["history"].as_array().expect("a list");
    assert_eq!(history.len(), 4, "{answer:#}");
    let digest = shown["dead_letter"]["digest"].as_str().expect("a digest");

    let told = site
        .hothouse(&["dlq", "show", id_of(&event)])
        .await
        .exits(0);
    let message = history[3]["error_message"].as_str().expect("a message");
    for part in ["the whole of it", letter_id, id_of(&event), message, digest] {
        assert!(told.stdout.contains(part), "{part}: {}", told.stdout);
    }
    let runs = told.stdout.matches(message).count();
    assert_eq!(runs, 5, "the last one and all four: {}", told.stdout);
    for id in ["1-1", "3fa85f64-5717-4562-b3fc-2c963f66afa6"] {
        let answer = site.hothouse(&["dlq", "show", id]).await.exits(1);
        assert!(answer.stdout.contains(id), "{answer:#?}");
    }
}

async fn a_list_says_where_it_ends_and_what_to_do(site: Site) {
    let _host = failing(&site);
    let empty = site.hothouse(&["dlq", "list"]).await.exits(0);
    assert!(empty.stdout.contains("no dead letter"), "{empty:#?}");
    let events: Vec<Value> = (0..3)
        .map(|seq| started(WORKER, json!({ "seq": seq })))
        .collect();
    for event in &events {
        bury(&site, std::slice::from_ref(event)).await;
    }
    let list = site
        .hothouse(&["dlq", "list", "--limit", "2"])
        .await
        .exits(0);
    assert!(list.stdout.contains("there are more"), "{}", list.stdout);
    for (event, shown) in events.iter().zip([true, true, false]) {
        assert_eq!(list.stdout.contains(id_of(event)), shown, "{}", list.stdout);
    }
    let exact = ["dlq", "list", "--limit", "3", "--json"];
    let exact = site.hothouse(&exact).await.exits(0).json();
    assert_eq!(exact["more"], false, "{exact:#}");

    let one = &events[1];
    let plan = one["data"]["execution_plan_id"].as_str().expect("a plan");
    let far = "2999-01-01T00:00:00Z";
    for (condition, value, count) in [
        ("--event-id", id_of(one), 1),
        ("--correlation-id", id_of(one), 1),
        ("--aggregate", plan, 1),
        ("--aggregate", id_of(one), 0),
        ("--type", "agent.execution.started", 3),
        ("--type", "discovery.started", 0),
        ("--error-type", "trap", 3),
        ("--error-type", "timeout", 0),
        ("--plugin", "worker", 3),
        ("--plugin", "worker@1.2.3", 3),
        ("--plugin", "worker@1.2", 0),
        ("--since", "1h", 3),
        ("--since", far, 0),
        ("--until", far, 3),
        ("--until", "1h", 0),
        ("--group", "agent-workers", 3),
    ] {
        let found = listed(&site, &[condition, value]).await;
        assert_eq!(found.len(), count, "{condition} {value}");
    }
    for verb in ["status", "doctor"] {
        let told = site.hothouse(&[verb]).await.exits(0).stdout;
        assert!(told.contains("hothouse dlq list"), "{told}");
    }
}

async fn a_malformed_event_fails_again_as_the_next_generation(site: Site) {
    let _host = failing(&site);
    let mut event = started(WORKER, json!({ "seq": 1 }));
    event["data"]["phase_number"] = json!("one");
    let event_id = id_of(&event);
    site.append(AGENTS, &flat(&event)).await;
    outcomes_of(&site, event_id, 1).await;
    let requeue = [
        "dlq",
        "requeue",
        "--type",
        "agent.execution.started",
        "--yes",
    ];
    site.hothouse(&requeue).await.exits(0);
    let outcomes = outcomes_of(&site, event_id, 2).await;
    assert_eq!(outcomes[1].error_type(), "malformed_event");
    assert_eq!(outcomes[1].envelope["event_id"], outcome_id(event_id, 1));
    let letters = site.dead_letters(AGENTS).await;
    assert_eq!(letters.len(), 1, "{letters:#?}");
    assert_eq!(letters[0].original.get("generation"), Some(&b"1"[..]));
}
