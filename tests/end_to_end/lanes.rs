//! Lanes whose head fails, and what an operator sees of them and does.

use serde_json::{Value, json};

use crate::event::{flat, id, id_of, started_in};
use crate::harness::eventually;
use crate::site::{AGENTS, Site, agent};

on_both_buses! {
    later_events_pass_a_failing_head_where_the_route_says_skip
    a_dead_letter_stops_its_lane_until_it_is_released_where_the_route_says_park
    a_head_that_waits_for_its_retry_is_run_at_once_or_skipped_by_an_operator
    a_skip_ends_no_other_event_than_the_one_that_the_lane_waits_for
    what_is_done_to_a_lane_that_is_not_so_is_refused_with_what_to_do
}

/// Longer than any test waits.
const LONG: u64 = 3_600_000;

/// A host for `rejects-input`, whose verdict is retried, and for an agent that echoes.
fn serve(site: &Site, delay: u64, policy: &str) -> crate::process::Host {
    site.install("rejects-input", "world = \"agent\"");
    site.install("slow-echo-agent", "world = \"agent\"");
    let failing = format!(
        "retry_delays_ms = [{delay}]\nretry_on = [\"validation_error\"]\n\
         poisoned_lane = \"{policy}\""
    );
    site.configure(&format!(
        "{}{}",
        agent("rejects-input", &failing),
        agent("slow-echo-agent", "")
    ));
    site.serve()
}

/// A head that fails, and two events behind it.
async fn a_poisoned_lane(site: &Site, agent_type: &str) -> (String, [Value; 3]) {
    let plan = id();
    let events = [
        started_in(&plan, agent_type, json!({})),
        started_in(&plan, "slow-echo-agent", json!({ "seq": 1 })),
        started_in(&plan, "slow-echo-agent", json!({ "seq": 2 })),
    ];
    site.publish(&events).await;
    (plan, events)
}

/// The lane, as `lane show` has it, once it is in the state.
async fn shown(site: &Site, plan: &str, state: &str) -> Value {
    eventually(&format!("lane {plan} is {state}"), async || {
        let answer = site.hothouse(&["lane", "show", plan, "--json"]).await;
        (answer.code == Some(0) && answer.json()["state"] == state).then(|| answer.json())
    })
    .await
}

async fn causes(site: &Site) -> Vec<String> {
    let outcomes = site.outcomes(AGENTS).await;
    outcomes
        .iter()
        .map(|outcome| outcome.cause().to_owned())
        .collect()
}

async fn later_events_pass_a_failing_head_where_the_route_says_skip(site: Site) {
    let _host = serve(&site, LONG, "skip");
    let (plan, events) = a_poisoned_lane(&site, "rejects-input").await;
    for event in &events[1..] {
        eventually("it passes the head", async || {
            causes(&site)
                .await
                .contains(&id_of(event).to_owned())
                .then_some(())
        })
        .await;
    }
    let waiting = shown(&site, &plan, "waiting").await;
    assert_eq!(waiting["event"]["event_id"], id_of(&events[0]));
    assert_eq!(waiting["attempts"], 1);
    site.hothouse(&["lane", "retry-now", &plan]).await.exits(0);
    let outcome = site.outcome_of(AGENTS, id_of(&events[0])).await;
    assert_eq!(outcome.error_type(), "validation_error");
    let order: Vec<String> = [1, 2, 0].map(|n| id_of(&events[n]).to_owned()).into();
    assert_eq!(causes(&site).await, order);
}

async fn a_dead_letter_stops_its_lane_until_it_is_released_where_the_route_says_park(site: Site) {
    site.install(
        "loop-forever",
        "world = \"agent\"\n[limits]\nfuel = 5_000_000\n",
    );
    site.install("slow-echo-agent", "world = \"agent\"");
    site.configure(&format!(
        "{}{}",
        agent("loop-forever", "poisoned_lane = \"park\""),
        agent("slow-echo-agent", "")
    ));
    let _host = site.serve();
    let (plan, events) = a_poisoned_lane(&site, "loop-forever").await;
    let stopped = shown(&site, &plan, "stopped").await;
    assert_eq!(stopped["event"]["event_id"], id_of(&events[1]));
    // Another lane goes on meanwhile, so that there was time for this one.
    let beside = started_in(&id(), "slow-echo-agent", json!({ "seq": 9 }));
    site.publish(std::slice::from_ref(&beside)).await;
    eventually("another lane goes on", async || {
        causes(&site)
            .await
            .contains(&id_of(&beside).to_owned())
            .then_some(())
    })
    .await;
    assert_eq!(causes(&site).await.len(), 2);
    let letters = site.dead_letters(AGENTS).await;
    assert_eq!(letters.len(), 1, "{letters:#?}");
    assert_eq!(letters[0].error_type(), "out_of_fuel");
    let status = site.hothouse(&["status", "--json"]).await.exits(0).json();
    assert_eq!(status["groups"][0]["stopped"], 1);
    let list = site
        .hothouse(&["lane", "list", "--state", "stopped"])
        .await
        .exits(0);
    assert!(list.stdout.contains(&plan), "{list:#?}");

    site.hothouse(&["lane", "release", &plan]).await.exits(0);
    site.settled(AGENTS).await;
    let order = [&events[0], &beside, &events[1], &events[2]].map(|event| id_of(event).to_owned());
    assert_eq!(causes(&site).await, order);
    let list = site.hothouse(&["lane", "list"]).await.exits(0);
    assert_eq!(list.stdout.trim(), "every lane is free");
}

async fn a_head_that_waits_for_its_retry_is_run_at_once_or_skipped_by_an_operator(site: Site) {
    let _host = serve(&site, LONG, "block");
    let (first, run) = a_poisoned_lane(&site, "rejects-input").await;
    let (second, skipped) = a_poisoned_lane(&site, "rejects-input").await;
    for plan in [&first, &second] {
        let waiting = shown(&site, plan, "waiting").await;
        assert_eq!(waiting["waiting"], 3);
        assert_eq!(waiting["history"][0]["error_type"], "validation_error");
    }
    assert!(causes(&site).await.is_empty(), "the lanes wait");

    site.hothouse(&["lane", "retry-now", &first]).await.exits(0);
    assert_eq!(site_outcome(&site, &run[0]).await["attempts"], 2);
    let skip = [
        "lane",
        "skip",
        &second,
        "--reason",
        "bad input, agreed with Kim",
    ];
    site.hothouse(&skip).await.exits(0);
    let ours = site_outcome(&site, &skipped[0]).await;
    assert_eq!(ours["attempts"], 1);
    site.settled(AGENTS).await;
    let outcomes = site.outcomes(AGENTS).await;
    assert_eq!(outcomes.len(), 6);
    let of = |event: &Value| outcomes.iter().find(|one| one.cause() == id_of(event));
    let failed = of(&skipped[0]).expect("its outcome");
    assert_eq!(failed.error_type(), "validation_error");
    let message = failed.data["error_message"].as_str().expect("a message");
    assert!(message.contains("agreed with Kim"), "{message}");
    let letters = site.dead_letters(AGENTS).await;
    assert_eq!(letters.len(), 1, "{letters:#?}");
    let event_id = letters[0].original.get("event_id");
    assert_eq!(event_id, Some(id_of(&skipped[0]).as_bytes()));
    assert_eq!(letters[0].attempts(), 1);
    assert!(letters[0].message().contains("agreed with Kim"));
}

async fn a_skip_ends_no_other_event_than_the_one_that_the_lane_waits_for(site: Site) {
    let _host = serve(&site, LONG, "block");
    let (plan, events) = a_poisoned_lane(&site, "rejects-input").await;
    shown(&site, &plan, "waiting").await;
    // The same event, finished in another lane: what waits is a duplicate of it.
    let mut again = started_in(&id(), "slow-echo-agent", json!({ "seq": 0 }));
    again["event_id"] = events[0]["event_id"].clone();
    site.publish(std::slice::from_ref(&again)).await;
    site_outcome(&site, &again).await;
    let skip = site.hothouse(&["lane", "skip", &plan]).await.exits(1);
    assert!(skip.stderr.contains("nothing was skipped"), "{skip:#?}");
    site.settled(AGENTS).await;
    let order = [&again, &events[1], &events[2]].map(|event| id_of(event).to_owned());
    assert_eq!(causes(&site).await, order);
    assert_eq!(site.dead_letters(AGENTS).await.len(), 0);
}

/// What the host says of an event's outcome, once it is there.
async fn site_outcome(site: &Site, event: &Value) -> Value {
    eventually("its outcome", async || {
        let mut outcomes = site.outcomes(AGENTS).await;
        outcomes.retain(|outcome| outcome.cause() == id_of(event));
        outcomes
            .pop()
            .map(|outcome| outcome.data["hothouse"].clone())
    })
    .await
}

async fn what_is_done_to_a_lane_that_is_not_so_is_refused_with_what_to_do(site: Site) {
    let _host = serve(&site, LONG, "block");
    let nothing = site.hothouse(&["lane", "show", &id()]).await.exits(1);
    assert!(nothing.stderr.contains("is free"), "{nothing:#?}");
    let (plan, events) = a_poisoned_lane(&site, "rejects-input").await;
    shown(&site, &plan, "waiting").await;
    let release = site.hothouse(&["lane", "release", &plan]).await.exits(1);
    assert!(release.stderr.contains("retry-now"), "{release:#?}");
    let group = ["lane", "list", "--group", "no-such"];
    let group = site.hothouse(&group).await.exits(2);
    assert!(group.stderr.contains("agent-workers"), "{group:#?}");
    let sleepy = started_in(
        &id(),
        "slow-echo-agent",
        json!({ "seq": 1, "sleep_ms": 60_000 }),
    );
    site.append(AGENTS, &flat(&sleepy)).await;
    let held = sleepy["data"]["execution_plan_id"]
        .as_str()
        .expect("a plan");
    shown(&site, held, "held").await;
    let skip = site.hothouse(&["lane", "skip", held]).await.exits(1);
    assert!(skip.stderr.contains("wait for the run"), "{skip:#?}");
    assert!(causes(&site).await.is_empty(), "{events:#?}");
}
