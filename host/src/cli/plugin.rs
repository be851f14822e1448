//! `hothouse plugin …`.

mod deploy;
mod grants;
mod inspect;
mod keygen;
mod sign;
mod verify;

use std::process::ExitCode;

use super::Global;
use crate::config::ConfigError;
use crate::plugin::SignaturePolicy;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Verb {
    Inspect(inspect::Args),
    Deploy(deploy::Args),
    Keygen(keygen::Args),
    Sign(sign::Args),
    Verify(verify::Args),
}

pub(super) async fn run(verb: Verb, global: &Global) -> anyhow::Result<ExitCode> {
    match verb {
        Verb::Inspect(args) => inspect::run(args, global).await,
        Verb::Deploy(args) => deploy::run(args, global).await,
        Verb::Keygen(args) => keygen::run(args, global).await,
        Verb::Sign(args) => sign::run(args, global).await,
        Verb::Verify(args) => verify::run(args, global).await,
    }
}

/// What the configuration says of signatures. Where there is none, no key is trusted and none is
/// required.
fn signature_policy(global: &Global) -> Result<SignaturePolicy, ConfigError> {
    match global.load() {
        Ok(config) => Ok(config.signatures),
        Err(ConfigError::Unreadable { reason, .. })
            if reason.kind() == std::io::ErrorKind::NotFound =>
        {
            Ok(SignaturePolicy::default())
        }
        Err(error @ (ConfigError::Unreadable { .. } | ConfigError::Invalid { .. })) => Err(error),
    }
}
