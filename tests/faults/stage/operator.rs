//! Operators who requeue dead letters and release lanes, whatever goes on.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;

use redis::streams::StreamRangeReply;
use tokio::sync::watch;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::{Duration, sleep};

use crate::harness::process::binary;
use crate::journal::Journal;
use crate::redis_side::connect;
use crate::snapshot::{GROUP, key};

const PAUSE: Duration = Duration::from_millis(700);

/// Letters of one call of the verb.
const AT_ONCE: usize = 3;

/// What it is there for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Duty {
    /// Dead letters run again.
    Requeue,
    /// Lanes that a dead letter stopped go on.
    Release,
}

/// Stops when it is dropped.
#[derive(Debug)]
pub(super) struct Operator {
    task: JoinHandle<()>,
    stop: watch::Sender<bool>,
}

struct Work {
    duty: Duty,
    folder: PathBuf,
    server: watch::Receiver<u16>,
    journal: Arc<Journal>,
}

impl Operator {
    pub(super) fn start(
        duty: Duty,
        folder: PathBuf,
        server: watch::Receiver<u16>,
        journal: Arc<Journal>,
    ) -> Self {
        let (stop, stopped) = watch::channel(false);
        let work = Work {
            duty,
            folder,
            server,
            journal,
        };
        Self {
            task: tokio::spawn(work.run(stopped)),
            stop,
        }
    }

    /// Ends what it has begun.
    pub(super) async fn stop(mut self) {
        self.stop.send_replace(true);
        (&mut self.task).await.expect("the operator");
    }
}

impl Drop for Operator {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Work {
    async fn run(self, mut stopped: watch::Receiver<bool>) {
        while !*stopped.borrow_and_update() {
            tokio::select! {
                () = sleep(PAUSE) => {}
                _ = stopped.changed() => return,
            }
            let port = *self.server.borrow();
            match self.duty {
                Duty::Requeue => {
                    let letters = oldest(port).await.unwrap_or_default();
                    if !letters.is_empty() {
                        self.verb(port, &["dlq", "requeue", "--yes"], &letters)
                            .await;
                    }
                }
                Duty::Release => {
                    for lane in stopped_lanes(port).await.unwrap_or_default() {
                        self.journal.releasing(&lane);
                        self.verb(port, &["lane", "release"], &[lane]).await;
                    }
                }
            }
        }
    }

    /// It may fail while Redis is away; what it did then is for the checker.
    async fn verb(&self, port: u16, words: &[&str], of: &[String]) {
        let mut verb = binary(Path::new(env!("CARGO_BIN_EXE_hothouse")), &self.folder);
        verb.args(words)
            .args(of)
            .args(["--bus", &format!("redis://127.0.0.1:{port}")])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let ended = spawn_blocking(move || verb.status()).await;
        ended.expect("the verb's thread").expect("start the verb");
    }
}

async fn stopped_lanes(port: u16) -> Option<Vec<String>> {
    let mut connection = connect(port).await?;
    let mut lanes = redis::cmd("HGETALL");
    lanes.arg(key(GROUP, "lanes"));
    let lanes: Vec<(String, String)> = lanes.query_async(&mut connection).await.ok()?;
    let stopped = |(lane, state): (String, String)| state.starts_with("stopped|").then_some(lane);
    Some(lanes.into_iter().filter_map(stopped).collect())
}

async fn oldest(port: u16) -> Option<Vec<String>> {
    let mut connection = connect(port).await?;
    let mut range = redis::cmd("XRANGE");
    range
        .arg(key(GROUP, "dlq"))
        .arg("-")
        .arg("+")
        .arg("COUNT")
        .arg(AT_ONCE);
    let letters: StreamRangeReply = range.query_async(&mut connection).await.ok()?;
    Some(letters.ids.into_iter().map(|letter| letter.id).collect())
}
