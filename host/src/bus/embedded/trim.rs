//! Trimming a stream on SQLite, a step at a time.

use rusqlite::{OptionalExtension, Result, Transaction, params};

use super::{EmbeddedBus, millis, now};
use crate::bus::trim::STEP;
use crate::bus::{BusError, EntryId, HeldBack, TrimBound, Trimmed};

/// What one step did.
struct Step {
    trimmed: Trimmed,
    /// Whether it ended because it was long enough.
    more: bool,
}

/// Where a group stands: it is done with everything before `first` that is not after `read`.
struct Mark {
    group: String,
    read: EntryId,
    first: Option<EntryId>,
}

impl EmbeddedBus {
    pub(super) async fn trim_stream(
        &self,
        stream: &str,
        groups: &[String],
        bound: TrimBound,
        dry_run: bool,
    ) -> Result<Trimmed, BusError> {
        let mut trimmed = Trimmed::default();
        loop {
            let (stream, groups) = (stream.to_owned(), groups.to_vec());
            let step = if dry_run {
                let (after, found) = (trimmed.up_to.unwrap_or_default(), trimmed.removed);
                let look = self
                    .db
                    .read(move |db| look(db, &stream, &groups, bound, after, found));
                look.await?
            } else {
                let remove = self.db.transaction(move |db| {
                    let step = look(db, &stream, &groups, bound, EntryId::ZERO, 0)?;
                    remove(db, &stream, step.trimmed.up_to)?;
                    Ok(step)
                });
                remove.await?
            };
            trimmed.removed += step.trimmed.removed;
            trimmed.up_to = step.trimmed.up_to.or(trimmed.up_to);
            trimmed.held_back_by = step.trimmed.held_back_by;
            if !step.more {
                return Ok(trimmed);
            }
        }
    }
}

/// What may go of the entries after `after`, where `found` are found already.
fn look(
    db: &Transaction<'_>,
    stream: &str,
    groups: &[String],
    bound: TrimBound,
    after: EntryId,
    found: u64,
) -> Result<Step> {
    let marks = marks(db, stream)?;
    let room = match bound.keep {
        None => u64::MAX,
        Some(keep) => {
            let length: u64 = db.query_row(
                "SELECT count(*) FROM entries WHERE stream = ?1",
                [stream],
                |row| row.get(0),
            )?;
            length.saturating_sub(keep).saturating_sub(found)
        }
    };
    let oldest = bound
        .older_than
        .map(|age| now().saturating_sub(millis(age)));
    let mut step = Step {
        trimmed: Trimmed::default(),
        more: false,
    };
    let mut ids = db.prepare_cached(
        "SELECT ms, seq FROM entries WHERE stream = ?1 AND (ms, seq) > (?2, ?3)
         ORDER BY ms, seq LIMIT ?4",
    )?;
    let mut rows = ids.query(params![stream, after.ms, after.seq, STEP as i64])?;
    while let Some(row) = rows.next()? {
        let ms: i64 = row.get(0)?;
        let id = EntryId {
            ms: row.get(0)?,
            seq: row.get(1)?,
        };
        if step.trimmed.removed >= room || oldest.is_some_and(|oldest| ms >= oldest) {
            return Ok(Step {
                more: false,
                ..step
            });
        }
        step.trimmed.held_back_by = held_back(&marks, groups, id);
        if step.trimmed.held_back_by.is_some() {
            return Ok(Step {
                more: false,
                ..step
            });
        }
        step.trimmed.removed += 1;
        step.trimmed.up_to = Some(id);
        step.more = step.trimmed.removed == STEP as u64;
    }
    Ok(step)
}

fn marks(db: &Transaction<'_>, stream: &str) -> Result<Vec<Mark>> {
    let mut first = db.prepare_cached(
        "SELECT ms, seq FROM pending WHERE stream = ?1 AND name = ?2 ORDER BY ms, seq LIMIT 1",
    )?;
    db.prepare_cached(
        "SELECT name, cursor_ms, cursor_seq FROM groups WHERE stream = ?1 ORDER BY name",
    )?
    .query_map([stream], |row| {
        let group: String = row.get(0)?;
        let first = first.query_row([stream, &group], |row| entry_id(row, 0));
        Ok(Mark {
            first: first.optional()?,
            read: entry_id(row, 1)?,
            group,
        })
    })?
    .collect()
}

fn held_back(marks: &[Mark], groups: &[String], id: EntryId) -> Option<HeldBack> {
    let is_there = |group: &&String| marks.iter().any(|mark| mark.group == **group);
    if let Some(missing) = groups.iter().find(|group| !is_there(group)) {
        return Some(HeldBack::Missing(missing.clone()));
    }
    if marks.is_empty() {
        return Some(HeldBack::NoGroup);
    }
    let holder = marks
        .iter()
        .find(|mark| id > mark.read || mark.first.is_some_and(|first| id >= first))?;
    Some(HeldBack::Group(holder.group.clone()))
}

fn remove(db: &Transaction<'_>, stream: &str, up_to: Option<EntryId>) -> Result<()> {
    let Some(last) = up_to else { return Ok(()) };
    db.execute(
        "DELETE FROM entries WHERE stream = ?1 AND (ms, seq) <= (?2, ?3)",
        params![stream, last.ms, last.seq],
    )?;
    db.execute(
        "INSERT OR REPLACE INTO trims (stream, ms, seq) VALUES (?1, ?2, ?3)",
        params![stream, last.ms, last.seq],
    )?;
    Ok(())
}

fn entry_id(row: &rusqlite::Row<'_>, from: usize) -> Result<EntryId> {
    Ok(EntryId {
        ms: row.get(from)?,
        seq: row.get(from + 1)?,
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::bus::{Bus as _, Start, Subscription};
    use crate::event::Fields;

    #[tokio::test]
    async fn ids_grow_where_nothing_is_left_and_the_clock_is_behind() {
        let bus = EmbeddedBus::in_memory("a").expect("a bus");
        let mut fields = Fields::default();
        fields.push("type", "x");
        let tomorrow = now() + 86_400_000;
        let (stream, entry) = ("pr-events", fields.clone());
        let before = bus
            .db
            .transaction(move |db| super::super::append(db, stream, tomorrow, &entry))
            .await
            .expect("append");
        let subscription = Subscription {
            stream,
            group: "g".into(),
            types: Vec::new(),
            start: Start::New,
            dedup_window: Duration::from_secs(60),
            lease: Duration::from_secs(60),
            parked_limit: 10,
            routes: String::new(),
        };
        bus.join(&subscription).await.expect("join");
        let bound = TrimBound {
            older_than: None,
            keep: Some(0),
        };
        let trimmed = bus.trim_stream(stream, &[], bound, false).await;
        assert_eq!(trimmed.expect("trim").up_to, Some(before));
        let after = bus.publish(stream, vec![fields]).await.expect("publish");
        assert!(after[0] > before, "{after:?}");
    }
}
