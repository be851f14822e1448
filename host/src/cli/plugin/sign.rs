//! `hothouse plugin sign`.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use serde::Serialize;

use crate::cli::{Global, Usage};
use crate::plugin::{KeyId, Manifest, PrivateKey, SignatureFile, Statement, read_small};
use crate::sandbox::Limits;

/// Signs a plugin: writes plugin.sig beside its manifest
///
/// The signature covers the bytes of the component and of plugin.toml. Sign again after each
/// change of either.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  hothouse plugin sign plugins/backend-agent --key release.key")]
pub(in crate::cli) struct Args {
    /// The plugin's directory.
    directory: PathBuf,

    /// The private key: ed25519, PKCS#8 PEM, not encrypted.
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
}

#[derive(Serialize)]
struct Answer {
    path: PathBuf,
    plugin: String,
    key: KeyId,
    #[serde(flatten)]
    statement: Statement,
}

pub(super) async fn run(args: Args, global: &Global) -> anyhow::Result<ExitCode> {
    let key = PrivateKey::read(&args.key)
        .map_err(|error| Usage(format!("{} {error}", args.key.display())))?;
    let (manifest, statement) = statement(&args.directory)?;
    let signed = SignatureFile::sign(statement, &key);
    let path = args.directory.join(SignatureFile::FILE);
    write(&path, &signed.text())?;
    let answer = Answer {
        path,
        plugin: format!("{}@{}", manifest.name, manifest.version),
        key: signed.key,
        statement: signed.statement,
    };
    global.output().answer(|| text(&answer), &answer)?;
    Ok(ExitCode::SUCCESS)
}

/// What there is to sign in a directory.
pub(super) fn statement(directory: &Path) -> anyhow::Result<(Manifest, Statement)> {
    let (manifest, text) = Manifest::load_with_text(directory)?;
    let path = manifest.component_path(directory);
    let component = read_small(&path, Limits::MAXIMUM.component_bytes as u64)
        .map_err(|error| Usage(format!("cannot read {}: {error}", path.display())))?;
    let statement = Statement::of(&component, text.as_bytes());
    Ok((manifest, statement))
}

/// In one step: a host that loads the plugin meanwhile finds the old file or the new one.
fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    replace(path, text).with_context(|| format!("cannot write {}", path.display()))
}

fn replace(path: &Path, text: &str) -> io::Result<()> {
    let new = path.with_file_name(SignatureFile::NEW);
    match fs::remove_file(&new) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    // The directory may be somebody else's work: no link in it is followed.
    let mut file = File::create_new(&new)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&new, path)
}

fn text(answer: &Answer) -> String {
    format!(
        "{} is signed by key {}: {}\ncomponent {}\nmanifest  {}",
        answer.plugin,
        answer.key,
        answer.path.display(),
        answer.statement.component,
        answer.statement.manifest,
    )
}
