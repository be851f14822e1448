//! Which failures are run again, how often, and what is left of them.

use serde_json::{Value, json};

use crate::event::{flat, id, id_of, started, started_in};
use crate::site::{AGENTS, Site, agent};

on_both_buses! {
    a_retry_that_succeeds_leaves_one_completed_event
    used_up_retries_leave_a_failed_event_and_a_dead_letter_with_the_whole_history
    the_handlers_own_verdict_is_not_retried_and_is_no_dead_letter
    out_of_fuel_is_not_retried_and_is_a_dead_letter
    a_route_decides_which_failures_are_retried_and_how_often
    a_lane_waits_for_its_heads_retry_and_other_lanes_go_on
}

async fn a_retry_that_succeeds_leaves_one_completed_event(site: Site) {
    let _host = site.serve_agent("asks-for-retry", "");
    let event = started("asks-for-retry", json!({ "succeed_on_attempt": 3 }));
    site.publish(std::slice::from_ref(&event)).await;

    let outcome = site.outcome_of(AGENTS, id_of(&event)).await;
    assert_eq!(outcome.kind(), "agent.execution.completed");
    assert_eq!(outcome.data["output_data"], json!({ "attempt": 3 }));
    assert_eq!(outcome.attempts(), 3);
    assert!(site.dead_letters(AGENTS).await.is_empty());
}

async fn used_up_retries_leave_a_failed_event_and_a_dead_letter_with_the_whole_history(site: Site) {
    let _host = site.serve_agent("asks-for-retry", "");
    let event = started("asks-for-retry", json!({}));
    site.append_event(AGENTS, &event).await;

    let outcome = site.outcome_of(AGENTS, id_of(&event)).await;
    assert_eq!(outcome.error_type(), "retryable_error");
    assert_eq!(outcome.data["retry_count"], 3);
    assert_eq!(outcome.data["error_message"], "attempt 4 is too early");
    assert_eq!(outcome.attempts(), 4);
    let letters = site.dead_letters(AGENTS).await;
    assert_eq!(letters.len(), 1, "{letters:#?}");
    let letter = &letters[0];
    assert_eq!(letter.original, flat(&event));
    assert_eq!(letter.error_type(), "retryable_error");
    assert_eq!(letter.attempts(), 4);
    assert_eq!(letter.said["plugin"], "asks-for-retry@1.2.3");
    assert_eq!(letter.said["digest"], outcome.data["hothouse"]["digest"]);
    let history = letter.said["history"].as_array().expect("a history");
    let told: Vec<(&Value, &Value)> = history
        .iter()
        .map(|attempt| (&attempt["attempt"], &attempt["error_message"]))
        .collect();
    let expected: Vec<(Value, Value)> = (1..=4)
        .map(|n| (json!(n), json!(format!("attempt {n} is too early"))))
        .collect();
    assert_eq!(
        told,
        expected
            .iter()
            .map(|(n, text)| (n, text))
            .collect::<Vec<_>>()
    );
    assert_eq!(letter.said["first_at"], history[0]["at"]);
    assert_eq!(letter.said["last_at"], history[3]["at"]);
}

async fn the_handlers_own_verdict_is_not_retried_and_is_no_dead_letter(site: Site) {
    let _host = site.serve_agent("rejects-input", "");
    let event = started("rejects-input", json!({}));
    site.publish(std::slice::from_ref(&event)).await;

    let outcome = site.outcome_of(AGENTS, id_of(&event)).await;
    assert_eq!(outcome.error_type(), "validation_error");
    assert_eq!(outcome.data["retry_count"], 0);
    assert_eq!(outcome.attempts(), 1);
    assert!(site.dead_letters(AGENTS).await.is_empty());
}

async fn out_of_fuel_is_not_retried_and_is_a_dead_letter(site: Site) {
    site.install(
        "loop-forever",
        "world = \"agent\"\n[limits]\nfuel = 5_000_000\n",
    );
    site.configure(&agent("loop-forever", ""));
    let _host = site.serve();
    let event = started("loop-forever", json!({}));
    site.publish(std::slice::from_ref(&event)).await;

    let outcome = site.outcome_of(AGENTS, id_of(&event)).await;
    assert_eq!(outcome.error_type(), "out_of_fuel");
    assert_eq!(outcome.data["retry_count"], 0);
    assert_eq!(outcome.attempts(), 1);
    let letters = site.dead_letters(AGENTS).await;
    assert_eq!(letters.len(), 1, "{letters:#?}");
    assert_eq!(letters[0].error_type(), "out_of_fuel");
    assert_eq!(letters[0].attempts(), 1);
}

async fn a_route_decides_which_failures_are_retried_and_how_often(site: Site) {
    let more = "retry_delays_ms = [1]\nretry_on = [\"validation_error\"]";
    let _host = site.serve_agent("rejects-input", more);
    let event = started("rejects-input", json!({}));
    site.publish(std::slice::from_ref(&event)).await;

    let outcome = site.outcome_of(AGENTS, id_of(&event)).await;
    assert_eq!(outcome.error_type(), "validation_error");
    assert_eq!(outcome.data["retry_count"], 1);
    assert_eq!(outcome.attempts(), 2);
    assert!(site.dead_letters(AGENTS).await.is_empty());
}

async fn a_lane_waits_for_its_heads_retry_and_other_lanes_go_on(site: Site) {
    // It asks for 1 ms itself; what this route retries instead waits for the schedule.
    site.install("rejects-input", "world = \"agent\"");
    site.install("slow-echo-agent", "world = \"agent\"");
    site.configure(&format!(
        "{}{}",
        agent(
            "rejects-input",
            "retry_delays_ms = [3000]\nretry_on = [\"validation_error\"]"
        ),
        agent("slow-echo-agent", "")
    ));
    let _host = site.serve();
    let plan = id();
    let head = started_in(&plan, "rejects-input", json!({}));
    let behind = started_in(&plan, "slow-echo-agent", json!({ "seq": 1 }));
    let beside = started("slow-echo-agent", json!({ "seq": 2 }));
    site.publish(&[head.clone(), behind.clone(), beside.clone()])
        .await;

    site.settled(AGENTS).await;
    let outcomes = site.outcomes(AGENTS).await;
    let causes: Vec<&str> = outcomes.iter().map(|outcome| outcome.cause()).collect();
    assert_eq!(causes, [id_of(&beside), id_of(&head), id_of(&behind)]);
}
