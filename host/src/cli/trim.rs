//! `hothouse trim`.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Duration;

use clap::ArgGroup;
use serde::Serialize;

use super::output::{grouped, table};
use super::when::span;
use super::{Global, Usage};
use crate::bus::{TrimBound, Trimmed};
use crate::event::EventType;
use crate::subscriptions;
use crate::trimmer::groups_of;

/// Removes from the streams what every group has acknowledged
///
/// Never an entry that a group on the stream has not read or not finished, be it another
/// program's, and nothing while a group of the configuration does not exist yet. Dead letters
/// stay. Shows what would go and what holds it back; removes it with --yes. Given both bounds,
/// an entry goes where both let it.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  hothouse trim --older-than 7d
  hothouse trim --stream execution-events --keep 100000 --yes
  hothouse trim --older-than 30d --dry-run --json")]
#[command(group = ArgGroup::new("bound").args(["older_than", "keep"]).required(true).multiple(true))]
#[group(skip)]
pub(super) struct Args {
    /// A stream of the contract; all streams of the configuration's routes where none is given.
    #[arg(long, value_name = "STREAM")]
    stream: Vec<String>,

    /// Removes only entries that are older: 90s, 15m, 2h, 7d, 1w.
    #[arg(long, value_name = "AGE", value_parser = span)]
    older_than: Option<Duration>,

    /// Keeps this many of the newest entries of each stream.
    #[arg(long, value_name = "N")]
    keep: Option<u64>,

    /// Only shows what would go, also with --yes.
    #[arg(long)]
    dry_run: bool,

    /// Removes it.
    #[arg(long)]
    yes: bool,
}

#[derive(Serialize)]
struct Answer {
    /// Whether it was removed, or would be.
    done: bool,
    streams: Vec<Stream>,
}

#[derive(Serialize)]
struct Stream {
    stream: &'static str,
    #[serde(flatten)]
    trimmed: Trimmed,
}

pub(super) async fn run(args: Args, global: &Global) -> anyhow::Result<ExitCode> {
    let config = global.load()?;
    let bound = TrimBound {
        older_than: args.older_than,
        keep: args.keep,
    };
    let done = args.yes && !args.dry_run;
    let bus = global.shared_bus(&config.bus)?;
    let mut streams = Vec::new();
    for (stream, groups) in choose(&args.stream, groups_of(&subscriptions(&config)))? {
        streams.push(Stream {
            stream,
            trimmed: bus.trim(stream, &groups, bound, !done).await?,
        });
    }
    let answer = Answer { done, streams };
    global.output().answer(|| text(&answer), &answer)?;
    Ok(ExitCode::SUCCESS)
}

type Groups = BTreeMap<&'static str, Vec<String>>;

/// The streams that were asked for, each with the groups that it must have.
fn choose(names: &[String], mut configured: Groups) -> Result<Groups, Usage> {
    if names.is_empty() {
        return Ok(configured);
    }
    let mut chosen = Groups::new();
    for name in names {
        let known = EventType::STREAMS.into_iter().find(|known| known == name);
        let Some(stream) = known else {
            let known = EventType::STREAMS.join(", ");
            return Err(Usage(format!("{name:?} is not one of {known}")));
        };
        chosen.insert(stream, configured.remove(stream).unwrap_or_default());
    }
    Ok(chosen)
}

fn text(answer: &Answer) -> String {
    let verb = if answer.done { "removed" } else { "would go" };
    let mut rows = vec![
        ["stream", verb, "up to", "held back by"]
            .map(str::to_owned)
            .to_vec(),
    ];
    for Stream { stream, trimmed } in &answer.streams {
        let or_nothing = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
        rows.push(vec![
            (*stream).to_owned(),
            grouped(trimmed.removed),
            or_nothing(trimmed.up_to.map(|id| id.to_string())),
            or_nothing(trimmed.held_back_by.as_ref().map(ToString::to_string)),
        ]);
    }
    let hint = if answer.done {
        ""
    } else {
        "\n\nNothing was removed: --yes removes it."
    };
    table(&rows) + hint
}
