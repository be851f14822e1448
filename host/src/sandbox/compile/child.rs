//! The child's side: a process that reads one component, compiles it and ends.
//!
//! It gives up whatever a compiler has no use for before it reads the first byte.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::num::NonZero;
use std::panic;
use std::process::ExitCode;
use std::thread::available_parallelism;

use rustix::process::{
    Resource, Rlimit, Signal, getrlimit, set_parent_process_death_signal, setrlimit,
};
use rustix::thread::set_no_new_privs;
use wasmtime::OutOfMemory;

use super::super::{Instruments, engine};
use super::reply::{OUT_OF_MEMORY, Reply};

/// Threads that a compile takes at most. Each one reserves address space.
const MAX_THREADS: usize = 4;

/// What a compile is for, and what it may take.
#[derive(Debug, Clone, Copy)]
pub struct CompileJob {
    /// What its code is to record.
    pub instruments: Instruments,
    /// Address space in bytes.
    pub memory_bytes: u64,
    /// Wall-clock time in milliseconds. The parent holds to it; here it bounds the processor
    /// time of all threads together, should the parent be gone.
    pub time_ms: u64,
}

/// Where so much cannot be had, in bytes, a failure was for want of memory.
const PROBE: usize = 16 << 20;

/// Compiles the component on standard input and answers on standard output; what goes wrong
/// goes to standard error, and the process is to end with the code. To be called by a process
/// that does nothing else, and has no other threads: it loses most of its rights.
#[must_use]
pub fn compile_stdin(job: CompileJob) -> ExitCode {
    panic::set_hook(Box::new(|panic| {
        // The parent may have heard enough: that is no reason to panic again.
        let _ = writeln!(io::stderr(), "{panic}");
        // Cranelift panics where it is denied memory. Here, before the stack unwinds, what it
        // holds is still held.
        if memory_is_gone() {
            std::process::exit(OUT_OF_MEMORY.into());
        }
    }));
    match compile(job) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "{error}");
            match error.kind() == ErrorKind::OutOfMemory || memory_is_gone() {
                true => ExitCode::from(OUT_OF_MEMORY),
                false => ExitCode::FAILURE,
            }
        }
    }
}

fn memory_is_gone() -> bool {
    Vec::<u8>::new().try_reserve_exact(PROBE).is_err()
}

fn compile(job: CompileJob) -> io::Result<()> {
    let threads = available_parallelism().map_or(1, NonZero::get);
    let threads = threads.min(MAX_THREADS);
    confine(job, threads)?;
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build_global()
        .map_err(io::Error::other)?;
    let engine = engine::compiling(job.instruments).map_err(io::Error::other)?;
    // The threads run and the engine is there: no more threads, no files, no sockets.
    lower(Resource::Nproc, 0)?;
    lower(Resource::Nofile, 0)?;

    let mut bytes = Vec::new();
    io::stdin().lock().read_to_end(&mut bytes)?;
    let reply = match engine.precompile_component(&bytes) {
        Ok(artifact) => Reply::Artifact(artifact),
        Err(error) if error.is::<OutOfMemory>() => return Err(ErrorKind::OutOfMemory.into()),
        Err(error) => Reply::Refused(format!("{error:#}")),
    };
    reply.write(&mut io::stdout().lock())
}

fn confine(job: CompileJob, threads: usize) -> io::Result<()> {
    // A parent that is killed cannot kill.
    set_parent_process_death_signal(Some(Signal::KILL))?;
    set_no_new_privs(true)?;
    // Where the machine runs out of memory, this process goes and not the host. Without /proc
    // that is left to the kernel.
    let _ = std::fs::write("/proc/self/oom_score_adj", "1000");
    lower(Resource::Core, 0)?;
    lower(Resource::Fsize, 0)?;
    let seconds = job.time_ms.div_ceil(1000).saturating_add(1);
    lower(Resource::Cpu, seconds.saturating_mul(threads as u64))?;
    lower(Resource::As, job.memory_bytes)
}

/// Sets a limit that nobody raises again. One that is lower already stays.
fn lower(resource: Resource, most: u64) -> io::Result<()> {
    let most = match getrlimit(resource).maximum {
        Some(now) => most.min(now),
        None => most,
    };
    let limit = Rlimit {
        current: Some(most),
        maximum: Some(most),
    };
    Ok(setrlimit(resource, limit)?)
}
