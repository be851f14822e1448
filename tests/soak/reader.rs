//! What the host appends: outcomes as they come, and dead letters.

use hothouse::failure::ErrorType;
use redis::aio::MultiplexedConnection;
use redis::streams::{StreamId, StreamRangeReply, StreamReadReply};
use serde_json::Value;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Duration, Instant, timeout};
use uuid::Uuid;

use crate::guests::End;
use crate::harness::events::EXECUTIONS;

/// The group's dead letters.
const LETTERS: &str = "{execution-events}:agent-workers:dlq";

/// Entries of one reply.
const PAGE: usize = 1_000;

/// How the event of an outcome ended.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) cause: Uuid,
    pub(crate) end: End,
    /// What came back of the good one.
    pub(crate) seq: Option<u64>,
    pub(crate) at: Instant,
}

/// Reads from the start. Ends when it is dropped.
pub(crate) struct Reader {
    outcomes: mpsc::Receiver<Outcome>,
    task: JoinHandle<()>,
    last_letter: String,
}

impl Reader {
    pub(crate) fn start(redis: MultiplexedConnection) -> Self {
        let (sender, outcomes) = mpsc::channel(PAGE);
        Self {
            outcomes,
            task: tokio::spawn(read(redis, sender)),
            last_letter: "-".to_owned(),
        }
    }

    /// The next outcome, if one comes in time.
    pub(crate) async fn outcome(&mut self, within: Duration) -> Option<Outcome> {
        let next = timeout(within, self.outcomes.recv()).await.ok()?;
        Some(next.expect("the reader lives"))
    }

    /// One that is there already.
    pub(crate) fn outcome_at_hand(&mut self) -> Option<Outcome> {
        self.outcomes.try_recv().ok()
    }

    /// Dead letters since the last look, by their events. They are removed.
    pub(crate) async fn letters(&mut self, redis: &mut MultiplexedConnection) -> Vec<Uuid> {
        let mut found = Vec::new();
        loop {
            let ask = redis::Cmd::xrange_count(LETTERS, &self.last_letter, "+", PAGE);
            let page: StreamRangeReply = ask.query_async(redis).await.expect("XRANGE");
            let Some(last) = page.ids.last() else {
                return found;
            };
            self.last_letter = format!("({}", last.id);
            found.extend(page.ids.iter().map(|letter| uuid(letter, "event_id")));
            let mut trim = redis::cmd("XTRIM");
            trim.arg(LETTERS).arg("MINID").arg(&last.id);
            let trimmed: redis::RedisResult<u64> = trim.query_async(redis).await;
            trimmed.expect("XTRIM");
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn read(mut redis: MultiplexedConnection, outcomes: mpsc::Sender<Outcome>) {
    let mut cursor = "0".to_owned();
    loop {
        let mut ask = redis::cmd("XREAD");
        ask.arg("COUNT").arg(PAGE).arg("BLOCK").arg(1_000);
        ask.arg("STREAMS").arg(EXECUTIONS).arg(&cursor);
        let reply: Option<StreamReadReply> = ask.query_async(&mut redis).await.expect("XREAD");
        let at = Instant::now();
        let entries = reply.into_iter().flat_map(|reply| reply.keys);
        for entry in entries.flat_map(|key| key.ids) {
            cursor.clone_from(&entry.id);
            let Some(outcome) = outcome(&entry, at) else {
                continue;
            };
            if outcomes.send(outcome).await.is_err() {
                return;
            }
        }
    }
}

/// None of an event that is no outcome.
fn outcome(entry: &StreamId, at: Instant) -> Option<Outcome> {
    let data = || -> Value { serde_json::from_str(&text(entry, "data")).expect("JSON") };
    let (end, seq) = match text(entry, "type").as_str() {
        "agent.execution.completed" => (End::Completed, data()["output_data"]["seq"].as_u64()),
        "agent.execution.failed" => {
            let error_type = data()["error_type"].take();
            let error_type: ErrorType = serde_json::from_value(error_type).expect("a class");
            (End::Failed(error_type), None)
        }
        _ => return None,
    };
    Some(Outcome {
        cause: uuid(entry, "causation_id"),
        end,
        seq,
        at,
    })
}

fn text(entry: &StreamId, name: &str) -> String {
    let text = entry.get(name);
    text.unwrap_or_else(|| panic!("no {name} in {entry:?}"))
}

fn uuid(entry: &StreamId, name: &str) -> Uuid {
    text(entry, name).parse().expect("a UUID")
}
