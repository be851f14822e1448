//! From the command line to what is to be replayed.

use anyhow::bail;
use chrono::{DateTime, Utc};

use super::Args;
use crate::bus::{EntryId, Subscription};
use crate::cli::when::moment;
use crate::cli::{Usage, filter, target};
use crate::config::Config;
use crate::event::{EventType, PluginRef};
use crate::replay::Selection;
use crate::subscriptions;

/// One end of a range.
#[derive(Debug, Clone, Copy)]
pub(super) enum Bound {
    /// This entry.
    Entry(EntryId),
    /// What was appended then.
    Time(DateTime<Utc>),
}

impl Bound {
    /// For clap's `value_parser`.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        if let Some(id) = EntryId::parse(text) {
            return Ok(Self::Entry(id));
        }
        moment(text)
            .map(Self::Time)
            .map_err(|error| format!("{error}; or the id of an entry, like 1705435260000-0"))
    }

    fn first(self) -> EntryId {
        match self {
            Self::Entry(id) => id,
            Self::Time(time) => start_of(time),
        }
    }

    fn last(self) -> EntryId {
        match self {
            Self::Entry(id) => id,
            Self::Time(time) => start_of(time).before(),
        }
    }
}

fn start_of(time: DateTime<Utc>) -> EntryId {
    EntryId {
        ms: u64::try_from(time.timestamp_millis()).unwrap_or_default(),
        seq: 0,
    }
}

pub(super) fn event_type(text: &str) -> Result<EventType, String> {
    filter::event_type(text)
}

/// Reads a rate.
pub(super) fn rate(text: &str) -> Result<f64, String> {
    let rate = text.parse::<f64>().ok();
    rate.filter(|rate| rate.is_finite() && *rate >= 0.0)
        .ok_or_else(|| "expected a number of events in a second, or 0 for no limit".to_owned())
}

/// The one subscription that the arguments are about.
pub(super) fn subscription(args: &Args, config: &Config) -> anyhow::Result<Subscription> {
    let is = |wanted: &Option<String>, found: &str| wanted.as_ref().is_none_or(|w| w == found);
    let takes = |subscription: &Subscription| {
        let takes = |kind| subscription.types.contains(kind);
        args.types.iter().all(takes)
    };
    let mut fitting: Vec<Subscription> = subscriptions(config)
        .into_iter()
        .filter(|one| is(&args.group, &one.group) && is(&args.stream, one.stream) && takes(one))
        .collect();
    let options = |subscriptions: &[Subscription]| {
        let option = |one: &Subscription| format!("--group {} --stream {}", one.group, one.stream);
        subscriptions
            .iter()
            .map(option)
            .collect::<Vec<_>>()
            .join(", or ")
    };
    match fitting.len() {
        1 => Ok(fitting.remove(0)),
        0 => bail!(Usage(format!(
            "no group of the configuration takes that: it has {}",
            options(&subscriptions(config))
        ))),
        _ => bail!(Usage(format!(
            "several groups or streams fit: give {}",
            options(&fitting)
        ))),
    }
}

/// What is selected of a stream whose last entry is `last`.
pub(super) fn selection(
    args: &Args,
    subscription: &Subscription,
    last: EntryId,
) -> anyhow::Result<Selection> {
    let named = args.event_id.or(args.aggregate).or(args.correlation_id);
    if named.is_none() && args.from.is_none() && args.until.is_none() {
        bail!(Usage(
            "say which events: --from, --until, --event-id, --aggregate or --correlation-id; \
             --from 0-0 is all that there are"
                .to_owned()
        ));
    }
    Ok(Selection {
        group: subscription.group.clone(),
        types: match args.types.is_empty() {
            true => subscription.types.clone(),
            false => args.types.clone(),
        },
        from: args.from.map_or(EntryId::ZERO, Bound::first),
        until: args.until.map_or(last, Bound::last).min(last),
        aggregate: args.aggregate,
        correlation_id: args.correlation_id,
        event_id: args.event_id,
    })
}

/// Refuses a plugin that no host with this configuration has, or that cannot take the types.
pub(super) fn check_target(
    to: &PluginRef,
    types: &[EventType],
    config: &Config,
) -> anyhow::Result<()> {
    let manifest = target::find(to, config)?;
    match types.iter().find(|kind| !manifest.world.takes(**kind)) {
        None => Ok(()),
        Some(kind) => bail!(Usage(format!(
            "--to {to}: its world {} cannot take {kind}; --type narrows what is replayed",
            manifest.world
        ))),
    }
}
