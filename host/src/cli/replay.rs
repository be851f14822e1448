//! `hothouse replay`: events that a group has handled, run again.

mod dry;
mod progress;
mod real;
mod request;

use std::process::ExitCode;

use super::Global;
use crate::event::{EventType, Id, PluginRef};

use self::request::Bound;

/// Runs events that a group has handled again: to compare, or for real
///
/// With --dry-run each event goes through its handler and nothing is committed; what comes out
/// is compared with the recorded outcome. Exit code 1 where an event's outcome differs or none
/// is recorded. Without it each event is appended again as a new event, caused by the old one,
/// at the end of its lane and for this group alone. A run that was interrupted is resumed with
/// --resume, and no event is replayed twice by it.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  hothouse replay --group agent-workers --from 2h --dry-run
  hothouse replay --group agent-workers --event-id ID --dry-run --to backend-agent@0.2.0
  hothouse replay --group agent-workers --from 1705435260000-0 --until 1705438860000-0 --yes
  hothouse replay --group agent-workers --from 2024-01-16T20:00:00Z --aggregate ID --rate 10
  hothouse replay --list
  hothouse replay --resume RUN")]
pub(super) struct Args {
    /// The group whose events they are; needed where several take them
    #[arg(long)]
    group: Option<String>,

    /// The stream; needed where the group takes several
    #[arg(long)]
    stream: Option<String>,

    /// The first entry: an id like 1705435260000-0, a time, or an age like 2h, 7d
    #[arg(long, value_name = "WHEN", value_parser = Bound::parse)]
    from: Option<Bound>,

    /// The last entry: an id; or a time or an age, before which it was appended
    #[arg(long, value_name = "WHEN", value_parser = Bound::parse)]
    until: Option<Bound>,

    /// Events of this type; given again, of that type too
    #[arg(long = "type", value_name = "TYPE", value_parser = request::event_type)]
    types: Vec<EventType>,

    /// Events of this aggregate, the id that their lane goes by
    #[arg(long, value_name = "ID")]
    aggregate: Option<Id>,

    /// Events with this correlation_id, and the one that has it for its event_id
    #[arg(long, value_name = "ID")]
    correlation_id: Option<Id>,

    /// The event with this event_id
    #[arg(long, value_name = "ID")]
    event_id: Option<Id>,

    /// At most so many events, the oldest
    #[arg(long, value_name = "N")]
    limit: Option<u64>,

    /// The plugin that takes them, instead of their routes'
    #[arg(long, value_name = "PLUGIN@VERSION")]
    to: Option<PluginRef>,

    /// Commits nothing and compares with the recorded outcomes
    #[arg(long)]
    dry_run: bool,

    /// Fuel, memory and tokens count as differences
    #[arg(long, requires = "dry_run")]
    strict: bool,

    /// Runs at a time; otherwise one for each core, and no more than host.slots
    #[arg(long, value_name = "N", requires = "dry_run", value_parser = clap::value_parser!(u32).range(1..=1024))]
    jobs: Option<u32>,

    /// Appends without asking
    #[arg(long, conflicts_with = "dry_run")]
    yes: bool,

    /// Events appended in a second; 0 for no limit
    #[arg(long, value_name = "N", default_value = "50", value_parser = request::rate, conflicts_with = "dry_run")]
    rate: f64,

    /// Goes on with a run, with the arguments that it began with
    #[arg(long, value_name = "RUN", conflicts_with_all = SELECTING)]
    resume: Option<Id>,

    /// Lists the runs of the last 30 days
    #[arg(long, conflicts_with_all = SELECTING, conflicts_with = "resume")]
    list: bool,
}

/// What says which events a new run is about.
const SELECTING: [&str; 11] = [
    "group",
    "stream",
    "from",
    "until",
    "types",
    "aggregate",
    "correlation_id",
    "event_id",
    "limit",
    "to",
    "dry_run",
];

pub(super) async fn run(args: Args, global: &Global) -> anyhow::Result<ExitCode> {
    match (args.list, args.resume) {
        (true, _) => real::list(global).await,
        (false, Some(run)) => real::resume(run, args.rate, global).await,
        (false, None) if args.dry_run => dry::run(&args, global).await,
        (false, None) => real::begin(&args, global).await,
    }
}

fn events(count: u64) -> String {
    match count {
        1 => "1 event".to_owned(),
        count => format!("{count} events"),
    }
}
