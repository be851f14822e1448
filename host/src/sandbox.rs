//! The sandbox: components in, results or failures out. The only room that names Wasmtime.
//!
//! A fresh store and instance for every call; nothing of one call is there in the next.

mod bindings;
mod call;
mod candidate;
mod compile;
mod convert;
mod engine;
mod frames;
mod grants;
mod instruments;
mod journal;
mod limits;
mod meter;
mod operators;
mod outbound;
mod threads;
mod trap;
mod world;

use std::sync::Arc;

use hothouse_artifact::hex;
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use wasmtime::Engine;
use wasmtime::component::{Component, Linker};

use crate::failure::{ErrorType, clean};

use self::bindings::AnyPre;
use self::call::State;
pub use self::call::{Call, Cost, Loaded, Reply, Run};
pub use self::candidate::Candidate;
pub use self::compile::{
    Cache, CacheError, Compilation, CompileJob, Compiler, Progress, compile_stdin,
};
pub use self::grants::{Access, Grants, Mount, Secret};
pub use self::instruments::{Instruments, Profile, Recorded, Share};
pub use self::limits::{Limits, LimitsPatch};
pub use self::outbound::{Lookups, Origin, OriginError, Outbound};
use self::threads::Threads;
pub use self::world::World;

/// The exact version of Wasmtime that is in this build.
pub use hothouse_artifact::WASMTIME as WASMTIME_VERSION;

/// Where a granted repository is mounted.
pub const REPOSITORY_PATH: &str = "/repo";

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
    /// It needs more than one run's place in the pool has.
    #[error("it does not fit into the place of a run: {0}")]
    TooLarge(String),
    /// It has more bytes than its limit.
    #[error(
        "it has {bytes} bytes, and `component_bytes` is {limit}: build it smaller, or raise the limit"
    )]
    TooManyBytes {
        /// How many.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// Compiling it takes too long.
    #[error("compiling it took longer than {limit_ms} ms: build it smaller, or raise `compile_ms`")]
    CompileTime {
        /// The limit.
        limit_ms: u64,
    },
    /// Compiling it takes too much memory.
    #[error(
        "the compiler ran out of memory, of {limit} bytes or of what the machine has: build it \
         smaller, or raise `compile_memory_bytes`"
    )]
    CompileMemory {
        /// The limit.
        limit: u64,
    },
    /// What it compiles to is too large.
    #[error("it compiles to more than {limit} bytes: build it smaller, or raise `artifact_bytes`")]
    ArtifactTooLarge {
        /// The limit.
        limit: usize,
    },
    /// The compiler did not do its part.
    #[error("the compiler failed: {0}")]
    CompilerFailed(String),
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
            Self::NotAComponent(_)
            | Self::TooLarge(_)
            | Self::TooManyBytes { .. }
            | Self::CompileTime { .. }
            | Self::CompileMemory { .. }
            | Self::ArtifactTooLarge { .. }
            | Self::CompilerFailed(_)
            | Self::WrongWorld { .. }
            | Self::Unlinkable(_) => ErrorType::PluginUnavailable,
        }
    }

    /// The compiler's words may quote the component.
    fn not_a_component(message: &str) -> Self {
        Self::NotAComponent(clean(message, 300))
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

/// A component that is compiled and not linked yet.
pub struct Compiled {
    component: Component,
    inspection: Inspection,
}

impl Compiled {
    /// What it is.
    #[must_use]
    pub fn inspection(&self) -> &Inspection {
        &self.inspection
    }
}

impl std::fmt::Debug for Compiled {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Compiled")
            .field("digest", &self.inspection.digest)
            .finish_non_exhaustive()
    }
}

/// Engine, linker, slots and the threads of guests. One for each process.
pub struct Sandbox {
    engine: Engine,
    threads: Threads,
    linker: Linker<State>,
    slots: Arc<Semaphore>,
    count: u32,
    instruments: Instruments,
    compilation: Compilation,
}

impl Sandbox {
    /// A sandbox for at most `slots` runs at a time, which compiles in this process: for
    /// components that are trusted not to take all its time and memory, as in tests.
    ///
    /// # Errors
    /// When the machine cannot reserve the address space, or starts no threads.
    pub fn new(slots: u32) -> Result<Self, SandboxError> {
        let compilation = Compilation::new(Compiler::InProcess);
        Self::compiling(slots, Instruments::default(), compilation)
    }

    /// A sandbox that also records of each run what the instruments are for, and compiles as
    /// `compilation` says.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn compiling(
        slots: u32,
        instruments: Instruments,
        compilation: Compilation,
    ) -> Result<Self, SandboxError> {
        let failed = |error: wasmtime::Error| SandboxError {
            slots,
            reason: format!("{error:#}"),
        };
        let threads = Threads::start().map_err(|error| failed(error.into()))?;
        let engine = engine::engine(slots, instruments).map_err(failed)?;
        let linker = engine::linker(&engine).map_err(failed)?;
        Ok(Self {
            engine,
            threads,
            linker,
            slots: Arc::new(Semaphore::new(slots as usize)),
            count: slots,
            instruments,
            compilation,
        })
    }

    /// Where guests are to run: on threads of their own, so that busy ones do not delay what the
    /// host has to say to its bus.
    #[must_use]
    pub fn threads(&self) -> &Handle {
        self.threads.handle()
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

    /// As [`inspect_candidate`](Self::inspect_candidate), within the default limits.
    ///
    /// # Errors
    /// [`LoadError`].
    pub fn inspect(&self, bytes: &[u8]) -> Result<Inspection, LoadError> {
        self.inspect_candidate(&Candidate::new(bytes))
    }

    /// Reads what a component imports and exports. Compiles it where it is not in the cache: it
    /// blocks for up to the candidate's `compile_ms`, and for other compiles before its own.
    ///
    /// # Errors
    /// [`LoadError`] where it is none, or does not compile within its limits.
    pub fn inspect_candidate(&self, candidate: &Candidate<'_>) -> Result<Inspection, LoadError> {
        Ok(self.compile(candidate)?.inspection)
    }

    /// Compiles a component, or takes it from the cache. It blocks as
    /// [`inspect_candidate`](Self::inspect_candidate) does.
    ///
    /// # Errors
    /// [`LoadError`] where it is none, or does not compile within its limits.
    pub fn compile(&self, candidate: &Candidate<'_>) -> Result<Compiled, LoadError> {
        let digest = Sha256::digest(candidate.bytes).into();
        let component =
            self.compilation
                .component(&self.engine, self.instruments, candidate, &digest)?;
        let (imports, exports) = engine::names(&self.engine, &component);
        let ungranted = imports
            .iter()
            .filter(|name| !engine::is_granted(name, candidate.outbound))
            .cloned()
            .collect();
        let inspection = Inspection {
            world: World::ALL
                .into_iter()
                .find(|world| exports.iter().any(|name| name == world.export())),
            imports,
            exports,
            ungranted,
            digest: hex(&digest),
            size: candidate.bytes.len(),
        };
        Ok(Compiled {
            component,
            inspection,
        })
    }

    /// As [`load_candidate`](Self::load_candidate), within the default limits.
    ///
    /// # Errors
    /// [`LoadError`] where it is refused.
    pub fn load(&self, bytes: &[u8], world: World) -> Result<Loaded, LoadError> {
        self.load_candidate(&Candidate::new(bytes), world)
    }

    /// Compiles and links a component of a world. It blocks as
    /// [`inspect_candidate`](Self::inspect_candidate) does.
    ///
    /// # Errors
    /// [`LoadError`] where it is refused.
    pub fn load_candidate(
        &self,
        candidate: &Candidate<'_>,
        world: World,
    ) -> Result<Loaded, LoadError> {
        self.link(self.compile(candidate)?, world)
    }

    /// Links a component of a world.
    ///
    /// # Errors
    /// [`LoadError`] where it is of another world, imports what nobody grants, or does not link.
    pub fn link(&self, compiled: Compiled, world: World) -> Result<Loaded, LoadError> {
        let Compiled {
            component,
            inspection,
        } = compiled;
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
        let engine = self.engine.clone();
        let private = self.compilation.private();
        Ok(Loaded::new(
            engine,
            pre,
            inspection,
            self.instruments,
            private,
        ))
    }
}

impl std::fmt::Debug for Sandbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sandbox").finish_non_exhaustive()
    }
}

/// sha256 in hex.
#[must_use]
pub fn digest(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}
