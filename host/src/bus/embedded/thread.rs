//! The thread that owns the SQLite connection.

use std::path::Path;
use std::thread::JoinHandle;
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, TransactionBehavior};
use tokio::sync::{mpsc, oneshot};

use crate::bus::BusError;

type Job = Box<dyn FnOnce(&mut Connection) + Send>;

/// Jobs that may wait for the thread. More wait in their callers.
const QUEUE: usize = 64;

/// How long another process may hold the write lock.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Handle of the thread, which ends with it.
pub(super) struct DbThread {
    name: String,
    jobs: Option<mpsc::Sender<Job>>,
    thread: Option<JoinHandle<()>>,
}

impl DbThread {
    /// Opens the file, or a database in memory, and brings its tables up to date.
    pub(super) fn start(path: Option<&Path>) -> Result<Self, BusError> {
        let name = path.map_or_else(
            || "memory:".to_owned(),
            |path| format!("sqlite:{}", path.display()),
        );
        let mut connection = open(path).map_err(|error| classify(&name, &error))?;
        let (jobs, mut queue) = mpsc::channel::<Job>(QUEUE);
        let thread = std::thread::Builder::new()
            .name("hothouse-sqlite".into())
            .spawn(move || {
                while let Some(job) = queue.blocking_recv() {
                    job(&mut connection);
                }
            })
            .map_err(|error| BusError::Broken {
                bus: name.clone(),
                reason: format!("no thread for SQLite: {error}"),
            })?;
        Ok(Self {
            name,
            jobs: Some(jobs),
            thread: Some(thread),
        })
    }

    /// What errors call the bus.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Runs `step` in one transaction that takes the write lock at once. Where the caller is
    /// dropped, the step still happens wholly or not at all.
    pub(super) async fn transaction<T: Send + 'static>(
        &self,
        step: impl FnOnce(&rusqlite::Transaction<'_>) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, BusError> {
        self.run(TransactionBehavior::Immediate, step).await
    }

    /// As [`transaction`](Self::transaction), for a step that only reads: it takes no lock
    /// that a writer waits for.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        step: impl FnOnce(&rusqlite::Transaction<'_>) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, BusError> {
        self.run(TransactionBehavior::Deferred, step).await
    }

    async fn run<T: Send + 'static>(
        &self,
        behavior: TransactionBehavior,
        step: impl FnOnce(&rusqlite::Transaction<'_>) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, BusError> {
        let (reply, answer) = oneshot::channel();
        let job: Job = Box::new(move |connection| {
            let result = connection
                .transaction_with_behavior(behavior)
                .and_then(|transaction| {
                    let value = step(&transaction)?;
                    transaction.commit()?;
                    Ok(value)
                });
            // Nobody listens any more where the caller was dropped.
            let _ = reply.send(result);
        });
        let stopped = || BusError::Broken {
            bus: self.name.clone(),
            reason: "the SQLite thread has stopped".into(),
        };
        let jobs = self.jobs.as_ref().ok_or_else(stopped)?;
        jobs.send(job).await.map_err(|_| stopped())?;
        answer
            .await
            .map_err(|_| stopped())?
            .map_err(|error| classify(&self.name, &error))
    }
}

impl Drop for DbThread {
    fn drop(&mut self) {
        self.jobs.take();
        if let Some(thread) = self.thread.take() {
            // A panic in a job was already reported to its caller as a stopped thread.
            let _ = thread.join();
        }
    }
}

fn open(path: Option<&Path>) -> rusqlite::Result<Connection> {
    let connection = match path {
        Some(path) => Connection::open(path)?,
        None => Connection::open_in_memory()?,
    };
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    // In WAL mode a power cut may undo the last transactions, never a part of one.
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    connection.execute_batch(include_str!("schema.sql"))?;
    Ok(connection)
}

fn classify(name: &str, error: &rusqlite::Error) -> BusError {
    let bus = name.to_owned();
    let reason = error.to_string();
    match error.sqlite_error_code() {
        Some(
            ErrorCode::DatabaseBusy
            | ErrorCode::DatabaseLocked
            | ErrorCode::DiskFull
            | ErrorCode::SystemIoFailure
            | ErrorCode::OutOfMemory,
        ) => BusError::Unavailable { bus, reason },
        Some(_) | None => BusError::Broken { bus, reason },
    }
}
