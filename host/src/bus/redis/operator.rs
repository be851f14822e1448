//! The operator's side of the bus on Redis.

use async_trait::async_trait;
use redis::AsyncCommands;
use redis::streams::StreamInfoGroupsReply;

use super::RedisBus;
use crate::bus::{
    Advice, BusError, Entry, EntryId, GroupStatus, Lane, LaneStateName, LaneStatus, LaneStep,
    Lanes, Operator, ReplayRun, ReplayStep, Requeued, Stepped, Subscription, TrimBound, Trimmed,
    dead_letter_stream, prefix,
};
use crate::event::{Id, PluginRef};

#[async_trait]
impl Operator for RedisBus {
    async fn status(&self, stream: &'static str, group: &str) -> Result<GroupStatus, BusError> {
        let prefix = prefix(stream, group);
        let ((parked, lanes, hosts, dead_letters, duplicates, stopped), groups) = self
            .link
            .run(stream, async |connection| {
                let (seconds, micros): (u64, u64) =
                    redis::cmd("TIME").query_async(connection).await?;
                let now = seconds * 1000 + micros / 1000;
                let figures: (u64, u64, u64, u64, Option<u64>, Option<u64>) = redis::pipe()
                    .zcard(format!("{prefix}:wait"))
                    .hlen(format!("{prefix}:lanes"))
                    .zcount(format!("{prefix}:hosts"), now, "+inf")
                    .xlen(dead_letter_stream(stream, group))
                    .hget(format!("{prefix}:meta"), "duplicates")
                    .hget(format!("{prefix}:meta"), "stopped")
                    .query_async(connection)
                    .await?;
                let exists: bool = connection.exists(stream).await?;
                let groups = if exists {
                    let reply: StreamInfoGroupsReply = connection.xinfo_groups(stream).await?;
                    reply.groups
                } else {
                    Vec::new()
                };
                Ok((figures, groups))
            })
            .await?;
        let info = groups.into_iter().find(|info| info.name == group);
        let outbox = self.waiting_outputs(stream, group).await?;
        Ok(GroupStatus {
            stream: stream.to_owned(),
            group: group.to_owned(),
            exists: info.is_some(),
            lag: info
                .as_ref()
                .and_then(|info| info.lag)
                .map(|lag| lag as u64),
            pending: info.map_or(0, |info| info.pending as u64),
            parked,
            lanes,
            stopped: stopped.unwrap_or(0),
            dead_letters,
            duplicates: duplicates.unwrap_or(0),
            hosts,
            outbox,
        })
    }

    async fn lanes(
        &self,
        stream: &'static str,
        group: &str,
        state: Option<LaneStateName>,
        max: usize,
    ) -> Result<Lanes, BusError> {
        self.list_lanes(stream, group, state, None, max).await
    }

    async fn lane(
        &self,
        stream: &'static str,
        group: &str,
        lane: &Lane,
    ) -> Result<Option<LaneStatus>, BusError> {
        let found = self.list_lanes(stream, group, None, Some(lane), 1).await?;
        Ok(found.lanes.into_iter().next())
    }

    async fn step_lane(
        &self,
        subscription: &Subscription,
        lane: &Lane,
        step: LaneStep,
    ) -> Result<Stepped, BusError> {
        self.change_lane(subscription, lane, step).await
    }

    async fn dead_letters(
        &self,
        stream: &str,
        group: &str,
        after: EntryId,
        max: usize,
    ) -> Result<Vec<Entry>, BusError> {
        self.page_of_letters(stream, group, after, max).await
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
        let reply = self
            .link
            .run(stream, async |connection| {
                connection.xrevrange_count(stream, "+", "-", 1).await
            })
            .await?;
        let entries = super::wire::entries(reply).map_err(|reason| self.link.broken(reason))?;
        Ok(entries.first().map_or(EntryId::ZERO, |entry| entry.id))
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
        self.advise(subscriptions).await
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
