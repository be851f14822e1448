//! Replays on SQLite: the same record as on Redis, in one table.

use chrono::DateTime;
use rusqlite::{OptionalExtension, Result, Row, Transaction, params};

use super::{EmbeddedBus, append, blob, now};
use crate::bus::replay::KEPT;
use crate::bus::{BusError, EntryId, ReplayRun, ReplayStep};
use crate::event::Id;

const COLUMNS: &str = "run, stream, request, end_ms, end_seq, cursor_ms, cursor_seq, appended, \
                       finished, begun, moved";

impl EmbeddedBus {
    pub(super) async fn begin_replay(
        &self,
        stream: &str,
        run: Id,
        request: &str,
        end: EntryId,
    ) -> Result<ReplayRun, BusError> {
        let (stream, request) = (stream.to_owned(), request.to_owned());
        self.db
            .transaction(move |db| {
                let now = now();
                let kept = super::millis(KEPT);
                db.execute("DELETE FROM replays WHERE moved < ?1", [now - kept])?;
                db.execute(
                    "INSERT OR IGNORE INTO replays
                       (stream, run, request, end_ms, end_seq, begun, moved)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6)",
                    params![stream, run.to_string(), request, end.ms, end.seq, now],
                )?;
                find(db, &stream, run)?.ok_or(rusqlite::Error::QueryReturnedNoRows)
            })
            .await
    }

    pub(super) async fn append_replay(
        &self,
        step: &ReplayStep,
    ) -> Result<Option<ReplayRun>, BusError> {
        if let Some(reason) = step.refusal() {
            return Err(BusError::Broken {
                bus: self.db.name().to_owned(),
                reason,
            });
        }
        let step = step.clone();
        let run = self.db.transaction(move |db| advance(db, &step)).await?;
        self.appended.notify_waiters();
        Ok(run)
    }

    pub(super) async fn list_replays(&self, stream: &str) -> Result<Vec<ReplayRun>, BusError> {
        let stream = stream.to_owned();
        self.db
            .read(move |db| {
                db.prepare(&format!(
                    "SELECT {COLUMNS} FROM replays WHERE stream = ?1 ORDER BY moved, run"
                ))?
                .query_map([stream], read)?
                .collect()
            })
            .await
    }
}

/// Compare and set: a step is done only from the cursor that it was worked out from.
fn advance(db: &Transaction<'_>, step: &ReplayStep) -> Result<Option<ReplayRun>> {
    let Some(run) = find(db, &step.stream, step.run)? else {
        return Ok(None);
    };
    if run.cursor != step.after {
        return Ok(Some(run));
    }
    let now = now();
    for event in &step.events {
        append(db, &step.stream, now, event)?;
    }
    db.execute(
        "UPDATE replays SET cursor_ms = ?3, cursor_seq = ?4, appended = appended + ?5,
           finished = ?6, moved = ?7
         WHERE stream = ?1 AND run = ?2",
        params![
            step.stream,
            step.run.to_string(),
            step.through.ms,
            step.through.seq,
            step.events.len() as i64,
            step.finishes,
            now
        ],
    )?;
    find(db, &step.stream, step.run)
}

fn find(db: &Transaction<'_>, stream: &str, run: Id) -> Result<Option<ReplayRun>> {
    db.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM replays WHERE stream = ?1 AND run = ?2"
    ))?
    .query_row(params![stream, run.to_string()], read)
    .optional()
}

fn read(row: &Row<'_>) -> Result<ReplayRun> {
    let run: String = row.get("run")?;
    let id = |ms, seq| {
        Ok::<_, rusqlite::Error>(EntryId {
            ms: row.get(ms)?,
            seq: row.get(seq)?,
        })
    };
    let time = |column| {
        let ms = row.get(column)?;
        DateTime::from_timestamp_millis(ms)
            .ok_or_else(|| blob::broken(format!("{ms} is no time").into()))
    };
    Ok(ReplayRun {
        run: run
            .parse()
            .map_err(|_| blob::broken(format!("{run:?} is no run").into()))?,
        stream: row.get("stream")?,
        request: row.get("request")?,
        end: id("end_ms", "end_seq")?,
        cursor: id("cursor_ms", "cursor_seq")?,
        appended: row.get("appended")?,
        finished: row.get("finished")?,
        begun_at: time("begun")?,
        moved_at: time("moved")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bus::Operator as _;

    #[tokio::test]
    async fn a_record_that_has_not_moved_for_thirty_days_goes_when_the_next_run_begins() {
        let bus = EmbeddedBus::in_memory("a").expect("a bus");
        let end = EntryId { ms: 5, seq: 0 };
        let (old, new) = (Id::random(), Id::random());
        bus.replay_begin("s", old, "", end).await.expect("begin");
        let past = now() - super::super::millis(KEPT) - 1;
        let back = move |db: &Transaction<'_>| db.execute("UPDATE replays SET moved = ?1", [past]);
        bus.db.transaction(back).await.expect("update");
        bus.replay_begin("s", new, "", end).await.expect("begin");
        let runs = bus.replay_runs("s").await.expect("runs");
        assert_eq!(runs.iter().map(|run| run.run).collect::<Vec<_>>(), [new]);
    }
}
