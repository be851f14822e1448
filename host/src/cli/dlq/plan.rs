//! What a verb is about to do to dead letters: gathered, shown, and then done in batches.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use serde::Serialize;

use super::groups::Groups;
use super::letter::Letter;
use super::select::{Chosen, Name, Select};
use crate::bus::{Bus, EntryId, Subscription};
use crate::cli::ask::Ask;
use crate::cli::output::{grouped, table};
use crate::config::Config;
use crate::event::{EventType, Glance};

/// Letters, and bytes of them, that go to the bus at once: no more than a server copies well
/// within the time that an answer may take. One letter goes whatever its size.
const BATCH: (usize, usize) = (100, 8 << 20);

/// Which dead letters a verb changes, and whether it asks before.
#[derive(Debug, clap::Args)]
pub(super) struct Which {
    /// Ids of dead letters, or of their events
    #[arg(value_name = "ID")]
    ids: Vec<Name>,

    /// Every dead letter
    #[arg(long)]
    all: bool,

    #[command(flatten)]
    ask: Ask,

    #[command(flatten)]
    groups: Groups,

    #[command(flatten)]
    select: Select,
}

impl Which {
    /// Gathers them.
    pub(super) async fn plan(self, config: &Config, bus: &dyn Bus) -> anyhow::Result<Plan> {
        let chosen = Chosen::new(self.ids, self.all, self.select)?;
        self.ask.check()?;
        let groups = self.groups.find(config, bus).await?;
        Plan::new(&chosen, bus, groups, self.ask).await
    }
}

/// The chosen letters, by their ids alone: there may be very many.
#[derive(Debug)]
pub(super) struct Plan {
    ask: Ask,
    letters: Vec<(Subscription, Vec<(EntryId, usize)>)>,
    /// Names that no letter has.
    missing: Vec<Name>,
    /// The types of their events.
    pub(super) types: BTreeSet<EventType>,
    counts: BTreeMap<(String, String, Option<String>), usize>,
}

/// What was chosen, for programs.
#[derive(Debug, Serialize)]
pub(super) struct Selected {
    selected: usize,
    parts: Vec<Part>,
    /// Names that no letter has.
    not_found: Vec<String>,
}

/// A part of a preview: so many with this reason.
#[derive(Debug, Serialize)]
struct Part {
    count: usize,
    group: String,
    error_type: String,
    plugin: Option<String>,
}

impl Plan {
    async fn new(
        chosen: &Chosen,
        bus: &dyn Bus,
        groups: Vec<Subscription>,
        ask: Ask,
    ) -> anyhow::Result<Self> {
        let mut found: Vec<Vec<(EntryId, usize)>> = vec![Vec::new(); groups.len()];
        let mut types = BTreeSet::new();
        let mut counts = BTreeMap::new();
        let visit = |letter: Letter| {
            let of = groups
                .iter()
                .position(|group| (group.stream, &group.group) == (letter.stream, &letter.group));
            if let Some(of) = of {
                found[of].push((letter.id(), letter.entry.fields.size()));
            }
            types.extend(Glance::of(&letter.entry.fields).kind());
            let plugin = letter.plugin().map(str::to_owned);
            let reason = (letter.group.clone(), letter.error_type(), plugin);
            *counts.entry(reason).or_insert(0) += 1;
            ControlFlow::Continue(())
        };
        let missing = chosen.visit(bus, &groups, visit).await?;
        Ok(Self {
            ask,
            letters: groups.into_iter().zip(found).collect(),
            missing,
            types,
            counts,
        })
    }

    pub(super) fn count(&self) -> usize {
        self.letters.iter().map(|(_, ids)| ids.len()).sum()
    }

    /// Whether there is something to do, and it is not only to be shown.
    fn is_due(&self) -> bool {
        self.count() > 0 && !self.ask.dry_run
    }

    /// Whether it is to be done: it is due, and the answer is yes.
    pub(super) fn confirmed(&self, question: &str) -> anyhow::Result<bool> {
        Ok(self.is_due() && self.ask.confirmed(&self.preview(), question)?)
    }

    /// Whether nothing that was asked for is left: every name is found, and what was due is `done`.
    pub(super) fn is_met(&self, done: bool) -> bool {
        self.missing.is_empty() && (done || !self.is_due())
    }

    pub(super) fn selected(&self) -> Selected {
        Selected {
            selected: self.count(),
            parts: self.parts(),
            not_found: self.missing.iter().map(ToString::to_string).collect(),
        }
    }

    /// How many there are, by reason and plugin.
    fn parts(&self) -> Vec<Part> {
        let parts = self.counts.iter();
        parts
            .map(|((group, error_type, plugin), count)| Part {
                count: *count,
                group: group.clone(),
                error_type: error_type.clone(),
                plugin: plugin.clone(),
            })
            .collect()
    }

    /// For people, where nothing was done.
    pub(super) fn undone_text(&self) -> String {
        let missing = self.missing_text();
        match self.is_due() {
            true => "nothing was changed".to_owned(),
            false if self.count() == 0 => format!("no dead letters found{missing}"),
            false => format!(
                "{}{missing}\n\nThis is a dry run: nothing was changed",
                self.preview()
            ),
        }
    }

    fn preview(&self) -> String {
        let mut rows: Vec<Vec<String>> = vec![
            ["count", "group", "error", "plugin"]
                .map(str::to_owned)
                .to_vec(),
        ];
        for part in self.parts() {
            rows.push(vec![
                grouped(part.count as u64),
                part.group,
                part.error_type,
                part.plugin.unwrap_or_else(|| "-".to_owned()),
            ]);
        }
        format!("{}\n\n{}", letters(self.count()), table(&rows))
    }

    /// The names that no letter has, for people; empty where there are none.
    pub(super) fn missing_text(&self) -> String {
        let lines = self.missing.iter();
        lines
            .map(|name| format!("\nthere is no dead letter {name}"))
            .collect()
    }

    /// The letters as they go to the bus.
    pub(super) fn batches(&self) -> impl Iterator<Item = (&Subscription, Vec<EntryId>)> {
        self.letters.iter().flat_map(|(group, letters)| {
            let mut rest = letters.as_slice();
            std::iter::from_fn(move || {
                let (batch, after) = rest.split_at(fitting(rest));
                rest = after;
                let ids: Vec<EntryId> = batch.iter().map(|(id, _)| *id).collect();
                (!ids.is_empty()).then_some((group, ids))
            })
        })
    }
}

/// How many at the front go together.
fn fitting(letters: &[(EntryId, usize)]) -> usize {
    let mut bytes = 0;
    let fits = letters.iter().take(BATCH.0).take_while(|(_, size)| {
        bytes += size;
        bytes <= BATCH.1
    });
    fits.count().max(1).min(letters.len())
}

/// So many dead letters.
pub(super) fn letters(count: usize) -> String {
    match count {
        1 => "1 dead letter".to_owned(),
        count => format!("{} dead letters", grouped(count as u64)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_neither_too_long_nor_too_large() {
        let letters = |size: usize| vec![(EntryId::ZERO, size); 300];
        assert_eq!(fitting(&letters(1)), BATCH.0);
        assert_eq!(fitting(&letters(BATCH.1 / 2)), 2);
        assert_eq!(fitting(&letters(BATCH.1 + 1)), 1);
        assert_eq!(fitting(&[]), 0);
    }
}
