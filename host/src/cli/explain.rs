//! `hothouse explain`: the pages of the error types.

use std::process::ExitCode;

use serde::Serialize;

use super::Global;
use super::output::table;
use crate::failure::ErrorType;

/// Explains an error_type: what happened, the typical cause, what to do
///
/// Without one it lists them all. `retried` and `dead letter` are what becomes of a failure where
/// its route does not say otherwise (`retry_on`).
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  hothouse explain
  hothouse explain out_of_fuel")]
pub(super) struct Args {
    /// The error_type of a failed event or a dead letter.
    #[arg(value_name = "ERROR_TYPE", value_parser = error_type)]
    error_type: Option<ErrorType>,
}

#[derive(Serialize)]
struct Explained {
    error_type: ErrorType,
    retried: bool,
    dead_letter: bool,
    page: &'static str,
}

pub(super) async fn run(args: Args, global: &Global) -> anyhow::Result<ExitCode> {
    match args.error_type {
        Some(kind) => {
            let explained = explain(kind);
            let text = || format!("{}\n{}", explained.page.trim_end(), fate(&explained));
            global.output().answer(text, &explained)?;
        }
        None => {
            let all = ErrorType::ALL.map(explain);
            global.output().answer(|| list(&all), &all)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn explain(error_type: ErrorType) -> Explained {
    Explained {
        error_type,
        retried: error_type.retried(),
        dead_letter: !error_type.is_verdict(),
        page: error_type.page(),
    }
}

fn fate(explained: &Explained) -> &'static str {
    match (explained.retried, explained.dead_letter) {
        (true, _) => "\nIt is retried, and a dead letter after the last retry.",
        (false, true) => "\nIt is not retried, and a dead letter at once.",
        (false, false) => "\nIt is not retried, and no dead letter.",
    }
}

fn list(all: &[Explained]) -> String {
    let titles = ["error_type", "retried", "dead letter", ""];
    let mut rows = vec![titles.map(str::to_owned).to_vec()];
    rows.extend(all.iter().map(|one| {
        let yes = |yes: bool| if yes { "yes" } else { "no" }.to_owned();
        let said = one.page.split("\n\n").nth(2).unwrap_or_default();
        let first = said.split(". ").next().unwrap_or_default();
        vec![
            one.error_type.to_string(),
            yes(one.retried),
            yes(one.dead_letter),
            first.replace('\n', " ").trim_end_matches('.').to_owned(),
        ]
    }));
    format!(
        "{}\n\n`hothouse explain ERROR_TYPE` says more.",
        table(&rows)
    )
}

/// Reads an error_type's name.
pub(super) fn error_type(text: &str) -> Result<ErrorType, String> {
    let known = ErrorType::ALL
        .into_iter()
        .find(|known| known.as_str() == text);
    known.ok_or_else(|| {
        let names = ErrorType::ALL.map(ErrorType::as_str);
        format!("expected one of {}", names.join(", "))
    })
}
