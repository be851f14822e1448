//! Hosts: their leases, and what becomes of what they held.

use std::collections::HashSet;
use std::time::Duration;

use chrono::Utc;
use rusqlite::{Result, params};

use super::book::{Book, Holder};
use crate::bus::{Attempt, Delivery, Lane, Lease, Loss};
use crate::failure::ErrorType;

impl Book<'_> {
    pub(super) fn recover(&self, held: &HashSet<u64>) -> Result<Vec<Delivery>> {
        let mut found = Vec::new();
        for (lane, holder) in self.held_lanes()? {
            if holder.consumer != self.consumer || held.contains(&holder.fence) {
                continue;
            }
            let tried = self.tried(&lane, holder.entry)?;
            let fields = super::read_one(self.db, self.stream(), holder.entry)?;
            found.push(Delivery {
                lease: Lease {
                    entry: holder.entry,
                    lane,
                    fence: holder.fence,
                },
                fields: fields.unwrap_or_default(),
                attempt: holder.attempt,
                history: tried.map(|tried| tried.history).unwrap_or_default(),
            });
        }
        Ok(found)
    }

    /// Frees what hosts without a running lease hold. A host that is lost uses up the attempt,
    /// leaving does not.
    pub(super) fn reap(&self) -> Result<usize> {
        if self.may_give_up_hosts()? {
            self.execute(
                "DELETE FROM hosts WHERE stream = ?1 AND name = ?2 AND until < ?3",
                &[&self.now],
            )?;
        }
        let mut freed = 0;
        for (lane, holder) in self.held_lanes()? {
            if self.is_alive(&holder.consumer)? {
                continue;
            }
            if holder.consumer != self.consumer {
                self.note_loss(&lane, &holder)?;
            }
            self.park(&lane, holder.entry, self.now)?;
            freed += 1;
        }
        Ok(freed)
    }

    /// Forgets events that were finished before the window.
    pub(super) fn forget_done(&self) -> Result<()> {
        let horizon = self.now - super::millis(self.subscription.dedup_window);
        self.execute(
            "DELETE FROM done WHERE stream = ?1 AND name = ?2 AND at < ?3",
            &[&horizon],
        )?;
        self.execute(
            "DELETE FROM requeued WHERE stream = ?1 AND name = ?2 AND at < ?3",
            &[&horizon],
        )?;
        Ok(())
    }

    /// Where nobody at all was heard of for half a lease, the bus was away and not the hosts: each
    /// gets the time to be heard of again.
    fn may_give_up_hosts(&self) -> Result<bool> {
        let lease = super::millis(self.subscription.lease);
        let (beat, mut grace): (Option<i64>, i64) = self
            .db
            .prepare_cached("SELECT beat, grace FROM groups WHERE stream = ?1 AND name = ?2")?
            .query_row(params![self.stream(), self.group()], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })?;
        if beat.is_some_and(|beat| self.now - beat > lease / 2) {
            grace = self.now.saturating_add(lease);
        }
        self.execute(
            "UPDATE groups SET beat = ?3, grace = ?4 WHERE stream = ?1 AND name = ?2",
            &[&self.now, &grace],
        )?;
        Ok(self.now >= grace)
    }

    /// When the next lease of a host ends.
    pub(super) fn next_end(&self) -> Result<Duration> {
        let (end, grace): (Option<i64>, i64) = self
            .db
            .prepare_cached(
                "SELECT (SELECT min(until) FROM hosts WHERE stream = ?1 AND name = ?2), grace
                 FROM groups WHERE stream = ?1 AND name = ?2",
            )?
            .query_row(params![self.stream(), self.group()], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })?;
        let left = end.unwrap_or(self.now).max(grace) - self.now;
        Ok(Duration::from_millis(
            u64::try_from(left).unwrap_or_default(),
        ))
    }

    fn note_loss(&self, lane: &Lane, holder: &Holder) -> Result<()> {
        let Some(mut tried) = self.tried(lane, holder.entry)? else {
            return Ok(());
        };
        tried.lost += &format!("{},", holder.fence);
        tried.history.push(Attempt {
            attempt: holder.attempt,
            at: Utc::now(),
            error_type: ErrorType::HostError,
            error_message: format!("nothing more was heard of the host {}", holder.consumer),
            plugin: None,
            lost: Some(match holder.alone {
                true => Loss::Alone,
                false => Loss::InCompany,
            }),
            fence: Some(holder.fence),
        });
        self.note_tries(lane, holder.entry, &tried)
    }

    pub(super) fn begin_alone(&self, lease: &Lease) -> Result<bool> {
        if !self.holds(lease)? {
            return Ok(false);
        }
        self.execute(
            "UPDATE lanes SET alone = 1 WHERE stream = ?1 AND name = ?2 AND lane = ?3",
            &[&lease.lane.as_str()],
        )?;
        Ok(true)
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
