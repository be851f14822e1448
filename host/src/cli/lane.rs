//! `hothouse lane`: what keeps lanes, and what an operator does about it.

mod answer;

use std::process::ExitCode;

use anyhow::{Context as _, anyhow, bail};
use chrono::Utc;

use self::answer::{Changed, Listed, Shown};
use super::{Global, Usage};
use crate::bus::{
    Bus, Committed, Delivery, Lane, LaneStateName, LaneStatus, LaneStep, Stepped, Subscription,
};
use crate::config::Config;
use crate::event::decode;
use crate::failure::{MAX_MESSAGE, clean};
use crate::{outcome, subscriptions};

#[derive(Debug, clap::Subcommand)]
pub(super) enum Verb {
    /// Lists lanes that are not free: held by a host, waiting, or stopped by a dead letter
    ///
    /// Of every group of the configuration, stopped ones first. A lane is the events of one
    /// aggregate, which are handled in order.
    #[command(after_help = "\
Examples:
  hothouse lane list
  hothouse lane list --state stopped --json")]
    List {
        #[command(flatten)]
        of: Of,
        /// Only lanes in this state
        #[arg(long)]
        state: Option<LaneStateName>,
        /// At most as many of each group
        #[arg(long, default_value_t = 100, value_name = "N")]
        limit: usize,
    },
    /// Shows one lane: what keeps it, its head, and the runs that the head has had
    ///
    /// Exit code 1 where the lane is free.
    #[command(after_help = "\
Examples:
  hothouse lane show 51ddb75b-4313-57e9-9480-7102adec8628
  hothouse lane show 51ddb75b-4313-57e9-9480-7102adec8628 --group agent-workers --json")]
    Show(One),
    /// Lets a lane go on that a dead letter stopped (`poisoned_lane = "park"`)
    ///
    /// The dead letter stays where it is. Exit code 1 where the lane is not stopped.
    #[command(after_help = "\
Examples:
  hothouse lane release 51ddb75b-4313-57e9-9480-7102adec8628")]
    Release(One),
    /// Runs a lane's waiting head at once instead of when its retry is due
    ///
    /// Exit code 1 where nothing waits: the lane is free, stopped, or a host runs its head.
    #[command(after_help = "\
Examples:
  hothouse lane retry-now 51ddb75b-4313-57e9-9480-7102adec8628")]
    RetryNow(One),
    /// Ends a lane's waiting head as a dead letter, with its failed event
    ///
    /// The lane goes on with its next event; `hothouse dlq requeue` runs the skipped one again.
    /// A head that runs is left alone. Exit code 1 where nothing waits.
    #[command(after_help = "\
Examples:
  hothouse lane skip 51ddb75b-4313-57e9-9480-7102adec8628 --reason 'bad input'")]
    Skip {
        #[command(flatten)]
        one: One,
        /// Why, for the dead letter
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
    },
}

/// Which groups.
#[derive(Debug, clap::Args)]
pub(super) struct Of {
    /// Only this group of the configuration
    #[arg(long)]
    group: Option<String>,
    /// Only on this stream
    #[arg(long)]
    stream: Option<String>,
}

/// Which lane.
#[derive(Debug, clap::Args)]
pub(super) struct One {
    /// The aggregate's id, or the lane's name as `hothouse lane list` shows it
    lane: String,
    #[command(flatten)]
    of: Of,
}

pub(super) async fn run(verb: Verb, global: &Global) -> anyhow::Result<ExitCode> {
    let config = global.load()?;
    let bus = global.shared_bus(&config.bus)?;
    let bus = bus.as_ref();
    match verb {
        Verb::List { of, state, limit } => {
            let mut listed = Listed::default();
            for subscription in of.groups(&config)? {
                let (stream, group) = (subscription.stream, &subscription.group);
                let found = bus.lanes(stream, group, state, limit).await?;
                listed.add(&subscription, found);
            }
            listed.sort();
            global.output().answer(|| listed.text(), &listed)?;
            Ok(ExitCode::SUCCESS)
        }
        Verb::Show(one) => {
            let (subscription, status) = one.find(&config, bus).await?;
            let entry = match status.head {
                Some(head) => bus.read_one(subscription.stream, head).await?,
                None => None,
            };
            let shown = Shown::new(&subscription, &status, entry.as_ref());
            global.output().answer(|| shown.text(), &shown)?;
            Ok(ExitCode::SUCCESS)
        }
        Verb::Release(one) => change(&one, LaneStep::Release, &config, bus, global).await,
        Verb::RetryNow(one) => change(&one, LaneStep::RetryNow, &config, bus, global).await,
        Verb::Skip { one, reason } => skip(&one, reason.as_deref(), &config, bus, global).await,
    }
}

async fn change(
    one: &One,
    step: LaneStep,
    config: &Config,
    bus: &dyn Bus,
    global: &Global,
) -> anyhow::Result<ExitCode> {
    let (subscription, status) = one.find(config, bus).await?;
    let lane = &status.lane;
    let stepped = bus.step_lane(&subscription, lane, step).await?;
    done(lane, stepped)?;
    let what = match step {
        LaneStep::Release => "is released and goes on",
        LaneStep::RetryNow | LaneStep::Claim => "goes on with its head at once",
    };
    let changed = Changed::new(&subscription, lane, what);
    global.output().answer(|| changed.text(), &changed)?;
    Ok(ExitCode::SUCCESS)
}

async fn skip(
    one: &One,
    reason: Option<&str>,
    config: &Config,
    bus: &dyn Bus,
    global: &Global,
) -> anyhow::Result<ExitCode> {
    let (subscription, status) = one.find(config, bus).await?;
    let lane = &status.lane;
    let stepped = match bus.step_lane(&subscription, lane, LaneStep::Claim).await {
        Ok(stepped) => stepped,
        Err(error) => {
            // Where only the answer was lost, the head is ours: it is not to wait for a lease.
            let _ = bus.leave(&subscription).await;
            return Err(error.into());
        }
    };
    let claimed = done(lane, stepped)?;
    let ended = match claimed {
        Some(head) if status.head == Some(head.lease.entry) => {
            give_up(&subscription, *head, reason, bus).await
        }
        Some(head) => Err(anyhow!(
            "lane {lane} has another head by now, {}, which goes on: nothing was skipped \
             (`hothouse lane show {lane}`)",
            head.lease.entry
        )),
        None => Err(anyhow!(
            "nothing of lane {lane} is left to be run: it is free now"
        )),
    };
    // Whatever became of it, this process holds nothing any more.
    let left = bus.leave(&subscription).await;
    ended?;
    left.context("the head is skipped; leaving the group failed")?;
    let what = "goes on: its head is a dead letter (`hothouse dlq list`)";
    let changed = Changed::new(&subscription, lane, what);
    global.output().answer(|| changed.text(), &changed)?;
    Ok(ExitCode::SUCCESS)
}

async fn give_up(
    subscription: &Subscription,
    head: Delivery,
    reason: Option<&str>,
    bus: &dyn Bus,
) -> anyhow::Result<()> {
    let (group, entry) = (subscription.group.as_str(), head.lease.entry);
    let reason = match reason {
        Some(reason) => clean(&format!("skipped by an operator: {reason}"), MAX_MESSAGE),
        None => "skipped by an operator".to_owned(),
    };
    let commit = match decode(&head.fields) {
        Ok(event) => outcome::give_up(group, head, event, &reason, Utc::now())?,
        Err(malformed) => outcome::conclude_malformed(group, head, &malformed, Utc::now())?,
    };
    let mut committed = bus.commit(subscription, &[commit], false).await?;
    match committed.pop() {
        Some(Committed::Applied(_) | Committed::Duplicate(_)) => Ok(()),
        Some(Committed::Superseded) | None => bail!("entry {entry} was taken away meanwhile"),
        Some(Committed::Refused(reason)) => bail!("the bus refuses to end {entry}: {reason}"),
    }
}

/// What a step gave, or why it cannot be.
fn done(lane: &Lane, stepped: Stepped) -> anyhow::Result<Option<Box<Delivery>>> {
    match stepped {
        Stepped::Done(head) => Ok(head),
        Stepped::Free => bail!("lane {lane} is free by now: nothing waits in it"),
        Stepped::Held { host } => {
            bail!("lane {lane} is held by {host}, which runs its head: wait for the run to end")
        }
        Stepped::Waiting => bail!(
            "lane {lane} is not stopped, its head waits: `hothouse lane retry-now` or \
             `hothouse lane skip`"
        ),
        Stepped::Stopped => {
            bail!("lane {lane} is stopped: `hothouse lane release` lets it go on first")
        }
    }
}

impl Of {
    /// The subscriptions that are meant.
    fn groups(&self, config: &Config) -> Result<Vec<Subscription>, Usage> {
        let mut found = subscriptions(config);
        let all: Vec<String> = found
            .iter()
            .map(|one| format!("{} on {}", one.group, one.stream))
            .collect();
        found.retain(|one| {
            self.group.as_ref().is_none_or(|group| *group == one.group)
                && self.stream.as_ref().is_none_or(|name| name == one.stream)
        });
        if found.is_empty() {
            let message = format!(
                "no such group in the configuration: it has {}",
                all.join(", ")
            );
            return Err(Usage(message));
        }
        Ok(found)
    }
}

impl One {
    /// The lane, where it is busy in exactly one group.
    async fn find(
        &self,
        config: &Config,
        bus: &dyn Bus,
    ) -> anyhow::Result<(Subscription, LaneStatus)> {
        let lane = Lane::named(&self.lane);
        let mut found = Vec::new();
        for subscription in self.of.groups(config)? {
            let (stream, group) = (subscription.stream, &subscription.group);
            if let Some(status) = bus.lane(stream, group, &lane).await? {
                found.push((subscription, status));
            }
        }
        if found.len() > 1 {
            let groups: Vec<String> = found
                .iter()
                .map(|(one, _)| format!("{} on {}", one.group, one.stream))
                .collect();
            let groups = groups.join(", ");
            bail!(Usage(format!(
                "lane {lane} is busy in {groups}: say which with --group and --stream"
            )));
        }
        found.pop().ok_or_else(|| {
            anyhow!("lane {lane} is free: nothing of it runs, waits or is stopped (`hothouse lane list`)")
        })
    }
}
