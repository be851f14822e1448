//! An operator who requeues dead letters, whatever goes on.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use redis::streams::StreamRangeReply;
use tokio::sync::watch;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::{Duration, sleep};

use crate::harness::process::binary;
use crate::redis_side::connect;
use crate::snapshot::{GROUP, key};

const PAUSE: Duration = Duration::from_millis(700);

/// Letters of one call of the verb.
const AT_ONCE: usize = 3;

/// Stops when it is dropped.
#[derive(Debug)]
pub(super) struct Operator {
    task: JoinHandle<()>,
    stop: watch::Sender<bool>,
}

impl Operator {
    pub(super) fn start(folder: PathBuf, server: watch::Receiver<u16>) -> Self {
        let (stop, stopped) = watch::channel(false);
        Self {
            task: tokio::spawn(requeue(folder, server, stopped)),
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

async fn requeue(
    folder: PathBuf,
    server: watch::Receiver<u16>,
    mut stopped: watch::Receiver<bool>,
) {
    while !*stopped.borrow_and_update() {
        tokio::select! {
            () = sleep(PAUSE) => {}
            _ = stopped.changed() => return,
        }
        let port = *server.borrow();
        let letters = oldest(port).await.unwrap_or_default();
        if letters.is_empty() {
            continue;
        }
        let bus = format!("redis://127.0.0.1:{port}");
        let mut verb = binary(Path::new(env!("CARGO_BIN_EXE_hothouse")), &folder);
        verb.args(["dlq", "requeue", "--yes", "--bus", &bus])
            .args(letters)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        // It may fail while Redis is away; what it did then is for the checker.
        let ended = spawn_blocking(move || verb.status()).await;
        ended.expect("the verb's thread").expect("start the verb");
    }
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
