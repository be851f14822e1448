//! Trimming a stream on Redis, a step at a time.

use redis::Value;

use super::{RedisBus, millis, wire};
use crate::bus::trim::STEP;
use crate::bus::{BusError, REPLY_BUDGET, TrimBound, Trimmed};

/// Where the trims of a stream are recorded: how many entries they removed, and which was the
/// first one left. By it `doctor` tells them from what others removed.
pub(super) fn record(stream: &str) -> String {
    format!("{{{stream}}}:trim")
}

impl RedisBus {
    pub(super) async fn trim_stream(
        &self,
        stream: &str,
        groups: &[String],
        bound: TrimBound,
        dry_run: bool,
    ) -> Result<Trimmed, BusError> {
        let text = |number: Option<u64>| number.map_or_else(String::new, |n| n.to_string());
        let (age, keep) = (text(bound.older_than.map(millis)), text(bound.keep));
        let mut trimmed = Trimmed::default();
        loop {
            let from = match trimmed.up_to {
                Some(last) if dry_run => format!("({last}"),
                Some(_) | None => "-".to_owned(),
            };
            let found = if dry_run { trimmed.removed } else { 0 };
            let mut call = self.scripts.trim.key(stream);
            call.key(record(stream))
                .arg(&age)
                .arg(&keep)
                .arg(dry_run)
                .arg(found)
                .arg(from)
                .arg(STEP)
                .arg(REPLY_BUDGET)
                .arg(groups);
            let reply: Value = self
                .link
                .run(stream, async |connection| {
                    call.invoke_async(connection).await
                })
                .await?;
            let step = wire::trimmed(reply).map_err(|reason| self.link.broken(reason))?;
            trimmed.removed += step.trimmed.removed;
            trimmed.up_to = step.trimmed.up_to.or(trimmed.up_to);
            trimmed.held_back_by = step.trimmed.held_back_by;
            if !step.more {
                return Ok(trimmed);
            }
        }
    }
}
