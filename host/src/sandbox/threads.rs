//! The threads that guests run on.

use std::io;

use tokio::runtime::{Builder, Handle, Runtime};

/// Guests' turns between two looks at the clock and at the kernel.
const EVENT_INTERVAL: u32 = 8;

/// Guests' turns between two looks for a run that is new. Few: the slice of a guest that makes the
/// host work can take long, and a short run waits for each before it.
const NEW_RUN_INTERVAL: u32 = 2;

/// How much less guests' threads are worth to the kernel than the host's.
const NICE: i32 = 5;

/// A runtime with a thread for each core. Guests take turns on it: each runs for
/// [`YIELD_INTERVAL`](super::meter::YIELD_INTERVAL) at the most, and goes to the end of the queue.
pub(super) struct Threads {
    handle: Handle,
    runtime: Option<Runtime>,
}

impl Threads {
    pub(super) fn start() -> io::Result<Self> {
        // The value itself: threads inherit that of the thread which starts them.
        let nice = rustix::process::getpriority_process(None)? + NICE;
        let runtime = Builder::new_multi_thread()
            .thread_name("guest")
            .on_thread_start(move || step_back(nice))
            .enable_all()
            .event_interval(EVENT_INTERVAL)
            .global_queue_interval(NEW_RUN_INTERVAL)
            .build()?;
        Ok(Self {
            handle: runtime.handle().clone(),
            runtime: Some(runtime),
        })
    }

    pub(super) fn handle(&self) -> &Handle {
        &self.handle
    }
}

/// On a machine that is busy, the bus comes before guests. Linux has a nice value for each thread,
/// and `None` is the one that asks.
fn step_back(nice: i32) {
    if let Err(error) = rustix::process::setpriority_process(None, nice) {
        tracing::debug!("guests' threads have the usual priority: {error}");
    }
}

impl Drop for Threads {
    /// A file that never answers holds a thread for ever: nobody waits for it.
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
