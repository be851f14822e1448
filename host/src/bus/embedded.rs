//! The bus on SQLite: the same meaning as on Redis, no server. A file serves the processes of
//! one machine, memory serves one process.

mod ask;
mod blob;
mod book;
mod finish;
mod hosts;
mod lanes;
mod letters;
mod operator;
mod replay;
mod thread;
mod trim;

use std::collections::HashSet;
use std::fmt;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use rusqlite::{OptionalExtension, Transaction, params};
use tokio::sync::Notify;
use tokio::time::Instant;

use self::book::Book;
use self::thread::DbThread;
use super::{
    Beat, Bus, BusError, Commit, Committed, Delivery, Entry, EntryId, Fetched, Lease, Start,
    Subscription, routes,
};
use crate::event::Fields;

/// How often a wait looks for entries of other processes.
const POLL: Duration = Duration::from_millis(50);

/// A host's view of a SQLite bus.
pub struct EmbeddedBus {
    consumer: String,
    db: DbThread,
    appended: Notify,
}

impl EmbeddedBus {
    /// A bus of this process alone.
    ///
    /// # Errors
    /// When SQLite has no memory.
    pub fn in_memory(consumer: &str) -> Result<Self, BusError> {
        Self::start(None, consumer)
    }

    /// A bus in a file, which is created with its folder where it does not exist.
    ///
    /// # Errors
    /// When the file cannot be opened.
    pub fn open(path: &Path, consumer: &str) -> Result<Self, BusError> {
        if let Some(folder) = path.parent()
            && let Err(error) = std::fs::create_dir_all(folder)
        {
            return Err(BusError::Broken {
                bus: format!("sqlite:{}", path.display()),
                reason: format!("cannot create {}: {error}", folder.display()),
            });
        }
        Self::start(Some(path), consumer)
    }

    fn start(path: Option<&Path>, consumer: &str) -> Result<Self, BusError> {
        Ok(Self {
            consumer: consumer.to_owned(),
            db: DbThread::start(path)?,
            appended: Notify::new(),
        })
    }

    /// Runs a step on a group's books in one transaction.
    async fn step<T: Send + 'static>(
        &self,
        subscription: &Subscription,
        step: impl FnOnce(&Book<'_>) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, BusError> {
        let subscription = subscription.clone();
        let consumer = self.consumer.clone();
        self.db
            .transaction(move |db| {
                step(&Book {
                    db,
                    subscription: &subscription,
                    consumer: &consumer,
                    now: now(),
                })
            })
            .await
    }

    async fn range(
        &self,
        stream: String,
        after: EntryId,
        max: usize,
    ) -> Result<Vec<Entry>, BusError> {
        let rows = self
            .db
            .read(move |db| read(db, &stream, after, max))
            .await?;
        Ok(rows
            .into_iter()
            .map(|(id, fields)| Entry { id, fields })
            .collect())
    }
}

#[async_trait]
impl Bus for EmbeddedBus {
    async fn publish(&self, stream: &str, entries: Vec<Fields>) -> Result<Vec<EntryId>, BusError> {
        if entries.iter().any(|fields| fields.0.is_empty()) {
            return Err(BusError::Broken {
                bus: self.db.name().to_owned(),
                reason: "an entry needs at least one field".into(),
            });
        }
        let stream = stream.to_owned();
        let ids = self
            .db
            .transaction(move |db| {
                let now = now();
                entries
                    .iter()
                    .map(|fields| append(db, &stream, now, fields))
                    .collect()
            })
            .await?;
        self.appended.notify_waiters();
        Ok(ids)
    }

    async fn read(&self, stream: &str, after: EntryId, max: usize) -> Result<Vec<Entry>, BusError> {
        self.range(stream.to_owned(), after, max).await
    }

    async fn join(&self, subscription: &Subscription) -> Result<(), BusError> {
        let step = self.step(subscription, |book| {
            let Subscription { stream, group, .. } = book.subscription;
            if let Some(theirs) = book.routes_of_others()? {
                return Ok(Some(theirs));
            }
            let start = match book.subscription.start {
                Start::All => EntryId::ZERO,
                Start::New => last_id(book.db, stream)?,
            };
            book.db.execute(
                "INSERT OR IGNORE INTO groups (stream, name, cursor_ms, cursor_seq)
                 VALUES (?1, ?2, ?3, ?4)",
                params![stream, group, start.ms, start.seq],
            )?;
            book.share_routes()?;
            book.extend_lease()?;
            book.reap().map(|_| None)
        });
        match step.await? {
            Some(theirs) => Err(routes::refusal(subscription, &theirs)),
            None => Ok(()),
        }
    }

    async fn fetch(&self, subscription: &Subscription, max: usize) -> Result<Fetched, BusError> {
        let fetched = self.step(subscription, move |book| book.fetch(max)).await?;
        fetched.ok_or_else(|| BusError::NoGroup {
            stream: subscription.stream.to_owned(),
            group: subscription.group.clone(),
        })
    }

    async fn commit(
        &self,
        subscription: &Subscription,
        commits: &[Commit],
        advance: bool,
    ) -> Result<Vec<Committed>, BusError> {
        let commits = commits.to_vec();
        let committed = self
            .step(subscription, move |book| {
                book.extend_lease()?;
                commits
                    .iter()
                    .map(|commit| book.commit(commit, advance))
                    .collect()
            })
            .await?;
        self.appended.notify_waiters();
        Ok(committed)
    }

    async fn recover(
        &self,
        subscription: &Subscription,
        held: &[Lease],
    ) -> Result<Vec<Delivery>, BusError> {
        let held: HashSet<u64> = held.iter().map(|lease| lease.fence).collect();
        self.step(subscription, move |book| book.recover(&held))
            .await
    }

    async fn begin_alone(
        &self,
        subscription: &Subscription,
        lease: &Lease,
    ) -> Result<bool, BusError> {
        let lease = lease.clone();
        self.step(subscription, move |book| book.begin_alone(&lease))
            .await
    }

    async fn heartbeat(&self, subscription: &Subscription) -> Result<Beat, BusError> {
        self.step(subscription, |book| {
            book.extend_lease()?;
            book.forget_done()?;
            Ok(Beat {
                freed: book.reap()?,
                waiting: book.next_due()?.is_some_and(|due| due.is_zero()),
                next_end: book.next_end()?,
            })
        })
        .await
    }

    async fn leave(&self, subscription: &Subscription) -> Result<(), BusError> {
        self.step(subscription, |book| {
            book.end_lease()?;
            book.reap().map(|_| ())
        })
        .await
    }

    async fn wait(
        &self,
        subscription: &Subscription,
        cursor: EntryId,
        at_most: Duration,
    ) -> Result<(), BusError> {
        let stream = subscription.stream;
        let deadline = Instant::now() + at_most;
        loop {
            // Registered before the look, so that nothing slips in between.
            let appended = self.appended.notified();
            let last = self.db.read(move |db| last_id(db, stream));
            if last.await? > cursor || Instant::now() >= deadline {
                return Ok(());
            }
            let next_look = deadline.min(Instant::now() + POLL);
            tokio::select! {
                () = appended => {}
                () = tokio::time::sleep_until(next_look) => {}
            }
        }
    }
}

impl fmt::Debug for EmbeddedBus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EmbeddedBus")
            .field("consumer", &self.consumer)
            .finish_non_exhaustive()
    }
}

/// The greatest id that the stream has had.
fn last_id(db: &Transaction<'_>, stream: &str) -> rusqlite::Result<EntryId> {
    let last = db
        .prepare_cached(
            "SELECT ms, seq FROM (
               SELECT * FROM (SELECT ms, seq FROM entries WHERE stream = ?1
                              ORDER BY ms DESC, seq DESC LIMIT 1)
               UNION ALL SELECT ms, seq FROM trims WHERE stream = ?1)
             ORDER BY ms DESC, seq DESC LIMIT 1",
        )?
        .query_row([stream], |row| {
            Ok(EntryId {
                ms: row.get(0)?,
                seq: row.get(1)?,
            })
        })
        .optional()?;
    Ok(last.unwrap_or_default())
}

/// Appends with an id that is greater than every id before it, also when the clock steps
/// back.
fn append(
    db: &Transaction<'_>,
    stream: &str,
    now: i64,
    fields: &Fields,
) -> rusqlite::Result<EntryId> {
    let last = last_id(db, stream)?;
    let ms = u64::try_from(now).unwrap_or_default();
    let id = if ms > last.ms {
        EntryId { ms, seq: 0 }
    } else {
        EntryId {
            ms: last.ms,
            seq: last.seq + 1,
        }
    };
    db.prepare_cached("INSERT INTO entries (stream, ms, seq, fields) VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![stream, id.ms, id.seq, blob::encode(fields)])?;
    Ok(id)
}

fn read(
    db: &Transaction<'_>,
    stream: &str,
    after: EntryId,
    max: usize,
) -> rusqlite::Result<Vec<(EntryId, Fields)>> {
    db.prepare_cached(
        "SELECT ms, seq, fields FROM entries
         WHERE stream = ?1 AND (ms, seq) > (?2, ?3) ORDER BY ms, seq LIMIT ?4",
    )?
    .query_map(
        params![
            stream,
            after.ms,
            after.seq,
            i64::try_from(max).unwrap_or(i64::MAX)
        ],
        |row| {
            let id = EntryId {
                ms: row.get(0)?,
                seq: row.get(1)?,
            };
            Ok((id, blob::decode(row.get_ref(2)?.as_blob()?)?))
        },
    )?
    .collect()
}

fn read_one(db: &Transaction<'_>, stream: &str, id: EntryId) -> rusqlite::Result<Option<Fields>> {
    db.prepare_cached("SELECT fields FROM entries WHERE stream = ?1 AND ms = ?2 AND seq = ?3")?
        .query_row(params![stream, id.ms, id.seq], |row| {
            blob::decode(row.get_ref(0)?.as_blob()?)
        })
        .optional()
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    millis(since.unwrap_or_default())
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
