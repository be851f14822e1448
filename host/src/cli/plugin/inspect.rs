//! `hothouse plugin inspect`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::bail;
use serde::Serialize;

use crate::cli::output::{grouped, table};
use crate::cli::{Global, Usage};
use crate::plugin::Manifest;
use crate::sandbox::{Inspection, Sandbox};

/// Shows a component's world, imports, exports, digest and size
///
/// Exit code 1 where a host would refuse it.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  hothouse plugin inspect plugins/backend-agent
  hothouse plugin inspect target/wasm32-wasip2/release/my_agent.wasm --json")]
pub(in crate::cli) struct Args {
    /// A plugin's directory, its name in the configuration, or a component's file.
    plugin: String,
}

#[derive(Serialize)]
struct Answer {
    path: PathBuf,
    name: Option<String>,
    version: Option<String>,
    description: Option<String>,
    manifest_world: Option<String>,
    needs_repository: bool,
    #[serde(flatten)]
    inspection: Inspection,
}

pub(super) async fn run(args: Args, global: &Global) -> anyhow::Result<ExitCode> {
    let (path, manifest) = find(&args.plugin, global)?;
    let bytes = std::fs::read(&path)
        .map_err(|error| Usage(format!("cannot read {}: {error}", path.display())))?;
    let inspection = tokio::task::spawn_blocking(move || {
        let sandbox = Sandbox::new(1)?;
        Ok::<_, anyhow::Error>(sandbox.inspect(&bytes))
    })
    .await??;
    let inspection = match inspection {
        Ok(inspection) => inspection,
        Err(error) => bail!("{}: {error}", path.display()),
    };
    let right_world = match &manifest {
        Some(manifest) => inspection.world == Some(manifest.world),
        None => inspection.world.is_some(),
    };
    let fine = inspection.ungranted.is_empty() && right_world;
    let answer = Answer {
        path,
        name: manifest.as_ref().map(|m| m.name.clone()),
        version: manifest.as_ref().map(|m| m.version.to_string()),
        description: manifest.as_ref().map(|m| m.description.clone()),
        manifest_world: manifest.as_ref().map(|m| m.world.to_string()),
        needs_repository: manifest.is_some_and(|m| m.repository),
        inspection,
    };
    global.output().answer(|| text(&answer), &answer)?;
    Ok(match fine {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

/// The component's file, and its manifest where there is one.
fn find(plugin: &str, global: &Global) -> anyhow::Result<(PathBuf, Option<Manifest>)> {
    let path = Path::new(plugin);
    if path.is_file() {
        return Ok((path.to_owned(), None));
    }
    let directory = if path.is_dir() {
        path.to_owned()
    } else {
        match global.load()?.plugins.get(plugin) {
            Some(config) => config.path.clone(),
            None => bail!(Usage(format!(
                "{plugin:?} is no file, no directory and no plugin of {}",
                global.config.display()
            ))),
        }
    };
    let manifest = Manifest::load(&directory)?;
    Ok((manifest.component_path(&directory), Some(manifest)))
}

fn text(answer: &Answer) -> String {
    let Inspection {
        world,
        imports,
        exports,
        ungranted,
        digest,
        size,
    } = &answer.inspection;
    let row = |name: &str, value: String| vec![name.to_owned(), value];
    let mut rows = Vec::new();
    if let (Some(name), Some(version)) = (&answer.name, &answer.version) {
        rows.push(row("plugin", format!("{name}@{version}")));
    }
    if let Some(description) = answer.description.as_ref().filter(|text| !text.is_empty()) {
        rows.push(row("", description.clone()));
    }
    let found = world.map_or("none that Hothouse knows", |world| world.as_str());
    let world = match &answer.manifest_world {
        Some(manifest) if manifest != found => format!("{found} (the manifest says {manifest})"),
        Some(_) | None => found.to_owned(),
    };
    rows.push(row("world", world));
    rows.push(row("digest", format!("sha256:{digest}")));
    rows.push(row("size", format!("{} bytes", grouped(*size as u64))));
    if answer.needs_repository {
        rows.push(row("needs", "its event's repository, read-only".into()));
    }
    for (index, name) in exports.iter().enumerate() {
        rows.push(row(if index == 0 { "exports" } else { "" }, name.clone()));
    }
    for (index, name) in imports.iter().enumerate() {
        let mark = if ungranted.contains(name) {
            "  <- no grant covers it"
        } else {
            ""
        };
        let head = if index == 0 { "imports" } else { "" };
        rows.push(row(head, format!("{name}{mark}")));
    }
    table(&rows)
}
