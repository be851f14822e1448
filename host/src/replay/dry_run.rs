//! A replay that commits nothing: reads, runs, compares.

use std::sync::Arc;

use tokio::task::{JoinError, JoinSet};

use super::compare::{Comparison, Side, compare};
use super::recorded::{Place, Record, Recorded};
use super::scan::{Pages, Scan};
use super::{Selection, scan::Selected};
use crate::bus::{Bus, BusError, EntryId};
use crate::event::{EventType, Fields, Id, PluginRef, decode};
use crate::pipeline::Pipeline;
use crate::plugin::PluginId;
use crate::sandbox::Sandbox;

/// Dead letters that are read at once.
const LETTERS: usize = 100;

/// How far the clocks of a cluster's servers may be apart: where two streams stand on two
/// servers, an outcome's entry id may be a little smaller than its cause's.
const CLOCKS_MS: u64 = 60_000;

/// A dry run came to no end.
#[derive(Debug, thiserror::Error)]
pub enum DryRunError {
    /// The bus does not answer.
    #[error(transparent)]
    Bus(#[from] BusError),
    /// An outcome could not be written down: a defect of ours.
    #[error("cannot write the outcome: {0}")]
    Unwritable(#[from] serde_json::Error),
    /// A run panicked: a defect of ours.
    #[error("a run stopped: {0}")]
    Defect(#[from] JoinError),
}

/// What a dry run needs. It reads from the bus and writes nothing to it.
#[derive(Debug)]
pub struct DryRun {
    /// The bus.
    pub bus: Arc<dyn Bus>,
    /// What every delivery of the group goes through.
    pub pipeline: Pipeline,
    /// Where handlers run.
    pub sandbox: Arc<Sandbox>,
    /// The stream of the events.
    pub stream: &'static str,
    /// The plugin that is to take them, instead of their routes'.
    pub to: Option<PluginRef>,
    /// Whether cost and tokens count as differences.
    pub strict: bool,
    /// Runs at a time.
    pub jobs: usize,
}

/// One event, run again.
#[derive(Debug)]
pub struct Rehearsed {
    /// Its entry.
    pub entry: EntryId,
    /// Its event_id.
    pub event_id: Id,
    /// Its type.
    pub event_type: EventType,
    /// The plugin that ran.
    pub plugin: Option<PluginId>,
    /// The attempt that the handler was told: the recorded outcome's.
    pub attempt: u32,
    /// The recorded outcome.
    pub recorded: Side,
    /// The outcome now.
    pub now: Side,
    /// The two compared.
    pub comparison: Comparison,
}

/// What a dry run came to.
#[derive(Debug, Default)]
pub struct Rehearsals {
    /// The events, in stream order.
    pub events: Vec<Rehearsed>,
    /// Entries that meet the conditions and are no event of the contract.
    pub unreadable: u64,
}

impl DryRun {
    /// Runs the selected events, at most `limit` of them.
    /// `tell` is told after each run how many of how many have ended.
    ///
    /// # Errors
    /// [`DryRunError`]. Dropping the future ends the runs.
    pub async fn run(
        self: &Arc<Self>,
        selection: &Selection,
        limit: Option<u64>,
        mut tell: impl FnMut(u64, u64),
    ) -> Result<Rehearsals, DryRunError> {
        let (chosen, unreadable) = self.choose(selection, limit).await?;
        let recorded = self.recorded(&chosen).await?;
        let all = chosen.len();
        let mut waiting = chosen
            .into_iter()
            .map(|(entry, event_id)| (entry, recorded.latest(event_id)));
        let mut runs = JoinSet::new();
        let mut ended = Vec::new();
        loop {
            for (entry, record) in waiting.by_ref().take(self.jobs - runs.len()) {
                runs.spawn(Arc::clone(self).rehearse(entry, record));
            }
            let Some(run) = runs.join_next().await else {
                break;
            };
            ended.push(run??);
            tell(ended.len() as u64, all as u64);
        }
        // An entry that was trimmed meanwhile has no run.
        let mut events: Vec<Rehearsed> = ended.into_iter().flatten().collect();
        events.sort_by_key(|run| run.entry);
        Ok(Rehearsals { events, unreadable })
    }

    async fn choose(
        &self,
        selection: &Selection,
        limit: Option<u64>,
    ) -> Result<(Vec<(EntryId, Id)>, u64), BusError> {
        let mut scan = Scan::new(&*self.bus, self.stream, selection);
        let mut chosen = Vec::new();
        while limit.is_none_or(|limit| (chosen.len() as u64) < limit) {
            let Some(Selected { id, event, .. }) = scan.next().await? else {
                break;
            };
            chosen.push((id, event.envelope.event_id));
        }
        Ok((chosen, scan.unreadable()))
    }

    /// Goes through all that may have come of the events.
    async fn recorded(&self, chosen: &[(EntryId, Id)]) -> Result<Recorded, BusError> {
        let group = &self.pipeline.group;
        let mut recorded = Recorded::new(group, chosen.iter().map(|(_, event_id)| *event_id));
        let Some((first, _)) = chosen.first() else {
            return Ok(recorded);
        };
        let after = EntryId {
            ms: first.ms.saturating_sub(CLOCKS_MS),
            seq: 0,
        };
        for stream in EventType::STREAMS {
            let mut pages = Pages::new(&*self.bus, stream, after);
            loop {
                let page = pages.next().await?;
                if page.is_empty() {
                    break;
                }
                page.iter().for_each(|entry| recorded.note(stream, entry));
            }
        }
        let mut after = EntryId::ZERO;
        loop {
            let letters = self
                .bus
                .dead_letters(self.stream, group, after, LETTERS)
                .await?;
            let Some(last) = letters.last() else { break };
            after = last.id;
            letters.iter().for_each(|entry| recorded.note_letter(entry));
        }
        Ok(recorded)
    }

    async fn rehearse(
        self: Arc<Self>,
        entry: EntryId,
        record: Record,
    ) -> Result<Option<Rehearsed>, DryRunError> {
        let place = Place {
            stream: self.stream,
            entry,
        };
        let fields = self.read(place).await?;
        let Some(mut event) = fields.and_then(|fields| decode(&fields).ok()) else {
            return Ok(None);
        };
        let mut recorded = Side {
            events: Vec::new(),
            letter: record.letter.map(Box::new),
        };
        for place in record.places {
            recorded.events.extend(self.read(place).await?);
        }
        // The ids that outcomes hold are derived from the generation.
        event.envelope.generation = record.generation;
        if self.to.is_some() {
            event.envelope.target_plugin.clone_from(&self.to);
        }
        let (event_id, event_type) = (event.envelope.event_id, event.envelope.event_type);
        // None only where the sandbox is closed, which it never is.
        let _slot = self.sandbox.slot().await;
        let attempt = recorded.attempts().unwrap_or(1);
        let rehearsal = self.pipeline.rehearse(event, attempt).await?;
        let now = Side {
            events: rehearsal
                .outputs
                .into_iter()
                .map(|output| output.fields)
                .collect(),
            letter: rehearsal.dead_letter,
        };
        Ok(Some(Rehearsed {
            entry,
            event_id,
            event_type,
            plugin: rehearsal.plugin,
            attempt: rehearsal.attempt,
            comparison: compare(&recorded, &now, self.strict),
            recorded,
            now,
        }))
    }

    async fn read(&self, place: Place) -> Result<Option<Fields>, BusError> {
        let page = self.bus.read(place.stream, place.entry.before(), 1).await?;
        let found = page.into_iter().find(|entry| entry.id == place.entry);
        Ok(found.map(|entry| entry.fields))
    }
}
