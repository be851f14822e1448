//! Random steps, the same on both buses: what one hands out, the other does.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use hothouse::bus::{Delivery, EntryId, Lane, TrimBound};
use hothouse::event::{EventType, Id};
use proptest::prelude::*;
use proptest::sample::Index;

use crate::driver::{Host, done, release, retry};
use crate::harness::events::{EXECUTIONS, completed_parts, event_id_of, seq_of, started_as};
use crate::store::{Kind, Store, agent_workers};

const LANES: usize = 3;
const HOSTS: usize = 2;

/// More than all steps together publish.
const ALL: usize = 1000;

#[derive(Debug, Clone)]
enum Step {
    /// The next event of a lane.
    Publish {
        lane: usize,
    },
    /// An event that was published before, in any lane.
    PublishAgain {
        which: Index,
        lane: usize,
    },
    Fetch {
        host: usize,
    },
    /// The host ends what it holds of a lane; where it holds nothing there, nothing happens.
    Commit {
        host: usize,
        lane: usize,
        advance: bool,
    },
    Retry {
        host: usize,
        lane: usize,
    },
    Release {
        host: usize,
        lane: usize,
    },
    Leave {
        host: usize,
    },
    /// All that is acknowledged.
    Trim,
}

fn step() -> impl Strategy<Value = Step> {
    let (lane, host) = (0..LANES, 0..HOSTS);
    prop_oneof![
        6 => lane.clone().prop_map(|lane| Step::Publish { lane }),
        1 => (any::<Index>(), lane.clone())
            .prop_map(|(which, lane)| Step::PublishAgain { which, lane }),
        4 => host.clone().prop_map(|host| Step::Fetch { host }),
        6 => (host.clone(), lane.clone(), any::<bool>())
            .prop_map(|(host, lane, advance)| Step::Commit { host, lane, advance }),
        2 => (host.clone(), lane.clone()).prop_map(|(host, lane)| Step::Retry { host, lane }),
        1 => (host.clone(), lane).prop_map(|(host, lane)| Step::Release { host, lane }),
        1 => host.prop_map(|host| Step::Leave { host }),
        2 => Just(Step::Trim),
    ]
}

/// A delivery as both buses must give it.
type Seen = (usize, Lane, u64, u32, usize);

/// One bus, and what the steps did there.
struct World {
    store: Store,
    plans: [Id; LANES],
    hosts: Vec<Host>,
    held: Vec<HashMap<Lane, Delivery>>,
    published: Vec<Id>,
    /// Event ids of each lane in the order in which they came.
    inputs: [Vec<Id>; LANES],
    seen: Vec<Seen>,
    /// Every completed event that was on the stream at some time.
    outcomes: BTreeMap<EntryId, (Id, u64, Id)>,
    /// How many entries each trim removed.
    trimmed: Vec<u64>,
}

impl World {
    async fn new(kind: Kind, plans: [Id; LANES]) -> Self {
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
            published: Vec::new(),
            inputs: Default::default(),
            seen: Vec::new(),
            outcomes: BTreeMap::new(),
            trimmed: Vec::new(),
        }
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
            self.seen.push((
                host,
                lane.clone(),
                seq_of(&delivery.fields),
                delivery.attempt,
                delivery.history.len(),
            ));
            self.held[host].insert(lane, delivery);
        }
    }

    fn drop_held(&mut self, host: usize, lane: usize) -> Option<Delivery> {
        let plan = self.plans[lane].to_string();
        let key = self.held[host].keys().find(|lane| lane.as_str() == plan)?;
        let key = key.clone();
        self.held[host].remove(&key)
    }

    async fn apply(&mut self, step: &Step, new_id: Id) {
        match step {
            Step::Publish { lane } => self.publish(new_id, *lane).await,
            Step::PublishAgain { which, lane } => {
                if !self.published.is_empty() {
                    let event_id = self.published[which.index(self.published.len())];
                    self.publish(event_id, *lane).await;
                }
            }
            Step::Fetch { host } => {
                let deliveries = self.hosts[*host].take(ALL).await;
                self.take(*host, deliveries);
            }
            Step::Commit {
                host,
                lane,
                advance,
            } => {
                if let Some(delivery) = self.drop_held(*host, *lane) {
                    let commits = vec![done(&delivery)];
                    let answer = match advance {
                        true => self.hosts[*host].commit(commits).await,
                        false => self.hosts[*host].commit_only(commits).await,
                    };
                    self.take(*host, answer.next);
                }
            }
            Step::Retry { host, lane } => {
                if let Some(delivery) = self.drop_held(*host, *lane) {
                    let commits = vec![retry(&delivery, Duration::ZERO)];
                    self.hosts[*host].commit(commits).await.assert_applied();
                }
            }
            Step::Release { host, lane } => {
                if let Some(delivery) = self.drop_held(*host, *lane) {
                    let commits = vec![release(&delivery)];
                    self.hosts[*host].commit(commits).await.assert_applied();
                }
            }
            Step::Leave { host } => {
                self.hosts[*host].leave().await;
                self.held[*host].clear();
            }
            Step::Trim => {
                self.note_outcomes().await;
                let bound = TrimBound {
                    older_than: None,
                    keep: Some(0),
                };
                let trimmed = self.store.bus().trim(EXECUTIONS, &[], bound, false);
                self.trimmed.push(trimmed.await.expect("trim").removed);
            }
        }
    }

    async fn note_outcomes(&mut self) {
        let found = self.store.of_type(EventType::AgentExecutionCompleted).await;
        let found = found
            .iter()
            .map(|one| (one.id, completed_parts(&one.fields)));
        self.outcomes.extend(found);
    }

    /// Ends all that is left, and looks at the whole.
    async fn finish(mut self) -> (Vec<Seen>, Vec<u64>) {
        for host in 0..HOSTS {
            self.hosts[host].leave().await;
            self.held[host].clear();
        }
        let last = self.hosts[0].finish_all().await;
        for delivery in &last {
            assert!(self.published.contains(&event_id_of(&delivery.fields)));
        }
        self.store.assert_at_rest(&agent_workers()).await;

        self.note_outcomes().await;
        let outcomes: Vec<_> = self.outcomes.into_values().collect();
        let mut finished: Vec<Id> = outcomes.iter().map(|one| one.2).collect();
        let mut expected = self.published.clone();
        for ids in [&mut finished, &mut expected] {
            ids.sort();
        }
        expected.dedup();
        assert_eq!(finished, expected, "one outcome for each event");
        for plan in self.plans {
            let lane = outcomes.iter().filter(|one| one.0 == plan);
            let seqs: Vec<u64> = lane.map(|one| one.1).collect();
            assert!(seqs.is_sorted_by(|a, b| a < b), "lane {plan}: {seqs:?}");
        }
        (self.seen, self.trimmed)
    }
}

async fn run(kind: Kind, plans: [Id; LANES], steps: &[(Step, Id)]) -> (Vec<Seen>, Vec<u64>) {
    let mut world = World::new(kind, plans).await;
    for (step, new_id) in steps {
        world.apply(step, *new_id).await;
    }
    world.finish().await
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 24,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn any_steps_mean_the_same_on_both_buses(steps in prop::collection::vec(step(), 1..60)) {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        let plans = std::array::from_fn(|_| Id::random());
        let steps: Vec<(Step, Id)> = steps.into_iter().map(|step| (step, Id::random())).collect();
        let sqlite = runtime.block_on(run(Kind::Sqlite, plans, &steps));
        let redis = runtime.block_on(run(Kind::Redis, plans, &steps));
        prop_assert_eq!(sqlite, redis);
    }
}
