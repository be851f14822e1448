//! Lanes, as operators see them.

use std::time::Duration;

use chrono::{DateTime, Utc};
use redis::Value;

use super::wire::{array, count, delivery, entry_id, list, runs, text};
use super::{NO_WINDOW, RedisBus, millis};
use crate::bus::{
    BusError, EntryId, Lane, LaneState, LaneStateName, LaneStatus, LaneStep, Lanes, Stepped,
    Subscription,
};

impl RedisBus {
    pub(super) async fn list_lanes(
        &self,
        stream: &str,
        group: &str,
        state: Option<LaneStateName>,
        only: Option<&Lane>,
        max: usize,
    ) -> Result<Lanes, BusError> {
        let mut call = self.call_on(&self.scripts.lanes, stream, group, NO_WINDOW);
        call.arg(max)
            .arg(state.map_or("", LaneStateName::as_str))
            .arg(only.map_or("", Lane::as_str));
        let reply = self.run_on(stream, group, &call).await?;
        lanes(reply).map_err(|reason| self.link.broken(reason))
    }

    pub(super) async fn change_lane(
        &self,
        subscription: &Subscription,
        lane: &Lane,
        step: LaneStep,
    ) -> Result<Stepped, BusError> {
        let mut call = self.call(&self.scripts.lane, subscription);
        let name = match step {
            LaneStep::Release => "release",
            LaneStep::RetryNow => "retry_now",
            LaneStep::Claim => "claim",
        };
        call.arg(name)
            .arg(lane.as_str())
            .arg(millis(subscription.lease));
        let reply = self.run(subscription, &call).await?;
        stepped(reply).map_err(|reason| self.link.broken(reason))
    }
}

fn lanes(value: Value) -> Result<Lanes, String> {
    let [total, now, found] = array(value)?;
    let now = number(&text(now)?)?;
    let lanes = list(found)?.into_iter().map(|value| lane(value, now));
    Ok(Lanes {
        total: count(&total)?,
        lanes: lanes.collect::<Result<_, _>>()?,
    })
}

fn lane(value: Value, now: u64) -> Result<LaneStatus, String> {
    let [
        lane,
        state,
        waiting,
        head,
        used,
        history,
        lost,
        due,
        host,
        attempt,
        alone,
        stopped_by,
        stopped_at,
    ] = array(value)?;
    let head = text(head)?;
    let state = match text(state)?.as_str() {
        "held" => LaneState::Held {
            host: text(host)?,
            attempt: u32::try_from(number(&text(attempt)?)?).map_err(|e| e.to_string())?,
            alone: text(alone)? == "1",
        },
        "waiting" => {
            let due = text(due)?.parse::<f64>().unwrap_or_default();
            let due_in = (due - now as f64).max(0.0);
            LaneState::Waiting {
                due_in: Duration::from_millis(due_in as u64),
            }
        }
        "stopped" => LaneState::Stopped {
            by: entry_id(stopped_by)?,
            since: time(number(&text(stopped_at)?)?),
        },
        other => return Err(format!("unknown state {other:?} of a lane")),
    };
    Ok(LaneStatus {
        lane: Lane(text(lane)?),
        state,
        head: EntryId::parse(&head),
        attempts: u32::try_from(count(&used)?).map_err(|e| e.to_string())?,
        history: runs(history, lost)?,
        waiting: count(&waiting)? as u64,
    })
}

fn stepped(value: Value) -> Result<Stepped, String> {
    let mut parts = list(value)?.into_iter();
    let mut next = || parts.next().unwrap_or(Value::Nil);
    let (kind, host, head) = (text(next())?, text(next())?, next());
    match kind.as_str() {
        "done" => Ok(Stepped::Done(match head {
            Value::Nil => None,
            head => Some(Box::new(delivery(head)?)),
        })),
        "free" => Ok(Stepped::Free),
        "held" => Ok(Stepped::Held { host }),
        "waiting" => Ok(Stepped::Waiting),
        "stopped" => Ok(Stepped::Stopped),
        other => Err(format!("unknown answer {other:?} to a step")),
    }
}

fn number(text: &str) -> Result<u64, String> {
    text.parse()
        .map_err(|_| format!("expected a number, found {text:?}"))
}

fn time(ms: u64) -> DateTime<Utc> {
    let ms = i64::try_from(ms).unwrap_or(i64::MAX);
    DateTime::from_timestamp_millis(ms).unwrap_or_default()
}
