//! How much one reply carries.

use hothouse::bus::{Delivery, REPLY_BUDGET};
use hothouse::event::Id;

use super::{join, publish};
use crate::driver::done;
use crate::harness::RedisServer;
use crate::harness::events::{seq_of, started};
use crate::store::agent_workers;

const BODY: usize = 1 << 20;

/// No reply goes over the budget by more than the entry that reached it.
fn check(deliveries: &[Delivery]) {
    let bytes: usize = deliveries.iter().map(|one| one.fields.size()).sum();
    assert!(
        bytes < REPLY_BUDGET + 2 * BODY,
        "{bytes} bytes in one reply"
    );
}

#[tokio::test]
async fn large_entries_come_in_several_replies_each_once_and_in_order() {
    let server = RedisServer::start();
    let mut host = join(&server, &agent_workers()).await;
    let plans: Vec<Id> = (0..12).map(|_| Id::random()).collect();
    for seq in 0..24 {
        let mut entry = started(plans[seq % 12], seq as u64);
        entry.push("padding", vec![b'x'; BODY]);
        publish(&host, vec![entry]).await;
    }

    let mut seen = Vec::new();
    let mut commits = Vec::new();
    while seen.len() < 12 {
        let deliveries = host.take(64).await;
        check(&deliveries);
        seen.extend(deliveries.iter().map(|one| seq_of(&one.fields)));
        commits.extend(deliveries.iter().map(done));
    }
    seen.sort_unstable();
    assert_eq!(seen, (0..12).collect::<Vec<u64>>());

    // None of them is known to a host that lost every reply.
    let subscription = agent_workers();
    let mut held = Vec::new();
    loop {
        let found = host
            .bus
            .recover(&subscription, &held)
            .await
            .expect("recover");
        check(&found);
        if found.is_empty() {
            break;
        }
        held.extend(found.into_iter().map(|one| one.lease));
    }
    assert_eq!(held.len(), 12);

    // The commit hands out what it may of the next twelve, fetches the rest.
    let next = host.commit(commits).await.next;
    check(&next);
    let mut seen: Vec<u64> = next.iter().map(|one| seq_of(&one.fields)).collect();
    assert!(!seen.is_empty() && seen.len() < 12, "{seen:?}");
    while seen.len() < 12 {
        let deliveries = host.take(64).await;
        check(&deliveries);
        seen.extend(deliveries.iter().map(|one| seq_of(&one.fields)));
    }
    seen.sort_unstable();
    assert_eq!(seen, (12..24).collect::<Vec<u64>>());
}
