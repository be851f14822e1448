//! `hothouse dlq list`.

use std::ops::ControlFlow;
use std::process::ExitCode;

use anyhow::bail;
use serde::Serialize;
use serde_json::json;

use super::groups::Groups;
use super::letter::{Letter, Summary};
use super::records;
use super::select::{Chosen, Select};
use crate::cli::output::table;
use crate::cli::{Global, Usage};
use crate::failure::clean;

/// Longest error message in a line.
const MAX_MESSAGE: usize = 60;

/// Lists dead letters, oldest first
///
/// Without --group, those of every group of the configuration. --since and --until are of the
/// time at which a letter became one.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  hothouse dlq list
  hothouse dlq list --error-type timeout --since 2h
  hothouse dlq list --plugin backend-agent@1.2.0 --limit 1000 --json
  hothouse dlq list --purged --group agent-workers")]
pub(in crate::cli) struct Args {
    #[command(flatten)]
    groups: Groups,

    /// At most this many
    #[arg(long, default_value_t = 100, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,

    /// The last ones of each group that were purged instead, with the reasons
    #[arg(long)]
    purged: bool,

    #[command(flatten)]
    select: Select,
}

#[derive(Serialize)]
struct Answer {
    dead_letters: Vec<Summary>,
    /// Whether there are more than are listed.
    more: bool,
}

pub(super) async fn run(args: Args, global: &Global) -> anyhow::Result<ExitCode> {
    let config = global.load()?;
    let bus = global.shared_bus(&config.bus)?;
    let groups = args.groups.find(&config, &*bus).await?;
    if args.purged {
        if !args.select.is_empty() {
            bail!(Usage("--purged takes no filters".to_owned()));
        }
        let records = records::read(&*bus, &groups, args.limit as usize).await?;
        let text = || records::text(&records);
        global
            .output()
            .answer(text, &json!({ "purged": records }))?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut answer = Answer {
        dead_letters: Vec::new(),
        more: false,
    };
    let visit = |letter: Letter| {
        answer.more = answer.dead_letters.len() >= args.limit as usize;
        if answer.more {
            return ControlFlow::Break(());
        }
        answer.dead_letters.push(letter.summary());
        ControlFlow::Continue(())
    };
    Chosen::Passing(args.select)
        .visit(&*bus, &groups, visit)
        .await?;
    global.output().answer(|| text(&answer), &answer)?;
    Ok(ExitCode::SUCCESS)
}

fn text(answer: &Answer) -> String {
    if answer.dead_letters.is_empty() {
        return "no dead letters found".to_owned();
    }
    let titles = [
        "id", "group", "at", "type", "error", "runs", "plugin", "event_id", "message",
    ];
    let mut rows = vec![titles.map(str::to_owned).to_vec()];
    let or_dash = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
    for letter in &answer.dead_letters {
        rows.push(vec![
            letter.id.clone(),
            letter.group.clone(),
            letter.at(),
            clean(&or_dash(&letter.event_type), MAX_MESSAGE),
            or_dash(&letter.error_type),
            or_dash(&letter.attempts.map(|runs| runs.to_string())),
            or_dash(&letter.plugin),
            or_dash(&letter.event_id),
            clean(&or_dash(&letter.error_message), MAX_MESSAGE),
        ]);
    }
    let more = match answer.more {
        true => "\n\nthere are more: raise --limit, or narrow with filters",
        false => "",
    };
    format!("{}{more}", table(&rows))
}
