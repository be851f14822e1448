//! Which dead letters a verb is about.

use std::collections::BTreeSet;
use std::fmt;
use std::ops::ControlFlow;
use std::str::FromStr;

use anyhow::bail;

use super::letter::Letter;
use crate::bus::{Bus, BusError, EntryId, Subscription};
use crate::cli::Usage;
use crate::cli::explain::error_type;
use crate::cli::filter::Filter;
use crate::event::Id;
use crate::failure::ErrorType;

/// Letters that are read at once.
const PAGE: usize = 100;

/// Conditions on a dead letter. `--since` and `--until` are of the time at which it became one.
#[derive(Debug, clap::Args)]
pub(super) struct Select {
    #[command(flatten)]
    filter: Filter,

    /// Letters with this error type; given again, with that one too
    #[arg(long = "error-type", value_name = "ERROR_TYPE", value_parser = error_type)]
    error_types: Vec<ErrorType>,

    /// Letters whose last run was of this plugin, at any version or at one
    #[arg(long, value_name = "NAME[@VERSION]")]
    plugin: Option<String>,
}

impl Select {
    pub(super) fn is_empty(&self) -> bool {
        self.filter.is_empty() && self.error_types.is_empty() && self.plugin.is_none()
    }

    fn takes(&self, letter: &Letter) -> bool {
        let error_type = letter.said.as_ref().map(|said| said.error_type);
        let of_plugin = |wanted: &String| {
            let found = letter.plugin().unwrap_or_default();
            found == wanted || found.split('@').next() == Some(wanted.as_str())
        };
        self.filter.takes(&letter.entry)
            && (self.error_types.is_empty()
                || error_type.is_some_and(|found| self.error_types.contains(&found)))
            && self.plugin.as_ref().is_none_or(of_plugin)
    }
}

/// A part of a group's dead letters: behind one id, up to another.
struct Range {
    after: EntryId,
    to: EntryId,
    page: usize,
}

/// What an operator calls a dead letter by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Name {
    /// Its own id.
    Letter(EntryId),
    /// Its event's.
    Event(Id),
}

impl FromStr for Name {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let largest = EntryId::MOST;
        let letter = EntryId::parse(text)
            .filter(|id| id.ms <= largest.ms && id.seq <= largest.seq)
            .map(Self::Letter);
        letter
            .or_else(|| text.parse().ok().map(Self::Event))
            .ok_or_else(|| {
                "expected a dead letter's id like 1705435260123-0, or an event_id".to_owned()
            })
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Letter(id) => id.fmt(f),
            Self::Event(id) => id.fmt(f),
        }
    }
}

/// Some dead letters: the ones that are named, or else all that pass.
#[derive(Debug)]
pub(super) enum Chosen {
    Named(BTreeSet<Name>),
    Passing(Select),
}

impl Chosen {
    /// What a verb that changes something is to do it to. It must be told so.
    ///
    /// # Errors
    /// A usage error where nothing is chosen, or in two ways at once.
    pub(super) fn new(names: Vec<Name>, all: bool, select: Select) -> anyhow::Result<Self> {
        let ways = [!names.is_empty(), all, !select.is_empty()];
        match ways.iter().filter(|way| **way).count() {
            0 => bail!(Usage(
                "say which dead letters: ids, filters, or --all; `hothouse dlq list` shows them"
                    .to_owned()
            )),
            1 if names.is_empty() => Ok(Self::Passing(select)),
            1 => Ok(Self::Named(names.into_iter().collect())),
            _ => bail!(Usage(
                "give ids, or filters, or --all: one of them".to_owned()
            )),
        }
    }

    /// Visits the letters, group by group, oldest first, until `visit` breaks; gives the
    /// names that no letter has.
    pub(super) async fn visit(
        &self,
        bus: &dyn Bus,
        groups: &[Subscription],
        mut visit: impl FnMut(Letter) -> ControlFlow<()>,
    ) -> Result<Vec<Name>, BusError> {
        let mut missing = match self {
            Self::Named(names) => names.clone(),
            Self::Passing(_) => BTreeSet::new(),
        };
        for group in groups {
            for Range {
                mut after,
                to,
                page,
            } in self.ranges()
            {
                'range: loop {
                    let page = bus.dead_letters(group.stream, &group.group, after, page);
                    let page = page.await?;
                    let Some(last) = page.last() else { break };
                    after = last.id;
                    for entry in page {
                        if entry.id > to || self.ends_before(entry.id) {
                            break 'range;
                        }
                        let letter = Letter::new(group, entry);
                        if !self.takes(&letter, &mut missing) {
                            continue;
                        }
                        if visit(letter).is_break() {
                            return Ok(Vec::new());
                        }
                    }
                }
            }
        }
        Ok(missing.into_iter().collect())
    }

    /// Where to look: everywhere, unless all that is named says where it is.
    fn ranges(&self) -> Vec<Range> {
        let everywhere = |after| {
            vec![Range {
                after,
                to: EntryId::MOST,
                page: PAGE,
            }]
        };
        let names = match self {
            Self::Passing(select) => return everywhere(select.filter.after()),
            Self::Named(names) => names,
        };
        let mut ranges = Vec::new();
        for name in names {
            match name {
                Name::Event(_) => return everywhere(EntryId::ZERO),
                Name::Letter(id) => ranges.push(Range {
                    after: id.before(),
                    to: *id,
                    page: 1,
                }),
            }
        }
        ranges
    }

    fn ends_before(&self, id: EntryId) -> bool {
        match self {
            Self::Passing(select) => select.filter.ends_before(id),
            Self::Named(_) => false,
        }
    }

    fn takes(&self, letter: &Letter, missing: &mut BTreeSet<Name>) -> bool {
        match self {
            Self::Passing(select) => select.takes(letter),
            Self::Named(names) => {
                let own = Some(Name::Letter(letter.id()));
                let event = letter.event_id().map(Name::Event);
                let mut taken = false;
                for name in [own, event].into_iter().flatten() {
                    taken |= names.contains(&name);
                    missing.remove(&name);
                }
                taken
            }
        }
    }
}
