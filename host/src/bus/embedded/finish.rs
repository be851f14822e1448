//! How deliveries end.

use rusqlite::Result;

use super::book::{Book, Busy, Tried};
use crate::bus::{Commit, Committed, Delivery, Lane, Lease, Verdict};

impl Book<'_> {
    pub(super) fn commit(&self, commit: &Commit, advance: bool) -> Result<Committed> {
        let Lease { entry, lane, .. } = &commit.lease;
        if !self.holds(&commit.lease)? {
            self.give_back_attempt(&commit.lease)?;
            return Ok(match self.is_done(commit.event_id, *entry)? {
                true => Committed::Duplicate(None),
                false => Committed::Superseded,
            });
        }
        match &commit.verdict {
            Verdict::Retry {
                after,
                aside,
                history,
            } => {
                let due = self.now.saturating_add(super::millis(*after));
                let tried = self.tried(lane, *entry)?;
                let tried = tried.ok_or(rusqlite::Error::QueryReturnedNoRows)?;
                let tried = Tried {
                    failed: tried.failed + 1,
                    due: if *aside { due } else { 0 },
                    history: history.clone(),
                    ..tried
                };
                self.note_tries(lane, *entry, &tried)?;
                if *aside {
                    self.put_back(lane, *entry)?;
                    return Ok(Committed::Applied(self.next_of(lane, advance)?));
                }
                self.park(lane, *entry, due)?;
                Ok(Committed::Applied(None))
            }
            Verdict::Release => {
                self.park(lane, *entry, self.now)?;
                Ok(Committed::Applied(None))
            }
            Verdict::Done { .. } if self.is_done(commit.event_id, *entry)? => {
                self.count_duplicate()?;
                self.forget(lane, *entry)?;
                Ok(Committed::Duplicate(self.next_of(lane, advance)?))
            }
            Verdict::Done {
                outputs,
                dead_letter,
                stops_lane,
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
                if *stops_lane {
                    self.execute(
                        "INSERT OR REPLACE INTO lanes (stream, name, lane, ms, seq, stopped_at)
                         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                        &[&lane.as_str(), &entry.ms, &entry.seq, &self.now],
                    )?;
                    return Ok(Committed::Applied(None));
                }
                Ok(Committed::Applied(self.next_of(lane, advance)?))
            }
        }
    }

    /// Whether this consumer holds the lane with this entry and fence.
    pub(super) fn holds(&self, lease: &Lease) -> Result<bool> {
        Ok(match self.lane(&lease.lane)? {
            Some(Busy::Held(held)) => {
                held.consumer == self.consumer
                    && held.entry == lease.entry
                    && held.fence == lease.fence
            }
            Some(Busy::Waiting { .. } | Busy::Stopped { .. }) | None => false,
        })
    }

    /// The host that was given up is there after all: the run that it lost uses up no attempt.
    fn give_back_attempt(&self, lease: &Lease) -> Result<()> {
        let Some(mut tried) = self.tried(&lease.lane, lease.entry)? else {
            return Ok(());
        };
        let fence = lease.fence.to_string();
        let left: String = tried
            .lost
            .split_terminator(',')
            .filter(|lost| *lost != fence)
            .flat_map(|lost| [lost, ","])
            .collect();
        if left == tried.lost {
            return Ok(());
        }
        tried.lost = left;
        self.note_tries(&lease.lane, lease.entry, &tried)
    }

    fn next_of(&self, lane: &Lane, advance: bool) -> Result<Option<Box<Delivery>>> {
        if advance {
            return Ok(self.take_head(lane)?.map(Box::new));
        }
        match self.first_waiting(lane)? {
            Some(_) => self.wait_until(lane, self.now, false)?,
            None => self.free(lane)?,
        }
        Ok(None)
    }
}
