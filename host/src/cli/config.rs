//! `hothouse config …`.

use std::process::ExitCode;

use serde::Serialize;

use super::{Global, compiling};
use crate::config::{ConfigError, Problem};
use crate::plugin::Registry;
use crate::sandbox::Instruments;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Verb {
    Validate(Validate),
}

/// Checks the configuration and loads its plugins; names every mistake at once
///
/// Exit code 2 where there is one.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  hothouse config validate
  hothouse config validate --config /etc/hothouse.toml --json")]
pub(super) struct Validate {}

#[derive(Serialize)]
struct Answer {
    valid: bool,
    problems: Vec<Problem>,
}

pub(super) async fn run(verb: Verb, global: &Global) -> anyhow::Result<ExitCode> {
    let Verb::Validate(Validate {}) = verb;
    let (problems, fine) = match global.load() {
        Err(ConfigError::Invalid { problems, .. }) => (problems, String::new()),
        Err(error @ ConfigError::Unreadable { .. }) => return Err(error.into()),
        Ok(config) => {
            let fine = format!(
                "{} is valid: {} plugins, {} routes, groups {}",
                global.config.display(),
                config.plugins.len(),
                config.routes.len(),
                config.group_names().join(", ")
            );
            let mut problems = Registry::check_routes(&config);
            let broken = tokio::task::spawn_blocking(move || {
                let sandbox =
                    compiling::sandbox(1, Instruments::default(), config.host.cache.as_deref())?;
                Ok::<_, anyhow::Error>(Registry::check_plugins(&config, &sandbox))
            })
            .await??;
            problems.extend(broken.into_iter().map(|(name, error)| Problem {
                at: format!("plugins.{name}"),
                message: error.to_string(),
            }));
            (problems, fine)
        }
    };
    let answer = Answer {
        valid: problems.is_empty(),
        problems,
    };
    let text = || match answer.valid {
        true => fine,
        false => {
            let error = ConfigError::Invalid {
                path: global.config.clone(),
                problems: answer.problems.clone(),
            };
            error.to_string()
        }
    };
    global.output().answer(text, &answer)?;
    Ok(match answer.valid {
        true => ExitCode::SUCCESS,
        false => ExitCode::from(2),
    })
}
