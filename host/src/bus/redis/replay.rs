//! Replays on Redis: one hash for each run, and for each stream an index of its runs.

use std::collections::HashMap;

use chrono::DateTime;
use redis::AsyncCommands;

use super::{RedisBus, millis};
use crate::bus::replay::KEPT;
use crate::bus::{BusError, EntryId, ReplayRun, ReplayStep};
use crate::event::Id;

/// A record as it stands in its hash; empty where there is none.
type Record = HashMap<String, String>;

fn record_key(stream: &str, run: &str) -> String {
    format!("{{{stream}}}:replay:{run}")
}

fn index_key(stream: &str) -> String {
    format!("{{{stream}}}:replays")
}

impl RedisBus {
    pub(super) async fn begin_replay(
        &self,
        stream: &str,
        run: Id,
        request: &str,
        end: EntryId,
    ) -> Result<ReplayRun, BusError> {
        let name = run.to_string();
        let mut call = self.scripts.replay_begin.key(record_key(stream, &name));
        call.key(index_key(stream))
            .arg(name)
            .arg(request)
            .arg(end.to_string())
            .arg(millis(KEPT));
        let record: Record = self
            .link
            .run(stream, async |connection| {
                call.invoke_async(connection).await
            })
            .await?;
        self.replay_run(stream, run, &record)
    }

    pub(super) async fn append_replay(
        &self,
        step: &ReplayStep,
    ) -> Result<Option<ReplayRun>, BusError> {
        if let Some(reason) = step.refusal() {
            return Err(self.link.broken(reason));
        }
        let name = step.run.to_string();
        let mut call = self.scripts.replay_append.key(step.stream.as_str());
        call.key(record_key(&step.stream, &name))
            .key(index_key(&step.stream))
            .arg(name)
            .arg(step.after.to_string())
            .arg(step.through.to_string())
            .arg(u8::from(step.finishes))
            .arg(millis(KEPT));
        for event in &step.events {
            call.arg(event.0.len());
            for (name, value) in &event.0 {
                call.arg(name.as_slice()).arg(value.as_slice());
            }
        }
        let record: Record = self
            .link
            .run(&step.stream, async |connection| {
                call.invoke_async(connection).await
            })
            .await?;
        self.known(&step.stream, step.run, &record)
    }

    pub(super) async fn list_replays(&self, stream: &str) -> Result<Vec<ReplayRun>, BusError> {
        let found: Vec<(String, Record)> = self
            .link
            .run(stream, async |connection| {
                let names: Vec<String> = connection.zrange(index_key(stream), 0, -1).await?;
                let mut found = Vec::new();
                for name in names {
                    let record = connection.hgetall(record_key(stream, &name)).await?;
                    found.push((name, record));
                }
                Ok(found)
            })
            .await?;
        let mut runs = Vec::new();
        for (name, record) in found {
            let run = name.parse().map_err(|_| self.unreadable(stream, &name))?;
            runs.extend(self.known(stream, run, &record)?);
        }
        Ok(runs)
    }

    /// None where there is no record: nobody began the run, or it has expired.
    fn known(&self, stream: &str, run: Id, record: &Record) -> Result<Option<ReplayRun>, BusError> {
        match record.is_empty() {
            true => Ok(None),
            false => self.replay_run(stream, run, record).map(Some),
        }
    }

    fn replay_run(&self, stream: &str, run: Id, record: &Record) -> Result<ReplayRun, BusError> {
        let field = |name: &str| record.get(name).map(String::as_str);
        let id = |name| EntryId::parse(field(name)?);
        let time = |name| DateTime::from_timestamp_millis(field(name)?.parse().ok()?);
        let read = || {
            Some(ReplayRun {
                run,
                stream: stream.to_owned(),
                request: field("request")?.to_owned(),
                end: id("end")?,
                cursor: id("cursor")?,
                appended: field("appended")?.parse().ok()?,
                finished: field("finished")? == "1",
                begun_at: time("begun")?,
                moved_at: time("moved")?,
            })
        };
        read().ok_or_else(|| self.unreadable(stream, &run.to_string()))
    }

    fn unreadable(&self, stream: &str, run: &str) -> BusError {
        let key = record_key(stream, run);
        self.link.broken(format!("{key} is no record of a replay"))
    }
}
