//! What the steps ask of a group's books.

use std::time::Duration;

use rusqlite::{OptionalExtension, Result, params};

use super::blob;
use super::book::{Book, Busy, Holder, Tried};
use super::letters::generation;
use crate::bus::{Attempt, EntryId, Lane, mark_given_back};
use crate::event::Id;

impl Book<'_> {
    pub(super) fn is_alive(&self, consumer: &str) -> Result<bool> {
        self.db
            .prepare_cached(
                "SELECT 1 FROM hosts WHERE stream = ?1 AND name = ?2 AND consumer = ?3",
            )?
            .exists([self.stream(), self.group(), consumer])
    }

    /// The group's routes, where they are not this host's and another host runs with them.
    pub(super) fn routes_of_others(&self) -> Result<Option<String>> {
        self.db
            .prepare_cached(
                "SELECT routes FROM routes WHERE stream = ?1 AND name = ?2 AND routes <> ?3
                 AND EXISTS (SELECT 1 FROM hosts WHERE stream = ?1 AND name = ?2
                             AND consumer <> ?4 AND (until >= ?5 OR ?5 < (
                               SELECT grace FROM groups WHERE stream = ?1 AND name = ?2)))",
            )?
            .query_row(
                params![
                    self.stream(),
                    self.group(),
                    self.subscription.routes,
                    self.consumer,
                    self.now
                ],
                |row| row.get(0),
            )
            .optional()
    }

    pub(super) fn share_routes(&self) -> Result<()> {
        self.execute(
            "INSERT OR REPLACE INTO routes (stream, name, routes) VALUES (?1, ?2, ?3)",
            &[&self.subscription.routes],
        )?;
        Ok(())
    }

    /// Of a requeued event the entry counts: it may be a copy of before, sent by its producer.
    pub(super) fn is_done(&self, event_id: Option<Id>, entry: EntryId) -> Result<bool> {
        let Some(event_id) = event_id else {
            return Ok(false);
        };
        let event_id = event_id.to_string();
        let key = [self.stream(), self.group(), &event_id];
        let done = self
            .db
            .prepare_cached("SELECT 1 FROM done WHERE stream = ?1 AND name = ?2 AND event_id = ?3")?
            .exists(key)?;
        if done {
            return Ok(true);
        }
        let below: Option<u32> = self
            .db
            .prepare_cached(
                "SELECT below FROM requeued WHERE stream = ?1 AND name = ?2 AND event_id = ?3",
            )?
            .query_row(key, |row| row.get(0))
            .optional()?;
        let Some(below) = below else {
            return Ok(false);
        };
        let fields = super::read_one(self.db, self.stream(), entry)?.unwrap_or_default();
        Ok(generation(&fields) < below)
    }

    pub(super) fn count_duplicate(&self) -> Result<()> {
        self.execute(
            "UPDATE groups SET duplicates = duplicates + 1 WHERE stream = ?1 AND name = ?2",
            &[],
        )?;
        Ok(())
    }

    pub(super) fn lane(&self, lane: &Lane) -> Result<Option<Busy>> {
        self.db
            .prepare_cached(
                "SELECT consumer, ms, seq, fence, attempt, alone, due, aside, stopped_at FROM lanes
                 WHERE stream = ?1 AND name = ?2 AND lane = ?3",
            )?
            .query_row([self.stream(), self.group(), lane.as_str()], |row| {
                Busy::read(row, 0)
            })
            .optional()
    }

    pub(super) fn busy_lanes(&self) -> Result<Vec<(Lane, Busy)>> {
        self.db
            .prepare_cached(
                "SELECT lane, consumer, ms, seq, fence, attempt, alone, due, aside, stopped_at
                 FROM lanes WHERE stream = ?1 AND name = ?2",
            )?
            .query_map([self.stream(), self.group()], |row| {
                Ok((Lane(row.get(0)?), Busy::read(row, 1)?))
            })?
            .collect()
    }

    pub(super) fn held_lanes(&self) -> Result<Vec<(Lane, Holder)>> {
        let held = |(lane, busy)| match busy {
            Busy::Held(holder) => Some((lane, holder)),
            Busy::Waiting { .. } | Busy::Stopped { .. } => None,
        };
        Ok(self.busy_lanes()?.into_iter().filter_map(held).collect())
    }

    /// The first of the lane's waiting entries.
    pub(super) fn first_waiting(&self, lane: &Lane) -> Result<Option<EntryId>> {
        self.first(lane, i64::MAX)
    }

    /// The first of the lane's waiting entries that does not wait aside.
    pub(super) fn head(&self, lane: &Lane) -> Result<Option<EntryId>> {
        self.first(lane, self.now)
    }

    fn first(&self, lane: &Lane, due_by: i64) -> Result<Option<EntryId>> {
        self.db
            .prepare_cached(
                "SELECT ms, seq FROM pending
                 WHERE stream = ?1 AND name = ?2 AND lane = ?3 AND waiting = 1 AND due <= ?4
                 ORDER BY ms, seq LIMIT 1",
            )?
            .query_row(
                params![self.stream(), self.group(), lane.as_str(), due_by],
                |row| {
                    Ok(EntryId {
                        ms: row.get(0)?,
                        seq: row.get(1)?,
                    })
                },
            )
            .optional()
    }

    /// When the first of the entries that wait aside is due.
    pub(super) fn soonest_aside(&self, lane: &Lane) -> Result<Option<i64>> {
        self.db
            .prepare_cached(
                "SELECT min(due) FROM pending
                 WHERE stream = ?1 AND name = ?2 AND lane = ?3 AND waiting = 1",
            )?
            .query_row([self.stream(), self.group(), lane.as_str()], |row| {
                row.get(0)
            })
    }

    pub(super) fn tried(&self, lane: &Lane, id: EntryId) -> Result<Option<Tried>> {
        self.db
            .prepare_cached(
                "SELECT failed, lost, due, history FROM pending
                 WHERE stream = ?1 AND name = ?2 AND lane = ?3 AND ms = ?4 AND seq = ?5",
            )?
            .query_row(
                params![self.stream(), self.group(), lane.as_str(), id.ms, id.seq],
                Tried::read,
            )
            .optional()
    }

    pub(super) fn note_tries(&self, lane: &Lane, id: EntryId, tried: &Tried) -> Result<()> {
        self.execute(
            "UPDATE pending SET failed = ?6, lost = ?7, due = ?8, history = ?9
             WHERE stream = ?1 AND name = ?2 AND lane = ?3 AND ms = ?4 AND seq = ?5",
            &[
                &lane.as_str(),
                &id.ms,
                &id.seq,
                &tried.failed,
                &tried.lost,
                &tried.due,
                &blob::to_json(&tried.history)?,
            ],
        )?;
        Ok(())
    }

    pub(super) fn due_lanes(&self, max: usize) -> Result<Vec<Lane>> {
        self.db
            .prepare_cached(
                "SELECT lane FROM lanes
                 WHERE stream = ?1 AND name = ?2 AND due <= ?3
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
                "SELECT min(due) FROM lanes WHERE stream = ?1 AND name = ?2 AND due IS NOT NULL",
            )?
            .query_row([self.stream(), self.group()], |row| row.get(0))?;
        Ok(due.map(|due| {
            let left = u64::try_from(due - self.now).unwrap_or_default();
            Duration::from_millis(left)
        }))
    }

    /// Entries that wait, but for those of stopped lanes: they hold back no other lane.
    pub(super) fn parked(&self) -> Result<usize> {
        self.db
            .prepare_cached(
                "SELECT count(*) FROM pending WHERE stream = ?1 AND name = ?2 AND waiting = 1
                 AND lane NOT IN (SELECT lane FROM lanes WHERE stream = ?1 AND name = ?2
                                  AND stopped_at IS NOT NULL)",
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

impl Tried {
    /// Of the columns `failed`, `lost`, `due` and `history`.
    pub(super) fn read(row: &rusqlite::Row<'_>) -> Result<Self> {
        let (lost, history): (String, String) = (row.get(1)?, row.get(3)?);
        let mut history: Vec<Attempt> = blob::json(&history)?;
        mark_given_back(&mut history, &lost);
        Ok(Self {
            failed: row.get(0)?,
            lost,
            due: row.get(2)?,
            history,
        })
    }
}

impl Busy {
    fn read(row: &rusqlite::Row<'_>, from: usize) -> Result<Self> {
        let entry = EntryId {
            ms: row.get::<_, Option<u64>>(from + 1)?.unwrap_or_default(),
            seq: row.get::<_, Option<u64>>(from + 2)?.unwrap_or_default(),
        };
        if let Some(since) = row.get(from + 8)? {
            return Ok(Self::Stopped { by: entry, since });
        }
        let Some(consumer) = row.get(from)? else {
            return Ok(Self::Waiting {
                due: row.get::<_, Option<i64>>(from + 6)?.unwrap_or_default(),
                aside: row.get(from + 7)?,
            });
        };
        Ok(Self::Held(Holder {
            consumer,
            entry,
            fence: row.get::<_, Option<u64>>(from + 3)?.unwrap_or_default(),
            attempt: row.get::<_, Option<u32>>(from + 4)?.unwrap_or_default(),
            alone: row.get(from + 5)?,
        }))
    }
}
