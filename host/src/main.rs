//! The `hothouse` binary.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use hothouse::cli::{Cli, exit_code, report};

fn main() -> ExitCode {
    let cli = Cli::read();
    if let Some(code) = cli.run_alone() {
        return code;
    }
    let json = cli.json();
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
            report(&error, json);
            exit_code(&error)
        }
    };
    // A guest's read of a file that never answers holds a thread for ever: it must not hold
    // the process as well.
    runtime.shutdown_background();
    code
}
