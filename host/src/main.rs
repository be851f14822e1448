//! The `hothouse` binary.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::Parser;
use hothouse::cli::{Cli, exit_code, printable};

fn main() -> ExitCode {
    let cli = Cli::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: cannot start the runtime: {error}");
            return ExitCode::FAILURE;
        }
    };
    let code = match runtime.block_on(cli.run()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {}", printable(&format!("{error:#}")));
            exit_code(&error)
        }
    };
    // A guest's read of a file that never answers holds a thread for ever: it must not hold
    // the process as well.
    runtime.shutdown_background();
    code
}
