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
    /// Whether it goes by the route whose `poisoned_lane` a stage chooses.
    pub(crate) fn retries(self) -> bool {
        match self {
            Self::RetryOnce | Self::GivesUp => true,
            Self::Echo | Self::OutOfFuel => false,
        }
    }

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

/// A route's `poisoned_lane`.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Poisoned {
    #[default]
    Block,
    Skip,
    Park,
}

impl Poisoned {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Block => "block",
            Self::Skip => "skip",
            Self::Park => "park",
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
    book: Mutex<Book>,
    /// The event_ids of the audit's outcomes that a reader saw.
    audited: Mutex<BTreeMap<String, EntryId>>,
}

/// What stands in a journal at one time.
#[derive(Debug, Default, Clone)]
pub(crate) struct Book {
    /// By event_id.
    pub(crate) sent: BTreeMap<String, Sent>,
    /// The event_ids of outcomes that a reader saw, and where they stood.
    pub(crate) seen: BTreeMap<String, EntryId>,
    /// When attempts may have been used up by a host's death, or a lease that ran out.
    pub(crate) crashes: Vec<Millis>,
    /// When Redis may have lost the last of what it acknowledged.
    pub(crate) losses: Vec<Millis>,
    /// The server's list of what is pending is gone: up to here it says nothing.
    pub(crate) forgotten: EntryId,
    /// What an event that asks for a retry does to the later ones of its lane.
    pub(crate) poisoned: Poisoned,
    /// When an operator was about to release which lane.
    pub(crate) releases: Vec<(String, Millis)>,
}

impl Book {
    /// Of an event, whichever time it runs.
    pub(crate) fn sent(&self, event: &str) -> Option<&Sent> {
        self.sent.get(event_id(event))
    }
}

/// An event that runs again after a requeue counts as one of its own: its event_id and, where
/// it was requeued, `#` and how often.
pub(crate) fn name(event_id: &str, generation: u64) -> String {
    match generation {
        0 => event_id.to_owned(),
        _ => format!("{event_id}#{generation}"),
    }
}

/// The part of a name that stays.
fn event_id(name: &str) -> &str {
    name.split_once('#').map_or(name, |(event_id, _)| event_id)
}

/// The name of the time after.
pub(crate) fn next(name: &str) -> String {
    let generation = name
        .split_once('#')
        .map_or(0, |(_, generation)| generation.parse().unwrap_or(0));
    self::name(event_id(name), generation + 1)
}

impl Journal {
    /// An event is about to be sent.
    pub(crate) fn sending(&self, event_id: &str, sent: Sent) {
        self.book().sent.insert(event_id.to_owned(), sent);
    }

    /// The server acknowledged it.
    pub(crate) fn acknowledged(&self, event_id: &str, entry: EntryId) {
        let mut book = self.book();
        let sent = book.sent.get_mut(event_id).expect("it was sent");
        // Sent twice after a lost answer, it was there the first time: the first one counts.
        sent.acknowledged.get_or_insert(entry);
    }

    /// A reader saw an outcome.
    pub(crate) fn saw(&self, outcome: &str, entry: EntryId) {
        self.book().seen.insert(outcome.to_owned(), entry);
    }

    pub(crate) fn crashed(&self) {
        self.book().crashes.push(now());
    }

    pub(crate) fn lost(&self) {
        self.book().losses.push(now());
    }

    pub(crate) fn poisoned(&self, poisoned: Poisoned) {
        self.book().poisoned = poisoned;
    }

    /// An operator is about to release a lane.
    pub(crate) fn releasing(&self, lane: &str) {
        self.book().releases.push((lane.to_owned(), now()));
    }

    pub(crate) fn forgot(&self, up_to: EntryId) {
        self.book().forgotten = up_to;
    }

    pub(crate) fn saw_audited(&self, outcome: &str, entry: EntryId) {
        let mut audited = self.audited.lock().expect("the journal");
        audited.insert(outcome.to_owned(), entry);
    }

    pub(crate) fn read(&self) -> Book {
        self.book().clone()
    }

    /// The book for the group that answers every event at once, whatever it is.
    pub(crate) fn read_audit(&self) -> Book {
        let mut book = self.read();
        book.seen = self.audited.lock().expect("the journal").clone();
        book.forgotten = EntryId::ZERO;
        for sent in book.sent.values_mut() {
            sent.kind = Kind::Echo;
        }
        book
    }

    fn book(&self) -> std::sync::MutexGuard<'_, Book> {
        self.book.lock().expect("the journal")
    }
}

fn now() -> Millis {
    chrono::Utc::now().timestamp_millis()
}
