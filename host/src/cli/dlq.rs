//! `hothouse dlq …`: events that ended without a verdict.

mod groups;
mod letter;
mod list;
mod plan;
mod purge;
mod records;
mod requeue;
mod select;
mod show;

use std::process::ExitCode;

use super::Global;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Verb {
    List(list::Args),
    Show(show::Args),
    Requeue(requeue::Args),
    Purge(purge::Args),
}

pub(super) async fn run(verb: Verb, global: &Global) -> anyhow::Result<ExitCode> {
    match verb {
        Verb::List(args) => list::run(args, global).await,
        Verb::Show(args) => show::run(args, global).await,
        Verb::Requeue(args) => requeue::run(args, global).await,
        Verb::Purge(args) => purge::run(args, global).await,
    }
}
