//! The operator's side of the bus on SQLite.

use async_trait::async_trait;
use rusqlite::{OptionalExtension, params};

use super::book::Book;
use super::lanes::group_of;
use super::{EmbeddedBus, last_id, now};
use crate::bus::{
    Advice, BusError, Entry, EntryId, GroupStatus, Lane, LaneStateName, LaneStatus, LaneStep,
    Lanes, Operator, ReplayRun, ReplayStep, Requeued, Stepped, Subscription, TrimBound, Trimmed,
    dead_letter_stream,
};
use crate::event::{Id, PluginRef};

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

    async fn last_id(&self, stream: &str) -> Result<EntryId, BusError> {
        let stream = stream.to_owned();
        self.db.read(move |db| last_id(db, &stream)).await
    }

    async fn replay_begin(
        &self,
        stream: &str,
        run: Id,
        request: &str,
        end: EntryId,
    ) -> Result<ReplayRun, BusError> {
        self.begin_replay(stream, run, request, end).await
    }

    async fn replay_append(&self, step: &ReplayStep) -> Result<Option<ReplayRun>, BusError> {
        self.append_replay(step).await
    }

    async fn replay_runs(&self, stream: &str) -> Result<Vec<ReplayRun>, BusError> {
        self.list_replays(stream).await
    }

    async fn advice(&self, subscriptions: &[Subscription]) -> Result<Vec<Advice>, BusError> {
        let mut advice = Vec::new();
        for subscription in subscriptions {
            let (asked, consumer) = (subscription.clone(), self.consumer.clone());
            let theirs = self.db.read(move |db| {
                let book = Book {
                    db,
                    subscription: &asked,
                    consumer: &consumer,
                    now: now(),
                };
                book.routes_of_others()
            });
            let Some(theirs) = theirs.await? else {
                continue;
            };
            let Subscription {
                stream,
                group,
                routes,
                ..
            } = subscription;
            advice.extend(Advice::on_routes(stream, group, routes, &theirs));
        }
        Ok(advice)
    }

    async fn trim(
        &self,
        stream: &'static str,
        groups: &[String],
        bound: TrimBound,
        dry_run: bool,
    ) -> Result<Trimmed, BusError> {
        self.trim_stream(stream, groups, bound, dry_run).await
    }
}
