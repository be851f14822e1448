//! Which events a dry run takes, and what it compares them with.

use hothouse::bus::EntryId;
use serde_json::{Value, json};

use super::{ALL, any_to, findings, handle};
use crate::event::{flat, id, id_of, started, started_in};
use crate::site::{AGENTS, Site};

on_both_buses! {
    the_arguments_select_and_all_of_them_must_hold
    an_event_without_a_recorded_outcome_is_named
    an_event_that_was_requeued_is_compared_once_with_its_latest_outcome
}

async fn the_arguments_select_and_all_of_them_must_hold(site: Site) {
    any_to(&site, "slow-echo-agent", &[]);
    let (lane, correlation) = (id(), id());
    let mut events: Vec<Value> = (0..4)
        .map(|seq| started_in(&lane, "any", json!({ "seq": seq })))
        .collect();
    events[1]["correlation_id"] = json!(correlation);
    events.push(started("any", json!({ "seq": 4 })));
    let mut ids = Vec::new();
    for event in &events {
        let published = site.bus.publish(AGENTS.0, vec![flat(event)]).await;
        ids.push(published.expect("publish")[0].to_string());
    }
    let (first, second) = (id_of(&events[0]), id_of(&events[1]));
    let cases: [(&[&str], &[usize]); 10] = [
        (&["--from", "0-0"], &[0, 1, 2, 3, 4]),
        (&["--from", &ids[1], "--until", &ids[3]], &[1, 2, 3]),
        (&["--from", &ids[1], "--limit", "2"], &[1, 2]),
        (&["--from", "1h", "--aggregate", &lane], &[0, 1, 2, 3]),
        (&["--correlation-id", &correlation], &[1]),
        (&["--correlation-id", first], &[0]),
        (
            &["--event-id", second, "--type", "agent.execution.started"],
            &[1],
        ),
        (&["--event-id", second, "--aggregate", first], &[]),
        (&["--until", "1h"], &[]),
        (
            &[
                "--from",
                "2024-01-16T20:01:00Z",
                "--until",
                "2099-01-01T00:00:00Z",
            ],
            &[0, 1, 2, 3, 4],
        ),
    ];
    for (args, expected) in cases {
        let line = [&["replay", "--dry-run", "--json"], args].concat();
        let answer = site.hothouse(&line).await;
        let answer = answer.exits(i32::from(!expected.is_empty()));
        let found = findings(&answer).into_iter().map(|(id, _)| id);
        let expected = expected.iter().map(|n| id_of(&events[*n]).to_owned());
        assert_eq!(
            found.collect::<Vec<_>>(),
            expected.collect::<Vec<_>>(),
            "{args:?}"
        );
    }
}

async fn an_event_that_was_requeued_is_compared_once_with_its_latest_outcome(site: Site) {
    any_to(&site, "loop-forever", &["slow-echo-agent"]);
    let event = started("any", json!({ "seq": 3 }));
    site.publish(std::slice::from_ref(&event)).await;
    handle(&site, AGENTS).await;
    let letters = site.bus.dead_letters(AGENTS.0, AGENTS.1, EntryId::ZERO, 10);
    let letter = letters.await.expect("dead letters").remove(0).id;
    let config = hothouse::config::Config::load(&site.folder().join("hothouse.toml"), None);
    let subscription = hothouse::subscriptions(&config.expect("config")).remove(0);
    let requeued = site.bus.requeue(&subscription, &[letter], None).await;
    assert_eq!(requeued.expect("requeue").len(), 1);
    any_to(&site, "slow-echo-agent", &[]);
    handle(&site, AGENTS).await;

    let answer = site.hothouse(&ALL).await.exits(0);
    assert_eq!(
        findings(&answer),
        [(id_of(&event).to_owned(), "same".to_owned())]
    );
    let recorded = &answer.json()["events"][0]["recorded"]["events"][0];
    assert_eq!(
        recorded["type"], "agent.execution.completed",
        "{recorded:#}"
    );
}

async fn an_event_without_a_recorded_outcome_is_named(site: Site) {
    any_to(&site, "slow-echo-agent", &[]);
    let handled = started("any", json!({ "seq": 1 }));
    site.publish(std::slice::from_ref(&handled)).await;
    handle(&site, AGENTS).await;
    let new = started("any", json!({ "seq": 2 }));
    site.publish(std::slice::from_ref(&new)).await;
    let mut malformed = started("any", json!({}));
    malformed["data"]["phase_number"] = json!("one");
    site.append_event(AGENTS, &malformed).await;

    let answer = site.hothouse(&ALL).await.exits(1);
    let expected = [(&handled, "same"), (&new, "not_recorded")];
    let expected = expected.map(|(event, finding)| (id_of(event).to_owned(), finding.to_owned()));
    assert_eq!(findings(&answer), expected);
    assert_eq!(answer.json()["unreadable"], 1);
    let text = site.hothouse(&ALL[..4]).await.exits(1).stdout;
    let line = text.lines().find(|line| line.contains(id_of(&new)));
    assert!(
        line.is_some_and(|line| line.starts_with("not recorded")),
        "{text}"
    );
}
