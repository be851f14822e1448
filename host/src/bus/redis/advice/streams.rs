//! What other programs do to a group and its stream.

use std::collections::HashMap;

use redis::aio::MultiplexedConnection;
use redis::streams::{
    StreamInfoConsumersReply, StreamInfoGroup, StreamInfoGroupsReply, StreamPendingCountReply,
};
use redis::{AsyncCommands, RedisResult, Value, from_redis_value};

use super::super::link::Link;
use super::super::trim;
use crate::bus::{Advice, BusError, EntryId, Subscription, prefix};

/// The one consumer of our groups, as the native list names it.
const OUR_CONSUMER: &str = "hothouse";

/// Pending entries that are looked at.
const MOST_PENDING: usize = 100;

/// The stream's own figures.
struct Figures {
    length: u64,
    added: u64,
    /// None where it is empty.
    first: Option<EntryId>,
}

pub(super) async fn look(
    link: &Link,
    subscription: &Subscription,
) -> Result<Vec<Advice>, BusError> {
    let Subscription { stream, group, .. } = subscription;
    link.run(stream, async |connection| {
        let mut advice = Vec::from_iter(routes(connection, subscription).await?);
        if !connection.exists(stream).await? {
            return Ok(advice);
        }
        let figures = figures(connection, stream).await?;
        let record: HashMap<String, String> = connection.hgetall(trim::record(stream)).await?;
        advice.extend(removed_by_others(stream, &figures, &record));
        let groups: StreamInfoGroupsReply = connection.xinfo_groups(stream).await?;
        let info = groups.groups.iter().find(|info| info.name == *group);
        let Some(info) = info else {
            return Ok(advice);
        };
        advice.extend(lost_unread(stream, info, &figures));
        let before = figures
            .first
            .map_or("+".to_owned(), |first| format!("({first}"));
        let lost: StreamPendingCountReply = connection
            .xpending_count(stream, group, "-", before, MOST_PENDING)
            .await?;
        advice.extend(lost_pending(stream, group, lost.ids.len()));
        let consumers: StreamInfoConsumersReply = connection.xinfo_consumers(stream, group).await?;
        let foreign = consumers.consumers.iter();
        for consumer in foreign.filter(|consumer| consumer.name != OUR_CONSUMER) {
            advice.push(leaked(stream, group, &consumer.name, consumer.pending));
        }
        Ok(advice)
    })
    .await
}

async fn routes(
    connection: &mut MultiplexedConnection,
    subscription: &Subscription,
) -> RedisResult<Option<Advice>> {
    let Subscription {
        stream,
        group,
        routes,
        ..
    } = subscription;
    let prefix = prefix(stream, group);
    let (seconds, _): (u64, u64) = redis::cmd("TIME").query_async(connection).await?;
    let (theirs, hosts): (Option<String>, u64) = redis::pipe()
        .hget(format!("{prefix}:meta"), "routes")
        .zcount(format!("{prefix}:hosts"), seconds * 1000, "+inf")
        .query_async(connection)
        .await?;
    let theirs = theirs.filter(|_| hosts > 0);
    Ok(theirs.and_then(|theirs| Advice::on_routes(stream, group, routes, &theirs)))
}

async fn figures(connection: &mut MultiplexedConnection, stream: &str) -> RedisResult<Figures> {
    let info: HashMap<String, Value> = redis::cmd("XINFO")
        .arg("STREAM")
        .arg(stream)
        .query_async(connection)
        .await?;
    let value = |name: &str| info.get(name).cloned().unwrap_or(Value::Nil);
    let length: u64 = from_redis_value(value("length"))?;
    let first: Option<String> = from_redis_value(value("recorded-first-entry-id"))?;
    Ok(Figures {
        length,
        added: from_redis_value::<Option<u64>>(value("entries-added"))?.unwrap_or(length),
        first: first
            .as_deref()
            .and_then(EntryId::parse)
            .filter(|_| length > 0),
    })
}

fn removed_by_others(
    stream: &str,
    figures: &Figures,
    record: &HashMap<String, String>,
) -> Option<Advice> {
    let ours = record.get("removed").and_then(|text| text.parse().ok());
    let count = figures
        .added
        .saturating_sub(figures.length)
        .saturating_sub(ours.unwrap_or(0));
    // What others removed before our last trim can do no more harm.
    let first_left = record.get("first").and_then(|id| EntryId::parse(id));
    let front_is_ours = first_left.is_some() && figures.first == first_left;
    (count > 0 && !front_is_ours).then(|| {
        Advice::note(format!(
            "{count} entries of {stream} were removed by another program (XDEL, XTRIM, or a \
             producer's XADD with MAXLEN or MINID), which does not ask what groups have \
             handled. Let it add without trimming, and let hosts trim: set [trim] in \
             hothouse.toml"
        ))
    })
}

fn lost_unread(stream: &str, info: &StreamInfoGroup, figures: &Figures) -> Option<Advice> {
    let read = EntryId::parse(&info.last_delivered_id)?;
    // Everything that is there is unread where the group has read none of it.
    if figures.first.is_some_and(|first| read >= first) {
        return None;
    }
    let unread = figures.added.checked_sub(info.entries_read? as u64)?;
    let lost = unread
        .checked_sub(figures.length)
        .filter(|lost| *lost > 0)?;
    Some(Advice::fail(format!(
        "{lost} entries were removed from {stream} before {} had read them: their events are \
         lost to it. Stop the program that trims the stream (a producer's MAXLEN?), and publish \
         them again",
        info.name
    )))
}

fn lost_pending(stream: &str, group: &str, lost: usize) -> Option<Advice> {
    let count = match lost {
        0 => return None,
        MOST_PENDING => format!("{MOST_PENDING} or more"),
        count => count.to_string(),
    };
    Some(Advice::fail(format!(
        "{count} entries were removed from {stream} before {group} had finished them: they will \
         be dead letters without their fields. Stop the program that trims the stream (a \
         producer's MAXLEN?), and publish their events again"
    )))
}

fn leaked(stream: &str, group: &str, consumer: &str, pending: usize) -> Advice {
    match pending {
        0 => Advice::note(format!(
            "{group} on {stream} has a consumer {consumer:?} that is not Hothouse's: see that no \
             other program reads with the group, and remove it: \
             `redis-cli XGROUP DELCONSUMER {stream} {group} {consumer}`"
        )),
        pending => Advice::fail(format!(
            "the consumer {consumer:?} of {group} on {stream}, which is not Hothouse's, took \
             {pending} entries: no host will handle them. Stop the program that reads with the \
             group, give it a group of its own, publish their events again, and XACK the entries"
        )),
    }
}
