//! `hothouse serve`: one host.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use super::{Global, compiling, consumer_name};
use crate::bus::{self, BusUrl};
use crate::config::{Config, ConfigError};
use crate::plugin::Registry;
use crate::sandbox::{Instruments, Sandbox};
use crate::telemetry;

/// Consumes events and commits their outcomes until it is told to stop
///
/// Reads ./hothouse.toml. SIGTERM or Ctrl-C stops it in good order: runs in hand end or their
/// events go back to the bus, and the exit code is 0. A second signal stops it at once.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  hothouse serve
  hothouse serve --bus redis://127.0.0.1:6379
  HOTHOUSE_LOG=warn hothouse serve --config /etc/hothouse.toml --json")]
pub(super) struct Args {}

pub(super) async fn run(_args: Args, global: &Global) -> anyhow::Result<ExitCode> {
    telemetry::init(global.json, None);
    let config = load(global)?;
    if config.bus == BusUrl::Memory {
        tracing::warn!("memory: is this process's own: nobody else can publish to it");
    }
    let stop = stop_on_signal()?;
    let mut stopped = stop.clone();
    let (sandbox, plugins) = tokio::select! {
        prepared = prepare(&config) => prepared?,
        // Compilers end with this process.
        _ = stopped.wait_for(|stop| *stop) => {
            tracing::info!("stopped while plugins were compiled");
            return Ok(ExitCode::SUCCESS);
        }
    };
    let bus = bus::connect(&config.bus, &consumer_name(&config))?;
    let groups = config.group_names().join(", ");
    tracing::info!(bus = %config.bus, host = config.host.name, groups, "serving");
    crate::run(&config, bus, sandbox, plugins, stop).await?;
    tracing::info!("stopped");
    Ok(ExitCode::SUCCESS)
}

/// The configuration, with routes that their plugins can take.
pub(super) fn load(global: &Global) -> Result<Config, ConfigError> {
    let config = global.load()?;
    let problems = Registry::check_routes(&config);
    if problems.is_empty() {
        return Ok(config);
    }
    Err(ConfigError::Invalid {
        path: global.config.clone(),
        problems,
    })
}

/// The sandbox, and the plugins in it. Compiles, so it runs off the runtime's own threads.
pub(super) async fn prepare(config: &Config) -> anyhow::Result<(Arc<Sandbox>, Arc<Registry>)> {
    let config = config.clone();
    tokio::task::spawn_blocking(move || {
        let sandbox = compiling::sandbox(
            config.host.slots,
            Instruments::default(),
            config.host.cache.as_deref(),
        )?;
        let plugins = Registry::load(&config, &sandbox);
        Ok((Arc::new(sandbox), Arc::new(plugins)))
    })
    .await?
}

/// Turns true at the first SIGTERM or Ctrl-C. A second one ends the process at once: what is
/// in hand is free when the lease ends.
pub(super) fn stop_on_signal() -> anyhow::Result<watch::Receiver<bool>> {
    let mut term = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for Ctrl-C")?;
    let (stopper, stop) = watch::channel(false);
    // Ends with the runtime; it owns nothing but the signals.
    tokio::spawn(async move {
        for second in [false, true] {
            tokio::select! {
                _ = term.recv() => {}
                _ = interrupt.recv() => {}
            }
            if second {
                tracing::warn!("stopped at the second signal, with runs in hand");
                std::process::exit(1);
            }
            stopper.send_replace(true);
        }
    });
    Ok(stop)
}
