//! `hothouse dlq …`: events that ended without a verdict.

mod groups;
mod letter;
mod list;
mod plan;
mod purge;
mod requeue;
mod select;
mod show;

use std::process::ExitCode;

use super::Global;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Verb {
    /// Lists dead letters, oldest first
    List(list::Args),
    /// Shows one dead letter: its whole event and the error of every attempt
    Show(show::Args),
    /// Runs dead letters again
    Requeue(requeue::Args),
    /// Deletes dead letters and writes down why
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
