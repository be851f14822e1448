//! Trimming beside other programs, and where Redis is in trouble.

use hothouse::bus::{HeldBack, TrimBound, Trimmed};
use hothouse::event::Id;

use super::{command, join, publish};
use crate::driver::{Host, done, done_with};
use crate::harness::RedisServer;
use crate::harness::events::{EXECUTIONS, started};
use crate::store::agent_workers;

async fn trim(host: &Host) -> Trimmed {
    let bound = TrimBound {
        older_than: None,
        keep: Some(0),
    };
    let groups = ["agent-workers".to_owned()];
    let trimmed = host.bus.trim(EXECUTIONS, &groups, bound, false);
    trimmed.await.expect("trim")
}

#[tokio::test]
async fn a_group_of_another_program_holds_back_what_it_has_not_acknowledged() {
    let server = RedisServer::start();
    let mut host = join(&server, &agent_workers()).await;
    let entries = (0..4).map(|n| started(Id::random(), n)).collect();
    let ids = publish(&host, entries).await;
    let create = ["XGROUP", "CREATE", EXECUTIONS, "reporting", "0"];
    command::<()>(&server, &create).await;
    for head in host.take(10).await {
        let end = done_with(&head, vec![], None);
        host.commit(vec![end]).await.assert_applied();
    }
    let held = Some(HeldBack::Group("reporting".into()));
    let trimmed = trim(&host).await;
    assert_eq!((trimmed.removed, trimmed.held_back_by), (0, held.clone()));

    let read = "XREADGROUP GROUP reporting r COUNT 3 STREAMS execution-events >";
    let read: Vec<&str> = read.split(' ').collect();
    command::<redis::Value>(&server, &read).await;
    let ack = |id: usize| ids[id].to_string();
    let acked: i64 = command(
        &server,
        &["XACK", EXECUTIONS, "reporting", &ack(0), &ack(2)],
    )
    .await;
    assert_eq!(acked, 2);
    let trimmed = trim(&host).await;
    assert_eq!((trimmed.up_to, trimmed.held_back_by), (Some(ids[0]), held));
    command::<()>(&server, &["XGROUP", "DESTROY", EXECUTIONS, "reporting"]).await;
    assert_eq!(trim(&host).await.up_to, Some(ids[3]));
}

#[tokio::test]
async fn what_the_books_hold_stays_where_the_group_was_deleted() {
    let server = RedisServer::start();
    let mut host = join(&server, &agent_workers()).await;
    let (quick, busy) = (Id::random(), Id::random());
    let entries = vec![started(quick, 0), started(busy, 1), started(busy, 2)];
    let ids = publish(&host, entries).await;
    let heads = host.take(10).await;
    let end = done_with(&heads[0], vec![], None);
    host.commit(vec![end]).await.assert_applied();
    command::<()>(&server, &["XGROUP", "DESTROY", EXECUTIONS, "agent-workers"]).await;
    let missing = Some(HeldBack::Missing("agent-workers".into()));
    assert_eq!(trim(&host).await.held_back_by, missing);
    host.bus.join(&agent_workers()).await.expect("join again");

    // The new group's native list knows nothing of what is in hand and parked.
    assert_eq!(trim(&host).await.up_to, Some(ids[0]));
    let next = host.commit(vec![done(&heads[1])]).await.only_next();
    assert_eq!(trim(&host).await.up_to, Some(ids[1]));
    host.commit(vec![done(&next)]).await.assert_applied();
    assert_eq!(host.finish_all().await.len(), 0);
    assert_eq!(trim(&host).await.removed, 3);
}

#[tokio::test]
async fn a_server_without_memory_is_trimmed() {
    let server = RedisServer::start();
    let mut host = join(&server, &agent_workers()).await;
    publish(&host, vec![started(Id::random(), 0)]).await;
    let head = host.take_one().await;
    let end = done_with(&head, vec![], None);
    host.commit(vec![end]).await.assert_applied();
    command::<()>(&server, &["CONFIG", "SET", "maxmemory", "1"]).await;
    assert_eq!(trim(&host).await.removed, 1);
}

#[tokio::test]
async fn ids_with_the_largest_sequence_numbers_are_trimmed_too() {
    let server = RedisServer::start();
    let mut host = join(&server, &agent_workers()).await;
    let largest = [
        "1-9007199254740993",
        "1-18446744073709551614",
        "1-18446744073709551615",
        "2-99",
    ];
    for (index, id) in largest.iter().enumerate() {
        command::<String>(&server, &["XADD", EXECUTIONS, id, "type", "no.such.type"]).await;
        host.finish_all().await;
        assert_eq!(trim(&host).await.removed, 1, "{id}");
        let left: usize = command(&server, &["XLEN", EXECUTIONS]).await;
        assert_eq!(left, 0, "{index}");
    }
}
