//! The sandbox: components in, results or failures out. The only room that names Wasmtime.
//!
//! A fresh store and instance for every call; nothing of one call is there in the next.

mod bindings;
mod call;
mod convert;
mod engine;
mod frames;
mod grants;
mod instruments;
mod journal;
mod limits;
mod meter;
mod operators;
mod threads;
mod trap;
mod world;

use std::sync::Arc;

use serde::Serialize;
use sha2::{Digest as _, Sha256};
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use wasmtime::Engine;
use wasmtime::component::{Component, Linker};

use crate::failure::ErrorType;

use self::bindings::AnyPre;
use self::call::State;
pub use self::call::{Call, Cost, Loaded, Reply, Run};
pub use self::grants::{Access, Grants, Mount, Secret};
pub use self::instruments::{Instruments, Profile, Recorded, Share};
pub use self::limits::{Limits, LimitsPatch};
use self::threads::Threads;
pub use self::world::World;

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
            | Self::WrongWorld { .. }
            | Self::Unlinkable(_) => ErrorType::PluginUnavailable,
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

/// Engine, linker, slots and the threads of guests. One for each process.
pub struct Sandbox {
    engine: Engine,
    threads: Threads,
    linker: Linker<State>,
    slots: Arc<Semaphore>,
    count: u32,
    instruments: Instruments,
}

impl Sandbox {
    /// A sandbox for at most `slots` runs at a time.
    ///
    /// # Errors
    /// When the machine cannot reserve the address space, or starts no threads.
    pub fn new(slots: u32) -> Result<Self, SandboxError> {
        Self::with_instruments(slots, Instruments::default())
    }

    /// As [`new`](Self::new), and records of each run what the instruments are for.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn with_instruments(slots: u32, instruments: Instruments) -> Result<Self, SandboxError> {
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
        let engine = self.engine.clone();
        Ok(Loaded::new(engine, pre, inspection, self.instruments))
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
    use std::fmt::Write as _;
    Sha256::digest(bytes)
        .iter()
        .fold(String::with_capacity(64), |mut hex, byte| {
            // Writing to a String does not fail.
            let _ = write!(hex, "{byte:02x}");
            hex
        })
}
