//! Order per aggregate, and one outcome per event.

use serde_json::{Value, json};

use crate::event::{id, id_of, started, started_in};
use crate::outcome::sequences;
use crate::site::{AGENTS, Site};

on_both_buses! {
    the_events_of_a_lane_are_handled_in_order_and_each_once
    an_event_that_is_published_twice_has_one_outcome
    an_event_that_comes_again_after_its_outcome_has_no_second_one
}

const LANES: usize = 20;
const EVENTS: usize = 20;

async fn the_events_of_a_lane_are_handled_in_order_and_each_once(site: Site) {
    let _host = site.serve_agent("slow-echo-agent", "");
    let lanes: Vec<String> = (0..LANES).map(|_| id()).collect();
    // Early events take longer than late ones: without lanes, late ones would end first.
    let events: Vec<Value> = (0..EVENTS)
        .flat_map(|seq| lanes.iter().map(move |lane| (seq, lane)))
        .map(|(seq, lane)| {
            let sleep_ms = (EVENTS - seq) % 5 * 3;
            started_in(
                lane,
                "slow-echo-agent",
                json!({ "seq": seq, "sleep_ms": sleep_ms }),
            )
        })
        .collect();
    site.publish(&events).await;

    site.settled(AGENTS).await;
    let outcomes = site.outcomes(AGENTS).await;
    let found = sequences(&outcomes);
    assert_eq!(found.len(), LANES);
    let in_order: Vec<u64> = (0..EVENTS as u64).collect();
    for (lane, seqs) in found {
        assert_eq!(seqs, in_order, "lane {lane}");
    }
}

async fn an_event_that_is_published_twice_has_one_outcome(site: Site) {
    let _host = site.serve_agent("slow-echo-agent", "");
    let event = started("slow-echo-agent", json!({ "seq": 1 }));
    site.publish(&[event.clone(), event.clone()]).await;

    site.outcome_of(AGENTS, id_of(&event)).await;
    let status = site.bus.status(AGENTS.0, AGENTS.1).await.expect("status");
    assert_eq!(status.duplicates, 1, "{status:?}");
}

async fn an_event_that_comes_again_after_its_outcome_has_no_second_one(site: Site) {
    let _host = site.serve_agent("slow-echo-agent", "");
    let mut event = started("slow-echo-agent", json!({ "seq": 1 }));
    site.publish(std::slice::from_ref(&event)).await;
    let first = site.outcome_of(AGENTS, id_of(&event)).await;

    // The id alone decides, in lower case: neither the lane nor the rest does.
    event["data"]["execution_plan_id"] = json!(id());
    event["data"]["input_data"] = json!({ "seq": 2 });
    let mut shouted = event.clone();
    shouted["event_id"] = json!(id_of(&event).to_uppercase());
    site.append_event(AGENTS, &event).await;
    site.append_event(AGENTS, &shouted).await;
    site.settled(AGENTS).await;

    let outcome = site.outcome_of(AGENTS, first.cause()).await;
    assert_eq!(outcome.data["output_data"]["seq"], 1);
    let status = site.bus.status(AGENTS.0, AGENTS.1).await.expect("status");
    assert_eq!(status.duplicates, 2, "{status:?}");
}
