//! A reader of the whole stream, which trimming must wait for: what is trimmed was seen.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use hothouse::bus::EntryId;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Duration, sleep};

use crate::harness::events::EXECUTIONS;
use crate::redis_side::{command, connect};
use crate::snapshot::{self, Outcome, Snapshot};

/// Its consumer group.
const GROUP: &str = "archive";

/// An entry of the stream.
#[derive(Debug, Clone)]
pub(crate) enum Noted {
    Input {
        /// See [`name`](crate::journal::name).
        event: String,
        /// The one group that it is for, where it is not for all.
        target: String,
    },
    Outcome {
        group: String,
        outcome: Outcome,
    },
}

/// Between two looks, so that it holds trimming back by no more than that.
const PAUSE: Duration = Duration::from_millis(50);

/// Keeps an archive up to date. Stops when it is dropped.
#[derive(Debug)]
pub(crate) struct Archivist(JoinHandle<()>);

impl Archivist {
    pub(crate) fn start(archive: Arc<Archive>, server: watch::Receiver<u16>) -> Self {
        Self(tokio::spawn(async move {
            loop {
                let port = *server.borrow();
                // What it shows is kept by that.
                if Snapshot::take(port, snapshot::GROUP, Some(&archive))
                    .await
                    .is_some()
                {
                    archive.acknowledge(port).await;
                }
                sleep(PAUSE).await;
            }
        }))
    }
}

impl Drop for Archivist {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[derive(Debug, Default)]
pub(crate) struct Archive {
    entries: Mutex<BTreeMap<EntryId, Noted>>,
}

impl Archive {
    /// Joins the groups of the stream.
    pub(crate) async fn open(port: u16) -> Self {
        command(
            port,
            &["XGROUP", "CREATE", EXECUTIONS, GROUP, "0", "MKSTREAM"],
        )
        .await;
        Self::default()
    }

    /// Takes in what stands on the stream; gives all that ever stood there, up to the newest of
    /// these, and what of it is gone.
    pub(crate) fn keep(
        &self,
        there: BTreeMap<EntryId, Noted>,
    ) -> (BTreeMap<EntryId, Noted>, BTreeSet<EntryId>) {
        let mut entries = self.entries.lock().expect("the archive");
        let Some(newest) = there.keys().next_back().copied() else {
            return Default::default();
        };
        let ids: BTreeSet<EntryId> = there.keys().copied().collect();
        entries.extend(there);
        // Another look may have taken in what is newer than this one.
        let known: BTreeMap<EntryId, Noted> = entries
            .range(..=newest)
            .map(|(entry, noted)| (*entry, noted.clone()))
            .collect();
        let gone = known.keys().filter(|entry| !ids.contains(entry));
        let gone = gone.copied().collect();
        (known, gone)
    }

    /// Lets what it has go. Where the server does not take it, the next time does.
    async fn acknowledge(&self, port: u16) {
        let newest = self
            .entries
            .lock()
            .expect("the archive")
            .keys()
            .next_back()
            .copied();
        if let (Some(newest), Some(mut connection)) = (newest, connect(port).await) {
            let mut read = redis::cmd("XGROUP");
            read.arg("SETID")
                .arg(EXECUTIONS)
                .arg(GROUP)
                .arg(newest.to_string());
            let _: redis::RedisResult<()> = read.query_async(&mut connection).await;
        }
    }
}
