//! Which events were sent and how each ended: once, and as it must.

use std::collections::BTreeMap;

use uuid::Uuid;

use crate::guests::{End, GOOD, Guest};
use crate::place::Event;
use crate::reader::Outcome;

/// Events that were sent for one purpose, by number.
pub(crate) struct Book {
    /// Tells this book's events from another's.
    number: u16,
    events: Vec<Entry>,
    ended: usize,
    letters: usize,
}

struct Entry {
    guest: &'static Guest,
    ended: bool,
    /// Whether a dead letter is still to come.
    owes_letter: bool,
}

impl Book {
    pub(crate) fn new(number: u16) -> Self {
        Self {
            number,
            events: Vec::new(),
            ended: 0,
            letters: 0,
        }
    }

    /// Notes a new event.
    pub(crate) fn sends(&mut self, guest: &'static Guest) -> Event {
        let seq = self.events.len() as u64;
        self.events.push(Entry {
            guest,
            ended: false,
            owes_letter: match guest.end {
                End::Completed => false,
                End::Failed(error_type) => !error_type.is_verdict(),
            },
        });
        Event {
            id: Uuid::from_u128(u128::from(self.number) << 64 | u128::from(seq)),
            guest,
            seq,
        }
    }

    pub(crate) fn sent(&self) -> usize {
        self.events.len()
    }

    pub(crate) fn ended(&self) -> usize {
        self.ended
    }

    pub(crate) fn under_way(&self) -> usize {
        self.sent() - self.ended
    }

    fn place(&self, id: Uuid) -> usize {
        let (book, number) = id.as_u64_pair();
        assert_eq!(book, u64::from(self.number), "{id} is of another book");
        number as usize
    }

    /// Notes an outcome, and panics where it is a second one or a wrong one. Gives the number of
    /// its event and the guest.
    pub(crate) fn ends(&mut self, outcome: &Outcome) -> (usize, &'static Guest) {
        let place = self.place(outcome.cause);
        let entry = &mut self.events[place];
        let guest = entry.guest;
        assert!(!entry.ended, "a second outcome: {outcome:?} for {guest:?}");
        assert_eq!(outcome.end, guest.end, "{outcome:?} for {guest:?}");
        if guest.name == GOOD {
            assert_eq!(outcome.seq, Some(place as u64), "{outcome:?}");
        }
        entry.ended = true;
        self.ended += 1;
        (place, guest)
    }

    /// Notes dead letters, and panics where one is a second one or should not be.
    pub(crate) fn buries(&mut self, letters: &[Uuid]) {
        for id in letters {
            let place = self.place(*id);
            let entry = &mut self.events[place];
            assert!(entry.owes_letter, "{id}: no (second) letter is due");
            entry.owes_letter = false;
            self.letters += 1;
        }
    }

    /// Events without their dead letter.
    pub(crate) fn letters_due(&self) -> usize {
        let due = self.events.iter().filter(|entry| entry.owes_letter);
        due.count()
    }

    pub(crate) fn letters(&self) -> usize {
        self.letters
    }

    /// How many ended as what.
    pub(crate) fn ends_by_kind(&self) -> BTreeMap<End, usize> {
        let mut ends = BTreeMap::new();
        for entry in self.events.iter().filter(|entry| entry.ended) {
            *ends.entry(entry.guest.end).or_default() += 1;
        }
        ends
    }
}
