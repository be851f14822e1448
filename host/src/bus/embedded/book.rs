//! The steps on a group's books, each within one transaction. They mirror `redis/*.lua`.

use std::collections::HashSet;

use rusqlite::{Result, Transaction, params};

use super::blob;
use crate::bus::lane::{Claim, claim, event_id};
use crate::bus::{
    Commit, Committed, DeadLetter, Delivery, EntryId, Fetched, Lane, Lease, Subscription, Verdict,
    dead_letter_stream,
};
use crate::event::Fields;

/// A dead letter has the first ones of its entry's fields: Redis cannot copy more.
const MOST_FIELDS: usize = 3000;

/// One group at one moment, for one consumer.
pub(super) struct Book<'a> {
    pub(super) db: &'a Transaction<'a>,
    pub(super) subscription: &'a Subscription,
    pub(super) consumer: &'a str,
    /// Milliseconds since 1970.
    pub(super) now: i64,
}

/// Who holds a lane, and with what.
pub(super) struct Holder {
    pub(super) consumer: Option<String>,
    pub(super) entry: EntryId,
    pub(super) fence: u64,
    pub(super) attempt: u32,
}

impl Book<'_> {
    pub(super) fn stream(&self) -> &str {
        self.subscription.stream
    }

    pub(super) fn group(&self) -> &str {
        &self.subscription.group
    }

    pub(super) fn execute(&self, sql: &str, rest: &[&dyn rusqlite::ToSql]) -> Result<usize> {
        let (stream, group) = (self.stream(), self.group());
        let mut values: Vec<&dyn rusqlite::ToSql> = vec![&stream, &group];
        values.extend_from_slice(rest);
        self.db.prepare_cached(sql)?.execute(values.as_slice())
    }

    /// None where the group does not exist.
    pub(super) fn fetch(&self, max: usize) -> Result<Option<Fetched>> {
        let Some(cursor) = self.cursor()? else {
            return Ok(None);
        };
        self.extend_lease()?;
        let mut fetched = Fetched {
            cursor,
            ..Fetched::default()
        };
        for lane in self.due_lanes(max)? {
            fetched.deliveries.extend(self.take_head(&lane)?);
        }
        let room = max - fetched.deliveries.len();
        fetched.full = self.parked()? >= self.subscription.parked_limit;
        if room > 0 && !fetched.full {
            for (id, fields) in super::read(self.db, self.stream(), fetched.cursor, room)? {
                fetched.cursor = id;
                fetched.more = true;
                fetched.deliveries.extend(self.admit(id, fields)?);
            }
            if fetched.more {
                self.execute(
                    "UPDATE groups SET cursor_ms = ?3, cursor_seq = ?4 WHERE stream = ?1 AND name = ?2",
                    &[&fetched.cursor.ms, &fetched.cursor.seq],
                )?;
            }
        }
        fetched.next_due = self.next_due()?;
        Ok(Some(fetched))
    }

    /// Decides on an entry that is read for the first time.
    fn admit(&self, id: EntryId, fields: Fields) -> Result<Option<Delivery>> {
        let (lane, event_id) = match claim(self.subscription, id, &fields) {
            Claim::Skip => return Ok(None),
            Claim::Run { lane, event_id } => (lane, event_id),
        };
        if self.is_done(event_id)? {
            self.count_duplicate()?;
            return Ok(None);
        }
        let busy = self.holder(&lane)?.is_some();
        self.execute(
            "INSERT INTO pending (stream, name, lane, ms, seq, waiting) VALUES (?1, ?2, ?3, ?4, ?5, 1)",
            &[&lane.as_str(), &id.ms, &id.seq],
        )?;
        if busy {
            return Ok(None);
        }
        self.deliver(lane, id, fields).map(Some)
    }

    fn deliver(&self, lane: Lane, id: EntryId, fields: Fields) -> Result<Delivery> {
        let fence: u64 = self.db.prepare_cached(
            "UPDATE groups SET fence = fence + 1 WHERE stream = ?1 AND name = ?2 RETURNING fence",
        )?.query_row([self.stream(), self.group()], |row| row.get(0))?;
        let (used, history): (u32, String) = self
            .db
            .prepare_cached(
                "UPDATE pending SET waiting = 0
                 WHERE stream = ?1 AND name = ?2 AND lane = ?3 AND ms = ?4 AND seq = ?5
                 RETURNING used, history",
            )?
            .query_row(
                params![self.stream(), self.group(), lane.as_str(), id.ms, id.seq],
                |row| Ok((row.get(0)?, row.get(1)?)),
            )?;
        let attempt = used + 1;
        self.execute(
            "INSERT OR REPLACE INTO lanes (stream, name, lane, consumer, ms, seq, fence, attempt)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            &[
                &lane.as_str(),
                &self.consumer,
                &id.ms,
                &id.seq,
                &fence,
                &attempt,
            ],
        )?;
        Ok(Delivery {
            lease: Lease {
                entry: id,
                lane,
                fence,
            },
            fields,
            attempt,
            history: blob::json(&history)?,
        })
    }

    /// Hands out the lane's next entry that is still to be run, or frees the lane.
    fn take_head(&self, lane: &Lane) -> Result<Option<Delivery>> {
        while let Some(id) = self.head(lane)? {
            let Some(fields) = super::read_one(self.db, self.stream(), id)? else {
                self.bury(id, &DeadLetter::trimmed(id))?;
                self.forget(lane, id)?;
                continue;
            };
            if self.is_done(event_id(&fields))? {
                self.count_duplicate()?;
                self.forget(lane, id)?;
                continue;
            }
            return self.deliver(lane.clone(), id, fields).map(Some);
        }
        self.execute(
            "DELETE FROM lanes WHERE stream = ?1 AND name = ?2 AND lane = ?3",
            &[&lane.as_str()],
        )?;
        Ok(None)
    }

    pub(super) fn commit(&self, commit: &Commit, advance: bool) -> Result<Committed> {
        let Lease { entry, lane, fence } = &commit.lease;
        let held = self.holder(lane)?;
        let mine = held.filter(|held| {
            held.consumer.as_deref() == Some(self.consumer)
                && held.entry == *entry
                && held.fence == *fence
        });
        let Some(held) = mine else {
            return Ok(match self.is_done(commit.event_id)? {
                true => Committed::Duplicate(None),
                false => Committed::Superseded,
            });
        };
        match &commit.verdict {
            Verdict::Retry { after, history } => {
                let due = self.now.saturating_add(super::millis(*after));
                self.park(lane, *entry, held.attempt, due)?;
                self.execute(
                    "UPDATE pending SET history = ?6 WHERE stream = ?1 AND name = ?2
                     AND lane = ?3 AND ms = ?4 AND seq = ?5",
                    &[
                        &lane.as_str(),
                        &entry.ms,
                        &entry.seq,
                        &blob::to_json(history)?,
                    ],
                )?;
                Ok(Committed::Applied(None))
            }
            Verdict::Release => {
                self.park(lane, *entry, held.attempt - 1, self.now)?;
                Ok(Committed::Applied(None))
            }
            Verdict::Done { .. } if self.is_done(commit.event_id)? => {
                self.count_duplicate()?;
                self.forget(lane, *entry)?;
                Ok(Committed::Duplicate(self.next_of(lane, advance)?))
            }
            Verdict::Done {
                outputs,
                dead_letter,
            } => {
                if let Some(event_id) = commit.event_id {
                    self.execute(
                        "INSERT OR REPLACE INTO done (stream, name, event_id, at) VALUES (?1, ?2, ?3, ?4)",
                        &[&event_id.to_string(), &self.now],
                    )?;
                }
                for output in outputs {
                    let stream = output.event_type.stream();
                    super::append(self.db, stream, self.now, &output.fields)?;
                }
                if let Some(dead_letter) = dead_letter {
                    self.bury(*entry, dead_letter)?;
                }
                self.forget(lane, *entry)?;
                Ok(Committed::Applied(self.next_of(lane, advance)?))
            }
        }
    }

    fn next_of(&self, lane: &Lane, advance: bool) -> Result<Option<Box<Delivery>>> {
        if advance {
            return Ok(self.take_head(lane)?.map(Box::new));
        }
        match self.head(lane)? {
            Some(_) => self.free(lane, self.now)?,
            None => {
                self.take_head(lane)?;
            }
        }
        Ok(None)
    }

    /// Puts the held head back in its place, to be handed out when it is due.
    fn park(&self, lane: &Lane, id: EntryId, used: u32, due: i64) -> Result<()> {
        self.execute(
            "UPDATE pending SET waiting = 1, used = ?6
             WHERE stream = ?1 AND name = ?2 AND lane = ?3 AND ms = ?4 AND seq = ?5",
            &[&lane.as_str(), &id.ms, &id.seq, &used],
        )?;
        self.free(lane, due)
    }

    fn free(&self, lane: &Lane, due: i64) -> Result<()> {
        self.execute(
            "INSERT OR REPLACE INTO lanes (stream, name, lane, due) VALUES (?1, ?2, ?3, ?4)",
            &[&lane.as_str(), &due],
        )?;
        Ok(())
    }

    fn forget(&self, lane: &Lane, id: EntryId) -> Result<()> {
        self.execute(
            "DELETE FROM pending WHERE stream = ?1 AND name = ?2 AND lane = ?3 AND ms = ?4 AND seq = ?5",
            &[&lane.as_str(), &id.ms, &id.seq],
        )?;
        Ok(())
    }

    fn bury(&self, id: EntryId, dead_letter: &DeadLetter) -> Result<()> {
        let mut fields = super::read_one(self.db, self.stream(), id)?.unwrap_or_default();
        fields.0.truncate(MOST_FIELDS);
        fields.push("hothouse", blob::to_json(dead_letter)?);
        super::append(
            self.db,
            &dead_letter_stream(self.stream(), self.group()),
            self.now,
            &fields,
        )?;
        Ok(())
    }

    pub(super) fn recover(&self, held: &HashSet<u64>) -> Result<Vec<Delivery>> {
        let mut found = Vec::new();
        for (lane, holder) in self.held_lanes()? {
            let mine = holder.consumer.as_deref() == Some(self.consumer);
            if !mine || held.contains(&holder.fence) {
                continue;
            }
            let history: String = self
                .db
                .prepare_cached(
                    "SELECT history FROM pending
                     WHERE stream = ?1 AND name = ?2 AND lane = ?3 AND ms = ?4 AND seq = ?5",
                )?
                .query_row(
                    params![
                        self.stream(),
                        self.group(),
                        lane.as_str(),
                        holder.entry.ms,
                        holder.entry.seq
                    ],
                    |row| row.get(0),
                )?;
            let fields = super::read_one(self.db, self.stream(), holder.entry)?;
            found.push(Delivery {
                lease: Lease {
                    entry: holder.entry,
                    lane,
                    fence: holder.fence,
                },
                fields: fields.unwrap_or_default(),
                attempt: holder.attempt,
                history: blob::json(&history)?,
            });
        }
        Ok(found)
    }

    /// Frees what hosts without a running lease hold. A crash uses up the attempt, leaving
    /// does not.
    pub(super) fn reap(&self) -> Result<usize> {
        self.execute(
            "DELETE FROM hosts WHERE stream = ?1 AND name = ?2 AND until < ?3",
            &[&self.now],
        )?;
        let horizon = self.now - super::millis(self.subscription.dedup_window);
        self.execute(
            "DELETE FROM done WHERE stream = ?1 AND name = ?2 AND at < ?3",
            &[&horizon],
        )?;
        let mut freed = 0;
        for (lane, holder) in self.held_lanes()? {
            let Some(consumer) = holder.consumer else {
                continue;
            };
            if self.is_alive(&consumer)? {
                continue;
            }
            let left = consumer == self.consumer;
            let used = holder.attempt - u32::from(left);
            self.park(&lane, holder.entry, used, self.now)?;
            freed += 1;
        }
        Ok(freed)
    }

    pub(super) fn extend_lease(&self) -> Result<()> {
        let until = self
            .now
            .saturating_add(super::millis(self.subscription.lease));
        self.execute(
            "INSERT OR REPLACE INTO hosts (stream, name, consumer, until) VALUES (?1, ?2, ?3, ?4)",
            &[&self.consumer, &until],
        )?;
        Ok(())
    }

    pub(super) fn end_lease(&self) -> Result<()> {
        self.execute(
            "DELETE FROM hosts WHERE stream = ?1 AND name = ?2 AND consumer = ?3",
            &[&self.consumer],
        )?;
        Ok(())
    }
}
