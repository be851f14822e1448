//! Dry runs, and their report.

use std::process::ExitCode;
use std::sync::Arc;

use serde::Serialize;
use serde_json::Value;

use super::progress::Progress;
use super::{Args, events, request};
use crate::bus::{DeadLetter, Subscription};
use crate::cli::output::event_json;
use crate::cli::{Global, serve};
use crate::config::Config;
use crate::event::EventType;
use crate::failure::clean;
use crate::pipeline::Pipeline;
use crate::plugin::PluginId;
use crate::replay::{Difference, DryRun, Finding, Rehearsals, Rehearsed, Side};
use crate::router::Router;
use crate::telemetry;

/// Longest text of a value in a line.
const MAX_VALUE: usize = 80;

#[derive(Serialize)]
struct Answer {
    stream: &'static str,
    group: String,
    same: usize,
    different: usize,
    not_recorded: usize,
    unreadable: u64,
    events: Vec<Line>,
}

#[derive(Serialize)]
struct Line {
    entry_id: String,
    event_id: String,
    #[serde(rename = "type")]
    event_type: EventType,
    finding: Finding,
    plugin: Option<String>,
    attempt: u32,
    differences: Vec<Difference>,
    recorded: Outcome,
    now: Outcome,
}

#[derive(Serialize)]
struct Outcome {
    events: Vec<Value>,
    dead_letter: Option<Box<DeadLetter>>,
    cost: Option<Value>,
}

pub(super) async fn run(args: &Args, global: &Global) -> anyhow::Result<ExitCode> {
    telemetry::init(global.json, Some("error,guest=off"));
    let config = serve::load(global)?;
    let subscription = request::subscription(args, &config)?;
    let bus = global.shared_bus(&config.bus)?;
    let last = bus.last_id(subscription.stream).await?;
    let selection = request::selection(args, &subscription, last)?;
    if let Some(to) = &args.to {
        request::check_target(to, &selection.types, &config)?;
    }
    let (sandbox, plugins) = serve::prepare(&config).await?;
    let dry_run = Arc::new(DryRun {
        bus,
        pipeline: Pipeline {
            router: Router::new(&subscription.group, &config.routes),
            group: subscription.group.clone(),
            plugins,
            repositories: Arc::new(config.repositories.clone()),
        },
        sandbox,
        stream: subscription.stream,
        to: args.to.clone(),
        strict: args.strict,
        jobs: jobs(args, &config),
    });
    let mut progress = None;
    let tell = |done, all| {
        let progress = progress.get_or_insert_with(|| Progress::new(all, global.json));
        progress.at(done);
    };
    let rehearsals = dry_run.run(&selection, args.limit, tell).await;
    if let Some(progress) = progress {
        progress.end();
    }
    let answer = Answer::of(&subscription, rehearsals?);
    global.output().answer(|| answer.text(), &answer)?;
    Ok(match answer.different + answer.not_recorded {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    })
}

fn jobs(args: &Args, config: &Config) -> usize {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let slots = config.host.slots as usize;
    args.jobs.map_or(cores, |jobs| jobs as usize).min(slots)
}

impl Answer {
    fn of(subscription: &Subscription, rehearsals: Rehearsals) -> Self {
        let events: Vec<Line> = rehearsals.events.into_iter().map(Line::of).collect();
        let found = |finding| events.iter().filter(|line| line.finding == finding).count();
        Self {
            stream: subscription.stream,
            group: subscription.group.clone(),
            same: found(Finding::Same),
            different: found(Finding::Different),
            not_recorded: found(Finding::NotRecorded),
            unreadable: rehearsals.unreadable,
            events,
        }
    }

    fn text(&self) -> String {
        let mut lines: Vec<String> = self.events.iter().map(Line::text).collect();
        if !lines.is_empty() {
            lines.push(String::new());
        }
        lines.push(format!(
            "{} of {} on {} run again: {} the same, {} different, {} without a recorded outcome",
            events(self.events.len() as u64),
            self.group,
            self.stream,
            self.same,
            self.different,
            self.not_recorded
        ));
        if self.unreadable > 0 {
            lines.push(format!(
                "{} entries are no events of the contract and were left out",
                self.unreadable
            ));
        }
        lines.join("\n")
    }
}

impl Line {
    fn of(run: Rehearsed) -> Self {
        Self {
            entry_id: run.entry.to_string(),
            event_id: run.event_id.to_string(),
            event_type: run.event_type,
            finding: run.comparison.finding,
            plugin: run.plugin.as_ref().map(PluginId::label),
            attempt: run.attempt,
            differences: run.comparison.differences,
            recorded: Outcome::of(run.recorded),
            now: Outcome::of(run.now),
        }
    }

    fn text(&self) -> String {
        let finding = match self.finding {
            Finding::Same => "same",
            Finding::Different => "different",
            Finding::NotRecorded => "not recorded",
        };
        let mut text = format!(
            "{finding:<12}  {}  {}  {}  by {}{}",
            self.entry_id,
            self.event_type,
            self.event_id,
            self.plugin.as_deref().unwrap_or("no plugin"),
            self.cost()
        );
        for difference in &self.differences {
            let side = |value: &Option<Value>| match value {
                Some(value) => clean(&value.to_string(), MAX_VALUE),
                None => "nothing".to_owned(),
            };
            text.push_str(&format!(
                "\n    {}: {} -> {}",
                difference.path,
                side(&difference.recorded),
                side(&difference.now)
            ));
        }
        text
    }

    /// Fuel and tokens, where they changed.
    fn cost(&self) -> String {
        let (Some(recorded), Some(now)) = (&self.recorded.cost, &self.now.cost) else {
            return String::new();
        };
        let mut changed = String::new();
        for name in ["fuel", "token_usage"] {
            let (recorded, now) = (&recorded[name], &now[name]);
            if recorded != now {
                changed.push_str(&format!(", {name} {recorded} -> {now}"));
            }
        }
        changed
    }
}

impl Outcome {
    fn of(side: Side) -> Self {
        Self {
            cost: side.cost(),
            events: side.events.iter().map(event_json).collect(),
            dead_letter: side.letter,
        }
    }
}
