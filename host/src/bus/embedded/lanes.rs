//! Lanes, as operators see them.

use std::time::Duration;

use chrono::{DateTime, Utc};
use rusqlite::{Result, Transaction, params};

use super::book::{Book, Busy};
use crate::bus::{
    Lane, LaneState, LaneStateName, LaneStatus, LaneStep, Lanes, Start, Stepped, Subscription,
};

/// What the books of a group ask for; nothing that is done to lanes here uses the rest of it.
pub(super) fn group_of(stream: &'static str, group: &str) -> Subscription {
    Subscription {
        stream,
        group: group.to_owned(),
        types: Vec::new(),
        start: Start::All,
        dedup_window: Duration::ZERO,
        lease: Duration::ZERO,
        parked_limit: 0,
        routes: String::new(),
    }
}

impl Book<'_> {
    pub(super) fn lanes(&self, state: Option<LaneStateName>, max: usize) -> Result<Lanes> {
        let mut found = Lanes::default();
        for (lane, busy) in self.busy_lanes()? {
            let now = self.state(&busy);
            if state.is_some_and(|state| state != now.name()) {
                continue;
            }
            found.total += 1;
            if found.lanes.len() < max {
                found.lanes.push(self.describe(lane, &busy, now)?);
            }
        }
        Ok(found)
    }

    pub(super) fn one_lane(&self, lane: &Lane) -> Result<Option<LaneStatus>> {
        let Some(busy) = self.lane(lane)? else {
            return Ok(None);
        };
        let state = self.state(&busy);
        self.describe(lane.clone(), &busy, state).map(Some)
    }

    fn state(&self, busy: &Busy) -> LaneState {
        match busy {
            Busy::Held(holder) => LaneState::Held {
                host: holder.consumer.clone(),
                attempt: holder.attempt,
                alone: holder.alone,
            },
            Busy::Waiting { due, .. } => LaneState::Waiting {
                due_in: Duration::from_millis(u64::try_from(due - self.now).unwrap_or_default()),
            },
            Busy::Stopped { by, since } => LaneState::Stopped {
                by: *by,
                since: DateTime::<Utc>::from_timestamp_millis(*since).unwrap_or_default(),
            },
        }
    }

    fn describe(&self, lane: Lane, busy: &Busy, state: LaneState) -> Result<LaneStatus> {
        let head = match busy {
            Busy::Held(holder) => Some(holder.entry),
            Busy::Waiting { .. } | Busy::Stopped { .. } => self.first_waiting(&lane)?,
        };
        let tried = match head {
            Some(head) => self.tried(&lane, head)?,
            None => None,
        };
        Ok(LaneStatus {
            waiting: count_waiting(self.db, self.stream(), self.group(), &lane)?,
            lane,
            state,
            head,
            attempts: tried.as_ref().map_or(0, super::book::Tried::attempts),
            history: tried.map(|tried| tried.history).unwrap_or_default(),
        })
    }

    pub(super) fn step_lane(&self, lane: &Lane, step: LaneStep) -> Result<Stepped> {
        let stopped = match self.lane(lane)? {
            None => return Ok(Stepped::Free),
            Some(Busy::Held(holder)) => {
                return Ok(Stepped::Held {
                    host: holder.consumer,
                });
            }
            Some(Busy::Waiting { .. }) => false,
            Some(Busy::Stopped { .. }) => true,
        };
        match (step, stopped) {
            (LaneStep::Release, false) => return Ok(Stepped::Waiting),
            (LaneStep::RetryNow | LaneStep::Claim, true) => return Ok(Stepped::Stopped),
            (LaneStep::Release, true) | (LaneStep::RetryNow | LaneStep::Claim, false) => {}
        }
        let Some(head) = self.first_waiting(lane)? else {
            self.free(lane)?;
            return Ok(Stepped::Done(None));
        };
        self.wait_until(lane, self.now, false)?;
        self.execute(
            "UPDATE pending SET due = 0
             WHERE stream = ?1 AND name = ?2 AND lane = ?3 AND ms = ?4 AND seq = ?5",
            &[&lane.as_str(), &head.ms, &head.seq],
        )?;
        if step != LaneStep::Claim {
            return Ok(Stepped::Done(None));
        }
        self.extend_lease()?;
        Ok(Stepped::Done(self.take_head(lane)?.map(Box::new)))
    }
}

fn count_waiting(db: &Transaction<'_>, stream: &str, group: &str, lane: &Lane) -> Result<u64> {
    db.prepare_cached(
        "SELECT count(*) FROM pending
         WHERE stream = ?1 AND name = ?2 AND lane = ?3 AND waiting = 1",
    )?
    .query_row(params![stream, group, lane.as_str()], |row| row.get(0))
}
