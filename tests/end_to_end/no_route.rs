//! An agent type that no route takes, through the schedule of retries that holds without a
//! route: 1 s, 5 s, 25 s. It is the slowest case.

use serde_json::json;

use crate::event::{id_of, started};
use crate::site::{AGENTS, Site};

/// Both buses in one test, so that the schedule is waited for once.
#[tokio::test]
async fn an_unknown_agent_type_is_retried_and_then_a_failed_event_and_a_dead_letter() {
    tokio::join!(
        no_route_takes_it(Site::on_redis()),
        no_route_takes_it(Site::on_sqlite())
    );
}

async fn no_route_takes_it(site: Site) {
    let _host = site.serve_agent("slow-echo-agent", "");
    let poet = started("poet", json!({ "seq": 1 }));
    let good = started("slow-echo-agent", json!({ "seq": 2 }));
    site.publish(&[poet.clone(), good.clone()]).await;

    let outcome = site.outcome_of(AGENTS, id_of(&poet)).await;
    assert_eq!(outcome.error_type(), "no_route");
    assert_eq!(outcome.data["retry_count"], 3);
    assert_eq!(outcome.attempts(), 4);
    assert_eq!(outcome.envelope["source"], "hothouse", "no plugin ran");
    let message = outcome.data["error_message"].as_str().expect("a message");
    assert!(message.contains("\"poet\""), "{message}");
    let letters = site.dead_letters(AGENTS).await;
    assert_eq!(letters.len(), 1, "{letters:#?}");
    assert_eq!(letters[0].error_type(), "no_route");
    assert_eq!(letters[0].attempts(), 4);
    let outcomes = site.outcomes(AGENTS).await;
    let causes: Vec<&str> = outcomes.iter().map(|outcome| outcome.cause()).collect();
    assert_eq!(
        causes,
        [id_of(&good), id_of(&poet)],
        "the good event did not wait"
    );
}
