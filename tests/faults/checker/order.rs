//! What must be true of the order of a lane's outcomes.

use std::collections::BTreeMap;

use super::{Check, Rule};
use crate::journal::Poisoned;

/// The events of a lane.
#[derive(Default)]
struct Lane<'a> {
    inputs: Vec<Place<'a>>,
    outcomes: Vec<Place<'a>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct Place<'a> {
    event: &'a str,
    seq: u64,
    /// Others may pass it while it waits for a retry.
    aside: bool,
}

impl Check<'_> {
    pub(super) fn order(&mut self) {
        let mut lanes: BTreeMap<&str, Lane<'_>> = BTreeMap::new();
        let mut inputs: Vec<_> = self.first.iter().collect();
        inputs.sort_by_key(|(_, entry)| **entry);
        for (event, _) in inputs {
            if let Some((lane, place)) = self.place(event) {
                lanes.entry(lane).or_default().inputs.push(place);
            }
        }
        for outcome in &self.snapshot.outcomes {
            if let Some((lane, place)) = self.place(&outcome.cause) {
                lanes.entry(lane).or_default().outcomes.push(place);
            }
        }
        let bad: Vec<String> = lanes
            .into_iter()
            .filter_map(|(name, lane)| Some(format!("lane {name}: {}", lane.disorder()?)))
            .collect();
        for what in bad {
            self.broken(Rule::Order, what);
        }
    }

    fn place<'a>(&'a self, event: &'a str) -> Option<(&'a str, Place<'a>)> {
        let sent = self.book.sent(event)?;
        let place = Place {
            event,
            seq: sent.seq,
            aside: self.book.poisoned == Poisoned::Skip && sent.kind.retries(),
        };
        Some((&sent.lane, place))
    }
}

impl Lane<'_> {
    /// The outcomes are those of the first inputs, in their order. What goes aside has its
    /// outcome any time after it was the lane's head.
    fn disorder(&self) -> Option<String> {
        let inputs: Vec<Place<'_>> = self
            .inputs
            .iter()
            .filter(|one| !one.aside)
            .copied()
            .collect();
        let mut right = 0;
        for outcome in &self.outcomes {
            if outcome.aside {
                let at = self
                    .inputs
                    .iter()
                    .position(|input| input.event == outcome.event);
                let before = &self.inputs[..at.unwrap_or(0)];
                if before.iter().filter(|input| !input.aside).count() > right {
                    return Some(format!("{} was run before its turn", outcome.event));
                }
            } else if inputs.get(right) == Some(outcome) {
                right += 1;
            } else {
                let next = &inputs[right..];
                let next: Vec<u64> = next.iter().take(5).map(|input| input.seq).collect();
                return Some(format!(
                    "after {right} outcomes in order that of {}, and the inputs {next:?}",
                    outcome.seq
                ));
            }
        }
        None
    }
}
