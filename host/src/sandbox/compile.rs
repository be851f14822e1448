//! From a component's bytes to what can be linked: out of the cache, or through the compiler,
//! which is a child process under limits of its own.
//!
//! Why a child, and what it does not protect from: `docs/adr/0015-compile-child.md`.

mod cache;
mod child;
mod parent;
mod reply;

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use hothouse_artifact::{Digest, Key, OpenError, open, seal};
use wasmtime::Engine;
use wasmtime::component::Component;

use super::{Candidate, Instruments, LoadError};
use crate::failure::clean;

pub use self::cache::{Cache, CacheError};
pub use self::child::{CompileJob, compile_stdin};

/// What compiles components.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Compiler {
    /// This process, without limits on time and memory: for components that are trusted, as in
    /// tests.
    InProcess,
    /// A child for each component, under its limits.
    Child {
        /// The `hothouse` binary, of the same build as this process.
        program: PathBuf,
    },
}

impl Compiler {
    /// A child of the program that this process runs, which must be `hothouse`. It stays the
    /// same build where the file was replaced meanwhile.
    #[must_use]
    pub fn this_program() -> Self {
        Self::Child {
            program: "/proc/self/exe".into(),
        }
    }
}

/// How far a compile is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress<'a> {
    /// It goes on. Said about ten times in a second.
    Compiling {
        /// The candidate's name.
        name: &'a str,
        /// For how long.
        elapsed: Duration,
    },
    /// It has ended, well or not.
    Ended,
}

type Watch = Box<dyn Fn(Progress<'_>) + Send + Sync>;

/// How a sandbox compiles: by what, kept where, seen by whom.
pub struct Compilation {
    compiler: Compiler,
    cache: Option<Cache>,
    watch: Option<Watch>,
    /// One compile at a time: each takes several cores and as much memory as its limit says.
    turn: Mutex<()>,
}

impl Compilation {
    /// With this compiler, without a cache.
    #[must_use]
    pub fn new(compiler: Compiler) -> Self {
        Self {
            compiler,
            cache: None,
            watch: None,
            turn: Mutex::new(()),
        }
    }

    /// Keeps what it compiles, where there is a cache.
    #[must_use]
    pub fn with_cache(self, cache: Option<Cache>) -> Self {
        Self { cache, ..self }
    }

    /// Tells how far compiles in child processes are, on the thread that waits for them.
    #[must_use]
    pub fn with_watch(self, watch: impl Fn(Progress<'_>) + Send + Sync + 'static) -> Self {
        let watch: Watch = Box::new(watch);
        Self {
            watch: Some(watch),
            ..self
        }
    }

    /// What no guest may reach, without links in its path: who knows the cache's key makes
    /// artifacts of their own.
    pub(super) fn private(&self) -> Option<PathBuf> {
        let directory = self.cache.as_ref()?.directory();
        let real = directory.canonicalize();
        Some(real.unwrap_or_else(|_| directory.to_owned()))
    }

    /// The compiled component. Blocks for as long as a compile takes, at most the candidate's
    /// `compile_ms` once it is its turn.
    pub(super) fn component(
        &self,
        engine: &Engine,
        instruments: Instruments,
        candidate: &Candidate<'_>,
        digest: &Digest,
    ) -> Result<Component, LoadError> {
        candidate.check_size()?;
        if let Some(component) = self.cached(engine, candidate, digest) {
            return Ok(component);
        }
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        // Somebody may have compiled it while this one waited.
        if let Some(component) = self.cached(engine, candidate, digest) {
            return Ok(component);
        }
        let artifact = self.compile(engine, instruments, candidate)?;
        let throwaway;
        let key = match &self.cache {
            Some(cache) => cache.key(),
            None => {
                throwaway = throwaway_key()?;
                &throwaway
            }
        };
        let sealed = seal(engine, key, digest, artifact);
        let component = open(engine, key, digest, &sealed).map_err(|error| match error {
            // It was compiled for this engine: what it is refused for is its size in the pool.
            OpenError::Refused(error) => LoadError::TooLarge(clean(&format!("{error:#}"), 300)),
            OpenError::NotAuthentic => LoadError::CompilerFailed(error.to_string()),
        })?;
        if let Some(cache) = &self.cache {
            cache.put(engine, digest, &sealed);
        }
        Ok(component)
    }

    fn cached(
        &self,
        engine: &Engine,
        candidate: &Candidate<'_>,
        digest: &Digest,
    ) -> Option<Component> {
        let component = self.cache.as_ref()?.get(engine, digest)?;
        tracing::debug!(component = candidate.name, "compiled before");
        Some(component)
    }

    fn compile(
        &self,
        engine: &Engine,
        instruments: Instruments,
        candidate: &Candidate<'_>,
    ) -> Result<Vec<u8>, LoadError> {
        let begin = Instant::now();
        let compiled = match &self.compiler {
            Compiler::InProcess => engine
                .precompile_component(candidate.bytes)
                .map_err(|error| LoadError::not_a_component(&format!("{error:#}"))),
            Compiler::Child { program } => {
                let watch = self.watch.as_ref();
                let tell = |progress: Progress<'_>| watch.iter().for_each(|watch| watch(progress));
                let compiled = parent::compile(program, instruments, candidate, &tell);
                tell(Progress::Ended);
                compiled
            }
        };
        let artifact = compiled?;
        let limit = candidate.limits.artifact_bytes;
        if artifact.len() > limit {
            return Err(LoadError::ArtifactTooLarge { limit });
        }
        tracing::debug!(
            component = candidate.name,
            bytes = artifact.len(),
            ms = begin.elapsed().as_millis(),
            "compiled"
        );
        Ok(artifact)
    }
}

impl fmt::Debug for Compilation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Compilation")
            .field("compiler", &self.compiler)
            .field("cache", &self.cache)
            .finish_non_exhaustive()
    }
}

/// Where nothing is kept, a key is needed for one compile alone.
fn throwaway_key() -> Result<Key, LoadError> {
    random_bytes()
        .map(Key::new)
        .map_err(|error| LoadError::CompilerFailed(format!("no random numbers: {error}")))
}

fn random_bytes() -> io::Result<[u8; 32]> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)?;
    Ok(bytes)
}
