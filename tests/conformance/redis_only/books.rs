//! The group's keys, and the server's settings.

use std::time::Duration;

use hothouse::bus::Committed;
use hothouse::event::{EventType, Id};

use super::{command, completed_count, join, publish};
use crate::driver::{End, done, done_with, retry};
use crate::harness::RedisServer;
use crate::harness::events::{EXECUTIONS, completed, failed, started};
use crate::store::agent_workers;

const PREFIX: &str = "{execution-events}:agent-workers";

#[tokio::test]
async fn a_commit_to_a_key_that_is_no_stream_is_refused_alone_and_changes_nothing() {
    let server = RedisServer::start();
    let mut host = join(&server, &agent_workers()).await;
    let entry = started(Id::random(), 0);
    publish(&host, vec![entry.clone()]).await;
    command::<()>(&server, &["SET", "pr-events", "a text"]).await;
    let head = host.take_one().await;
    publish(&host, vec![started(Id::random(), 1)]).await;
    let other = host.take_one().await;
    let mut output = failed(&entry);
    output.event_type = EventType::PrCreated;
    let end = done_with(&head, vec![completed(&entry), output], None);
    let subscription = agent_workers();
    let commits = [end.clone(), done(&other)];
    let committed = host.bus.commit(&subscription, &commits, true).await;
    let committed = committed.expect("answers");
    assert!(
        matches!(
            committed[..],
            [Committed::Refused(_), Committed::Applied(None)]
        ),
        "{committed:?}"
    );
    assert_eq!(completed_count(&host).await, 1);
    command::<()>(&server, &["DEL", "pr-events"]).await;
    host.commit(vec![end]).await.assert_all(End::Applied);
    assert_eq!(completed_count(&host).await, 2);
    let outputs: u64 = command(&server, &["XLEN", "pr-events"]).await;
    assert_eq!(outputs, 1);
}

#[tokio::test]
async fn nothing_is_left_behind_in_the_groups_keys() {
    let server = RedisServer::start();
    let mut host = join(&server, &agent_workers()).await;
    let plan = Id::random();
    publish(&host, (0..5).map(|n| started(plan, n)).collect()).await;
    let head = host.take_one().await;
    host.commit(vec![retry(&head, Duration::ZERO)]).await;
    assert_eq!(host.finish_all().await.len(), 5);
    host.leave().await;
    let mut keys: Vec<String> = command(&server, &["KEYS", "*"]).await;
    keys.sort();
    // `done` holds the finished events for one window, `meta` some figures.
    let left: Vec<&str> = keys
        .iter()
        .filter(|key| !key.contains(":done:"))
        .map(String::as_str)
        .collect();
    assert_eq!(left, [EXECUTIONS, &format!("{PREFIX}:meta")]);
    let done: Vec<&String> = keys.iter().filter(|key| key.contains(":done:")).collect();
    for key in done {
        let left: i64 = command(&server, &["TTL", key]).await;
        assert!(left > 0, "{key} is never deleted");
    }
}
