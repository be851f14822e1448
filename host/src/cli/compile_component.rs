//! `hothouse compile-component`: what a host starts to compile a component. Not for people.

use std::process::ExitCode;

use crate::sandbox::{ChildLimits, compile_stdin};

/// Compiles the component on standard input for the host that started this
#[derive(Debug, Clone, Copy, clap::Args)]
pub(super) struct Args {
    /// Address space in bytes.
    #[arg(long)]
    memory_bytes: u64,

    /// Wall-clock time in milliseconds.
    #[arg(long)]
    time_ms: u64,
}

pub(super) fn run(args: Args) -> ExitCode {
    let limits = ChildLimits {
        memory_bytes: args.memory_bytes,
        time_ms: args.time_ms,
    };
    match compile_stdin(limits) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
