//! The generic world: any type to any group, as configured.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::event::{event, id, id_of};
use crate::outcome::Outcome;
use crate::site::{Group, Site};

on_every_bus! {
    handlers_take_feature_planning_and_pr_events_in_the_groups_that_the_configuration_names
    a_handlers_failure_is_a_dead_letter_alone
    two_groups_on_one_stream_each_give_their_own_outcome
}

pub(crate) fn echo(site: &Site, routes: &[(&str, &str)]) {
    site.install(
        "echo",
        "world = \"handler\"\nemits = [\"feature.request.created\", \"pr.merged\"]\n",
    );
    let mut config = "[plugins.echo]\npath = \"plugins/echo\"\n".to_owned();
    for (group, kind) in routes {
        config += &format!(
            "[[routes]]\ngroup = \"{group}\"\ntype = \"{kind}\"\nplugin = \"echo\"\n\
             retry_delays_ms = []\n"
        );
    }
    site.configure(&config);
}

/// A valid feature.request.created's data.
pub(crate) fn feature(title: &str) -> Value {
    json!({
        "feature_request_id": id(), "project_id": id(), "title": title,
        "description": "d", "requester_id": id(),
    })
}

pub(crate) fn planning(emit: &Value) -> Value {
    event(
        "planning.started",
        json!({
            "feature_request_id": id(), "execution_plan_id": id(), "planner_agent_id": id(),
            "emit": emit,
        }),
    )
}

/// Waits for the group's own outcomes on another stream, in order.
async fn emitted(site: &Site, taken: Group, Group(stream, group): Group) -> Vec<Outcome> {
    site.settled(taken).await;
    let mut outcomes = site.outcomes(Group(stream, group)).await;
    outcomes.retain(|outcome| outcome.data["hothouse"]["group"] == group);
    outcomes
}

async fn handlers_take_feature_planning_and_pr_events_in_the_groups_that_the_configuration_names(
    site: Site,
) {
    let cases = [
        ("sync-workers", "feature.request.created", "feature-events"),
        ("sync-workers", "planning.started", "planning-events"),
        ("pr-workers", "pr.created", "pr-events"),
    ];
    echo(&site, &cases.map(|(group, kind, _)| (group, kind)));
    let _host = site.serve();
    let emit = json!([
        { "type": "pr.merged",
          "data": { "pull_request_id": id(), "merged_by": id(), "merge_commit_sha": "first" } },
        { "type": "pr.merged",
          "data": { "pull_request_id": id(), "merged_by": id(), "merge_commit_sha": "second" } },
    ]);
    let mut data = feature("t");
    data["emit"] = emit.clone();
    let feature = event("feature.request.created", data);
    let planning = planning(&emit);
    let pr = event(
        "pr.created",
        json!({
            "pull_request_id": id(), "repository_id": id(), "agent_execution_id": id(),
            "title": "t", "branch_name": "b", "pr_number": 1, "url": "https://example.org/1",
            "emit": emit,
        }),
    );
    site.publish(&[feature.clone(), planning.clone(), pr.clone()])
        .await;

    for ((group, kind, stream), input) in cases.iter().zip([&feature, &planning, &pr]) {
        let mut outcomes = emitted(&site, Group(stream, group), Group("pr-events", group)).await;
        outcomes.retain(|outcome| outcome.cause() == id_of(input));
        let shas: Vec<&Value> = outcomes
            .iter()
            .map(|outcome| &outcome.data["merge_commit_sha"])
            .collect();
        assert_eq!(shas, ["first", "second"], "{kind} in {group}");
        let namespace = Uuid::parse_str(id_of(input)).expect("a UUID");
        for (index, outcome) in outcomes.iter().enumerate() {
            let name = format!("{group}/0/{index}");
            let expected = Uuid::new_v5(&namespace, name.as_bytes()).to_string();
            assert_eq!(outcome.envelope["event_id"], expected);
            assert_eq!(outcome.envelope["correlation_id"], id_of(input));
            assert_eq!(outcome.envelope["source"], "hothouse/echo@1.2.3");
            assert_eq!(outcome.envelope["version"], "1.0");
            assert_eq!(
                outcome.data_fields(),
                [
                    "hothouse",
                    "merge_commit_sha",
                    "merged_by",
                    "pull_request_id"
                ]
            );
        }
    }
}

async fn a_handlers_failure_is_a_dead_letter_alone(site: Site) {
    const PLANS: Group = Group("planning-events", "sync-workers");
    echo(&site, &[("sync-workers", "planning.started")]);
    let _host = site.serve();
    let undeclared = json!([{ "type": "repo.connected", "data": {} }]);
    let wrong = json!([{ "type": "pr.merged", "data": { "pull_request_id": "no id" } }]);
    let inputs = [planning(&undeclared), planning(&wrong)];
    site.publish(&inputs).await;

    site.settled(PLANS).await;
    let letters = site.dead_letters(PLANS).await;
    assert_eq!(letters.len(), 2, "{letters:#?}");
    for letter in &letters {
        assert_eq!(letter.error_type(), "contract_violation");
        assert_eq!(letter.attempts(), 1);
        assert_eq!(letter.said["plugin"], "echo@1.2.3");
    }
    for stream in ["planning-events", "pr-events", "repository-events"] {
        let outcomes = site.outcomes(Group(stream, "")).await;
        assert!(outcomes.is_empty(), "{outcomes:#?}");
    }
}

async fn two_groups_on_one_stream_each_give_their_own_outcome(site: Site) {
    let groups = ["sync-workers", "feature-workers"];
    echo(&site, &groups.map(|group| (group, "planning.started")));
    let _host = site.serve();
    let emit = json!([{ "type": "feature.request.created", "data": feature("t") }]);
    let input = planning(&emit);
    site.publish(std::slice::from_ref(&input)).await;

    let mut ids = Vec::new();
    for group in groups {
        let taken = Group("planning-events", group);
        let outcomes = emitted(&site, taken, Group("feature-events", group)).await;
        assert_eq!(outcomes.len(), 1, "{outcomes:#?}");
        assert_eq!(outcomes[0].cause(), id_of(&input));
        ids.push(outcomes[0].envelope["event_id"].clone());
    }
    assert_ne!(ids[0], ids[1]);
}
