//! One run: what goes in, what comes out, what it cost.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use wasmtime::component::ResourceTable;
use wasmtime::error::Context as _;
use wasmtime::{Engine, Store};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

use super::bindings::{AnyPre, Instance};
use super::instruments::{self, Instruments, Profiler, Recorded, Ticker};
use super::journal::Journal;
use super::limits::Limiter;
use super::meter::{self, Meter, Metered};
use super::outbound;
use super::{Grants, Inspection, Limits, World, convert, engine, trap};
use crate::event::{DetectedStack, Event, EventType, TokenUsage};
use crate::failure::{ErrorType, Failure};

/// What a call gave back.
#[derive(Debug)]
pub enum Reply {
    /// Of an agent.
    Executed {
        /// A JSON object.
        output_data: Box<RawValue>,
    },
    /// Of an analyzer.
    Analyzed {
        /// What the repository is made of.
        detected_stack: DetectedStack,
        /// Its services.
        service_boundaries: Vec<String>,
        /// 0 to 1.
        risk_score: f64,
    },
    /// Of a handler: events to append, each of a type that the manifest allows and checked
    /// against the contract.
    Handled {
        /// Types and `data`.
        events: Vec<(EventType, String)>,
    },
}

/// What a call cost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Cost {
    /// Fuel used, about one unit for each WebAssembly instruction. A lower bound after a
    /// trap.
    pub fuel: u64,
    /// Wall-clock time in milliseconds.
    pub wall_ms: f64,
    /// Most linear memory held at once, in bytes.
    pub peak_memory_bytes: u64,
    /// Log lines over the limit.
    pub log_lines_dropped: u64,
    /// Tokens of models, counted by the host.
    pub token_usage: TokenUsage,
}

/// One call, ended.
#[derive(Debug)]
pub struct Run {
    /// What came of it.
    pub result: Result<Reply, Failure>,
    /// What it cost.
    pub cost: Cost,
    /// What was recorded of it, where the sandbox records anything.
    pub recorded: Recorded,
}

impl Run {
    /// One that did not begin.
    fn none(failure: Failure) -> Self {
        Self {
            result: Err(failure),
            cost: Cost::default(),
            recorded: Recorded::default(),
        }
    }
}

/// One run's input beside the event.
#[derive(Debug, Clone, Copy)]
pub struct Call<'a> {
    /// The event.
    pub event: &'a Event,
    /// 1 on the first run.
    pub attempt: u32,
    /// Marks the log lines: `name@version`.
    pub plugin: &'a str,
    /// The limits in force.
    pub limits: &'a Limits,
    /// Types that a handler may emit.
    pub emits: &'a [EventType],
    /// What it may reach.
    pub grants: &'a Grants,
}

/// A component, compiled, linked and ready to run.
pub struct Loaded {
    engine: Engine,
    pre: AnyPre,
    inspection: Inspection,
    instruments: Instruments,
    /// What no run may reach, whatever it is granted: whose files are loaded as machine code.
    private: Option<PathBuf>,
}

impl Loaded {
    pub(super) fn new(
        engine: Engine,
        pre: AnyPre,
        inspection: Inspection,
        instruments: Instruments,
        private: Option<PathBuf>,
    ) -> Self {
        Self {
            engine,
            pre,
            inspection,
            instruments,
            private,
        }
    }

    /// What it is.
    #[must_use]
    pub fn inspection(&self) -> &Inspection {
        &self.inspection
    }

    /// Runs it once, in a fresh instance, within its limits.
    ///
    /// The caller holds a slot ([`Sandbox::slot`](super::Sandbox::slot)). Dropping the future ends
    /// the run at its next yield, within some 100,000 instructions.
    pub async fn call(&self, call: Call<'_>) -> Run {
        let started = Instant::now();
        let limits = call.limits;
        let made = tokio::time::timeout(limits.timeout(), self.store(&call)).await;
        let mut store = match made {
            Ok(Ok(store)) => store,
            Ok(Err(failure)) => return Run::none(failure),
            Err(_) => return Run::none(trap::late(limits)),
        };
        let _ticker = match self.ticker() {
            Ok(ticker) => ticker,
            Err(failure) => return Run::none(failure),
        };
        let mut recorded = Recorded::default();
        let left = limits.timeout().saturating_sub(started.elapsed());
        let ran = tokio::time::timeout(left, self.invoke(&mut store, &call)).await;
        let result = match ran {
            // A guest that ends between its deadline and the next yield is late all the same.
            Ok(Ok(reply)) if started.elapsed() <= limits.timeout() => reply,
            Ok(Err(error)) => {
                recorded.coredump = instruments::coredump(&error, &mut store, call.plugin);
                meter::note_handles(&mut store);
                Err(trap::classify(&error, store.data(), limits))
            }
            Ok(Ok(_)) | Err(_) => Err(trap::late(limits)),
        };
        let fuel_left = store.get_fuel().unwrap_or(0);
        let mut state = store.into_data();
        state.journal.finish();
        recorded.profile = state.profiler.map(Profiler::finish);
        Run {
            result,
            cost: Cost {
                fuel: limits.fuel.saturating_sub(fuel_left),
                wall_ms: millis(started.elapsed()),
                peak_memory_bytes: state.limiter.peak() as u64,
                log_lines_dropped: state.journal.dropped(),
                token_usage: TokenUsage::default(),
            },
            recorded,
        }
    }

    fn ticker(&self) -> Result<Option<Ticker>, Failure> {
        let started = self
            .instruments
            .profile
            .then(|| Ticker::start(&self.engine));
        started.transpose().map_err(|error| {
            let message = format!("cannot start the profiler's thread: {error}");
            Failure::new(ErrorType::HostError, message)
        })
    }

    async fn store(&self, call: &Call<'_>) -> Result<Store<State>, Failure> {
        let private = self.private.as_deref();
        if let Some(mount) = call.grants.reaching(private) {
            return Err(Failure::new(
                ErrorType::CapabilityDenied,
                format!(
                    "{} holds the host's own cache or is in it: set host.cache to a directory \
                     that no plugin is granted",
                    mount.directory.display()
                ),
            ));
        }
        let mut state = State::new(call).await.map_err(|error| {
            Failure::new(
                ErrorType::HostError,
                format!("cannot set up the run: {error:#}"),
            )
        })?;
        state.profiler = self.instruments.profile.then(Profiler::new);
        let mut store = Store::new(&self.engine, state);
        instruments::attach(&mut store);
        meter::limit(&mut store, call.limits)
            .map_err(|error| Failure::new(ErrorType::HostError, format!("{error:#}")))?;
        Ok(store)
    }

    /// Errors are traps and broken results; failures are what the handler or the contract
    /// says.
    async fn invoke(
        &self,
        store: &mut Store<State>,
        call: &Call<'_>,
    ) -> wasmtime::Result<Result<Reply, Failure>> {
        let instance = self.pre.instantiate(&mut *store).await;
        match instance.context(trap::Instantiation)? {
            Instance::Agent(agent) => {
                let Some(request) = convert::execution_request(call) else {
                    return Ok(Err(convert::wrong_payload(call, World::Agent)));
                };
                let execution = agent.hothouse_agent_execution();
                let result = execution.call_execute(&mut *store, &request).await?;
                Ok(convert::executed(result, call.limits))
            }
            Instance::Analyzer(analyzer) => {
                let Some(request) = convert::discovery_request(call) else {
                    return Ok(Err(convert::wrong_payload(call, World::Analyzer)));
                };
                let discovery = analyzer.hothouse_agent_discovery();
                let result = discovery.call_analyze(&mut *store, &request).await?;
                Ok(convert::analyzed(result, call.limits))
            }
            Instance::Handler(handler) => {
                let event = convert::guest_event(call);
                let handling = handler.hothouse_agent_handling();
                let result = handling.call_handle(&mut *store, &event).await?;
                Ok(convert::handled(result, call.limits, call.emits))
            }
        }
    }
}

impl std::fmt::Debug for Loaded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Loaded")
            .field("digest", &self.inspection.digest)
            .finish_non_exhaustive()
    }
}

/// Directories are opened off the guests' threads: one on a mount that hangs would stop them.
async fn wasi(journal: &Journal, grants: &Grants) -> wasmtime::Result<WasiCtx> {
    if grants.mounts.is_empty() {
        return engine::wasi(journal, grants);
    }
    let (journal, grants) = (journal.clone(), grants.clone());
    tokio::task::spawn_blocking(move || engine::wasi(&journal, &grants)).await?
}

/// What a store holds: everything that one run can reach.
pub(super) struct State {
    pub(super) wasi: WasiCtx,
    pub(super) table: ResourceTable,
    pub(super) limiter: Limiter,
    pub(super) journal: Journal,
    pub(super) meter: Meter,
    pub(super) profiler: Option<Profiler>,
    pub(super) http: outbound::Client,
}

impl State {
    pub(super) async fn new(call: &Call<'_>) -> wasmtime::Result<Self> {
        let journal = Journal::new(call.plugin, &call.event.envelope, call.limits);
        Ok(Self {
            wasi: wasi(&journal, call.grants).await?,
            table: meter::table(call.limits),
            limiter: Limiter::new(call.limits),
            http: outbound::Client::new(&call.grants.outbound, call.limits),
            journal,
            meter: Meter::new(call.limits),
            profiler: None,
        })
    }

    pub(super) fn metered(&mut self) -> Metered<'_> {
        Metered {
            wasi: &mut self.wasi,
            table: &mut self.table,
            meter: &mut self.meter,
        }
    }
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView {
            ctx: &mut self.wasi,
            table: &mut self.table,
        }
    }
}

fn millis(duration: Duration) -> f64 {
    // Three decimals: microseconds, and no noise behind them in events.
    (duration.as_secs_f64() * 1e6).round() / 1e3
}
