//! `hothouse dlq purge`.

use std::process::ExitCode;

use anyhow::Context as _;
use serde::Serialize;

use super::groups::Groups;
use super::plan::{Part, Plan, letters};
use super::select::{Chosen, Name, Select};
use crate::bus::Bus;
use crate::cli::Global;
use crate::cli::ask::Ask;
use crate::failure::{MAX_MESSAGE, clean};

/// Deletes dead letters and writes down why
///
/// Their events stay finished and never run again. Which letter was deleted, when and why is
/// kept in the stream `{STREAM}:GROUP:purged`, the last 10,000 of a group. Exit code 1 where
/// something that was named is no dead letter, or where the answer to the question was no.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  hothouse dlq purge 1705435260123-0 --reason 'sent by a test'
  hothouse dlq purge --error-type malformed_event --until 30d --reason 'old producer' --yes
  hothouse dlq purge --all --group pr-workers --reason 'the group is given up' --dry-run")]
pub(in crate::cli) struct Args {
    /// Ids of dead letters, or of their events
    #[arg(value_name = "ID")]
    ids: Vec<Name>,

    /// Every dead letter
    #[arg(long)]
    all: bool,

    /// Why, for those who ask later
    #[arg(long, value_name = "TEXT", value_parser = reason)]
    reason: String,

    #[command(flatten)]
    ask: Ask,

    #[command(flatten)]
    groups: Groups,

    #[command(flatten)]
    select: Select,
}

#[derive(Serialize)]
struct Answer {
    /// What was chosen.
    selected: usize,
    parts: Vec<Part>,
    /// Names that no letter has.
    not_found: Vec<String>,
    reason: String,
    /// None where nothing was to be done, or the answer was no.
    #[serde(skip_serializing_if = "Option::is_none")]
    purged: Option<usize>,
}

pub(super) async fn run(args: Args, global: &Global) -> anyhow::Result<ExitCode> {
    let chosen = Chosen::new(args.ids, args.all, args.select)?;
    args.ask.check()?;
    let config = global.load()?;
    let bus = global.shared_bus(&config.bus)?;
    let groups = args.groups.find(&config, &*bus).await?;
    let plan = Plan::new(&chosen, &*bus, groups).await?;
    let purged = match plan.count() {
        0 => None,
        _ if args.ask.dry_run => None,
        count => {
            let question = format!("Delete {} for good?", letters(count));
            match args.ask.confirmed(&plan.preview(), &question)? {
                true => Some(purge(&plan, &*bus, &args.reason).await?),
                false => None,
            }
        }
    };
    let declined = purged.is_none() && plan.count() > 0 && !args.ask.dry_run;
    let answer = Answer {
        selected: plan.count(),
        parts: plan.parts(),
        not_found: plan.missing.iter().map(ToString::to_string).collect(),
        reason: args.reason,
        purged,
    };
    let text = || match answer.purged {
        Some(purged) => format!("purged {}{}", letters(purged), plan.missing_text()),
        None if declined => "nothing was changed".to_owned(),
        None if answer.selected == 0 => format!("no dead letters found{}", plan.missing_text()),
        None => format!("{}{}", plan.preview(), plan.missing_text()),
    };
    global.output().answer(text, &answer)?;
    Ok(match declined || !plan.missing.is_empty() {
        true => ExitCode::FAILURE,
        false => ExitCode::SUCCESS,
    })
}

async fn purge(plan: &Plan, bus: &dyn Bus, reason: &str) -> anyhow::Result<usize> {
    let mut purged = 0;
    for (group, ids) in plan.batches() {
        purged += bus.purge(group, &ids, reason).await.with_context(|| {
            format!(
                "{purged} of {} were purged before; run the same again for the rest",
                plan.count()
            )
        })?;
    }
    Ok(purged)
}

/// A reason that says something, in one line.
fn reason(text: &str) -> Result<String, String> {
    let reason = clean(text, MAX_MESSAGE);
    match reason.is_empty() {
        true => Err("say why".to_owned()),
        false => Ok(reason),
    }
}
