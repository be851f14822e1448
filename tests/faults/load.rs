//! The producer: numbers the events of a few lanes, sends each until it is acknowledged, and
//! writes down what was.

use std::sync::Arc;

use hothouse::bus::EntryId;
use redis::aio::MultiplexedConnection;
use serde_json::json;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Duration, sleep};

use crate::harness::events::{EXECUTIONS, flat};
use crate::journal::{Journal, Kind, Sent};
use crate::redis_side::connect;
use crate::rng::Rng;

/// What is sent.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) lanes: usize,
    /// Between two batches.
    pub(crate) pause: Duration,
    /// Events in one transaction, and so in one millisecond: at most.
    pub(crate) batch: u64,
    /// How long a handler sleeps at the most.
    pub(crate) longest_run: Duration,
    /// With events that ask for retries or end as dead letters among them.
    pub(crate) poisoned: bool,
    /// One batch in so many is sent once more though it was acknowledged.
    pub(crate) repeats: Option<u64>,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            lanes: 8,
            pause: Duration::from_millis(40),
            batch: 3,
            longest_run: Duration::from_millis(60),
            poisoned: true,
            repeats: Some(10),
        }
    }
}

/// A producer at work. Stops when it is dropped.
#[derive(Debug)]
pub(crate) struct Load {
    task: JoinHandle<()>,
    stop: watch::Sender<bool>,
}

impl Load {
    pub(crate) fn start(
        plan: Plan,
        rng: Rng,
        journal: Arc<Journal>,
        server: watch::Receiver<u16>,
    ) -> Self {
        let (stop, stopped) = watch::channel(false);
        let producer = Producer {
            plan,
            rng,
            journal,
            server,
            connection: None,
        };
        Self {
            task: tokio::spawn(producer.run(stopped)),
            stop,
        }
    }

    /// Sends what it has begun, and ends.
    pub(crate) async fn stop(mut self) {
        self.stop.send_replace(true);
        (&mut self.task).await.expect("the producer");
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Producer {
    plan: Plan,
    rng: Rng,
    journal: Arc<Journal>,
    server: watch::Receiver<u16>,
    connection: Option<MultiplexedConnection>,
}

impl Producer {
    async fn run(mut self, mut stopped: watch::Receiver<bool>) {
        let lanes: Vec<String> = (0..self.plan.lanes).map(|_| self.rng.uuid()).collect();
        let mut next = vec![0_u64; lanes.len()];
        while !*stopped.borrow_and_update() {
            let at = self.rng.index(lanes.len());
            let size = self.rng.among(1..self.plan.batch + 1);
            let batch: Vec<_> = (0..size)
                .map(|_| {
                    next[at] += 1;
                    self.event(&lanes[at], at as u64, next[at])
                })
                .collect();
            self.send(&batch).await;
            if self.plan.repeats.is_some_and(|n| self.rng.one_in(n)) {
                self.send(&batch).await;
            }
            tokio::select! {
                () = sleep(self.plan.pause) => {}
                _ = stopped.changed() => {}
            }
        }
    }

    /// The event `seq` of a lane: what it will do stands at known places.
    fn event(&mut self, lane: &str, at: u64, seq: u64) -> Event {
        let kind = match (self.plan.poisoned, seq + at) {
            (true, place) if place % 13 == 5 => Kind::RetryOnce,
            (true, place) if place % 31 == 7 => Kind::OutOfFuel,
            (true, place) if place % 43 == 11 => Kind::GivesUp,
            _ => Kind::Echo,
        };
        let longest = self.plan.longest_run.as_millis() as u64;
        let run = Duration::from_millis(self.rng.among(0..longest + 1));
        Event::new(&mut self.rng, &self.journal, lane, seq, kind, run)
    }

    /// Sends a batch until it is acknowledged, as a careful producer does.
    async fn send(&mut self, batch: &[Event]) {
        loop {
            if let Some(entries) = self.append(batch).await {
                for (event, entry) in batch.iter().zip(entries) {
                    self.journal.acknowledged(&event.event_id, entry);
                }
                return;
            }
            self.connection = None;
            sleep(Duration::from_millis(50)).await;
        }
    }

    async fn append(&mut self, batch: &[Event]) -> Option<Vec<EntryId>> {
        if self.connection.is_none() || self.server.has_changed().unwrap_or(false) {
            let port = *self.server.borrow_and_update();
            self.connection = Some(connect(port).await?);
        }
        append(self.connection.as_mut()?, batch).await
    }
}

/// An event to send.
pub(crate) struct Event {
    pub(crate) event_id: String,
    data: String,
}

impl Event {
    /// Stands in the journal from now on. An echo runs for as long as is said.
    pub(crate) fn new(
        rng: &mut Rng,
        journal: &Journal,
        lane: &str,
        seq: u64,
        kind: Kind,
        run: Duration,
    ) -> Self {
        let (agent_type, input) = match kind {
            Kind::Echo => (
                "slow-echo-agent",
                json!({ "seq": seq, "sleep_ms": run.as_millis() as u64 }),
            ),
            Kind::RetryOnce => (
                "asks-for-retry",
                json!({ "seq": seq, "succeed_on_attempt": 2 }),
            ),
            Kind::GivesUp => ("asks-for-retry", json!({ "seq": seq })),
            Kind::OutOfFuel => ("loop-forever", json!({ "seq": seq })),
        };
        let event_id = rng.uuid();
        let data = json!({
            "agent_execution_id": rng.uuid(),
            "agent_type": agent_type,
            "phase_number": 1,
            "execution_plan_id": lane,
            "input_data": input,
        });
        let sent = Sent {
            lane: lane.to_owned(),
            seq,
            kind,
            acknowledged: None,
        };
        journal.sending(&event_id, sent);
        Self {
            event_id,
            data: data.to_string(),
        }
    }
}

/// Appends a batch in one transaction; none where it is not known whether that was done.
pub(crate) async fn append(
    connection: &mut MultiplexedConnection,
    batch: &[Event],
) -> Option<Vec<EntryId>> {
    let mut transaction = redis::pipe();
    transaction.atomic();
    for event in batch {
        let event_id = event.event_id.parse().expect("a UUID");
        let fields = flat(event_id, "agent.execution.started", &event.data);
        transaction.xadd(EXECUTIONS, "*", &fields.0);
    }
    let entries: Vec<String> = transaction.query_async(connection).await.ok()?;
    entries.iter().map(|id| EntryId::parse(id)).collect()
}
