//! `hothouse plugin deploy`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::bail;
use serde::Serialize;

use crate::cli::ask::Ask;
use crate::cli::output::table;
use crate::cli::{Global, Usage, compiling};
use crate::config::{Config, PluginConfig};
use crate::plugin::{Grant, Manifest, Needs, Registry, Target, gate};
use crate::sandbox::{Inspection, Instruments};

/// Checks a plugin as a host would, and puts it in the place of the configured one
///
/// Its name in the configuration is its manifest's, unless --name says otherwise; where it goes
/// is `plugins.NAME.path`. The version that was there stays beside it, at PATH.previous. Hosts
/// that run keep what they have loaded until they restart. Exit code 1 where it is refused.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  hothouse plugin deploy ./my-agent --dry-run
  hothouse plugin deploy ./my-agent --yes
  hothouse plugin deploy ./my-agent --allow-wider-grants --yes")]
pub(in crate::cli) struct Args {
    /// The directory with the new version: plugin.toml and the component.
    source: PathBuf,

    /// The plugin's name in the configuration.
    #[arg(long)]
    name: Option<String>,

    /// Lets it ask for more than the version in place does.
    #[arg(long)]
    allow_wider_grants: bool,

    #[command(flatten)]
    ask: Ask,
}

#[derive(Serialize)]
struct Answer {
    plugin: String,
    path: PathBuf,
    version: String,
    digest: String,
    /// Of the version in place; null where there is none, or its manifest is not to be read.
    replaced_version: Option<String>,
    /// What it asks for and the version in place does not.
    wider: Vec<Grant>,
    /// What the version in place asks for and it does not.
    narrower: Vec<Grant>,
    /// What is allowed and it does not ask for.
    unused: Vec<Grant>,
    /// Where the replaced version is now.
    previous: Option<PathBuf>,
    deployed: bool,
}

pub(super) async fn run(args: Args, global: &Global) -> anyhow::Result<ExitCode> {
    args.ask.check()?;
    let config = global.load()?;
    let name = match &args.name {
        Some(name) => name.clone(),
        None => Manifest::load(&args.source)?.name,
    };
    let Some(configured) = config.plugins.get(&name).cloned() else {
        bail!(Usage(format!(
            "{} has no [plugins.{name}]: add it with the path to deploy to, or give --name",
            global.config.display()
        )));
    };
    let others = config.plugins.iter().filter(|(other, _)| **other != name);
    let target = Target::hold(&configured.path, others.map(|(_, other)| &*other.path))?;
    let (manifest, inspection, files) = examine(&args, &name, &configured, config).await?;
    let replaced = target.manifest();
    let earlier = match &replaced {
        Some(Ok(manifest)) => manifest.needs.clone(),
        // What cannot be read asked for nothing that anybody could have allowed.
        Some(Err(_)) => Needs::default(),
        None => manifest.needs.clone(),
    };
    let mut answer = Answer {
        plugin: name,
        path: configured.path,
        version: manifest.version.to_string(),
        digest: inspection.digest,
        replaced_version: replaced
            .and_then(Result::ok)
            .map(|manifest| manifest.version.to_string()),
        wider: manifest.needs.widens(&earlier),
        narrower: earlier.widens(&manifest.needs),
        unused: manifest.needs.unused(&configured.allow),
        previous: None,
        deployed: false,
    };
    if !answer.wider.is_empty() && !args.allow_wider_grants {
        bail!(
            "it asks for more than {}: {}; --allow-wider-grants deploys it all the same",
            in_place(&answer),
            listed(&answer.wider)
        );
    }
    if !args.ask.dry_run && args.ask.confirmed(&preview(&answer), "Deploy it?")? {
        answer.previous = target.replace(&args.source, &manifest, &files)?;
        answer.deployed = true;
    }
    global.output().answer(|| text(&answer), &answer)?;
    Ok(match answer.deployed || args.ask.dry_run {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

/// Asks the load gate, and whether the plugin can take what its routes give it.
async fn examine(
    args: &Args,
    name: &str,
    configured: &PluginConfig,
    mut config: Config,
) -> anyhow::Result<(Manifest, Inspection, gate::Files)> {
    let candidate = PluginConfig {
        path: args.source.clone(),
        ..configured.clone()
    };
    config.plugins.insert(name.to_owned(), candidate.clone());
    let routes = Registry::check_routes(&config);
    let examined = tokio::task::spawn_blocking(move || {
        let cache = config.host.cache.as_deref();
        let sandbox = compiling::sandbox(1, Instruments::default(), cache)?;
        let (usual, most) = (config.limits, &config.limits_max);
        let signatures = &config.signatures;
        let examined = gate::examine(&candidate, usual, most, signatures, &sandbox)?;
        Ok::<_, anyhow::Error>(examined)
    })
    .await??;
    let refusals = examined.refusals.iter().map(ToString::to_string);
    let of_routes = routes.iter().map(ToString::to_string);
    let refusals: Vec<String> = refusals.chain(of_routes).collect();
    match (examined.inspection, examined.files) {
        (Some(inspection), Some(files)) if refusals.is_empty() => {
            Ok((examined.manifest, inspection, files))
        }
        (_, _) => bail!("a host would refuse it: {}", refusals.join("; ")),
    }
}

fn listed(grants: &[Grant]) -> String {
    let texts: Vec<String> = grants.iter().map(ToString::to_string).collect();
    texts.join(", ")
}

fn in_place(answer: &Answer) -> String {
    match &answer.replaced_version {
        Some(version) => format!("version {version}, which is in place"),
        None => "what is in place".to_owned(),
    }
}

fn preview(answer: &Answer) -> String {
    let row = |name: &str, value: String| vec![name.to_owned(), value];
    let mut rows = vec![
        row("plugin", answer.plugin.clone()),
        row("path", answer.path.display().to_string()),
        row(
            "version",
            match &answer.replaced_version {
                Some(replaced) => format!("{replaced} -> {}", answer.version),
                None => answer.version.clone(),
            },
        ),
        row("digest", format!("sha256:{}", answer.digest)),
    ];
    for (name, grants) in [
        ("asks for more", &answer.wider),
        ("asks no more for", &answer.narrower),
        ("allowed, not asked for", &answer.unused),
    ] {
        if !grants.is_empty() {
            rows.push(row(name, listed(grants)));
        }
    }
    table(&rows)
}

fn text(answer: &Answer) -> String {
    let end = match (answer.deployed, &answer.previous) {
        (false, _) => "nothing was changed".to_owned(),
        (true, Some(previous)) => format!(
            "deployed; the version before is at {}\nhosts that run keep what they have loaded \
             until they restart",
            previous.display()
        ),
        (true, None) => {
            "deployed\nhosts that run keep what they have loaded until they restart".to_owned()
        }
    };
    format!("{}\n{end}", preview(answer))
}
