//! What the producer was promised and what a reader saw.

use std::collections::BTreeMap;
use std::sync::Mutex;

use hothouse::bus::EntryId;

/// What is known of an event in advance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Completes in its first run.
    Echo,
    /// Asks for a second run, and completes in it.
    RetryOnce,
    /// Asks for one more run each time: ends as a dead letter after four.
    GivesUp,
    /// Ends as a dead letter at once.
    OutOfFuel,
}

impl Kind {
    /// Runs that it takes where nothing else happens.
    pub(crate) fn runs(self) -> u64 {
        match self {
            Self::Echo | Self::OutOfFuel => 1,
            Self::RetryOnce => 2,
            Self::GivesUp => 4,
        }
    }

    /// The error_type of its failed event and dead letter, where it has them.
    pub(crate) fn poison(self) -> Option<&'static str> {
        match self {
            Self::Echo | Self::RetryOnce => None,
            Self::GivesUp => Some("retryable_error"),
            Self::OutOfFuel => Some("out_of_fuel"),
        }
    }
}

/// An event that was appended.
#[derive(Debug, Clone)]
pub(crate) struct Sent {
    pub(crate) lane: String,
    pub(crate) seq: u64,
    pub(crate) kind: Kind,
    /// Where the server said it is, once it did.
    pub(crate) acknowledged: Option<EntryId>,
}

/// Times by the clock of the machine, in milliseconds since 1970.
pub(crate) type Millis = i64;

/// The producer's and the reader's book, and what the faults did that changes what may be asked.
#[derive(Debug, Default)]
pub(crate) struct Journal {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    sent: BTreeMap<String, Sent>,
    seen: BTreeMap<String, EntryId>,
    crashes: Vec<Millis>,
    losses: Vec<Millis>,
}

impl Journal {
    /// An event is about to be sent.
    pub(crate) fn sending(&self, event_id: &str, sent: Sent) {
        self.inner().sent.insert(event_id.to_owned(), sent);
    }

    /// The server acknowledged it.
    pub(crate) fn acknowledged(&self, event_id: &str, entry: EntryId) {
        let mut inner = self.inner();
        let sent = inner.sent.get_mut(event_id).expect("it was sent");
        // Sent twice after a lost answer, it was there the first time: the first one counts.
        sent.acknowledged.get_or_insert(entry);
    }

    /// A reader saw an outcome.
    pub(crate) fn saw(&self, outcome: &str, entry: EntryId) {
        self.inner().seen.entry(outcome.to_owned()).or_insert(entry);
    }

    /// A host died, or was away for longer than a lease: from now on until the lease is over,
    /// attempts may be used up by it.
    pub(crate) fn crashed(&self) {
        self.inner().crashes.push(now());
    }

    /// Redis may have lost the last of what it acknowledged.
    pub(crate) fn lost(&self) {
        self.inner().losses.push(now());
    }

    pub(crate) fn sent(&self) -> BTreeMap<String, Sent> {
        self.inner().sent.clone()
    }

    pub(crate) fn seen(&self) -> BTreeMap<String, EntryId> {
        self.inner().seen.clone()
    }

    pub(crate) fn crashes(&self) -> Vec<Millis> {
        self.inner().crashes.clone()
    }

    pub(crate) fn losses(&self) -> Vec<Millis> {
        self.inner().losses.clone()
    }

    fn inner(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().expect("the journal")
    }
}

pub(crate) fn now() -> Millis {
    chrono::Utc::now().timestamp_millis()
}
