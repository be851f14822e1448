//! The sandbox: components in, results or failures out. The only room that names Wasmtime.
//!
//! A fresh store and instance for every call; nothing of one call is there in the next.

mod bindings;
mod convert;
mod engine;
mod grants;
mod journal;
mod limits;
mod trap;

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use wasmtime::component::{Component, Linker, ResourceTable};
use wasmtime::{Engine, Store};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

use crate::event::{DetectedStack, Event, EventType, TokenUsage};
use crate::failure::{ErrorType, Failure};

use self::bindings::{AnyPre, Instance};
pub use self::grants::{Access, Grants, Mount};
use self::journal::Journal;
use self::limits::Limiter;
pub use self::limits::{Limits, LimitsPatch};

/// Where a granted repository is mounted.
pub const REPOSITORY_PATH: &str = "/repo";

/// What a component exports, and so what it can handle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum World {
    /// Executes `agent.execution.started`.
    Agent,
    /// Analyzes for `discovery.started`.
    Analyzer,
    /// Handles any type, event in, events out.
    Handler,
}

impl World {
    /// Every world.
    pub const ALL: [Self; 3] = [Self::Agent, Self::Analyzer, Self::Handler];

    /// The name in manifests.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::Analyzer => "analyzer",
            Self::Handler => "handler",
        }
    }

    /// The interface that a component of this world exports.
    #[must_use]
    pub fn export(self) -> &'static str {
        match self {
            Self::Agent => "hothouse:agent/execution@0.1.0",
            Self::Analyzer => "hothouse:agent/discovery@0.1.0",
            Self::Handler => "hothouse:agent/handling@0.1.0",
        }
    }

    /// Whether a component of this world can take events of a type.
    #[must_use]
    pub fn takes(self, event_type: EventType) -> bool {
        match self {
            Self::Agent => event_type == EventType::AgentExecutionStarted,
            Self::Analyzer => event_type == EventType::DiscoveryStarted,
            Self::Handler => event_type.failed().is_none(),
        }
    }
}

impl std::fmt::Display for World {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

/// The sandbox could not be set up.
#[derive(Debug, thiserror::Error)]
#[error("cannot set up the sandbox with {slots} slots: {reason}")]
pub struct SandboxError {
    slots: u32,
    reason: String,
}

/// A component was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LoadError {
    /// The bytes are no component.
    #[error("not a WebAssembly component: {0}")]
    NotAComponent(String),
    /// It exports something else than its manifest says.
    #[error("it does not export {expected} (world {world}); it exports {found}")]
    WrongWorld {
        /// The manifest's.
        world: World,
        /// That world's interface.
        expected: &'static str,
        /// What the component exports.
        found: String,
    },
    /// It imports what nobody grants.
    #[error("it imports what no grant covers: {}", .0.join(", "))]
    Ungranted(Vec<String>),
    /// Wasmtime refuses to link it.
    #[error("it cannot be linked: {0}")]
    Unlinkable(String),
}

impl LoadError {
    /// The failure of an event that needs this component.
    #[must_use]
    pub fn error_type(&self) -> ErrorType {
        match self {
            Self::Ungranted(_) => ErrorType::CapabilityDenied,
            Self::NotAComponent(_) | Self::WrongWorld { .. } | Self::Unlinkable(_) => {
                ErrorType::PluginUnavailable
            }
        }
    }
}

/// What a component is, before anything of it runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Inspection {
    /// The world that its exports amount to.
    pub world: Option<World>,
    /// Names of its imports.
    pub imports: Vec<String>,
    /// Names of its exports.
    pub exports: Vec<String>,
    /// Of its imports, those that no grant covers.
    pub ungranted: Vec<String>,
    /// sha256 of its bytes, in hex.
    pub digest: String,
    /// Its size in bytes.
    pub size: usize,
}

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

/// Engine, linker and slots. One for each process.
pub struct Sandbox {
    engine: Engine,
    linker: Linker<State>,
    slots: Arc<Semaphore>,
    count: u32,
}

impl Sandbox {
    /// A sandbox for at most `slots` runs at a time.
    ///
    /// # Errors
    /// When the machine cannot reserve the address space.
    pub fn new(slots: u32) -> Result<Self, SandboxError> {
        let failed = |error: wasmtime::Error| SandboxError {
            slots,
            reason: format!("{error:#}"),
        };
        let engine = engine::engine(slots).map_err(failed)?;
        let linker = engine::linker(&engine).map_err(failed)?;
        Ok(Self {
            engine,
            linker,
            slots: Arc::new(Semaphore::new(slots as usize)),
            count: slots,
        })
    }

    /// A free slot, if there is one now. A run holds one for as long as it lasts.
    #[must_use]
    pub fn try_slot(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.slots).try_acquire_owned().ok()
    }

    /// Slots that are free now.
    #[must_use]
    pub fn free_slots(&self) -> usize {
        self.slots.available_permits()
    }

    /// Waits until every slot is free and takes them all, in turn with all who wait: until
    /// then, and while they are held, no other run begins.
    pub async fn all_slots(&self) -> Option<OwnedSemaphorePermit> {
        let slots = Arc::clone(&self.slots);
        slots.acquire_many_owned(self.count).await.ok()
    }

    /// Waits for a free slot, in turn with all who wait.
    pub async fn slot(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.slots).acquire_owned().await.ok()
    }

    /// Reads what a component imports and exports. Compiles it, so it may take a second.
    ///
    /// # Errors
    /// [`LoadError::NotAComponent`].
    pub fn inspect(&self, bytes: &[u8]) -> Result<Inspection, LoadError> {
        let component = engine::compile(&self.engine, bytes)?;
        Ok(self.inspect_compiled(&component, bytes))
    }

    fn inspect_compiled(&self, component: &Component, bytes: &[u8]) -> Inspection {
        let (imports, exports) = engine::names(&self.engine, component);
        let ungranted = imports
            .iter()
            .filter(|name| !engine::is_granted(name))
            .cloned()
            .collect();
        Inspection {
            world: World::ALL
                .into_iter()
                .find(|world| exports.iter().any(|name| name == world.export())),
            imports,
            exports,
            ungranted,
            digest: digest(bytes),
            size: bytes.len(),
        }
    }

    /// Compiles and links a component of a world. Takes up to seconds of CPU time.
    ///
    /// # Errors
    /// [`LoadError`] where it is refused.
    pub fn load(&self, bytes: &[u8], world: World) -> Result<Loaded, LoadError> {
        let component = engine::compile(&self.engine, bytes)?;
        let inspection = self.inspect_compiled(&component, bytes);
        if inspection.world != Some(world) {
            return Err(LoadError::WrongWorld {
                world,
                expected: world.export(),
                found: match inspection.exports.is_empty() {
                    true => "nothing".to_owned(),
                    false => inspection.exports.join(", "),
                },
            });
        }
        if !inspection.ungranted.is_empty() {
            return Err(LoadError::Ungranted(inspection.ungranted));
        }
        let pre = self
            .linker
            .instantiate_pre(&component)
            .and_then(|pre| AnyPre::new(pre, world))
            .map_err(|error| LoadError::Unlinkable(format!("{error:#}")))?;
        Ok(Loaded {
            engine: self.engine.clone(),
            pre,
            inspection,
        })
    }
}

impl std::fmt::Debug for Sandbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sandbox").finish_non_exhaustive()
    }
}

/// A component, compiled, linked and ready to run.
pub struct Loaded {
    engine: Engine,
    pre: AnyPre,
    inspection: Inspection,
}

impl Loaded {
    /// What it is.
    #[must_use]
    pub fn inspection(&self) -> &Inspection {
        &self.inspection
    }

    /// Runs it once, in a fresh instance, within its limits.
    ///
    /// The caller holds a slot ([`Sandbox::slot`]). Dropping the future ends the run at its
    /// next yield, within some 100,000 instructions.
    pub async fn call(&self, call: Call<'_>) -> Run {
        let started = Instant::now();
        let mut store = match self.store(&call) {
            Ok(store) => store,
            Err(failure) => {
                return Run {
                    result: Err(failure),
                    cost: Cost::default(),
                };
            }
        };
        let limits = call.limits;
        let ran = tokio::time::timeout(limits.timeout(), self.invoke(&mut store, &call)).await;
        let result = match ran {
            Ok(Ok(reply)) => reply,
            Ok(Err(error)) => Err(trap::classify(&error, store.data(), limits)),
            Err(_) => Err(Failure::new(
                ErrorType::Timeout,
                format!("ran longer than its limit of {:?}", limits.timeout()),
            )),
        };
        let fuel_left = store.get_fuel().unwrap_or(0);
        let mut state = store.into_data();
        state.journal.finish();
        Run {
            result,
            cost: Cost {
                fuel: limits.fuel.saturating_sub(fuel_left),
                wall_ms: millis(started.elapsed()),
                peak_memory_bytes: state.limiter.peak() as u64,
                log_lines_dropped: state.journal.dropped(),
                token_usage: TokenUsage::default(),
            },
        }
    }

    fn store(&self, call: &Call<'_>) -> Result<Store<State>, Failure> {
        let state = State::new(call).map_err(|error| {
            Failure::new(
                ErrorType::HostError,
                format!("cannot set up the run: {error:#}"),
            )
        })?;
        let mut store = Store::new(&self.engine, state);
        engine::limit(&mut store, call.limits)
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
        match self.pre.instantiate(&mut *store).await? {
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

/// What a store holds: everything that one run can reach.
struct State {
    wasi: WasiCtx,
    table: ResourceTable,
    limiter: Limiter,
    journal: Journal,
}

impl State {
    fn new(call: &Call<'_>) -> wasmtime::Result<Self> {
        let journal = Journal::new(call.plugin, &call.event.envelope, call.limits);
        Ok(Self {
            wasi: engine::wasi(&journal, call.grants)?,
            table: engine::table(),
            limiter: Limiter::new(call.limits),
            journal,
        })
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

/// sha256 in hex.
#[must_use]
pub fn digest(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    Sha256::digest(bytes)
        .iter()
        .fold(String::with_capacity(64), |mut hex, byte| {
            // Writing to a String does not fail.
            let _ = write!(hex, "{byte:02x}");
            hex
        })
}

fn millis(duration: Duration) -> f64 {
    // Three decimals: microseconds, and no noise behind them in events.
    (duration.as_secs_f64() * 1e6).round() / 1e3
}
