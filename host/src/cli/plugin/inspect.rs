//! `hothouse plugin inspect`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::bail;
use serde::Serialize;

use super::grants::{self, GrantRow};
use crate::cli::output::{grouped, table};
use crate::cli::{Global, Usage, compiling};
use crate::config::PluginConfig;
use crate::plugin::{Allowed, PluginError, SignaturePolicy, Signed, gate};
use crate::sandbox::{Candidate, Inspection, Instruments, Limits, LimitsPatch, LoadError, Sandbox};
use crate::telemetry;

/// Shows a component's world, imports, exports, digest and size, who signed the plugin, and what
/// it asks for
///
/// For a plugin of the configuration also what it is allowed, and so what it has.
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
    signed: Option<Signed>,
    grants: Vec<GrantRow>,
    refusals: Vec<String>,
    #[serde(flatten)]
    inspection: Inspection,
}

/// What is to be looked at.
enum Found {
    /// A component's file, and nothing that says what it is for.
    Component(PathBuf),
    /// A plugin's directory.
    Plugin(Box<FoundPlugin>),
}

/// A plugin's directory, and what is said of it.
struct FoundPlugin {
    config: PluginConfig,
    limits: Limits,
    limits_max: Limits,
    signatures: SignaturePolicy,
    /// Whether an operator has said what it may have.
    configured: bool,
}

pub(super) async fn run(args: Args, global: &Global) -> anyhow::Result<ExitCode> {
    telemetry::init(global.json, Some(&format!("warn,{}", compiling::LOG)));
    let found = find(&args.plugin, global)?;
    let cache = global.cache();
    let look = move || {
        let sandbox = compiling::sandbox(1, Instruments::default(), cache.as_deref())?;
        look(found, &sandbox)
    };
    let answer = tokio::task::spawn_blocking(look).await??;
    global.output().answer(|| text(&answer), &answer)?;
    Ok(match answer.refusals.is_empty() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

fn look(found: Found, sandbox: &Sandbox) -> anyhow::Result<Answer> {
    match found {
        Found::Component(path) => look_at_component(path, sandbox),
        Found::Plugin(plugin) => {
            let FoundPlugin {
                config,
                limits,
                limits_max,
                signatures,
                configured,
            } = *plugin;
            let mut examined = gate::examine(&config, limits, &limits_max, &signatures, sandbox)?;
            if !configured {
                // Nobody has been asked yet.
                let is_held = |refusal: &PluginError| match refusal {
                    PluginError::NotAllowed { .. } => false,
                    PluginError::Manifest(_)
                    | PluginError::Unreadable { .. }
                    | PluginError::TooLarge { .. }
                    | PluginError::Refused { .. }
                    | PluginError::Signature { .. }
                    | PluginError::Unprovided { .. } => true,
                };
                examined.refusals.retain(is_held);
            }
            let refusals: Vec<String> = examined.refusals.iter().map(ToString::to_string).collect();
            let Some(inspection) = examined.inspection else {
                // Its component is none, or not one to look at: there is nothing to show but why.
                bail!(refusals.join("; "));
            };
            let manifest = examined.manifest;
            Ok(Answer {
                path: manifest.component_path(&config.path),
                grants: grants::rows(&manifest.needs, configured.then_some(&config.allow)),
                name: Some(manifest.name),
                version: Some(manifest.version.to_string()),
                description: Some(manifest.description),
                manifest_world: Some(manifest.world.to_string()),
                signed: examined.signed,
                refusals,
                inspection,
            })
        }
    }
}

fn look_at_component(path: PathBuf, sandbox: &Sandbox) -> anyhow::Result<Answer> {
    let bytes = match gate::read(&path, Limits::DEFAULT.component_bytes) {
        Ok(Ok(bytes)) => bytes,
        Ok(Err(refusal)) => bail!(refusal),
        Err(unreadable) => bail!(Usage::of(unreadable)),
    };
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let candidate = Candidate {
        name: &name,
        ..Candidate::new(&bytes)
    };
    let inspection = match sandbox.inspect_candidate(&candidate) {
        Ok(inspection) => inspection,
        Err(error) => bail!("{}: {error}", path.display()),
    };
    let mut refusals = Vec::new();
    if inspection.world.is_none() {
        refusals.push("it exports no world that Hothouse knows".to_owned());
    }
    if !inspection.ungranted.is_empty() {
        refusals.push(LoadError::Ungranted(inspection.ungranted.clone()).to_string());
    }
    Ok(Answer {
        path,
        name: None,
        version: None,
        description: None,
        manifest_world: None,
        signed: None,
        grants: Vec::new(),
        refusals,
        inspection,
    })
}

fn find(plugin: &str, global: &Global) -> anyhow::Result<Found> {
    let path = Path::new(plugin);
    if path.is_file() {
        return Ok(Found::Component(path.to_owned()));
    }
    if path.is_dir() {
        return Ok(Found::Plugin(Box::new(FoundPlugin {
            config: PluginConfig {
                path: path.to_owned(),
                allow: Allowed::default(),
                limits: LimitsPatch::default(),
            },
            limits: Limits::DEFAULT,
            limits_max: Limits::MAXIMUM,
            signatures: super::signature_policy(global)?,
            configured: false,
        })));
    }
    let mut config = global.load()?;
    match config.plugins.remove(plugin) {
        Some(found) => Ok(Found::Plugin(Box::new(FoundPlugin {
            config: found,
            limits: config.limits,
            limits_max: config.limits_max,
            signatures: config.signatures,
            configured: true,
        }))),
        None => bail!(Usage(format!(
            "{plugin:?} is no file, no directory and no plugin of {}",
            global.config.display()
        ))),
    }
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
    if let Some(signed) = &answer.signed {
        rows.push(row("signed by", signed.to_string()));
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
    for refusal in &answer.refusals {
        rows.push(row("refused", refusal.clone()));
    }
    let shown = table(&rows);
    match answer.grants.is_empty() {
        true => shown,
        false => format!("{shown}\n\n{}", grants::text(&answer.grants)),
    }
}
