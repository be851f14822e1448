//! `hothouse run`: one event, one plugin, no bus.

mod allow;
mod record;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use chrono::Utc;
use serde::Serialize;
use serde_json::Value;

use self::allow::AllowArgs;
use super::output::{event_json, grouped};
use super::{Global, Usage, compiling};
use crate::bus::{DeadLetter, Delivery, EntryId, Lane, Lease, Verdict};
use crate::config::{PluginConfig, RetryPolicy};
use crate::event::{Event, Fields, decode_json};
use crate::outcome::{Ended, conclude};
use crate::plugin::{Allowed, Manifest, Plugin, SignaturePolicy};
use crate::sandbox::{Access, Cost, Instruments, Limits, LimitsPatch};
use crate::telemetry;

/// Runs one event through one plugin, without a bus, and shows outcome and cost
///
/// The same sandbox and limits as `serve`, one attempt. What the plugin logs goes to standard
/// error. Exit code 1 where the outcome is a failure.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  hothouse run plugins/backend-agent --event event.json
  hothouse run backend-agent --event - --json < event.json
  hothouse run plugins/discovery-analyzer --event discovery.json --repository ./my-repo
  hothouse run ./my-agent --event event.json --env LOG_LEVEL=debug --env API_TOKEN
  hothouse run backend-agent --event event.json --profile profile.folded --coredump core.wasm")]
pub(super) struct Args {
    /// A plugin's directory, or its name in the configuration.
    plugin: String,

    /// A file with the event as JSON; `-` reads standard input.
    #[arg(long, value_name = "FILE")]
    event: PathBuf,

    /// The directory to mount as the event's repository.
    #[arg(long, value_name = "DIR")]
    repository: Option<PathBuf>,

    #[command(flatten)]
    allow: AllowArgs,

    /// Fuel, instead of the limit in force.
    #[arg(long)]
    fuel: Option<u64>,

    /// Where a core dump of the guest goes, if it traps: its stack, globals and memory.
    #[arg(long, value_name = "FILE")]
    coredump: Option<PathBuf>,

    /// Where a profile of the run goes, as folded stacks: where its time went. The run takes
    /// about twice as long where it computes.
    #[arg(long, value_name = "FILE")]
    profile: Option<PathBuf>,
}

#[derive(Serialize)]
struct Answer {
    result: &'static str,
    events: Vec<Value>,
    dead_letter: Option<Box<DeadLetter>>,
    cost: Cost,
    /// The functions that a trapped guest was in, innermost first.
    frames: Vec<String>,
    #[serde(flatten)]
    records: record::Records,
}

pub(super) async fn run(args: Args, global: &Global) -> anyhow::Result<ExitCode> {
    let log = format!("warn,guest=info,{}", compiling::LOG);
    telemetry::init(global.json, Some(&log));
    let event = read_event(&args.event)?;
    let Wanted {
        config,
        limits,
        limits_max,
        signatures,
    } = wanted(&args, global)?;
    let instruments = Instruments {
        coredump: args.coredump.is_some(),
        profile: args.profile.is_some(),
    };
    let cache = global.cache();
    let plugin = tokio::task::spawn_blocking(move || {
        let sandbox = compiling::sandbox(1, instruments, cache.as_deref())?;
        let plugin = Plugin::load(&config, limits, &limits_max, &signatures, &sandbox)?;
        Ok::<_, anyhow::Error>(plugin)
    })
    .await??;
    let kind = event.envelope.event_type;
    if !plugin.manifest.world.takes(kind) {
        bail!(Usage(format!(
            "{} is of world {}, which does not take {kind}",
            plugin.label, plugin.manifest.world
        )));
    }
    let repository = repository(&args, &plugin, &event, global)?;
    let grants = match repository {
        Some((directory, access)) => plugin.grants.with_repository(&directory, access),
        None => plugin.grants.clone(),
    };
    let run = plugin.call(&event, 1, &grants).await;
    let records = record::write(run.recorded, &args)?;
    let completed = run.result.is_ok();
    let failure = run.result.as_ref().err();
    let frames = failure.map_or_else(Vec::new, |failure| failure.frames.clone());
    let no_retries = RetryPolicy {
        delays: Vec::new(),
        ..RetryPolicy::default()
    };
    let commit = conclude(
        Ended {
            group: "run",
            delivery: delivery(),
            is_run: true,
            event,
            plugin: Some(plugin.id.clone()),
            result: run.result,
            cost: Some(run.cost),
            retry: &no_retries,
        },
        Utc::now(),
    )?;
    let Verdict::Done {
        outputs,
        dead_letter,
        stops_lane: _,
    } = commit.verdict
    else {
        bail!("the outcome is not final, though no retry is allowed: a defect of Hothouse");
    };
    let answer = Answer {
        result: if completed { "completed" } else { "failed" },
        events: outputs
            .iter()
            .map(|output| event_json(&output.fields))
            .collect(),
        dead_letter,
        cost: run.cost,
        frames,
        records,
    };
    global.output().answer(|| text(&answer, &plugin), &answer)?;
    Ok(match completed {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

fn read_event(path: &Path) -> anyhow::Result<Event> {
    let bytes = super::publish::read(path)?;
    let text = std::str::from_utf8(&bytes)
        .map_err(|error| Usage(format!("{}: not UTF-8: {error}", path.display())))?;
    let event = decode_json(text)
        .map_err(|error| Usage(format!("{} is no event: {error}", path.display())))?;
    Ok(event)
}

/// Which plugin, and what the operator says of it.
struct Wanted {
    config: PluginConfig,
    limits: Limits,
    limits_max: Limits,
    signatures: SignaturePolicy,
}

/// A directory is used as it is, with what its manifest asks for and whoever signed it; a name
/// is the configuration's.
fn wanted(args: &Args, global: &Global) -> anyhow::Result<Wanted> {
    let directory = Path::new(&args.plugin);
    let mut wanted = if directory.join(Manifest::FILE).is_file() {
        Wanted {
            config: PluginConfig {
                path: directory.to_owned(),
                allow: Allowed {
                    repository: Some(args.allow.access()),
                    ..Allowed::default()
                },
                limits: LimitsPatch::default(),
            },
            limits: Limits::DEFAULT,
            limits_max: Limits::MAXIMUM,
            signatures: SignaturePolicy::default(),
        }
    } else {
        let config = global.load().with_context(|| {
            format!(
                "{:?} is no directory with a {}",
                args.plugin,
                Manifest::FILE
            )
        })?;
        let Some(plugin) = config.plugins.get(&args.plugin) else {
            bail!(Usage(format!(
                "{:?} is neither a directory with a {} nor a plugin of {}",
                args.plugin,
                Manifest::FILE,
                global.config.display()
            )));
        };
        Wanted {
            config: plugin.clone(),
            limits: config.limits,
            limits_max: config.limits_max,
            signatures: config.signatures,
        }
    };
    wanted.config.limits.fuel = args.fuel.or(wanted.config.limits.fuel);
    args.allow.add_to(&mut wanted.config.allow);
    Ok(wanted)
}

/// What is mounted as the event's repository, where the plugin asks for it.
fn repository(
    args: &Args,
    plugin: &Plugin,
    event: &Event,
    global: &Global,
) -> anyhow::Result<Option<(PathBuf, Access)>> {
    let Some(access) = plugin.manifest.needs.repository() else {
        if args.repository.is_some() {
            bail!(Usage(format!(
                "{} does not ask for a repository: its manifest has no `[needs] repository`",
                plugin.label
            )));
        }
        return Ok(None);
    };
    if let Some(directory) = &args.repository {
        let real = directory.canonicalize().map_err(|error| {
            Usage(format!(
                "the repository {} is not there: {error}",
                directory.display()
            ))
        })?;
        return Ok(Some((real, access)));
    }
    let Some(id) = event.payload.repository_id().map_err(Usage::of)? else {
        return Ok(None);
    };
    let config = global.load().map_err(|error| {
        Usage(format!(
            "{} asks for a repository: give --repository DIR ({error})",
            plugin.label
        ))
    })?;
    let found = config
        .repositories
        .find(id)
        .map_err(|failure| Usage(format!("{}; or give --repository DIR", failure.message)))?;
    Ok(Some((found, access)))
}

/// There is no bus: the outcome is made as if the event were the first of a stream.
fn delivery() -> Delivery {
    Delivery {
        lease: Lease {
            entry: EntryId::ZERO,
            lane: Lane::default(),
            fence: 0,
        },
        fields: Fields::default(),
        attempt: 1,
        history: Vec::new(),
    }
}

fn text(answer: &Answer, plugin: &Plugin) -> String {
    let mut lines = Vec::new();
    for event in &answer.events {
        lines.push(serde_json::to_string_pretty(event).unwrap_or_default());
    }
    if let Some(dead_letter) = &answer.dead_letter {
        lines.push(format!(
            "dead letter: {}: {}",
            dead_letter.error_type, dead_letter.error_message
        ));
    }
    for (index, function) in answer.frames.iter().enumerate() {
        lines.push(format!("{index:>4}: {function}"));
    }
    let Cost {
        fuel,
        wall_ms,
        peak_memory_bytes,
        log_lines_dropped,
        ..
    } = answer.cost;
    lines.push(format!(
        "{} by {}: {} fuel of {}, {wall_ms:.1} ms, {} KiB of memory",
        answer.result,
        plugin.label,
        grouped(fuel),
        grouped(plugin.limits.fuel),
        grouped(peak_memory_bytes / 1024),
    ));
    if log_lines_dropped > 0 {
        lines.push(format!(
            "{} log lines were over the limit",
            grouped(log_lines_dropped)
        ));
    }
    lines.extend(answer.records.lines());
    lines.join("\n")
}
