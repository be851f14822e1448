//! `hothouse doctor`: everything that a host needs, checked one by one.

use std::collections::BTreeSet;
use std::process::ExitCode;

use serde::Serialize;

use super::output::table;
use super::status::outbox_note;
use super::{Global, compiling};
use crate::bus::{Advice, BusUrl, GroupStatus, Severity};
use crate::config::Config;
use crate::plugin::Registry;
use crate::sandbox::{Cache, Instruments};
use crate::subscriptions;

/// Checks everything that a host needs and says what to do
///
/// Exit code 1 where something must be mended; advice alone is no failure.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  hothouse doctor
  hothouse doctor --bus redis://127.0.0.1:6379 --json")]
pub(super) struct Args {}

#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Finding {
    Ok,
    Advice,
    Fail,
}

#[derive(Serialize)]
struct Check {
    finding: Finding,
    what: String,
    message: String,
}

#[derive(Default)]
struct Checks(Vec<Check>);

impl Checks {
    fn add(&mut self, finding: Finding, what: &str, message: impl std::fmt::Display) {
        self.0.push(Check {
            finding,
            what: what.to_owned(),
            message: message.to_string(),
        });
    }
}

pub(super) async fn run(_args: Args, global: &Global) -> anyhow::Result<ExitCode> {
    let mut checks = Checks::default();
    match global.load() {
        Err(error) => checks.add(Finding::Fail, "configuration", error),
        Ok(config) => {
            let path = global.config.display();
            checks.add(
                Finding::Ok,
                "configuration",
                format!("{path} is well-formed"),
            );
            for problem in Registry::check_routes(&config) {
                checks.add(Finding::Fail, "routes", problem.message);
            }
            check_repositories(&config, &mut checks);
            check_bus(&config, global, &mut checks).await;
            check_plugins(config, &mut checks).await?;
        }
    }
    let failed = checks.0.iter().any(|check| check.finding == Finding::Fail);
    global.output().answer(|| text(&checks.0), &checks.0)?;
    Ok(match failed {
        true => ExitCode::FAILURE,
        false => ExitCode::SUCCESS,
    })
}

fn check_repositories(config: &Config, checks: &mut Checks) {
    for (id, path) in &config.repositories.table {
        if !path.is_dir() {
            let message = format!("{id} is not at {}", path.display());
            checks.add(Finding::Fail, "repositories", message);
        }
    }
}

async fn check_bus(config: &Config, global: &Global, checks: &mut Checks) {
    if config.bus == BusUrl::Memory {
        let message = "memory: is gone when the host ends, and no other process can publish to it";
        checks.add(Finding::Advice, "bus", message);
        return;
    }
    let bus = match global.shared_bus(&config.bus) {
        Ok(bus) => bus,
        Err(error) => return checks.add(Finding::Fail, "bus", format!("{error:#}")),
    };
    let subscriptions = subscriptions(config);
    let mut groups = Vec::new();
    let mut refusals = BTreeSet::new();
    for subscription in &subscriptions {
        match bus.status(subscription.stream, &subscription.group).await {
            Err(error) => refusals.extend([error.to_string()]),
            Ok(status) => groups.push(status),
        }
    }
    // A bus that answers nothing has nothing more to say, and says so once.
    let answers = !groups.is_empty();
    if answers {
        checks.add(Finding::Ok, "bus", format!("{} answers", config.bus));
    }
    for refusal in refusals {
        checks.add(Finding::Fail, "bus", refusal);
    }
    if !answers {
        return;
    }
    match bus.advice(&subscriptions).await {
        Err(error) => checks.add(Finding::Fail, "bus", error),
        Ok(advice) => {
            for Advice { severity, message } in advice {
                let finding = match severity {
                    Severity::Advice => Finding::Advice,
                    Severity::Fail => Finding::Fail,
                };
                checks.add(finding, "bus", message);
            }
        }
    }
    for status in &groups {
        check_group(status, checks);
    }
}

fn check_group(status: &GroupStatus, checks: &mut Checks) {
    let (stream, group) = (&status.stream, &status.group);
    let figures = match (status.exists, status.lag) {
        (false, _) => "does not exist yet: the first host creates it".to_owned(),
        (true, lag) => {
            let lag = lag.map_or_else(|| "unknown".to_owned(), |lag| lag.to_string());
            let GroupStatus { pending, hosts, .. } = status;
            format!("hosts {hosts}, entries not read {lag}, not finished {pending}")
        }
    };
    checks.add(
        Finding::Ok,
        "group",
        format!("{group} on {stream}: {figures}"),
    );
    if status.stopped > 0 {
        let message = format!(
            "{group} on {stream} has {} stopped lanes: `hothouse lane list` shows them",
            status.stopped
        );
        checks.add(Finding::Advice, "lanes", message);
    }
    if status.dead_letters > 0 {
        let message = format!(
            "{group} on {stream} has {} dead letters: `hothouse dlq list` shows them",
            status.dead_letters
        );
        checks.add(Finding::Advice, "dead letters", message);
    }
    if status.outbox > 0 {
        checks.add(Finding::Advice, "outbox", outbox_note(status));
    }
}

fn check_cache(config: &Config, checks: &mut Checks) {
    match config.host.cache.as_deref().map(Cache::open) {
        Some(Ok(cache)) => checks.add(Finding::Ok, "cache", cache.directory().display()),
        Some(Err(error)) => checks.add(Finding::Advice, "cache", error),
        None => checks.add(
            Finding::Ok,
            "cache",
            "none, by the configuration: plugins are compiled at each start",
        ),
    }
}

async fn check_plugins(config: Config, checks: &mut Checks) -> anyhow::Result<()> {
    check_cache(&config, checks);
    let slots = config.host.slots;
    let names: Vec<String> = config.plugins.keys().cloned().collect();
    let broken = tokio::task::spawn_blocking(move || {
        let sandbox = compiling::sandbox(
            config.host.slots,
            Instruments::default(),
            config.host.cache.as_deref(),
        )?;
        Ok::<_, crate::sandbox::SandboxError>(Registry::check_plugins(&config, &sandbox))
    })
    .await?;
    let broken = match broken {
        Ok(broken) => broken,
        Err(error) => {
            checks.add(Finding::Fail, "sandbox", error);
            return Ok(());
        }
    };
    checks.add(Finding::Ok, "sandbox", format!("{slots} slots"));
    for name in names {
        match broken.iter().find(|(broken, _)| *broken == name) {
            Some((_, error)) => checks.add(Finding::Fail, "plugin", error),
            None => checks.add(Finding::Ok, "plugin", format!("{name} loads")),
        }
    }
    Ok(())
}

fn text(checks: &[Check]) -> String {
    let rows: Vec<Vec<String>> = checks
        .iter()
        .map(|check| {
            let mark = match check.finding {
                Finding::Ok => "ok",
                Finding::Advice => "advice",
                Finding::Fail => "FAIL",
            };
            vec![mark.to_owned(), check.what.clone(), check.message.clone()]
        })
        .collect();
    table(&rows)
}
