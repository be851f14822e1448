//! `hothouse dlq requeue`.

use std::process::ExitCode;

use anyhow::{Context as _, bail};
use serde::Serialize;

use super::plan::{Plan, Selected, Which, letters};
use crate::bus::{Bus, Requeued};
use crate::cli::{Global, Usage, target};
use crate::event::PluginRef;
use crate::plugin::Manifest;

/// Refusals that are told of one by one.
const MOST_REFUSALS: usize = 20;

/// Runs dead letters again
///
/// Each event goes to the end of its lane, for its own group alone and once, however often it
/// is requeued. Exit code 1 where something that was named is no dead letter, where one was
/// refused, or where the answer to the question was no.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  hothouse dlq requeue 1705435260123-0
  hothouse dlq requeue --error-type timeout --since 2h --dry-run
  hothouse dlq requeue --all --group agent-workers --to backend-agent@1.2.1 --yes")]
pub(in crate::cli) struct Args {
    /// The plugin that is to take them, whatever their routes say. It must be in the
    /// configuration; a host that has not loaded this version fails them (plugin_unavailable)
    #[arg(long, value_name = "NAME@VERSION")]
    to: Option<PluginRef>,

    #[command(flatten)]
    which: Which,
}

#[derive(Serialize)]
struct Answer {
    #[serde(flatten)]
    selected: Selected,
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<PluginRef>,
    /// Nothing was to be done, or the answer was no, where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    done: Option<Done>,
}

#[derive(Default, Serialize)]
struct Done {
    requeued: usize,
    /// Were there when they were chosen, and requeued or purged by another since.
    gone: usize,
    refused: Vec<Refusal>,
}

#[derive(Serialize)]
struct Refusal {
    id: String,
    stream: &'static str,
    group: String,
    reason: String,
}

pub(super) async fn run(args: Args, global: &Global) -> anyhow::Result<ExitCode> {
    let config = global.load()?;
    let to = args.to.as_ref();
    let target = to.map(|to| target::find(to, &config)).transpose()?;
    let bus = global.shared_bus(&config.bus)?;
    let plan = args.which.plan(&config, &*bus).await?;
    if let (Some(manifest), Some(to)) = (&target, to) {
        check_world(manifest, to, &plan)?;
    }
    let target = to.map_or(String::new(), |to| format!(" to {to}"));
    let question = format!("Requeue {}{target}?", letters(plan.count()));
    let done = match plan.confirmed(&question)? {
        true => Some(requeue(&plan, &*bus, to).await?),
        false => None,
    };
    let answer = Answer {
        selected: plan.selected(),
        to: args.to,
        done,
    };
    let text = || match &answer.done {
        Some(done) => format!("{}{}", done.text(), plan.missing_text()),
        None => plan.undone_text(),
    };
    global.output().answer(text, &answer)?;
    let done = answer.done.as_ref();
    let refused = done.is_some_and(|done| !done.refused.is_empty());
    Ok(match plan.is_met(done.is_some()) && !refused {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

async fn requeue(plan: &Plan, bus: &dyn Bus, to: Option<&PluginRef>) -> anyhow::Result<Done> {
    let mut done = Done::default();
    for (group, ids) in plan.batches() {
        let answers = bus.requeue(group, &ids, to).await.with_context(|| {
            format!(
                "{} of {} were requeued before; run the same again for the rest: what is \
                 requeued is no dead letter any more",
                done.requeued,
                plan.count()
            )
        })?;
        for (id, answer) in ids.iter().zip(answers) {
            match answer {
                Requeued::Appended { .. } => done.requeued += 1,
                Requeued::Gone => done.gone += 1,
                Requeued::Refused(reason) => done.refused.push(Refusal {
                    id: id.to_string(),
                    stream: group.stream,
                    group: group.group.clone(),
                    reason,
                }),
            }
        }
    }
    Ok(done)
}

fn check_world(manifest: &Manifest, to: &PluginRef, plan: &Plan) -> anyhow::Result<()> {
    let mut types = plan.types.iter();
    match types.find(|kind| !manifest.world.takes(**kind)) {
        None => Ok(()),
        Some(kind) => bail!(Usage(format!(
            "--to {to}: its world {} cannot take {kind}, which is among the chosen; --type \
             narrows them",
            manifest.world
        ))),
    }
}

impl Done {
    fn text(&self) -> String {
        let mut lines = vec![format!("requeued {}", letters(self.requeued))];
        if self.gone > 0 {
            lines.push(format!("{} were gone already", self.gone));
        }
        if !self.refused.is_empty() {
            lines.push(format!("refused {}:", letters(self.refused.len())));
        }
        let shown = self.refused.iter().take(MOST_REFUSALS);
        lines.extend(
            shown.map(|refused| {
                format!("  {} of {}: {}", refused.id, refused.group, refused.reason)
            }),
        );
        if self.refused.len() > MOST_REFUSALS {
            lines.push("  and others: --json names all".to_owned());
        }
        lines.join("\n")
    }
}
