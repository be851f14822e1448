//! One bus, and what the steps do there.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use hothouse::bus::{
    Commit, Delivery, EntryId, Lane, LaneStep, Requeued, Stepped, Subscription, TrimBound,
};
use hothouse::event::{EventType, Id};

use super::{ALL, End, HOSTS, LANES, Step};
use crate::driver::{self, Host, done, release, retry, retry_aside, stop_lane};
use crate::harness::events::{EXECUTIONS, completed_parts, seq_of, started_as};
use crate::harness::eventually;
use crate::store::{Kind, Store, agent_workers};

const AN_HOUR: Duration = Duration::from_secs(3600);

pub(super) struct World {
    pub(super) store: Store,
    pub(super) plans: [Id; LANES],
    pub(super) hosts: Vec<Host>,
    pub(super) held: Vec<HashMap<Lane, Delivery>>,
    /// What hosts held that left or were lost.
    stale: Vec<(usize, Delivery)>,
    pub(super) published: Vec<Id>,
    /// Event ids of each lane in the order in which they came.
    inputs: [Vec<Id>; LANES],
    pub(super) seen: Vec<String>,
    /// Every completed event that was on the stream at some time.
    pub(super) outcomes: BTreeMap<EntryId, (Id, u64, Id)>,
    /// What was ended of each lane, in order.
    pub(super) ended: Vec<(Lane, EntryId)>,
    /// Lanes whose later entries went on while one waited.
    pub(super) unordered: BTreeSet<Lane>,
}

impl World {
    pub(super) async fn new(kind: Kind, plans: [Id; LANES]) -> Self {
        let store = Store::open(kind);
        let mut hosts = Vec::new();
        for n in 0..HOSTS {
            hosts.push(store.host(&format!("host {n}"), &agent_workers()).await);
        }
        Self {
            store,
            plans,
            hosts,
            held: vec![HashMap::new(); HOSTS],
            stale: Vec::new(),
            published: Vec::new(),
            inputs: Default::default(),
            seen: Vec::new(),
            outcomes: BTreeMap::new(),
            ended: Vec::new(),
            unordered: BTreeSet::new(),
        }
    }

    pub(super) fn lane(&self, lane: usize) -> Lane {
        Lane::named(&self.plans[lane].to_string())
    }

    async fn publish(&mut self, event_id: Id, lane: usize) {
        let seq = self.inputs[lane].len() as u64;
        self.inputs[lane].push(event_id);
        self.published.push(event_id);
        let entry = started_as(event_id, self.plans[lane], seq);
        self.store.publish(vec![entry]).await;
    }

    fn take(&mut self, host: usize, mut deliveries: Vec<Delivery>) {
        deliveries.sort_by_key(|one| one.lease.lane.clone());
        for delivery in deliveries {
            let lane = delivery.lease.lane.clone();
            let elsewhere = self.held.iter().any(|held| held.contains_key(&lane));
            assert!(!elsewhere, "two of lane {lane} at once");
            self.seen.push(format!(
                "host {host} has {} of {lane}, attempt {}, {:?}",
                seq_of(&delivery.fields),
                delivery.attempt,
                delivery
                    .history
                    .iter()
                    .map(|run| (run.attempt, run.lost))
                    .collect::<Vec<_>>(),
            ));
            self.held[host].insert(lane, delivery);
        }
    }

    /// The host holds nothing any more, and does not know.
    fn drop_all(&mut self, host: usize) {
        let dropped = std::mem::take(&mut self.held[host]);
        let mut dropped: Vec<Delivery> = dropped.into_values().collect();
        dropped.sort_by_key(|one| one.lease.lane.clone());
        self.stale
            .extend(dropped.into_iter().map(|one| (host, one)));
    }

    pub(super) async fn apply(&mut self, step: &Step, new_id: Id) {
        match step {
            Step::Publish { lane } => self.publish(new_id, *lane).await,
            Step::PublishAgain { which, lane } => {
                if !self.published.is_empty() {
                    let event_id = self.published[which.index(self.published.len())];
                    self.publish(event_id, *lane).await;
                }
            }
            Step::Fetch { host } => self.fetch(*host).await,
            Step::End {
                host,
                lane,
                end,
                advance,
            } => {
                let lane = self.lane(*lane);
                if let Some(delivery) = self.held[*host].remove(&lane) {
                    self.end(*host, &delivery, *end, *advance).await;
                }
            }
            Step::BeginAlone { host, lane } => {
                if let Some(delivery) = self.held[*host].get(&self.lane(*lane)) {
                    let bus = &self.hosts[*host].bus;
                    let begun = bus.begin_alone(&agent_workers(), &delivery.lease).await;
                    assert!(begun.expect("begin alone"));
                }
            }
            Step::Leave { host } => {
                self.hosts[*host].leave().await;
                self.drop_all(*host);
            }
            Step::Lose { host } => self.lose(*host).await,
            Step::Late { which } => {
                if !self.stale.is_empty() {
                    let (host, late) = &self.stale[which.index(self.stale.len())];
                    let answer = self.hosts[*host].commit(vec![done(late)]).await;
                    self.seen.push(format!("late: {:?}", answer.ends));
                    assert!(answer.next.is_empty(), "{:?}", answer.next);
                }
            }
            Step::Operate { host, lane, step } => self.operate(*host, *lane, *step).await,
            Step::Requeue { which } => self.requeue(which).await,
            Step::Trim => {
                self.note_outcomes().await;
                let bound = TrimBound {
                    older_than: None,
                    keep: Some(0),
                };
                let trimmed = self.store.bus().trim(EXECUTIONS, &[], bound, false);
                let removed = trimmed.await.expect("trim").removed;
                self.seen.push(format!("trimmed {removed}"));
            }
        }
    }

    pub(super) async fn fetch(&mut self, host: usize) {
        let deliveries = self.hosts[host].take(ALL).await;
        self.take(host, deliveries);
    }

    pub(super) async fn end(&mut self, host: usize, delivery: &Delivery, end: End, advance: bool) {
        let commit: Commit = match end {
            End::Done => done(delivery),
            End::Retry { long } => retry(delivery, delay(long)),
            End::Aside { long } => retry_aside(delivery, delay(long)),
            End::Stop => stop_lane(delivery),
            End::Release => release(delivery),
        };
        let answer = match advance {
            true => self.hosts[host].commit(vec![commit]).await,
            false => self.hosts[host].commit_only(vec![commit]).await,
        };
        self.seen.push(format!("{end:?}: {:?}", answer.ends));
        let (lane, entry) = (delivery.lease.lane.clone(), delivery.lease.entry);
        match end {
            End::Done | End::Stop => {
                assert!(matches!(
                    answer.ends[..],
                    [driver::End::Applied | driver::End::Duplicate]
                ));
                self.ended.push((lane, entry));
            }
            End::Aside { .. } => {
                answer.assert_applied();
                self.unordered.insert(lane);
            }
            End::Retry { .. } | End::Release => answer.assert_applied(),
        }
        self.take(host, answer.next);
    }

    async fn lose(&mut self, host: usize) {
        let short = Subscription {
            lease: Duration::from_millis(1),
            ..agent_workers()
        };
        let fetched = self.hosts[host].bus.fetch(&short, 0).await;
        fetched.expect("a fetch that shortens the lease");
        let held = self.held[host].len();
        let other = (host + 1) % HOSTS;
        let mut freed = 0;
        while freed < held {
            freed += eventually("the lease is over", async || {
                let beat = self.hosts[other].bus.heartbeat(&agent_workers()).await;
                let freed = beat.expect("a heartbeat").freed;
                (freed > 0).then_some(freed)
            })
            .await;
        }
        assert_eq!(freed, held);
        self.drop_all(host);
    }

    async fn operate(&mut self, host: usize, lane: usize, step: LaneStep) {
        let lane = self.lane(lane);
        let stepped = self.hosts[host].step(&lane, step).await;
        let said = match &stepped {
            Stepped::Done(head) => format!("done, head: {}", head.is_some()),
            other => format!("{other:?}"),
        };
        self.seen.push(format!("{step:?} of {lane}: {said}"));
        if let Stepped::Done(Some(head)) = stepped {
            self.take(host, vec![*head]);
        }
    }

    async fn requeue(&mut self, which: &proptest::sample::Index) {
        let Subscription { stream, group, .. } = &agent_workers();
        let bus = self.store.bus();
        let letters = bus.dead_letters(stream, group, EntryId::ZERO, ALL).await;
        let letters = letters.expect("dead letters");
        if letters.is_empty() {
            return;
        }
        let letter = letters[which.index(letters.len())].id;
        let requeued = bus.requeue(&agent_workers(), &[letter], None).await;
        let requeued = requeued.expect("requeue");
        let [Requeued::Appended { generation, .. }] = requeued[..] else {
            panic!("{requeued:?}");
        };
        self.seen.push(format!("requeued as {generation}"));
    }

    pub(super) async fn note_outcomes(&mut self) {
        let found = self.store.of_type(EventType::AgentExecutionCompleted).await;
        let found = found
            .iter()
            .map(|one| (one.id, completed_parts(&one.fields)));
        self.outcomes.extend(found);
    }
}

fn delay(long: bool) -> Duration {
    match long {
        true => AN_HOUR,
        false => Duration::ZERO,
    }
}
