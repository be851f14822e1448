//! Entries that are no events of the contract: each has its defined result, the host goes on,
//! and nothing is lost.

use hothouse::event::Fields;
use serde_json::{Value, json};

use crate::event::{flat, id_of, started};
use crate::outcome::{DeadLetter, Outcome};
use crate::process::Host;
use crate::site::{AGENTS, Site};

on_both_buses! {
    an_entry_without_a_type_is_a_dead_letter_alone
    an_entry_without_data_is_a_dead_letter_alone
    data_that_is_not_json_is_a_dead_letter_alone
    invalid_utf8_in_data_is_a_dead_letter_with_the_original_bytes
    invalid_utf8_beside_readable_ids_is_a_failed_event_and_a_dead_letter
    an_event_id_that_is_no_uuid_is_a_dead_letter_alone
    an_event_without_its_own_id_is_a_dead_letter_alone
    a_missing_field_is_a_failed_event_and_a_dead_letter
    a_wrong_type_is_a_failed_event_and_a_dead_letter
    an_aggregate_that_is_no_id_is_a_failed_event_and_a_dead_letter
    another_major_version_is_a_failed_event_and_a_dead_letter
    a_timestamp_that_is_none_is_a_failed_event_and_a_dead_letter
    a_whole_event_in_one_field_with_a_mistake_is_a_failed_event_and_a_dead_letter
    json_nested_too_deeply_is_a_failed_event_and_a_dead_letter
    a_whole_event_in_one_field_is_handled
    fields_that_nobody_knows_do_no_harm
    a_payload_of_ten_megabytes_is_handled
    a_type_that_the_group_does_not_handle_is_acknowledged
    an_entry_for_another_group_is_acknowledged
}

const AGENT: &str = "slow-echo-agent";

fn good() -> Value {
    started(AGENT, json!({ "seq": 1 }))
}

/// A good event's entry with other text in one field.
fn with(name: &str, value: impl Into<Vec<u8>>) -> Fields {
    let mut fields = flat(&good());
    let field = fields.0.iter_mut().find(|(key, _)| key == name.as_bytes());
    field.expect("a field of the event").1 = value.into();
    fields
}

fn without(name: &str) -> Fields {
    let mut fields = flat(&good());
    fields.0.retain(|(key, _)| key != name.as_bytes());
    fields
}

/// Appends the entry and a good event behind it; gives the good event when it is done and
/// nothing is left to do.
async fn append(site: &Site, entry: &Fields) -> (Host, String) {
    let mut host = site.serve_agent(AGENT, "");
    site.append(AGENTS, entry).await;
    let good = good();
    site.append_event(AGENTS, &good).await;
    let outcome = site.outcome_of(AGENTS, id_of(&good)).await;
    assert_eq!(
        outcome.kind(),
        "agent.execution.completed",
        "the next event is handled"
    );
    assert!(host.is_running(), "{}", host.log());
    (host, id_of(&good).to_owned())
}

/// Outcomes but for the good event's, and dead letters, of an entry.
async fn result(site: &Site, entry: &Fields) -> (Vec<Outcome>, Vec<DeadLetter>) {
    let (_host, good) = append(site, entry).await;
    let mut outcomes = site.outcomes(AGENTS).await;
    outcomes.retain(|outcome| outcome.cause() != good);
    (outcomes, site.dead_letters(AGENTS).await)
}

/// The entry must be a dead letter, to the byte, at once; its message must say `why`.
fn check_letter(letters: &[DeadLetter], entry: &Fields, why: &str) {
    assert_eq!(letters.len(), 1, "{letters:#?}");
    let letter = &letters[0];
    assert!(
        letter.original == *entry,
        "the original is kept: {:#?}",
        letter.said
    );
    assert_eq!(letter.error_type(), "malformed_event", "{:#?}", letter.said);
    assert_eq!(letter.attempts(), 1);
    assert!(letter.message().contains(why), "{}", letter.message());
}

async fn buried_alone(site: Site, entry: Fields, why: &str) {
    let (outcomes, letters) = result(&site, &entry).await;
    check_letter(&letters, &entry, why);
    assert!(outcomes.is_empty(), "{outcomes:#?}");
}

async fn buried_and_failed(site: Site, entry: Fields, why: &str) {
    let (outcomes, letters) = result(&site, &entry).await;
    check_letter(&letters, &entry, why);
    assert_eq!(outcomes.len(), 1, "{outcomes:#?}");
    let failed = &outcomes[0];
    assert_eq!(failed.kind(), "agent.execution.failed");
    assert_eq!(failed.error_type(), "malformed_event");
    assert_eq!(
        failed.data["error_message"],
        letters[0].said["error_message"]
    );
    assert_eq!(failed.data["retry_count"], 0);
    assert_eq!(failed.envelope["source"], "hothouse", "no plugin ran");
}

async fn an_entry_without_a_type_is_a_dead_letter_alone(site: Site) {
    buried_alone(site, without("type"), "`type`").await;
}

async fn an_entry_without_data_is_a_dead_letter_alone(site: Site) {
    buried_alone(site, without("data"), "`data`").await;
}

async fn data_that_is_not_json_is_a_dead_letter_alone(site: Site) {
    buried_alone(site, with("data", "{\"agent_execution_id\": "), "data").await;
}

async fn invalid_utf8_in_data_is_a_dead_letter_with_the_original_bytes(site: Site) {
    buried_alone(
        site,
        with("data", *b"{\"agent_type\":\"\xff\xfe\"}"),
        "UTF-8",
    )
    .await;
}

async fn invalid_utf8_beside_readable_ids_is_a_failed_event_and_a_dead_letter(site: Site) {
    let data = good()["data"].to_string().replace("{\"seq\":1}", "\"?\"");
    let bytes: Vec<u8> = data
        .bytes()
        .map(|byte| if byte == b'?' { 0xff } else { byte })
        .collect();
    buried_and_failed(site, with("data", bytes), "UTF-8").await;
}

async fn an_event_id_that_is_no_uuid_is_a_dead_letter_alone(site: Site) {
    buried_alone(site, with("event_id", "order-17"), "order-17").await;
}

async fn an_event_without_its_own_id_is_a_dead_letter_alone(site: Site) {
    let mut event = good();
    event["data"]["agent_execution_id"].take();
    buried_alone(site, flat(&event), "agent_execution_id").await;
}

async fn a_missing_field_is_a_failed_event_and_a_dead_letter(site: Site) {
    let mut event = good();
    let data = event["data"].as_object_mut().expect("data");
    data.remove("phase_number")
        .expect("a field of the contract");
    buried_and_failed(site, flat(&event), "`phase_number`").await;
}

async fn a_wrong_type_is_a_failed_event_and_a_dead_letter(site: Site) {
    let mut event = good();
    event["data"]["phase_number"] = json!("one");
    buried_and_failed(site, flat(&event), "data.phase_number").await;
}

async fn an_aggregate_that_is_no_id_is_a_failed_event_and_a_dead_letter(site: Site) {
    let mut event = good();
    event["data"]["execution_plan_id"] = json!(7);
    buried_and_failed(site, flat(&event), "data.execution_plan_id").await;
}

async fn another_major_version_is_a_failed_event_and_a_dead_letter(site: Site) {
    let mut event = good();
    event["version"] = json!("2.0");
    buried_and_failed(site, flat(&event), "\"2.0\"").await;
}

async fn a_timestamp_that_is_none_is_a_failed_event_and_a_dead_letter(site: Site) {
    buried_and_failed(site, with("timestamp", "yesterday"), "yesterday").await;
}

async fn a_whole_event_in_one_field_with_a_mistake_is_a_failed_event_and_a_dead_letter(site: Site) {
    let mut event = good();
    event["data"]["agent_type"] = json!(["backend"]);
    let mut entry = Fields::default();
    entry.push("event", event.to_string());
    buried_and_failed(site, entry, "agent_type").await;
}

async fn json_nested_too_deeply_is_a_failed_event_and_a_dead_letter(site: Site) {
    let deep = format!("{}{}", "[".repeat(2_000), "]".repeat(2_000));
    let entry = with(
        "data",
        good()["data"].to_string().replace("{\"seq\":1}", &deep),
    );
    buried_and_failed(site, entry, "nested").await;
}

async fn a_whole_event_in_one_field_is_handled(site: Site) {
    let event = good();
    let mut entry = Fields::default();
    entry.push("event", event.to_string());
    let (outcomes, letters) = result(&site, &entry).await;
    assert_eq!(outcomes.len(), 1, "{outcomes:#?}");
    assert_eq!(outcomes[0].kind(), "agent.execution.completed");
    assert_eq!(outcomes[0].cause(), id_of(&event));
    assert!(letters.is_empty(), "{letters:#?}");
}

async fn fields_that_nobody_knows_do_no_harm(site: Site) {
    let mut event = good();
    event["data"]["priority"] = json!({ "level": 1e300 });
    event["data"]["input_data"]["more"] = json!([null, "\u{0}"]);
    event["trace"] = json!("00-abc");
    let (outcomes, letters) = result(&site, &flat(&event)).await;
    assert_eq!(outcomes.len(), 1, "{outcomes:#?}");
    assert_eq!(outcomes[0].kind(), "agent.execution.completed");
    assert!(letters.is_empty(), "{letters:#?}");
}

async fn a_payload_of_ten_megabytes_is_handled(site: Site) {
    let padding = "x".repeat(10 << 20);
    let event = started(AGENT, json!({ "seq": 1, "padding": padding }));
    let (outcomes, letters) = result(&site, &flat(&event)).await;
    assert_eq!(outcomes.len(), 1, "{outcomes:#?}");
    assert_eq!(
        outcomes[0].kind(),
        "agent.execution.completed",
        "{outcomes:#?}"
    );
    assert!(letters.is_empty());
}

async fn a_type_that_the_group_does_not_handle_is_acknowledged(site: Site) {
    for kind in ["no.such.type", "agent.execution.completed", "pr.merged"] {
        site.append(AGENTS, &with("type", kind)).await;
    }
    // Whatever else it holds: the type alone decides.
    let mut broken = with("type", "no.such.type");
    broken.push("data", *b"\xff");
    let (outcomes, letters) = result(&site, &broken).await;
    assert!(outcomes.is_empty(), "{outcomes:#?}");
    assert!(letters.is_empty(), "{letters:#?}");
}

async fn an_entry_for_another_group_is_acknowledged(site: Site) {
    let others = good();
    let mut entry = flat(&others);
    entry.push("target_group", "pr-workers");
    let ours = good();
    let mut for_us = flat(&ours);
    for_us.push("target_group", AGENTS.1);
    site.append(AGENTS, &for_us).await;
    let (outcomes, letters) = result(&site, &entry).await;
    let causes: Vec<&str> = outcomes.iter().map(Outcome::cause).collect();
    assert_eq!(causes, [id_of(&ours)]);
    assert!(letters.is_empty(), "{letters:#?}");
}
