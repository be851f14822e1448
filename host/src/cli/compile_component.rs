//! `hothouse compile-component`: what a host starts to compile a component. Not for people.

use std::process::ExitCode;

use crate::sandbox::{CompileJob, Instruments, compile_stdin};

/// Compiles the component on standard input for the host that started this
#[derive(Debug, Clone, Copy, clap::Args)]
pub(super) struct Args {
    /// Address space in bytes.
    #[arg(long)]
    memory_bytes: u64,

    /// Wall-clock time in milliseconds.
    #[arg(long)]
    time_ms: u64,

    /// Code that notices samples.
    #[arg(long)]
    profile: bool,

    /// Code whose traps leave a core dump.
    #[arg(long)]
    coredump: bool,
}

pub(super) fn run(args: Args) -> ExitCode {
    compile_stdin(CompileJob {
        instruments: Instruments {
            profile: args.profile,
            coredump: args.coredump,
        },
        memory_bytes: args.memory_bytes,
        time_ms: args.time_ms,
    })
}
