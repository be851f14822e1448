//! Looking into runs: a core dump of one that traps, a profile of where its time goes. For
//! `hothouse run` alone: both are settings of the engine and cost speed.
//!
//! The profile is made of samples. A thread ticks the engine's epoch; code compiled for it
//! notices at the next loop or function, and the stack at this point is charged with the time
//! since the sample before.

use std::collections::BTreeMap;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde::Serialize;
use wasmtime::{
    AsContextMut as _, CallHook, Engine, Store, StoreContextMut, UpdateDeadline, WasmBacktrace,
    WasmCoreDump,
};

use super::{State, frames};

/// What is recorded of the runs of a sandbox. Nothing by default.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Instruments {
    /// A core dump of each run that traps, at most as large as the memory that it held.
    pub coredump: bool,
    /// A profile of each run. Its code is compiled with twice the checks, and runs at half the
    /// speed where it computes most.
    pub profile: bool,
}

/// What was recorded of one run.
#[derive(Debug, Default)]
pub struct Recorded {
    /// In WebAssembly's format for core dumps, where the run trapped.
    pub coredump: Option<Vec<u8>>,
    /// Where the time went.
    pub profile: Option<Profile>,
}

/// Between two samples at least, and a thousandth of the time that has passed: a short run
/// has enough of them, and a long one not too many.
const TICK: Duration = Duration::from_micros(100);

/// Different stacks of one profile. Time in others is counted together.
const MAX_STACKS: usize = 10_000;

/// Frames of one stack; of a deeper one the innermost.
pub(super) const MAX_FRAMES: usize = 64;

const OTHER: &str = "[other stacks]";

/// Where the time of one run went.
#[derive(Debug, Clone, Default)]
pub struct Profile {
    /// Microseconds by stack, outermost function first, with `;` between.
    stacks: BTreeMap<String, u64>,
    samples: u64,
}

/// A function, and its own share of the run's time.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Share {
    /// Its name.
    pub function: String,
    /// 0 to 1.
    pub share: f64,
}

impl Profile {
    /// Samples that it is made of.
    #[must_use]
    pub fn samples(&self) -> u64 {
        self.samples
    }

    /// Folded stacks: a line for each, `outer;inner MICROSECONDS`.
    #[must_use]
    pub fn folded(&self) -> String {
        let lines = self.stacks.iter();
        lines.map(|(stack, us)| format!("{stack} {us}\n")).collect()
    }

    /// The functions in which most time was spent, without what they call, first the hottest.
    #[must_use]
    pub fn hottest(&self, most: usize) -> Vec<Share> {
        let mut own: BTreeMap<&str, u64> = BTreeMap::new();
        for (stack, us) in &self.stacks {
            *own.entry(stack.rsplit(';').next().unwrap_or(stack))
                .or_default() += us;
        }
        let total: u64 = own.values().sum();
        let mut own: Vec<_> = own.into_iter().collect();
        own.sort_by_key(|(_, us)| std::cmp::Reverse(*us));
        let share = |(function, us): (&str, u64)| Share {
            function: function.to_owned(),
            share: us as f64 / total.max(1) as f64,
        };
        own.into_iter().take(most).map(share).collect()
    }

    fn add(&mut self, backtrace: &WasmBacktrace, leaf: Option<&str>, time: Duration) {
        let names = frames::names(backtrace);
        // The separators of the format are no part of a name.
        let outermost_first = names.iter().rev().map(|name| name.replace(';', ":"));
        let stack: Vec<String> = outermost_first.chain(leaf.map(str::to_owned)).collect();
        let stack = match stack.join(";") {
            known if self.stacks.contains_key(&known) => known,
            new if self.stacks.len() < MAX_STACKS => new,
            _ => OTHER.to_owned(),
        };
        let us = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        *self.stacks.entry(stack).or_default() += us;
        self.samples += 1;
    }
}

/// A profile that is being made.
pub(super) struct Profiler {
    profile: Profile,
    last: Instant,
    entered_host: Instant,
}

impl Profiler {
    pub(super) fn new() -> Self {
        let now = Instant::now();
        Self {
            profile: Profile::default(),
            last: now,
            entered_host: now,
        }
    }

    pub(super) fn finish(self) -> Profile {
        self.profile
    }
}

/// Samples the store's run, if it has a profiler.
pub(super) fn attach(store: &mut Store<State>) {
    if store.data().profiler.is_none() {
        return;
    }
    store.set_epoch_deadline(1);
    store.epoch_deadline_callback(|store| {
        sample(store, None);
        Ok(UpdateDeadline::Continue(1))
    });
}

/// Charges the time of a call to the host to the host, if it took any to speak of.
pub(super) fn host_call(mut store: StoreContextMut<'_, State>, hook: CallHook) {
    let Some(profiler) = &mut store.data_mut().profiler else {
        return;
    };
    match hook {
        CallHook::CallingHost => profiler.entered_host = Instant::now(),
        CallHook::ReturningFromHost => {
            // A sample that was taken meanwhile has had its time.
            if profiler.entered_host.max(profiler.last).elapsed() >= TICK {
                sample(store, Some("[host]"));
            }
        }
        CallHook::CallingWasm | CallHook::ReturningFromWasm => {}
    }
}

fn sample(mut store: StoreContextMut<'_, State>, leaf: Option<&str>) {
    let backtrace = WasmBacktrace::force_capture(store.as_context_mut());
    if let Some(profiler) = &mut store.data_mut().profiler {
        let time = profiler.last.elapsed();
        profiler.profile.add(&backtrace, leaf, time);
        profiler.last = Instant::now();
    }
}

/// The core dump that an error carries.
pub(super) fn coredump(
    error: &wasmtime::Error,
    store: &mut Store<State>,
    name: &str,
) -> Option<Vec<u8>> {
    let dump = error.downcast_ref::<WasmCoreDump>()?;
    Some(dump.serialize(store, name))
}

/// Ticks an engine's epoch for as long as it lives.
pub(super) struct Ticker {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Ticker {
    pub(super) fn start(engine: &Engine) -> std::io::Result<Self> {
        let (stop, stopped) = mpsc::channel();
        let engine = engine.clone();
        let started = Instant::now();
        let tick = move || {
            let wait = || stopped.recv_timeout(TICK.max(started.elapsed() / 1000));
            while wait() == Err(RecvTimeoutError::Timeout) {
                engine.increment_epoch();
            }
        };
        let thread = std::thread::Builder::new().name("profiler".into());
        Ok(Self {
            stop: Some(stop),
            thread: Some(thread.spawn(tick)?),
        })
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // It does nothing that could panic.
            let _ = thread.join();
        }
    }
}
