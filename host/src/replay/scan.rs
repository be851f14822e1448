//! Reads a stream and gives what a replay is about.

use crate::bus::{Bus, BusError, Entry, EntryId};
use crate::event::{Event, Fields};

use super::select::{Choice, Selection, Selector};

/// The most entries that are read at once.
const PAGE: usize = 500;

/// About the bytes that are read at once: a page must come well within the time that an answer
/// may take.
const PAGE_BYTES: usize = 4 << 20;

/// Entries of a stream, page by page. Pages become smaller where entries are large.
pub(super) struct Pages<'a> {
    bus: &'a dyn Bus,
    stream: &'a str,
    after: EntryId,
    size: usize,
}

impl<'a> Pages<'a> {
    pub(super) fn new(bus: &'a dyn Bus, stream: &'a str, after: EntryId) -> Self {
        Self {
            bus,
            stream,
            after,
            // Before anything is known of the entries' sizes.
            size: PAGE / 32,
        }
    }

    /// The next entries; none at the end.
    pub(super) async fn next(&mut self) -> Result<Vec<Entry>, BusError> {
        let page = self.bus.read(self.stream, self.after, self.size).await?;
        if let Some(last) = page.last() {
            self.after = last.id;
            let bytes: usize = page.iter().map(|entry| entry.fields.size()).sum();
            let usual = (bytes / page.len()).max(1);
            self.size = (PAGE_BYTES / usual).clamp(1, PAGE);
        }
        Ok(page)
    }
}

/// An entry to replay.
#[derive(Debug)]
pub struct Selected {
    /// Its id.
    pub id: EntryId,
    /// Its fields.
    pub fields: Fields,
    /// The event that it is.
    pub event: Event,
}

/// The selected entries of a stream, in its order.
pub struct Scan<'a> {
    pages: Pages<'a>,
    until: EntryId,
    selector: Selector,
    page: std::vec::IntoIter<Entry>,
    unreadable: u64,
}

impl<'a> Scan<'a> {
    /// A scan from the selection's first entry to its last.
    #[must_use]
    pub fn new(bus: &'a dyn Bus, stream: &'a str, selection: &Selection) -> Self {
        Self {
            pages: Pages::new(bus, stream, selection.from.before()),
            until: selection.until,
            selector: Selector::new(selection.clone()),
            page: Vec::new().into_iter(),
            unreadable: 0,
        }
    }

    /// The next selected entry, or none at the end.
    ///
    /// # Errors
    /// When the bus does not answer; the scan can go on then.
    pub async fn next(&mut self) -> Result<Option<Selected>, BusError> {
        loop {
            for entry in self.page.by_ref() {
                if entry.id > self.until {
                    return Ok(None);
                }
                match self.selector.look(&entry) {
                    Choice::Other => {}
                    Choice::Unreadable => self.unreadable += 1,
                    Choice::Selected(event) => {
                        return Ok(Some(Selected {
                            id: entry.id,
                            fields: entry.fields,
                            event: *event,
                        }));
                    }
                }
            }
            let page = self.pages.next().await?;
            if page.is_empty() {
                return Ok(None);
            }
            self.page = page.into_iter();
        }
    }
}

impl Scan<'_> {
    /// Entries so far that meet the conditions and are no event of the contract.
    #[must_use]
    pub fn unreadable(&self) -> u64 {
        self.unreadable
    }
}

impl std::fmt::Debug for Scan<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scan").finish_non_exhaustive()
    }
}

/// What a selection amounts to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Count {
    /// Entries to replay, at most the limit.
    pub selected: u64,
    /// Entries that meet the conditions and are no event of the contract.
    pub unreadable: u64,
}

/// Counts what is to be replayed, and changes nothing.
///
/// # Errors
/// When the bus does not answer.
pub async fn count(
    bus: &dyn Bus,
    stream: &str,
    selection: &Selection,
    limit: Option<u64>,
) -> Result<Count, BusError> {
    let mut scan = Scan::new(bus, stream, selection);
    let mut selected = 0;
    while limit.is_none_or(|limit| selected < limit) && scan.next().await?.is_some() {
        selected += 1;
    }
    Ok(Count {
        selected,
        unreadable: scan.unreadable(),
    })
}
