//! `hothouse demo`: the main job from end to end, on a bus in memory.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::sync::watch;

use super::timeline::Timeline;
use super::{Global, Usage, serve};
use crate::bus::{Bus, Subscription, connect};
use crate::config::Config;
use crate::event::{Event, decode_json, encode};
use crate::{consumer_name, subscriptions, telemetry};

/// How long the events may take. Far more than they need, for slow machines.
const PATIENCE: Duration = Duration::from_secs(120);

/// Runs the sample events through the sample plugins and shows what happened
///
/// Everything is real but the bus, which is in memory unless --bus names another: the plugins,
/// the sandbox, the repository that the analyzer reads. One event's handler fails, one runs out
/// of fuel. Reads DIR/hothouse.toml, not --config.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  cargo xtask demo               builds the plugins first
  hothouse demo --json
  hothouse demo --bus redis://127.0.0.1:6379
  HOTHOUSE_LOG=info hothouse demo")]
pub(super) struct Args {
    /// A directory with hothouse.toml and events/*.json.
    #[arg(long, default_value = "demo", value_name = "DIR")]
    dir: PathBuf,
}

pub(super) async fn run(args: Args, global: &Global) -> anyhow::Result<ExitCode> {
    telemetry::init(global.json, Some("error"));
    let path = args.dir.join("hothouse.toml");
    if !path.is_file() {
        bail!(Usage(format!(
            "there is no {}: run it at the root of Hothouse's repository, or give --dir",
            path.display()
        )));
    }
    let config = Config::load(&path, global.bus.as_deref())?;
    let events = sample_events(&args)?;
    let (sandbox, plugins) = serve::prepare(&config).await?;
    for (name, slot) in plugins.iter() {
        if let Err(failure) = slot {
            bail!(
                "plugin {name} is not ready: {}; `cargo xtask plugins` builds them",
                failure.message
            );
        }
    }
    let bus = connect(&config.bus, &consumer_name(&config))?;
    for event in &events {
        let entry = encode(&event.envelope, &event.data);
        bus.publish(event.envelope.event_type.stream(), vec![entry])
            .await?;
    }

    let (stopper, stop) = watch::channel(false);
    let subscriptions = subscriptions(&config);
    let host = crate::run(&config, Arc::clone(&bus), sandbox, plugins, stop);
    let settled = async {
        let settled = tokio::time::timeout(PATIENCE, settle(&*bus, &subscriptions)).await;
        stopper.send_replace(true);
        settled
    };
    let (ran, settled) = tokio::join!(host, settled);
    ran?;
    settled.context("the events were not handled in time")??;

    let timeline = Timeline::read(&*bus, &events, &subscriptions).await?;
    global.output().answer(|| timeline.text(), &timeline)?;
    Ok(ExitCode::SUCCESS)
}

/// The events of the files, in the order of their names.
fn sample_events(args: &Args) -> anyhow::Result<Vec<Event>> {
    let folder = args.dir.join("events");
    let entries = std::fs::read_dir(&folder)
        .map_err(|error| Usage(format!("cannot read {}: {error}", folder.display())))?;
    let mut paths = entries
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<Vec<_>, _>>()?;
    paths.retain(|path| {
        path.extension()
            .is_some_and(|extension| extension == "json")
    });
    paths.sort();
    paths
        .iter()
        .map(|path| {
            let text = std::fs::read_to_string(path)
                .with_context(|| format!("cannot read {}", path.display()))?;
            decode_json(&text).with_context(|| format!("{} is no event", path.display()))
        })
        .collect()
}

/// Waits until no group has anything left to read or to finish.
async fn settle(bus: &dyn Bus, subscriptions: &[Subscription]) -> anyhow::Result<()> {
    loop {
        let mut busy = false;
        for subscription in subscriptions {
            let status = bus.status(subscription.stream, &subscription.group).await?;
            busy |= !status.exists || status.lag != Some(0) || status.pending > 0;
        }
        if !busy {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
