//! The operator's side of the bus on SQLite.

use async_trait::async_trait;
use rusqlite::{OptionalExtension, params};

use super::lanes::group_of;
use super::{EmbeddedBus, now};
use crate::bus::{
    BusError, Entry, EntryId, GroupStatus, Lane, LaneStateName, LaneStatus, LaneStep, Lanes,
    Operator, Requeued, Stepped, Subscription, dead_letter_stream,
};
use crate::event::PluginRef;

#[async_trait]
impl Operator for EmbeddedBus {
    async fn status(&self, stream: &'static str, group: &str) -> Result<GroupStatus, BusError> {
        let group = group.to_owned();
        self.db
            .read(move |db| {
                let figure = |sql: &str| -> rusqlite::Result<u64> {
                    db.query_row(sql, params![stream, group], |row| row.get(0))
                };
                let found: Option<(EntryId, u64)> = db
                    .query_row(
                        "SELECT cursor_ms, cursor_seq, duplicates FROM groups
                         WHERE stream = ?1 AND name = ?2",
                        params![stream, group],
                        |row| {
                            let cursor = EntryId { ms: row.get(0)?, seq: row.get(1)? };
                            Ok((cursor, row.get(2)?))
                        },
                    )
                    .optional()?;
                let cursor = found.map_or(EntryId::ZERO, |(cursor, _)| cursor);
                let lag = db.query_row(
                    "SELECT count(*) FROM entries WHERE stream = ?1 AND (ms, seq) > (?2, ?3)",
                    params![stream, cursor.ms, cursor.seq],
                    |row| row.get(0),
                )?;
                Ok(GroupStatus {
                    stream: stream.to_owned(),
                    group: group.clone(),
                    exists: found.is_some(),
                    lag: Some(lag),
                    pending: figure("SELECT count(*) FROM pending WHERE stream = ?1 AND name = ?2")?,
                    parked: figure(
                        "SELECT count(*) FROM pending WHERE stream = ?1 AND name = ?2 AND waiting = 1",
                    )?,
                    lanes: figure("SELECT count(*) FROM lanes WHERE stream = ?1 AND name = ?2")?,
                    stopped: figure(
                        "SELECT count(*) FROM lanes WHERE stream = ?1 AND name = ?2 AND stopped_at IS NOT NULL",
                    )?,
                    dead_letters: db.query_row(
                        "SELECT count(*) FROM entries WHERE stream = ?1",
                        params![dead_letter_stream(stream, &group)],
                        |row| row.get(0),
                    )?,
                    duplicates: found.map_or(0, |(_, duplicates)| duplicates),
                    hosts: db.query_row(
                        "SELECT count(*) FROM hosts WHERE stream = ?1 AND name = ?2 AND until >= ?3",
                        params![stream, group, now()],
                        |row| row.get(0),
                    )?,
                    outbox: 0,
                })
            })
            .await
    }

    async fn lanes(
        &self,
        stream: &'static str,
        group: &str,
        state: Option<LaneStateName>,
        max: usize,
    ) -> Result<Lanes, BusError> {
        self.step(&group_of(stream, group), move |book| book.lanes(state, max))
            .await
    }

    async fn lane(
        &self,
        stream: &'static str,
        group: &str,
        lane: &Lane,
    ) -> Result<Option<LaneStatus>, BusError> {
        let lane = lane.clone();
        self.step(&group_of(stream, group), move |book| book.one_lane(&lane))
            .await
    }

    async fn step_lane(
        &self,
        subscription: &Subscription,
        lane: &Lane,
        step: LaneStep,
    ) -> Result<Stepped, BusError> {
        let lane = lane.clone();
        self.step(subscription, move |book| book.step_lane(&lane, step))
            .await
    }

    async fn dead_letters(
        &self,
        stream: &str,
        group: &str,
        after: EntryId,
        max: usize,
    ) -> Result<Vec<Entry>, BusError> {
        self.range(dead_letter_stream(stream, group), after, max)
            .await
    }

    async fn requeue(
        &self,
        subscription: &Subscription,
        letters: &[EntryId],
        to: Option<&PluginRef>,
    ) -> Result<Vec<Requeued>, BusError> {
        self.requeue_letters(subscription, letters, to).await
    }

    async fn purge(
        &self,
        subscription: &Subscription,
        letters: &[EntryId],
        reason: &str,
    ) -> Result<usize, BusError> {
        self.purge_letters(subscription, letters, reason).await
    }

    async fn advice(&self) -> Result<Vec<String>, BusError> {
        Ok(Vec::new())
    }
}
