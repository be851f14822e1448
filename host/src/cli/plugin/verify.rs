//! `hothouse plugin verify`.

use std::path::PathBuf;
use std::process::ExitCode;

use serde::Serialize;

use super::{sign, signature_policy};
use crate::cli::{Global, Usage};
use crate::plugin::{PublicKey, SignatureFile, SignaturePolicy, Signed, Statement, TrustedKeys};

/// Checks who signed a plugin
///
/// With the keys of the configuration, or with --key. Exit code 1 where none of them signed
/// this component and this manifest.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  hothouse plugin verify plugins/backend-agent
  hothouse plugin verify plugins/backend-agent --key release.pub --json")]
pub(in crate::cli) struct Args {
    /// The plugin's directory.
    directory: PathBuf,

    /// The public key, as PEM, instead of the configuration's.
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
}

#[derive(Serialize)]
struct Answer {
    plugin: String,
    verified: bool,
    signed: Option<Signed>,
    problem: Option<String>,
    #[serde(flatten)]
    statement: Statement,
}

pub(super) async fn run(args: Args, global: &Global) -> anyhow::Result<ExitCode> {
    let keys = match args.key {
        Some(path) => {
            let key = PublicKey::read(&path)
                .map_err(|error| Usage(format!("{} {error}", path.display())))?;
            TrustedKeys::only(path.display().to_string(), key)
        }
        None => signature_policy(global)?.keys,
    };
    let policy = SignaturePolicy {
        required: true,
        keys,
    };
    let (manifest, statement) = sign::statement(&args.directory)?;
    let judged = SignatureFile::read(&args.directory)
        .and_then(|file| policy.judge(&statement, file.as_deref()));
    let plugin = format!("{}@{}", manifest.name, manifest.version);
    let text = match &judged {
        Ok(signed) => format!("{plugin} is signed by {signed}"),
        Err(error) => format!("{plugin} is not verified: {error}"),
    };
    let verified = judged.is_ok();
    let answer = Answer {
        plugin,
        verified,
        problem: judged.as_ref().err().map(ToString::to_string),
        signed: judged.ok(),
        statement,
    };
    global.output().answer(|| text, &answer)?;
    Ok(match verified {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}
