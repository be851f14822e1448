//! What the verbs refuse before they change anything.

use serde_json::json;

use super::{WORKER, bury, failing, listed};
use crate::event::{id_of, started};
use crate::site::Site;

on_both_buses! {
    what_is_not_said_clearly_changes_nothing
    a_group_that_the_configuration_has_no_more_can_be_named
}

async fn what_is_not_said_clearly_changes_nothing(site: Site) {
    let _host = failing(&site);
    let event = started(WORKER, json!({ "seq": 1 }));
    bury(&site, std::slice::from_ref(&event)).await;
    let id = id_of(&event);
    let cases: [(&[&str], &str); 11] = [
        (&["requeue", "--yes"], "--all"),
        (&["purge", "--reason", "x", "--yes"], "--all"),
        (&["requeue", "--all", id, "--yes"], "one of them"),
        (
            &["requeue", id, "--error-type", "trap", "--yes"],
            "one of them",
        ),
        (&["requeue", "--all"], "--yes"),
        (&["purge", "--all", "--reason", "x"], "--yes"),
        (&["requeue", "7", "--yes"], "event_id"),
        (&["list", "--error-type", "bad_luck"], "out_of_fuel"),
        (&["list", "--group", "poets"], "agent-workers"),
        (&["list", "--purged", "--type", "pr.merged"], "--purged"),
        (&["show", "18446744073709551615-0"], "event_id"),
    ];
    for (args, why) in cases {
        let args = [&["dlq"], args].concat();
        let answer = site.hothouse(&args).await.exits(2);
        assert!(answer.stderr.contains(why), "{why}: {answer:#?}");
        assert_eq!(answer.stdout, "", "{answer:#?}");
    }
    assert_eq!(listed(&site, &[]).await.len(), 1);

    // A name that no letter has does not hold back the others.
    let other = "3fa85f64-5717-4562-b3fc-2c963f66afa6";
    let answer = ["dlq", "requeue", other, id, "1-1", "--yes", "--json"];
    let answer = site.hothouse(&answer).await.exits(1).json();
    assert_eq!(answer["not_found"], json!(["1-1", other]), "{answer:#}");
    assert_eq!(answer["done"]["requeued"], 1, "{answer:#}");
}

async fn a_group_that_the_configuration_has_no_more_can_be_named(site: Site) {
    let host = failing(&site);
    let event = started(WORKER, json!({ "seq": 1 }));
    bury(&site, std::slice::from_ref(&event)).await;
    drop(host);
    site.configure(
        "[plugins.worker]\npath = \"plugins/worker\"\n[[routes]]\n\
         type = \"agent.execution.started\"\nplugin = \"worker\"\ngroup = \"others\"\n",
    );
    assert_eq!(listed(&site, &[]).await.len(), 0);
    let of_it = ["--group", "agent-workers"];
    assert_eq!(listed(&site, &of_it).await.len(), 1);
    let purge = ["dlq", "purge", "--all", "--reason", "given up", "--yes"];
    let purge = [&purge[..], &of_it].concat();
    site.hothouse(&purge).await.exits(0);
    assert_eq!(listed(&site, &of_it).await.len(), 0);
}
