//! Many lanes, several hosts at once, and a great deal of going back and forth.

use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hothouse::bus::{Delivery, Lane, Subscription};
use hothouse::event::Id;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use crate::driver::{Host, done, release, retry};
use crate::harness::DEADLINE;
use crate::harness::events::started_as;
use crate::store::{Store, agent_workers};

const LANES: usize = 40;
const EVENTS: u64 = 25;

/// Lanes that get every event twice.
const LANES_WITH_DUPLICATES: usize = 4;

/// Numbers that look random and are the same in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }
}

/// Lanes that some host is working on.
type Busy = Arc<Mutex<HashSet<Lane>>>;

fn begin(busy: &Busy, deliveries: &[Delivery]) {
    let mut busy = busy.lock().expect("no host panicked");
    for delivery in deliveries {
        let lane = delivery.lease.lane.clone();
        assert!(busy.insert(lane), "two at once: {delivery:?}");
    }
}

fn end(busy: &Busy, deliveries: &[Delivery]) {
    let mut busy = busy.lock().expect("no host panicked");
    for delivery in deliveries {
        assert!(busy.remove(&delivery.lease.lane), "{delivery:?}");
    }
}

pub(crate) async fn many_hosts_keep_every_lane_in_order_and_every_event_once(store: Store) {
    let store = Arc::new(store);
    let workers = start_workers(&store, 4).await;
    let inputs = publish_all(&store).await;
    for worker in workers {
        worker.await.expect("a host panicked");
    }
    assert_exact(&store, &inputs).await;
}

pub(crate) async fn hosts_that_die_lose_no_event_and_no_order(store: Store) {
    let store = Arc::new(store);
    let inputs = publish_all(&store).await;
    let lost = die(&store, 0..5).await;
    assert!(lost >= 5, "{lost}");
    let workers = start_workers(&store, 2).await;
    die(&store, 5..10).await;
    for worker in workers {
        worker.await.expect("a host panicked");
    }
    assert_exact(&store, &inputs).await;
}

/// Hosts that take entries and are never heard of again; gives the number of entries.
async fn die(store: &Store, numbers: Range<usize>) -> usize {
    let short_lease = Subscription {
        lease: Duration::from_millis(5),
        ..agent_workers()
    };
    let mut lost = 0;
    for number in numbers {
        let mut dying = store.host(&format!("dying {number}"), &short_lease).await;
        lost += dying.take(5).await.len();
    }
    lost
}

async fn start_workers(store: &Arc<Store>, count: u64) -> Vec<JoinHandle<()>> {
    let busy = Busy::default();
    let mut workers = Vec::new();
    for number in 0..count {
        let name = format!("host {number}");
        let host = store.host(&name, &agent_workers()).await;
        workers.push(tokio::spawn(work(
            Arc::clone(store),
            host,
            Dice(number + 1),
            Arc::clone(&busy),
        )));
    }
    workers
}

/// The event ids of each lane in their order.
async fn publish_all(store: &Store) -> HashMap<Id, Vec<Id>> {
    let plans: Vec<Id> = (0..LANES).map(|_| Id::random()).collect();
    let mut inputs: HashMap<Id, Vec<Id>> = HashMap::new();
    for seq in 0..EVENTS {
        let mut entries = Vec::new();
        for (n, plan) in plans.iter().enumerate() {
            let event_id = Id::random();
            inputs.entry(*plan).or_default().push(event_id);
            let entry = started_as(event_id, *plan, seq);
            if n % (LANES / LANES_WITH_DUPLICATES) == 0 {
                entries.push(entry.clone());
            }
            entries.push(entry);
        }
        store.publish(entries).await;
    }
    inputs
}

async fn assert_exact(store: &Store, inputs: &HashMap<Id, Vec<Id>>) {
    let mut outcomes: HashMap<Id, Vec<(u64, Id)>> = HashMap::new();
    for (plan, seq, input) in store.outcomes().await {
        outcomes.entry(plan).or_default().push((seq, input));
    }
    for (plan, inputs) in inputs {
        let expected: Vec<(u64, Id)> = (0..EVENTS).zip(inputs.iter().copied()).collect();
        assert_eq!(outcomes[plan], expected, "lane {plan}");
    }
    assert_eq!(outcomes.len(), inputs.len());
    store.assert_at_rest(&agent_workers()).await;
    let status = store.status(&agent_workers()).await;
    assert_eq!(status.dead_letters, 0);
    assert_eq!(status.duplicates, EVENTS * LANES_WITH_DUPLICATES as u64);
}

/// Runs until all is finished, by whichever host.
async fn work(store: Arc<Store>, mut host: Host, mut dice: Dice, busy: Busy) {
    let deadline = Instant::now() + 2 * DEADLINE;
    let mut held: Vec<Delivery> = Vec::new();
    loop {
        assert!(Instant::now() < deadline, "it never ends");
        if dice.roll(10) == 0 {
            host.heartbeat().await;
        }
        if held.len() < 8 {
            let fetched = host.take(8 - held.len()).await;
            begin(&busy, &fetched);
            held.extend(fetched);
        }
        if held.is_empty() {
            if store.outcomes().await.len() as u64 == EVENTS * LANES as u64 {
                return;
            }
            sleep(Duration::from_millis(5)).await;
            continue;
        }
        // Some of what is held ends now, the rest in a later round.
        let count = 1 + dice.roll(held.len() as u64) as usize;
        let ended: Vec<Delivery> = held.drain(..count).collect();
        let commits = ended.iter().map(|delivery| match dice.roll(10) {
            0 => retry(delivery, Duration::from_millis(dice.roll(4))),
            1 => release(delivery),
            _ => done(delivery),
        });
        let commits = commits.collect();
        end(&busy, &ended);
        let answer = match dice.roll(4) {
            0 => host.commit_only(commits).await,
            _ => host.commit(commits).await,
        };
        answer.assert_applied();
        begin(&busy, &answer.next);
        held.extend(answer.next);
        if dice.roll(40) == 0 {
            end(&busy, &std::mem::take(&mut held));
            host.leave().await;
        }
    }
}
