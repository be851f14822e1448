//! What the steps ask of a group's books.

use std::time::Duration;

use rusqlite::{OptionalExtension, Result, params};

use super::book::{Book, Holder};
use crate::bus::{EntryId, Lane};
use crate::event::Id;

impl Book<'_> {
    pub(super) fn is_alive(&self, consumer: &str) -> Result<bool> {
        self.db
            .prepare_cached(
                "SELECT 1 FROM hosts WHERE stream = ?1 AND name = ?2 AND consumer = ?3",
            )?
            .exists([self.stream(), self.group(), consumer])
    }

    pub(super) fn is_done(&self, event_id: Option<Id>) -> Result<bool> {
        let Some(event_id) = event_id else {
            return Ok(false);
        };
        self.db
            .prepare_cached("SELECT 1 FROM done WHERE stream = ?1 AND name = ?2 AND event_id = ?3")?
            .exists([self.stream(), self.group(), &event_id.to_string()])
    }

    pub(super) fn count_duplicate(&self) -> Result<()> {
        self.execute(
            "UPDATE groups SET duplicates = duplicates + 1 WHERE stream = ?1 AND name = ?2",
            &[],
        )?;
        Ok(())
    }

    pub(super) fn holder(&self, lane: &Lane) -> Result<Option<Holder>> {
        self.db
            .prepare_cached(
                "SELECT consumer, ms, seq, fence, attempt FROM lanes
                 WHERE stream = ?1 AND name = ?2 AND lane = ?3",
            )?
            .query_row([self.stream(), self.group(), lane.as_str()], |row| {
                Holder::read(row, 0)
            })
            .optional()
    }

    pub(super) fn held_lanes(&self) -> Result<Vec<(Lane, Holder)>> {
        self.db
            .prepare_cached(
                "SELECT lane, consumer, ms, seq, fence, attempt FROM lanes
                 WHERE stream = ?1 AND name = ?2 AND consumer IS NOT NULL",
            )?
            .query_map([self.stream(), self.group()], |row| {
                Ok((Lane(row.get(0)?), Holder::read(row, 1)?))
            })?
            .collect()
    }

    pub(super) fn head(&self, lane: &Lane) -> Result<Option<EntryId>> {
        self.db
            .prepare_cached(
                "SELECT ms, seq FROM pending
                 WHERE stream = ?1 AND name = ?2 AND lane = ?3 AND waiting = 1
                 ORDER BY ms, seq LIMIT 1",
            )?
            .query_row([self.stream(), self.group(), lane.as_str()], |row| {
                Ok(EntryId {
                    ms: row.get(0)?,
                    seq: row.get(1)?,
                })
            })
            .optional()
    }

    pub(super) fn due_lanes(&self, max: usize) -> Result<Vec<Lane>> {
        self.db
            .prepare_cached(
                "SELECT lane FROM lanes
                 WHERE stream = ?1 AND name = ?2 AND consumer IS NULL AND due <= ?3
                 ORDER BY due LIMIT ?4",
            )?
            .query_map(
                params![self.stream(), self.group(), self.now, max as i64],
                |row| row.get(0).map(Lane),
            )?
            .collect()
    }

    pub(super) fn next_due(&self) -> Result<Option<Duration>> {
        let due: Option<i64> = self
            .db
            .prepare_cached(
                "SELECT min(due) FROM lanes WHERE stream = ?1 AND name = ?2 AND consumer IS NULL",
            )?
            .query_row([self.stream(), self.group()], |row| row.get(0))?;
        Ok(due.map(|due| {
            let left = u64::try_from(due - self.now).unwrap_or_default();
            Duration::from_millis(left)
        }))
    }

    pub(super) fn parked(&self) -> Result<usize> {
        self.db
            .prepare_cached(
                "SELECT count(*) FROM pending WHERE stream = ?1 AND name = ?2 AND waiting = 1",
            )?
            .query_row([self.stream(), self.group()], |row| row.get::<_, i64>(0))
            .map(|count| usize::try_from(count).unwrap_or_default())
    }

    pub(super) fn cursor(&self) -> Result<Option<EntryId>> {
        self.db
            .prepare_cached(
                "SELECT cursor_ms, cursor_seq FROM groups WHERE stream = ?1 AND name = ?2",
            )?
            .query_row([self.stream(), self.group()], |row| {
                Ok(EntryId {
                    ms: row.get(0)?,
                    seq: row.get(1)?,
                })
            })
            .optional()
    }
}

impl Holder {
    pub(super) fn read(row: &rusqlite::Row<'_>, from: usize) -> Result<Self> {
        Ok(Self {
            consumer: row.get(from)?,
            entry: EntryId {
                ms: row.get::<_, Option<u64>>(from + 1)?.unwrap_or_default(),
                seq: row.get::<_, Option<u64>>(from + 2)?.unwrap_or_default(),
            },
            fence: row.get::<_, Option<u64>>(from + 3)?.unwrap_or_default(),
            attempt: row.get::<_, Option<u32>>(from + 4)?.unwrap_or_default(),
        })
    }
}
