//! What a verb is about to do to dead letters: gathered, shown, and then done in batches.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use serde::Serialize;

use super::letter::Letter;
use super::select::{Chosen, Name};
use crate::bus::{Bus, BusError, EntryId, Subscription};
use crate::cli::output::{grouped, table};
use crate::event::{EventType, Glance};

/// Letters, and bytes of them, that go to the bus at once: no more than a server copies well
/// within the time that an answer may take. One letter goes whatever its size.
const BATCH: (usize, usize) = (100, 8 << 20);

/// The chosen letters, by their ids alone: there may be very many.
#[derive(Debug)]
pub(super) struct Plan {
    letters: Vec<(Subscription, Vec<(EntryId, usize)>)>,
    /// Names that no letter has.
    pub(super) missing: Vec<Name>,
    /// The types of their events.
    pub(super) types: BTreeSet<EventType>,
    counts: BTreeMap<(String, String, Option<String>), usize>,
}

/// A part of a preview: so many with this reason.
#[derive(Debug, Serialize)]
pub(super) struct Part {
    count: usize,
    group: String,
    error_type: String,
    plugin: Option<String>,
}

impl Plan {
    pub(super) async fn new(
        chosen: &Chosen,
        bus: &dyn Bus,
        groups: Vec<Subscription>,
    ) -> Result<Self, BusError> {
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
            letters: groups.into_iter().zip(found).collect(),
            missing,
            types,
            counts,
        })
    }

    pub(super) fn count(&self) -> usize {
        self.letters.iter().map(|(_, ids)| ids.len()).sum()
    }

    /// How many there are, by reason and plugin.
    pub(super) fn parts(&self) -> Vec<Part> {
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

    /// For people.
    pub(super) fn preview(&self) -> String {
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
