//! The command line: one file for each verb.
#![allow(clippy::print_stdout)] // Standard output is what this room is for.

mod ask;
mod compile_component;
mod compiling;
mod config;
mod demo;
mod dlq;
mod doctor;
mod explain;
mod filter;
mod lane;
mod output;
mod plugin;
mod publish;
mod replay;
mod run;
mod serve;
mod status;
mod target;
mod timeline;
mod trim;
mod when;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::{Arc, LazyLock};

use anyhow::bail;
use clap::{Parser, Subcommand};

use crate::bus::{self, Bus, BusError, BusUrl};
use crate::config::{Config, ConfigError};
use crate::plugin::ManifestError;
use crate::sandbox::WASMTIME_VERSION;
use crate::{RunError, consumer_name};

use self::output::Output;
pub use self::output::report;

const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  done, and the answer is no: the event failed, the input was refused, a check found something
  2  the command line or the configuration is wrong
  3  the bus cannot be reached or used

Environment:
  HOTHOUSE_CONFIG, HOTHOUSE_BUS  as --config and --bus
  HOTHOUSE_LOG                   what is logged, for example `debug` or `hothouse=info,guest=off`";

/// What runs guests is named too: its security releases are announced by its version.
static VERSION: LazyLock<String> = LazyLock::new(|| {
    let ours = env!("CARGO_PKG_VERSION");
    format!("{ours} (wasmtime {WASMTIME_VERSION})")
});

/// Runs agent handlers that nobody has to trust, each event in a fresh WebAssembly sandbox.
#[derive(Debug, Parser)]
#[command(name = "hothouse", version = VERSION.as_str(), after_help = EXIT_CODES)]
pub struct Cli {
    #[command(subcommand)]
    verb: Verb,

    #[command(flatten)]
    global: Global,
}

/// Among the options: behind those of the verb.
const LAST: usize = 100;

#[derive(Debug, clap::Args)]
struct Global {
    /// The configuration's file.
    #[arg(
        long,
        global = true,
        display_order = LAST,
        env = "HOTHOUSE_CONFIG",
        default_value = "hothouse.toml"
    )]
    config: PathBuf,

    /// The bus, instead of the configuration's: redis://HOST:PORT (rediss:// for TLS,
    /// redis+cluster:// for a cluster), sqlite:PATH or memory:
    // The help would show the environment's value, which may hold a password.
    #[arg(
        long,
        global = true,
        display_order = LAST,
        env = "HOTHOUSE_BUS",
        hide_env_values = true,
        value_name = "URL"
    )]
    bus: Option<String>,

    /// Prints JSON (and logs JSON lines).
    #[arg(long, global = true, display_order = LAST)]
    json: bool,
}

// A variant with a text of its own would hide the longer one of its arguments from --help.
#[derive(Debug, Subcommand)]
enum Verb {
    Serve(serve::Args),
    Run(run::Args),
    Publish(publish::Args),
    /// Looks at plugins
    #[command(subcommand)]
    Plugin(plugin::Verb),
    /// Looks at lanes that are busy, and lets them go on
    #[command(subcommand)]
    Lane(lane::Verb),
    /// Looks at dead letters, runs them again, deletes them
    #[command(subcommand)]
    Dlq(dlq::Verb),
    Replay(replay::Args),
    Status(status::Args),
    Trim(trim::Args),
    /// Looks at the configuration
    #[command(subcommand)]
    Config(config::Verb),
    Doctor(doctor::Args),
    Explain(explain::Args),
    Demo(demo::Args),
    #[command(hide = true)]
    CompileComponent(compile_component::Args),
}

impl Cli {
    /// Reads the command line. Where it is wrong, or asks for help alone, that is printed and
    /// the process ends.
    #[must_use]
    pub fn read() -> Self {
        Self::try_parse().unwrap_or_else(|error| {
            // What was not read cannot say whether it asks for JSON.
            let json = std::env::args_os().any(|argument| argument == "--json");
            if json && error.use_stderr() {
                let text = error.to_string();
                let text = match text.strip_prefix("error: ") {
                    Some(text) => text.split("\n\n").next().unwrap_or(text),
                    None => &text,
                };
                report(&Usage::of(text).into(), json);
                std::process::exit(error.exit_code());
            }
            error.exit()
        })
    }

    /// Whether answers and errors are to be JSON.
    #[must_use]
    pub fn json(&self) -> bool {
        self.global.json
    }

    /// Runs the verb that must have its process for itself, if it is this one: without a
    /// runtime and its threads.
    #[must_use]
    pub fn run_alone(&self) -> Option<ExitCode> {
        if let Verb::CompileComponent(args) = self.verb {
            return Some(compile_component::run(args));
        }
        None
    }

    /// Runs the verb.
    ///
    /// # Errors
    /// What stopped it; [`exit_code`] tells the code.
    pub async fn run(self) -> anyhow::Result<ExitCode> {
        let global = self.global;
        match self.verb {
            Verb::Serve(args) => serve::run(args, &global).await,
            Verb::Run(args) => run::run(args, &global).await,
            Verb::Publish(args) => publish::run(args, &global).await,
            Verb::Plugin(verb) => plugin::run(verb, &global).await,
            Verb::Lane(verb) => lane::run(verb, &global).await,
            Verb::Dlq(verb) => dlq::run(verb, &global).await,
            Verb::Replay(args) => replay::run(args, &global).await,
            Verb::Status(args) => status::run(args, &global).await,
            Verb::Trim(args) => trim::run(args, &global).await,
            Verb::Config(verb) => config::run(verb, &global).await,
            Verb::Explain(args) => explain::run(args, &global).await,
            Verb::Doctor(args) => doctor::run(args, &global).await,
            Verb::Demo(args) => demo::run(args, &global).await,
            Verb::CompileComponent(args) => Ok(compile_component::run(args)),
        }
    }
}

impl Global {
    fn output(&self) -> Output {
        Output { json: self.json }
    }

    fn load(&self) -> Result<Config, ConfigError> {
        Config::load(&self.config, self.bus.as_deref())
    }

    /// The configuration's cache of compiled components. Without a configuration there is none:
    /// nothing is to be left in a directory of anybody's.
    fn cache(&self) -> Option<PathBuf> {
        self.load().ok()?.host.cache
    }

    /// The bus's URL, without the rest of the configuration where --bus says it.
    fn bus_url(&self) -> anyhow::Result<BusUrl> {
        match &self.bus {
            Some(url) => Ok(url.parse().map_err(Usage::of)?),
            None => Ok(self.load()?.bus),
        }
    }

    /// A bus that another process uses too.
    fn shared_bus(&self, url: &BusUrl) -> anyhow::Result<Arc<dyn Bus>> {
        if *url == BusUrl::Memory {
            bail!(Usage(
                "memory: is another process's own: give --bus redis://HOST:PORT or sqlite:PATH"
                    .to_owned()
            ));
        }
        let consumer = format!("cli-{}", std::process::id());
        Ok(bus::connect(url, &consumer)?)
    }
}

/// The caller asked for what cannot be.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Usage(String);

impl Usage {
    fn of(error: impl std::fmt::Display) -> Self {
        Self(error.to_string())
    }
}

/// The exit code of an error: see `hothouse --help`.
#[must_use]
pub fn exit_code(error: &anyhow::Error) -> ExitCode {
    if error.is::<Usage>() || error.is::<ConfigError>() || error.is::<ManifestError>() {
        return ExitCode::from(2);
    }
    let run = error.downcast_ref::<RunError>();
    if matches!(run, Some(RunError::Bus(BusError::RoutesDiffer { .. }))) {
        return ExitCode::from(2);
    }
    if error.is::<BusError>() || matches!(run, Some(RunError::Bus(_))) {
        return ExitCode::from(3);
    }
    ExitCode::FAILURE
}
