//! The bus on Redis Streams, 7.0 or newer. One Lua script for each step that must be atomic.

mod advice;
mod cluster;
mod connect;
mod error;
mod lanes;
mod letters;
mod link;
#[cfg(feature = "mutations")]
mod mutation;
mod operator;
mod relay;
mod replay;
mod scripts;
mod trim;
mod url;
mod wire;

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use chrono::Utc;
use redis::aio::MultiplexedConnection;
use redis::{Script, ScriptInvocation, Value};
use tokio::sync::Mutex;

use self::link::Link;
use self::scripts::Scripts;
use super::{
    Beat, Bus, BusError, Commit, Committed, Delivery, Entry, EntryId, Fetched, Lease, REPLY_BUDGET,
    Start, Subscription, prefix, routes,
};
use crate::event::{EventType, Fields};

/// Longest wait for an answer of the server.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(5);

/// For scripts that look at no finished event.
const NO_WINDOW: Duration = Duration::ZERO;

pub use self::url::{RedisUrl, RedisUrlError};

/// A host's view of one Redis server, or of a cluster.
pub struct RedisBus {
    consumer: String,
    link: Link,
    /// Blocking reads hold up everything behind them: each subscription has its own
    /// connection, taken out while it is in use, so that a dropped wait drops it too.
    waiting: Mutex<HashMap<String, MultiplexedConnection>>,
    scripts: Scripts,
    /// Outboxes that could not be emptied the last time.
    stalled: std::sync::Mutex<HashSet<String>>,
}

impl RedisBus {
    /// A bus at `url`. Connects at the first use.
    ///
    /// # Errors
    /// When a file that the URL names cannot be read, or holds no certificate.
    pub fn new(url: &RedisUrl, consumer: &str) -> Result<Self, BusError> {
        Ok(Self {
            consumer: consumer.to_owned(),
            link: Link::new(url)?,
            waiting: Mutex::default(),
            scripts: Scripts::new(),
            stalled: std::sync::Mutex::default(),
        })
    }

    /// A call of a script with the arguments that every script begins with.
    fn call<'a>(&self, script: &'a Script, subscription: &Subscription) -> ScriptInvocation<'a> {
        self.call_on(
            script,
            subscription.stream,
            &subscription.group,
            subscription.dedup_window,
        )
    }

    fn call_on<'a>(
        &self,
        script: &'a Script,
        stream: &str,
        group: &str,
        dedup_window: Duration,
    ) -> ScriptInvocation<'a> {
        let mut call = script.key(stream);
        call.key(prefix(stream, group))
            .arg(group)
            .arg(self.consumer.as_str())
            .arg(millis(dedup_window).max(1))
            .arg(Utc::now().to_rfc3339())
            .arg(REPLY_BUDGET);
        call
    }

    async fn run(
        &self,
        subscription: &Subscription,
        call: &ScriptInvocation<'_>,
    ) -> Result<Value, BusError> {
        self.run_on(subscription.stream, &subscription.group, call)
            .await
    }

    async fn run_on(
        &self,
        stream: &str,
        group: &str,
        call: &ScriptInvocation<'_>,
    ) -> Result<Value, BusError> {
        self.link
            .run(stream, async |connection| {
                call.invoke_async(connection).await
            })
            .await
            .map_err(|error| match error {
                BusError::NoGroup { .. } => BusError::NoGroup {
                    stream: stream.to_owned(),
                    group: group.to_owned(),
                },
                BusError::Unavailable { .. }
                | BusError::RoutesDiffer { .. }
                | BusError::Broken { .. } => error,
            })
    }

    async fn beat(&self, subscription: &Subscription, leaves: bool) -> Result<Beat, BusError> {
        let mut call = self.call(&self.scripts.heartbeat, subscription);
        call.arg(millis(subscription.lease)).arg(leaves);
        let reply = self.run(subscription, &call).await?;
        let beat = wire::beat(reply).map_err(|reason| self.link.broken(reason))?;
        self.relay_all(subscription).await;
        Ok(beat)
    }

    async fn range(&self, key: &str, after: EntryId, max: usize) -> Result<Vec<Entry>, BusError> {
        let reply: Value = self
            .link
            .run(key, async |connection| {
                redis::cmd("XRANGE")
                    .arg(key)
                    .arg(format!("({after}"))
                    .arg("+")
                    .arg("COUNT")
                    .arg(max)
                    .query_async(connection)
                    .await
            })
            .await?;
        wire::entries(reply).map_err(|reason| self.link.broken(reason))
    }
}

#[async_trait]
impl Bus for RedisBus {
    async fn publish(&self, stream: &str, entries: Vec<Fields>) -> Result<Vec<EntryId>, BusError> {
        let mut pipeline = redis::pipe();
        pipeline.atomic();
        for entry in &entries {
            pipeline.xadd(stream, "*", &entry.0);
        }
        let ids: Vec<String> = self
            .link
            .run(stream, async |connection| {
                pipeline.query_async(connection).await
            })
            .await?;
        ids.iter()
            .map(|id| {
                EntryId::parse(id).ok_or_else(|| self.link.broken(format!("{id:?} for an id")))
            })
            .collect()
    }

    async fn read(&self, stream: &str, after: EntryId, max: usize) -> Result<Vec<Entry>, BusError> {
        self.range(stream, after, max).await
    }

    async fn join(&self, subscription: &Subscription) -> Result<(), BusError> {
        let start = match subscription.start {
            Start::All => "0",
            Start::New => "$",
        };
        let mut call = self.call(&self.scripts.join, subscription);
        call.arg(millis(subscription.lease))
            .arg(start)
            .arg(subscription.routes.as_str());
        let reply = self.run(subscription, &call).await?;
        let theirs = wire::joined(reply).map_err(|reason| self.link.broken(reason))?;
        if let Some(theirs) = theirs {
            return Err(routes::refusal(subscription, &theirs));
        }
        self.heartbeat(subscription).await.map(|_| ())
    }

    async fn fetch(&self, subscription: &Subscription, max: usize) -> Result<Fetched, BusError> {
        let paths: HashMap<&str, &[&str]> = subscription
            .types
            .iter()
            .map(|kind| (kind.as_str(), kind.aggregate()))
            .collect();
        let paths =
            serde_json::to_string(&paths).map_err(|error| self.link.broken(error.to_string()))?;
        let mut call = self.call(&self.scripts.fetch, subscription);
        call.arg(millis(subscription.lease))
            .arg(max)
            .arg(subscription.parked_limit)
            .arg(paths);
        let reply = self.run(subscription, &call).await?;
        wire::fetched(reply).map_err(|reason| self.link.broken(reason))
    }

    async fn commit(
        &self,
        subscription: &Subscription,
        commits: &[Commit],
        advance: bool,
    ) -> Result<Vec<Committed>, BusError> {
        let mut call = self.call(&self.scripts.commit, subscription);
        // KEYS 3 to 7: an output names its stream by number.
        for stream in EventType::STREAMS {
            call.key(self.place(subscription, stream));
        }
        call.arg(millis(subscription.lease)).arg(advance);
        for commit in commits {
            wire::push_commit(&mut call, commit)
                .map_err(|error| self.link.broken(error.to_string()))?;
        }
        let reply = self.run(subscription, &call).await?;
        let committed = wire::committed(reply).map_err(|reason| self.link.broken(reason))?;
        self.relay_after(subscription, commits).await;
        Ok(committed)
    }

    async fn recover(
        &self,
        subscription: &Subscription,
        held: &[Lease],
    ) -> Result<Vec<Delivery>, BusError> {
        let mut call = self.call(&self.scripts.recover, subscription);
        for lease in held {
            call.arg(lease.fence);
        }
        let reply = self.run(subscription, &call).await?;
        wire::deliveries(reply).map_err(|reason| self.link.broken(reason))
    }

    async fn begin_alone(
        &self,
        subscription: &Subscription,
        lease: &Lease,
    ) -> Result<bool, BusError> {
        let mut call = self.call(&self.scripts.alone, subscription);
        call.arg(lease.lane.as_str())
            .arg(lease.entry.to_string())
            .arg(lease.fence);
        let reply = self.run(subscription, &call).await?;
        let held = wire::count(&reply).map_err(|reason| self.link.broken(reason))?;
        Ok(held == 1)
    }

    async fn heartbeat(&self, subscription: &Subscription) -> Result<Beat, BusError> {
        self.beat(subscription, false).await
    }

    async fn leave(&self, subscription: &Subscription) -> Result<(), BusError> {
        self.beat(subscription, true).await.map(|_| ())
    }

    async fn wait(
        &self,
        subscription: &Subscription,
        cursor: EntryId,
        at_most: Duration,
    ) -> Result<(), BusError> {
        let key = prefix(subscription.stream, &subscription.group);
        let idle = self.waiting.lock().await.remove(&key);
        let mut connection = match idle {
            Some(connection) => connection,
            None => self.link.open(subscription.stream).await?,
        };
        connection.set_response_timeout(at_most + RESPONSE_TIMEOUT);
        let reply = redis::cmd("XREAD")
            .arg("COUNT")
            .arg(1)
            .arg("BLOCK")
            .arg(millis(at_most).max(1))
            .arg("STREAMS")
            .arg(subscription.stream)
            .arg(cursor.to_string())
            .query_async::<Value>(&mut connection)
            .await;
        if let Err(error) = reply {
            return Err(self.link.failed(&error).await);
        }
        self.waiting.lock().await.insert(key, connection);
        Ok(())
    }
}

impl fmt::Debug for RedisBus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisBus")
            .field("consumer", &self.consumer)
            .finish_non_exhaustive()
    }
}

/// At most what Lua's numbers, which are floats, hold to the millisecond.
fn millis(duration: Duration) -> u64 {
    const LONGEST: u64 = 1 << 52;
    u64::try_from(duration.as_millis()).map_or(LONGEST, |ms| ms.min(LONGEST))
}
