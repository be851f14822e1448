//! Dead letters that are deleted, and what is left of them.

use hothouse::bus::{EntryId, purged_stream};
use serde_json::json;

use super::{WORKER, bury, failing, listed, outcomes_of};
use crate::event::{id_of, started};
use crate::site::{AGENTS, Site};

on_both_buses! {
    a_purge_deletes_what_it_is_told_and_writes_down_why
}

async fn a_purge_deletes_what_it_is_told_and_writes_down_why(site: Site) {
    let _host = failing(&site);
    let trap = started(WORKER, json!({ "seq": 1 }));
    let hungry = started("loop-forever", json!({}));
    bury(&site, &[trap.clone(), hungry.clone()]).await;
    let purge = ["dlq", "purge", "--error-type", "trap"];
    let unsaid = site.hothouse(&[&purge[..], &["--yes"]].concat()).await;
    assert!(unsaid.exits(2).stderr.contains("--reason"));
    let blank = [&purge[..], &["--reason", " ", "--yes"]].concat();
    site.hothouse(&blank).await.exits(2);
    let reason = ["--reason", "sent by\na test"];
    let preview = [&purge[..], &reason, &["--dry-run"]].concat();
    let preview = site.hothouse(&preview).await.exits(0);
    assert!(preview.stdout.contains("1 dead letter"), "{preview:#?}");
    assert_eq!(listed(&site, &[]).await.len(), 2);

    let letter = listed(&site, &["--error-type", "trap"]).await.remove(0);
    let done = [&purge[..], &reason, &["--yes", "--json"]].concat();
    let answer = site.hothouse(&done).await.exits(0).json();
    assert_eq!(
        (&answer["selected"], &answer["purged"]),
        (&json!(1), &json!(1))
    );
    let left = listed(&site, &[]).await;
    assert_eq!(left.len(), 1, "{left:#?}");
    assert_eq!(left[0]["event_id"], id_of(&hungry));

    let records = purged_stream(AGENTS.0, AGENTS.1);
    let records = site.bus.read(&records, EntryId::ZERO, 10).await;
    let records = records.expect("read the records");
    assert_eq!(records.len(), 1, "{records:?}");
    let said = |name: &str| {
        let text = records[0].fields.get(name).expect("a field");
        String::from_utf8(text.to_vec()).expect("text")
    };
    assert_eq!(said("letter"), letter["id"].as_str().expect("an id"));
    assert_eq!(said("event_id"), id_of(&trap));
    assert_eq!(said("error_type"), "trap");
    assert_eq!(said("reason"), "sent by a test");

    let list = ["dlq", "list", "--purged"];
    let listed = site.hothouse(&list).await.exits(0).stdout;
    for part in [id_of(&trap), "sent by a test", "agent-workers"] {
        assert!(listed.contains(part), "{listed}");
    }
    let listed = site.hothouse(&[&list[..], &["--json"]].concat()).await;
    let listed = listed.exits(0).json();
    assert_eq!(listed["purged"][0]["letter"], letter["id"], "{listed:#}");
    assert_eq!(listed["purged"].as_array().map(Vec::len), Some(1));

    // Nothing runs again, and by its name it is gone.
    site.publish(std::slice::from_ref(&trap)).await;
    outcomes_of(&site, id_of(&trap), 1).await;
    let again = ["dlq", "purge", id_of(&trap), "--reason", "again", "--yes"];
    site.hothouse(&again).await.exits(1);
    let none = site.hothouse(&done).await.exits(0).json();
    assert_eq!(none["selected"], 0, "{none:#}");
}
