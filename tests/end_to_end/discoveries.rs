//! discovery.started through the analyzer that ships, to completed and failed.

use serde_json::json;
use uuid::Uuid;

use crate::contract::{check_envelope, check_ours, configure};
use crate::event::{discovery, flat, id, id_of};
use crate::site::{DISCOVERIES, Site};

on_both_buses! {
    a_discoverys_outcome_has_the_contracts_fields
    a_failed_discovery_has_the_same_shape_with_its_repository
    a_malformed_discovery_is_a_failed_event_and_a_dead_letter
}

fn analyzer(site: &Site) -> String {
    configure(site, "discovery-analyzer", "type = \"discovery.started\"")
}

async fn a_discoverys_outcome_has_the_contracts_fields(site: Site) {
    let repository_id = analyzer(&site);
    let _host = site.serve();
    let input = discovery(&repository_id);
    site.publish(std::slice::from_ref(&input)).await;

    let outcome = site.outcome_of(DISCOVERIES, id_of(&input)).await;
    assert_eq!(outcome.kind(), "discovery.completed");
    check_envelope(&outcome, &input, DISCOVERIES, "discovery-analyzer");
    check_ours(&outcome, DISCOVERIES, "discovery-analyzer");
    let data = &outcome.data;
    assert_eq!(
        outcome.data_fields(),
        [
            "detected_stack",
            "discovery_report_id",
            "hothouse",
            "repository_id",
            "risk_score",
            "service_boundaries"
        ]
    );
    assert_eq!(data["repository_id"], repository_id);
    assert_eq!(
        data["detected_stack"],
        json!({ "language": "nodejs", "framework": "express", "database": "postgresql" })
    );
    let risk = data["risk_score"].as_f64().expect("a number");
    assert!((0.0..=1.0).contains(&risk), "{risk}");
    assert!(
        data["service_boundaries"]
            .as_array()
            .is_some_and(|found| !found.is_empty())
    );
    let report = data["discovery_report_id"].as_str().expect("an id");
    Uuid::parse_str(report).expect("a UUID");
}

async fn a_failed_discovery_has_the_same_shape_with_its_repository(site: Site) {
    analyzer(&site);
    let _host = site.serve();
    let missing = id();
    let input = discovery(&missing);
    site.publish(std::slice::from_ref(&input)).await;

    let outcome = site.outcome_of(DISCOVERIES, id_of(&input)).await;
    assert_eq!(outcome.kind(), "discovery.failed");
    check_envelope(&outcome, &input, DISCOVERIES, "discovery-analyzer");
    assert_eq!(
        outcome.data_fields(),
        [
            "error_message",
            "error_type",
            "hothouse",
            "repository_id",
            "retry_count"
        ]
    );
    assert_eq!(outcome.data["repository_id"], missing);
    assert_eq!(outcome.error_type(), "host_error");
    assert_eq!(outcome.data["retry_count"], 3);
    let message = outcome.data["error_message"].as_str().expect("a message");
    assert!(message.contains(&missing), "{message}");
    let letters = site.dead_letters(DISCOVERIES).await;
    assert_eq!(letters.len(), 1, "{letters:#?}");
    assert!(letters[0].message().contains(&missing), "{letters:#?}");
}

async fn a_malformed_discovery_is_a_failed_event_and_a_dead_letter(site: Site) {
    let repository_id = analyzer(&site);
    let _host = site.serve();
    let mut input = discovery(&repository_id);
    input["data"]["discovery_type"].take();
    site.append_event(DISCOVERIES, &input).await;

    let outcome = site.outcome_of(DISCOVERIES, id_of(&input)).await;
    assert_eq!(outcome.kind(), "discovery.failed");
    assert_eq!(outcome.data["repository_id"], repository_id);
    assert_eq!(outcome.error_type(), "malformed_event");
    assert_eq!(outcome.data["retry_count"], 0);
    let letters = site.dead_letters(DISCOVERIES).await;
    assert_eq!(letters.len(), 1, "{letters:#?}");
    assert!(letters[0].original == flat(&input), "{letters:#?}");
}
