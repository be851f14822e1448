//! `hothouse status`.

use std::process::ExitCode;

use serde::Serialize;

use super::Global;
use super::output::table;
use crate::bus::GroupStatus;
use crate::config::Config;
use crate::plugin::Manifest;
use crate::sandbox::digest;
use crate::subscriptions;

/// Shows each group's figures and the plugins
///
/// lag: entries not read yet. pending: read and not finished. parked: of these, waiting behind
/// their lane's head or for a retry. lanes: those that are not free, and stopped: those of them
/// that a dead letter stopped (`hothouse lane list`). duplicates: entries that were left out, as
/// their event was finished before. hosts: those that were heard of within their lease. A bus in
/// another process's memory cannot be looked at.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  hothouse status
  hothouse status --bus redis://127.0.0.1:6379 --json")]
pub(super) struct Args {}

#[derive(Serialize)]
struct Answer {
    bus: String,
    groups: Vec<GroupStatus>,
    plugins: Vec<PluginStatus>,
}

#[derive(Serialize)]
struct PluginStatus {
    /// As the configuration calls it.
    name: String,
    /// As outcomes and `--to` call it: the manifest's name and version.
    plugin: Option<String>,
    version: Option<String>,
    digest: Option<String>,
    problem: Option<String>,
}

pub(super) async fn run(_args: Args, global: &Global) -> anyhow::Result<ExitCode> {
    let config = global.load()?;
    let bus = global.shared_bus(&config.bus)?;
    let mut groups = Vec::new();
    for subscription in subscriptions(&config) {
        groups.push(bus.status(subscription.stream, &subscription.group).await?);
    }
    let answer = Answer {
        bus: config.bus.to_string(),
        groups,
        plugins: plugins(&config),
    };
    global.output().answer(|| text(&answer), &answer)?;
    Ok(ExitCode::SUCCESS)
}

/// What the files say. Compiling them is `doctor`'s and `config validate`'s.
fn plugins(config: &Config) -> Vec<PluginStatus> {
    let status = |(name, plugin): (&String, &crate::config::PluginConfig)| {
        let mut status = PluginStatus {
            name: name.clone(),
            plugin: None,
            version: None,
            digest: None,
            problem: None,
        };
        match Manifest::load(&plugin.path) {
            Err(error) => status.problem = Some(error.to_string()),
            Ok(manifest) => {
                status.plugin = Some(format!("{}@{}", manifest.name, manifest.version));
                status.version = Some(manifest.version.to_string());
                let path = manifest.component_path(&plugin.path);
                match std::fs::read(&path) {
                    Ok(bytes) => status.digest = Some(digest(&bytes)),
                    Err(error) => {
                        status.problem = Some(format!("cannot read {}: {error}", path.display()));
                    }
                }
            }
        }
        status
    };
    config.plugins.iter().map(status).collect()
}

fn text(answer: &Answer) -> String {
    let titles = [
        "stream",
        "group",
        "lag",
        "pending",
        "parked",
        "lanes",
        "stopped",
        "dead letters",
        "duplicates",
        "hosts",
    ];
    let mut rows = vec![titles.map(str::to_owned).to_vec()];
    for group in &answer.groups {
        let lag = match (group.exists, group.lag) {
            (false, _) => "no group yet".to_owned(),
            (true, Some(lag)) => lag.to_string(),
            (true, None) => "unknown".to_owned(),
        };
        rows.push(vec![
            group.stream.clone(),
            group.group.clone(),
            lag,
            group.pending.to_string(),
            group.parked.to_string(),
            group.lanes.to_string(),
            group.stopped.to_string(),
            group.dead_letters.to_string(),
            group.duplicates.to_string(),
            group.hosts.to_string(),
        ]);
    }
    let letters = match answer.groups.iter().any(|group| group.dead_letters > 0) {
        true => "\n`hothouse dlq list` shows the dead letters",
        false => "",
    };
    let plugins: Vec<Vec<String>> = answer
        .plugins
        .iter()
        .map(|plugin| {
            let label = plugin.plugin.clone();
            let label = label.unwrap_or_else(|| format!("{}@?", plugin.name));
            let rest = match (&plugin.problem, &plugin.digest) {
                (Some(problem), _) => problem.clone(),
                (None, digest) => format!("sha256:{}", digest.as_deref().unwrap_or_default()),
            };
            vec![label, rest]
        })
        .collect();
    let waiting: String = answer
        .groups
        .iter()
        .filter(|group| group.outbox > 0)
        .map(|group| format!("\n{}", outbox_note(group)))
        .collect();
    format!(
        "bus {}\n\n{}{letters}{waiting}\n\n{}",
        answer.bus,
        table(&rows),
        table(&plugins)
    )
}

/// What there is to say of outputs that are not yet on their streams.
pub(super) fn outbox_note(group: &GroupStatus) -> String {
    let GroupStatus {
        stream,
        group,
        outbox,
        ..
    } = group;
    format!(
        "{outbox} outputs of {group} on {stream} wait for other streams, whose node may be away \
         or whose key may be no stream: a host's log says which"
    )
}
