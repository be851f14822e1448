//! The steps on a group's books, each within one transaction. They mirror `redis/*.lua`.

use rusqlite::{Result, Transaction, params};

use super::blob;
use crate::bus::lane::{Claim, claim, event_id};
use crate::bus::{
    Attempt, DeadLetter, Delivery, EntryId, Fetched, Lane, Lease, Subscription, dead_letter_stream,
};
use crate::event::Fields;

/// A dead letter has the first ones of its entry's fields: Redis cannot copy more.
pub(super) const MOST_FIELDS: usize = 3000;

/// One group at one moment, for one consumer.
pub(super) struct Book<'a> {
    pub(super) db: &'a Transaction<'a>,
    pub(super) subscription: &'a Subscription,
    pub(super) consumer: &'a str,
    /// Milliseconds since 1970.
    pub(super) now: i64,
}

/// Why a lane is not free.
pub(super) enum Busy {
    Held(Holder),
    Waiting {
        due: i64,
        /// All that the lane has waits aside.
        aside: bool,
    },
    Stopped {
        by: EntryId,
        since: i64,
    },
}

/// Who holds a lane, and with what.
pub(super) struct Holder {
    pub(super) consumer: String,
    pub(super) entry: EntryId,
    pub(super) fence: u64,
    pub(super) attempt: u32,
    pub(super) alone: bool,
}

/// The runs that an entry has had.
pub(super) struct Tried {
    pub(super) failed: u32,
    /// The fences of those whose host was lost, each with a comma behind it.
    pub(super) lost: String,
    /// When it is due where it waits aside, and 0 else.
    pub(super) due: i64,
    pub(super) history: Vec<Attempt>,
}

impl Tried {
    pub(super) fn attempts(&self) -> u32 {
        let lost = self.lost.matches(',').count();
        self.failed + u32::try_from(lost).unwrap_or(u32::MAX)
    }
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
        if self.is_done(event_id, id)? {
            self.count_duplicate()?;
            return Ok(None);
        }
        let busy = match self.lane(&lane)? {
            None | Some(Busy::Waiting { aside: true, .. }) => false,
            Some(Busy::Held(_) | Busy::Waiting { .. } | Busy::Stopped { .. }) => true,
        };
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
        let tried = self
            .db
            .prepare_cached(
                "UPDATE pending SET waiting = 0
                 WHERE stream = ?1 AND name = ?2 AND lane = ?3 AND ms = ?4 AND seq = ?5
                 RETURNING failed, lost, due, history",
            )?
            .query_row(
                params![self.stream(), self.group(), lane.as_str(), id.ms, id.seq],
                Tried::read,
            )?;
        let attempt = tried.attempts() + 1;
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
            history: tried.history,
        })
    }

    /// Hands out the lane's next entry that is still to be run, or frees the lane. What waits
    /// aside is passed until it is due.
    pub(super) fn take_head(&self, lane: &Lane) -> Result<Option<Delivery>> {
        while let Some(id) = self.head(lane)? {
            let Some(fields) = super::read_one(self.db, self.stream(), id)? else {
                self.bury(id, &DeadLetter::trimmed(id))?;
                self.forget(lane, id)?;
                continue;
            };
            if self.is_done(event_id(&fields), id)? {
                self.count_duplicate()?;
                self.forget(lane, id)?;
                continue;
            }
            return self.deliver(lane.clone(), id, fields).map(Some);
        }
        match self.soonest_aside(lane)? {
            Some(due) => self.wait_until(lane, due, true)?,
            None => self.free(lane)?,
        }
        Ok(None)
    }

    /// Puts the held head back in its place, to be handed out when it is due.
    pub(super) fn park(&self, lane: &Lane, id: EntryId, due: i64) -> Result<()> {
        self.put_back(lane, id)?;
        self.wait_until(lane, due, false)
    }

    pub(super) fn put_back(&self, lane: &Lane, id: EntryId) -> Result<()> {
        self.execute(
            "UPDATE pending SET waiting = 1
             WHERE stream = ?1 AND name = ?2 AND lane = ?3 AND ms = ?4 AND seq = ?5",
            &[&lane.as_str(), &id.ms, &id.seq],
        )?;
        Ok(())
    }

    pub(super) fn wait_until(&self, lane: &Lane, due: i64, aside: bool) -> Result<()> {
        self.execute(
            "INSERT OR REPLACE INTO lanes (stream, name, lane, due, aside) VALUES (?1, ?2, ?3, ?4, ?5)",
            &[&lane.as_str(), &due, &aside],
        )?;
        Ok(())
    }

    pub(super) fn free(&self, lane: &Lane) -> Result<()> {
        self.execute(
            "DELETE FROM lanes WHERE stream = ?1 AND name = ?2 AND lane = ?3",
            &[&lane.as_str()],
        )?;
        Ok(())
    }

    pub(super) fn forget(&self, lane: &Lane, id: EntryId) -> Result<()> {
        self.execute(
            "DELETE FROM pending WHERE stream = ?1 AND name = ?2 AND lane = ?3 AND ms = ?4 AND seq = ?5",
            &[&lane.as_str(), &id.ms, &id.seq],
        )?;
        Ok(())
    }

    pub(super) fn bury(&self, id: EntryId, dead_letter: &DeadLetter) -> Result<()> {
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
}
