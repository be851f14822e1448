//! Replays that end before they are done, and how they go on.

use std::collections::BTreeSet;

use serde_json::json;

use super::{append, configured, events, last_run, replayed, replayed_ids, texts};
use crate::harness::eventually;
use crate::site::{AGENTS, Site};

on_both_buses! {
    a_replay_that_is_killed_again_and_again_replays_each_event_once
    a_replay_that_is_told_to_stop_says_how_it_goes_on
    a_run_that_is_resumed_twice_at_once_replays_each_event_once
}

/// At the rates of these cases they take ten seconds: a run is killed long before its end.
const EVENTS: usize = 200;

async fn at_least(site: &Site, enough: usize) -> usize {
    eventually(&format!("{enough} events are replayed"), async || {
        let done = replayed(site).await.len();
        (done >= enough).then_some(done)
    })
    .await
}

async fn a_replay_that_is_killed_again_and_again_replays_each_event_once(site: Site) {
    configured(&site);
    let ids = texts(&append(&site, &events(EVENTS)).await);
    let mut replay = site.start(&["replay", "--from", "0-0", "--yes", "--rate", "20"]);
    let mut done = at_least(&site, 3).await;
    replay.kill();
    let run = last_run(&site).await;
    assert_eq!(run["finished"], false, "{run:#}");
    let run = run["run"].as_str().expect("a run").to_owned();
    for _ in 0..2 {
        let mut replay = site.start(&["replay", "--resume", &run, "--rate", "20"]);
        done = at_least(&site, done + 3).await;
        replay.kill();
    }
    assert!(done < EVENTS, "it was killed in the midst: {done}");

    let resume = ["replay", "--resume", &run, "--rate", "0", "--json"];
    let answer = site.hothouse(&resume).await.exits(0).json();
    assert_eq!(
        (&answer["appended"], &answer["finished"]),
        (&json!(EVENTS), &json!(true))
    );
    assert_eq!(replayed_ids(&site).await, ids);
    // It has nothing left to do, however often it is asked.
    site.hothouse(&resume).await.exits(0);
    assert_eq!(replayed_ids(&site).await, ids);
    let listed = site.hothouse(&["replay", "--list"]).await.exits(0).stdout;
    assert!(
        listed.contains(&run) && listed.contains("200 of 200"),
        "{listed}"
    );

    let _host = site.serve();
    site.settled(AGENTS).await;
    let outcomes = site.outcomes(AGENTS).await;
    assert_eq!(outcomes.len(), 2 * EVENTS);
    let causes: BTreeSet<_> = outcomes.iter().map(|one| one.cause()).collect();
    assert_eq!(causes.len(), 2 * EVENTS, "each event has one outcome");
}

async fn a_replay_that_is_told_to_stop_says_how_it_goes_on(site: Site) {
    configured(&site);
    let ids = texts(&append(&site, &events(EVENTS)).await);
    for signal in ["TERM", "INT"] {
        let before = replayed(&site).await.len();
        let mut replay = site.start(&["replay", "--from", "0-0", "--yes", "--rate", "20"]);
        at_least(&site, before + 2).await;
        replay.signal(signal);
        assert_eq!(replay.exit_code().await, Some(1), "{}", replay.log());
        let run = last_run(&site).await;
        assert_eq!(run["finished"], false, "{run:#}");
        let how = format!(
            "hothouse replay --resume {}",
            run["run"].as_str().expect("a run")
        );
        assert!(replay.log().contains(&how), "{}", replay.log());

        let resume = ["replay", "--resume", run["run"].as_str().expect("a run")];
        let rest = site
            .hothouse(&[&resume[..], &["--rate", "0"]].concat())
            .await
            .exits(0);
        assert!(rest.stdout.contains("200 events replayed"), "{rest:#?}");
        assert_eq!(replayed_ids(&site).await[before..], ids);
    }
}

async fn a_run_that_is_resumed_twice_at_once_replays_each_event_once(site: Site) {
    configured(&site);
    let ids = texts(&append(&site, &events(EVENTS)).await);
    let mut replay = site.start(&["replay", "--from", "0-0", "--yes", "--rate", "20"]);
    at_least(&site, 2).await;
    replay.kill();
    let run = last_run(&site).await["run"]
        .as_str()
        .expect("a run")
        .to_owned();
    // Steps of different sizes, so that one comes less far than the other would.
    let resumed = ["100", "170", "0"].map(|rate| {
        let args = ["replay", "--resume", &run, "--rate", rate];
        site.start(&args)
    });
    for mut replay in resumed {
        assert_eq!(replay.exit_code().await, Some(0), "{}", replay.log());
    }
    assert_eq!(replayed_ids(&site).await, ids);
    assert_eq!(last_run(&site).await["appended"], EVENTS);
}
