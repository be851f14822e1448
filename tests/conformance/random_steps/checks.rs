//! What must hold after every step, and at the end.

use std::collections::BTreeSet;

use hothouse::bus::{EntryId, Lane, LaneState, LaneStatus, LaneStep, Subscription};
use hothouse::event::Id;

use super::world::World;
use super::{ALL, End, HOSTS};
use crate::harness::events::event_id_of;
use crate::store::agent_workers;

/// The keys of a group that may be left: what is remembered of finished events, figures, dead
/// letters.
const LEFT: [&str; 3] = ["done", "meta", "dlq"];

impl World {
    async fn lanes(&self) -> Vec<LaneStatus> {
        let Subscription { stream, group, .. } = &agent_workers();
        let lanes = self.store.bus().lanes(stream, group, None, ALL).await;
        let mut lanes = lanes.expect("lanes");
        assert_eq!(lanes.total, lanes.lanes.len());
        lanes.lanes.sort_by(|a, b| a.lane.cmp(&b.lane));
        lanes.lanes
    }

    /// The figures are those of the lanes, and the lanes are held by whom they were given to.
    pub(super) async fn check_books(&mut self) {
        let lanes = self.lanes().await;
        let status = self.store.status(&agent_workers()).await;
        let (mut stopped, mut parked, mut counted) = (0, 0, 0);
        let mut held: Vec<BTreeSet<Lane>> = vec![BTreeSet::new(); HOSTS];
        for status in &lanes {
            parked += status.waiting;
            match &status.state {
                LaneState::Held { host, attempt, .. } => {
                    let holder = (0..HOSTS).find(|n| *host == format!("host {n}"));
                    let holder = holder.unwrap_or_else(|| panic!("held by {host}"));
                    let ours = &self.held[holder][&status.lane];
                    assert_eq!(
                        (status.head, *attempt),
                        (Some(ours.lease.entry), ours.attempt)
                    );
                    held[holder].insert(status.lane.clone());
                    counted += status.waiting;
                }
                LaneState::Waiting { .. } => {
                    assert!(status.head.is_some() && status.waiting > 0, "{status:?}");
                    counted += status.waiting;
                }
                LaneState::Stopped { .. } => stopped += 1,
            }
            let (state, history) = (status.state.name(), status.history.len());
            self.seen.push(format!(
                "{} {state:?}: {} wait, {} runs, {history}",
                status.lane, status.waiting, status.attempts
            ));
        }
        for (held, ours) in held.iter().zip(&self.held) {
            assert_eq!(held, &ours.keys().cloned().collect());
        }
        let in_hand: usize = held.iter().map(BTreeSet::len).sum();
        let figures = (status.lanes, status.stopped, status.parked, status.pending);
        let expected = (lanes.len() as u64, stopped, parked, parked + in_hand as u64);
        assert_eq!(figures, expected, "{lanes:#?}");
        for (limit, full) in [(counted, true), (counted + 1, false)] {
            let subscription = Subscription {
                parked_limit: usize::try_from(limit).expect("a small number"),
                ..agent_workers()
            };
            let fetched = self.hosts[0].bus.fetch(&subscription, 0).await;
            assert_eq!(
                fetched.expect("fetch").full,
                full,
                "{counted} of {lanes:#?}"
            );
        }
    }

    /// Ends all that is left, and looks at the whole.
    pub(super) async fn finish(mut self) -> Vec<String> {
        for host in 0..HOSTS {
            self.hosts[host].leave().await;
            self.held[host].clear();
        }
        // Each round brings at least the first entry of every lane that waits.
        for round in 0.. {
            self.drain().await;
            let left = self.lanes().await;
            if left.is_empty() {
                break;
            }
            assert!(round <= ALL, "it never ends: {left:#?}");
            for status in left {
                let step = match status.state {
                    LaneState::Stopped { .. } => LaneStep::Release,
                    LaneState::Waiting { .. } => LaneStep::RetryNow,
                    LaneState::Held { .. } => panic!("{status:?}"),
                };
                self.hosts[0].step(&status.lane, step).await;
            }
        }
        self.hosts[0].leave().await;
        self.check_keys().await;
        self.store.assert_at_rest(&agent_workers()).await;
        self.note_outcomes().await;
        self.check_ends().await;
        self.seen
    }

    /// Completes all that may run now.
    async fn drain(&mut self) {
        loop {
            self.fetch(0).await;
            if self.held[0].is_empty() {
                break;
            }
            while let Some(lane) = self.held[0].keys().min().cloned() {
                let delivery = self.held[0].remove(&lane).expect("it is held");
                self.end(0, &delivery, End::Done, true).await;
            }
        }
    }

    /// One end for each event: its outcome, or its dead letter; in the order of the lane.
    async fn check_ends(&self) {
        let Subscription { stream, group, .. } = &agent_workers();
        let bus = self.store.bus();
        let letters = bus.dead_letters(stream, group, EntryId::ZERO, ALL).await;
        let letters = letters.expect("dead letters");
        let mut ended: Vec<Id> = self.outcomes.values().map(|one| one.2).collect();
        ended.extend(letters.iter().map(|one| event_id_of(&one.fields)));
        let mut expected = self.published.clone();
        for ids in [&mut ended, &mut expected] {
            ids.sort();
        }
        expected.dedup();
        assert_eq!(ended, expected, "one end for each event");
        for lane in 0..self.plans.len() {
            let lane = self.lane(lane);
            let order = self.ended.iter().filter(|one| one.0 == lane);
            let order: Vec<EntryId> = order.map(|one| one.1).collect();
            let in_order = order.is_sorted_by(|a, b| a < b);
            assert!(
                in_order || self.unordered.contains(&lane),
                "{lane}: {order:?}"
            );
        }
    }

    /// At rest nothing is left in Redis but what is to be.
    async fn check_keys(&self) {
        let Some(url) = self.store.redis_url() else {
            return;
        };
        let client = redis::Client::open(url).expect("a Redis URL");
        let connection = client.get_multiplexed_async_connection().await;
        let keys: Vec<String> = redis::cmd("KEYS")
            .arg("*}:agent-workers:*")
            .query_async(&mut connection.expect("connect"))
            .await
            .expect("keys");
        for key in keys {
            let room = key.split(':').nth(2);
            assert!(
                room.is_some_and(|room| LEFT.contains(&room)),
                "{key} is left"
            );
        }
    }
}
