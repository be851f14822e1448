//! `hothouse dlq show`.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::process::ExitCode;

use chrono::{DateTime, SecondsFormat, Utc};
use serde::Serialize;
use serde_json::Value;

use super::groups::Groups;
use super::letter::Letter;
use super::select::{Chosen, Name};
use crate::bus::DeadLetter;
use crate::cli::Global;
use crate::cli::output::{event_json, table};

/// Shows one dead letter: its whole event and the error of every attempt
///
/// An event_id may have one in several groups: all are shown. Exit code 1 where there is none.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  hothouse dlq show 1705435260123-0
  hothouse dlq show 3fa85f64-5717-4562-b3fc-2c963f66afa6 --json")]
pub(in crate::cli) struct Args {
    /// The dead letter's id, or its event's
    id: Name,

    #[command(flatten)]
    groups: Groups,
}

#[derive(Serialize)]
struct Shown {
    id: String,
    stream: &'static str,
    group: String,
    /// The entry as it stood on its stream.
    event: Value,
    dead_letter: Option<DeadLetter>,
}

pub(super) async fn run(args: Args, global: &Global) -> anyhow::Result<ExitCode> {
    let config = global.load()?;
    let bus = global.shared_bus(&config.bus)?;
    let groups = args.groups.find(&config, &*bus).await?;
    let mut shown = Vec::new();
    let visit = |letter: Letter| {
        shown.push(Shown {
            id: letter.id().to_string(),
            stream: letter.stream,
            event: event_json(&letter.original()),
            group: letter.group,
            dead_letter: letter.said,
        });
        ControlFlow::Continue(())
    };
    Chosen::Named(BTreeSet::from([args.id]))
        .visit(&*bus, &groups, visit)
        .await?;
    let text = || match shown.is_empty() {
        true => format!("there is no dead letter {}", args.id),
        false => shown.iter().map(text).collect::<Vec<_>>().join("\n\n"),
    };
    global.output().answer(text, &shown)?;
    Ok(match shown.is_empty() {
        true => ExitCode::FAILURE,
        false => ExitCode::SUCCESS,
    })
}

fn text(shown: &Shown) -> String {
    let Shown {
        id,
        stream,
        group,
        event,
        dead_letter,
    } = shown;
    let mut parts = vec![format!("dead letter {id} of {group} on {stream}")];
    match dead_letter {
        None => parts.push("  what the host said of it cannot be read".to_owned()),
        Some(said) => parts.push(reason(said)),
    }
    let event = serde_json::to_string_pretty(event).unwrap_or_else(|_| event.to_string());
    parts.push(format!("event:\n{event}"));
    parts.push(format!(
        "to run it again: hothouse dlq requeue {id} --group {group}"
    ));
    parts.join("\n\n")
}

fn reason(said: &DeadLetter) -> String {
    let row = |name: &str, value: String| vec![format!("  {name}"), value];
    let runs = match said.attempts {
        1 => "1 run".to_owned(),
        runs => format!("{runs} runs"),
    };
    let mut rows = vec![
        row("error", format!("{} after {runs}", said.error_type)),
        row("message", said.error_message.clone()),
        row(
            "plugin",
            said.plugin.clone().unwrap_or_else(|| "none".to_owned()),
        ),
    ];
    if let Some(digest) = &said.digest {
        rows.push(row("digest", format!("sha256:{digest}")));
    }
    rows.push(row("entry", said.entry_id.clone()));
    rows.push(row("first end", time(said.first_at)));
    rows.push(row("last end", time(said.last_at)));
    let titles = ["  run", "ended", "error", "plugin", "message"];
    let mut history = vec![titles.map(str::to_owned).to_vec()];
    for attempt in &said.history {
        history.push(vec![
            format!("  {}", attempt.attempt),
            time(attempt.at),
            attempt.error_type.to_string(),
            attempt.plugin.clone().unwrap_or_else(|| "-".to_owned()),
            attempt.error_message.clone(),
        ]);
    }
    format!("{}\n\n{}", table(&rows), table(&history))
}

fn time(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}
