//! The threads that guests run on.

use std::io;

use tokio::runtime::{Builder, Handle, Runtime};

/// Guests' turns between two looks at the clock and at the kernel.
const EVENT_INTERVAL: u32 = 8;

/// Guests' turns between two looks for a run that is new.
const NEW_RUN_INTERVAL: u32 = 2;

/// A runtime with a thread for each core. Guests take turns on it: each runs for
/// [`YIELD_INTERVAL`](super::meter::YIELD_INTERVAL) at the most, and goes to the end of the queue.
pub(super) struct Threads {
    handle: Handle,
    runtime: Option<Runtime>,
}

impl Threads {
    pub(super) fn start() -> io::Result<Self> {
        let runtime = Builder::new_multi_thread()
            .thread_name("guest")
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

impl Drop for Threads {
    /// A file that never answers holds a thread for ever: nobody waits for it.
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
