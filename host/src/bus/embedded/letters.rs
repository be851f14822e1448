//! The dead letters of a group on SQLite. The steps mirror `redis/requeue.lua` and
//! `redis/purge.lua`.

use chrono::Utc;
use rusqlite::{Result, params};
use serde::Deserialize;

use super::EmbeddedBus;
use super::book::{Book, MOST_FIELDS};
use crate::bus::lane::event_id;
use crate::bus::{BusError, EntryId, Requeued, Subscription, dead_letter_stream, purged_stream};
use crate::event::{Fields, PluginRef, Shallow};

/// Records of purged letters that are kept.
const MOST_RECORDS: usize = 10_000;

/// Fields that say who is to take an entry and for which time: they are written anew.
const OURS: [&[u8]; 3] = [b"generation", b"target_group", b"target_plugin"];

impl EmbeddedBus {
    pub(super) async fn requeue_letters(
        &self,
        subscription: &Subscription,
        letters: &[EntryId],
        to: Option<&PluginRef>,
    ) -> Result<Vec<Requeued>, BusError> {
        let (letters, to) = (letters.to_vec(), to.cloned());
        let requeued = self
            .step(subscription, move |book| {
                letters
                    .iter()
                    .map(|letter| book.requeue(*letter, to.as_ref()))
                    .collect()
            })
            .await?;
        self.appended.notify_waiters();
        Ok(requeued)
    }

    pub(super) async fn purge_letters(
        &self,
        subscription: &Subscription,
        letters: &[EntryId],
        reason: &str,
    ) -> Result<usize, BusError> {
        let (letters, reason) = (letters.to_vec(), reason.to_owned());
        self.step(subscription, move |book| {
            let mut purged = 0;
            for letter in letters {
                purged += usize::from(book.purge(letter, &reason)?);
            }
            book.trim_records()?;
            Ok(purged)
        })
        .await
    }
}

impl Book<'_> {
    fn requeue(&self, letter: EntryId, to: Option<&PluginRef>) -> Result<Requeued> {
        let Some(fields) = super::read_one(self.db, &self.letters(), letter)? else {
            return Ok(Requeued::Gone);
        };
        if let Some(reason) = refusal(&fields) {
            return Ok(Requeued::Refused(reason.to_owned()));
        }
        let event_id = event_id(&fields);
        let generation = generation(&fields) + 1;
        let entry = again(fields, generation, self.group(), to);
        let id = super::append(self.db, self.stream(), self.now, &entry)?;
        if let Some(event_id) = event_id {
            let event_id = event_id.to_string();
            self.execute(
                "DELETE FROM done WHERE stream = ?1 AND name = ?2 AND event_id = ?3",
                &[&event_id],
            )?;
            self.execute(
                "INSERT OR REPLACE INTO requeued (stream, name, event_id, below, at)
                 VALUES (?1, ?2, ?3, ?4, ?5)",
                &[&event_id, &generation, &self.now],
            )?;
        }
        self.delete(letter)?;
        Ok(Requeued::Appended {
            entry: id,
            generation,
        })
    }

    /// Whether the letter was there.
    fn purge(&self, letter: EntryId, reason: &str) -> Result<bool> {
        let Some(fields) = super::read_one(self.db, &self.letters(), letter)? else {
            return Ok(false);
        };
        let event_id = event_id(&fields).map(|id| id.to_string());
        let mut record = Fields::default();
        record.push("letter", letter.to_string());
        record.push("event_id", event_id.unwrap_or_default());
        record.push("error_type", error_type(&fields).unwrap_or_default());
        record.push("reason", reason);
        record.push("at", Utc::now().to_rfc3339());
        let records = purged_stream(self.stream(), self.group());
        super::append(self.db, &records, self.now, &record)?;
        self.delete(letter)?;
        Ok(true)
    }

    fn trim_records(&self) -> Result<()> {
        self.db
            .prepare_cached(
                "DELETE FROM entries WHERE stream = ?1 AND (ms, seq) <=
                 (SELECT ms, seq FROM entries WHERE stream = ?1
                  ORDER BY ms DESC, seq DESC LIMIT 1 OFFSET ?2)",
            )?
            .execute(params![
                purged_stream(self.stream(), self.group()),
                MOST_RECORDS as i64
            ])?;
        Ok(())
    }

    fn delete(&self, letter: EntryId) -> Result<()> {
        self.db
            .prepare_cached("DELETE FROM entries WHERE stream = ?1 AND ms = ?2 AND seq = ?3")?
            .execute(params![self.letters(), letter.ms, letter.seq])?;
        Ok(())
    }

    fn letters(&self) -> String {
        dead_letter_stream(self.stream(), self.group())
    }
}

fn refusal(fields: &Fields) -> Option<&'static str> {
    let originals = match fields.0.last() {
        Some((name, _)) if name == b"hothouse" => fields.0.len() - 1,
        Some(_) | None => return Some("its last field is not `hothouse`: no host wrote it"),
    };
    if originals == 0 {
        return Some("its entry was trimmed from the stream: nothing is left of it to run");
    }
    if originals >= MOST_FIELDS {
        return Some("its entry had more fields than a dead letter keeps: publish the event again");
    }
    let whole = fields.whole_event().map(String::from_utf8_lossy);
    if whole.is_some_and(|whole| Shallow::parse(&whole).is_none()) {
        return Some("its field `event` is no JSON object that can be read: it would fail again");
    }
    None
}

/// How often the event was requeued before.
pub(super) fn generation(fields: &Fields) -> u32 {
    let digits = fields
        .get("generation")
        .filter(|text| text.len() <= 9 && text.iter().all(u8::is_ascii_digit))
        .and_then(|text| std::str::from_utf8(text).ok());
    digits.and_then(|text| text.parse().ok()).unwrap_or(0)
}

/// The entry that runs a dead letter's event again.
fn again(letter: Fields, generation: u32, group: &str, to: Option<&PluginRef>) -> Fields {
    let mut entry = letter;
    entry.0.pop();
    entry.0.retain(|(name, _)| !OURS.contains(&name.as_slice()));
    entry.push("generation", generation.to_string());
    entry.push("target_group", group);
    if let Some(plugin) = to {
        entry.push("target_plugin", plugin.to_string());
    }
    entry
}

fn error_type(letter: &Fields) -> Option<String> {
    #[derive(Deserialize)]
    struct Said {
        error_type: String,
    }
    let said = serde_json::from_slice::<Said>(letter.get("hothouse")?);
    Some(said.ok()?.error_type)
}
