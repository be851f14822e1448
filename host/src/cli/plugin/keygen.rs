//! `hothouse plugin keygen`.

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use serde::Serialize;

use crate::cli::{Global, Usage};
use crate::plugin::{KeyId, PrivateKey};

/// Makes a key that signs plugins, and prints its public half
///
/// The private key is an ed25519 key in PEM, in a file that its owner alone can read; a file
/// that is there is left alone. A key made by `openssl genpkey -algorithm ed25519` is as good.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  hothouse plugin keygen release.key > release.pub
  hothouse plugin sign plugins/backend-agent --key release.key")]
pub(in crate::cli) struct Args {
    /// Where the private key goes.
    file: PathBuf,
}

#[derive(Serialize)]
struct Answer {
    path: PathBuf,
    key: KeyId,
    public_key: String,
}

pub(super) async fn run(args: Args, global: &Global) -> anyhow::Result<ExitCode> {
    let key = PrivateKey::generate()?;
    write(&args.file, key.pem()?.as_bytes())?;
    let answer = Answer {
        key: key.public().id(),
        public_key: key.public().pem()?,
        path: args.file,
    };
    if !global.json {
        eprintln!(
            "{} is key {}: keep it secret",
            answer.path.display(),
            answer.key
        );
    }
    global
        .output()
        .answer(|| answer.public_key.clone(), &answer)?;
    Ok(ExitCode::SUCCESS)
}

fn write(path: &Path, pem: &[u8]) -> anyhow::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    let mut file = match options.open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => bail!(Usage(format!(
            "{} is there already, and a key that is lost signs no more: name another file",
            path.display()
        ))),
        Err(error) => bail!(Usage(format!("cannot write {}: {error}", path.display()))),
    };
    file.write_all(pem)
        .and_then(|()| file.sync_all())
        .with_context(|| format!("cannot write {}", path.display()))
}
