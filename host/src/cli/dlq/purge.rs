//! `hothouse dlq purge`.

use std::process::ExitCode;

use anyhow::Context as _;
use serde::Serialize;

use super::plan::{Plan, Selected, Which, letters};
use crate::bus::Bus;
use crate::cli::Global;
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
    /// Why, for those who ask later
    #[arg(long, value_name = "TEXT", value_parser = reason)]
    reason: String,

    #[command(flatten)]
    which: Which,
}

#[derive(Serialize)]
struct Answer {
    #[serde(flatten)]
    selected: Selected,
    reason: String,
    /// None where nothing was to be done, or the answer was no.
    #[serde(skip_serializing_if = "Option::is_none")]
    purged: Option<usize>,
}

pub(super) async fn run(args: Args, global: &Global) -> anyhow::Result<ExitCode> {
    let config = global.load()?;
    let bus = global.shared_bus(&config.bus)?;
    let plan = args.which.plan(&config, &*bus).await?;
    let question = format!("Delete {} for good?", letters(plan.count()));
    let purged = match plan.confirmed(&question)? {
        true => Some(purge(&plan, &*bus, &args.reason).await?),
        false => None,
    };
    let answer = Answer {
        selected: plan.selected(),
        reason: args.reason,
        purged,
    };
    let text = || match answer.purged {
        Some(purged) => format!("purged {}{}", letters(purged), plan.missing_text()),
        None => plan.undone_text(),
    };
    global.output().answer(text, &answer)?;
    Ok(match plan.is_met(answer.purged.is_some()) {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
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
