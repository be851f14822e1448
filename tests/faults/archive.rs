//! A reader of the whole stream, which trimming must wait for: what is trimmed was seen.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use hothouse::bus::EntryId;

use crate::harness::events::EXECUTIONS;
use crate::redis_side::{command, connect};
use crate::snapshot::Outcome;

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

    /// Takes in what stands on the stream; gives all that ever stood there, and what of it is
    /// gone.
    pub(crate) fn keep(
        &self,
        there: BTreeMap<EntryId, Noted>,
    ) -> (BTreeMap<EntryId, Noted>, BTreeSet<EntryId>) {
        let mut entries = self.entries.lock().expect("the archive");
        let gone = entries.keys().filter(|entry| !there.contains_key(entry));
        let gone = gone.copied().collect();
        entries.extend(there);
        (entries.clone(), gone)
    }

    /// Lets what it has go. Where the server does not take it, the next time does.
    pub(crate) async fn acknowledge(&self, port: u16) {
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
