//! `hothouse plugin …`.

mod deploy;
mod grants;
mod inspect;

use std::process::ExitCode;

use super::Global;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Verb {
    Inspect(inspect::Args),
    Deploy(deploy::Args),
}

pub(super) async fn run(verb: Verb, global: &Global) -> anyhow::Result<ExitCode> {
    match verb {
        Verb::Inspect(args) => inspect::run(args, global).await,
        Verb::Deploy(args) => deploy::run(args, global).await,
    }
}
