//! The whole flow: decode -> route -> call -> outcome. Poll, lanes and commit are the bus's;
//! [`consumer`](crate::consumer) joins the two.

mod rehearsal;

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;

use crate::bus::{Attempt, Commit, Delivery, Loss, Verdict};
use crate::config::{Repositories, RetryPolicy};
use crate::event::{Event, Fields, Malformed, PluginRef, Salvaged, decode};
use crate::failure::{ErrorType, Failure, MAX_MESSAGE, clean};
use crate::outcome::{self, Ended};
use crate::plugin::{Plugin, PluginId, Registry, Slot};
use crate::router::Router;
use crate::sandbox::{Grants, Run};

pub use rehearsal::Rehearsal;

/// When a commit that could not be written is tried again.
const AFTER_A_DEFECT: Duration = Duration::from_secs(60);

/// Runs of an event that no route takes or that cannot be decoded, at the most.
const MAX_RUNS: u32 = 4;

/// What every delivery of one group goes through.
#[derive(Debug)]
pub struct Pipeline {
    /// The group.
    pub group: String,
    /// Its routes.
    pub router: Router,
    /// The plugins.
    pub plugins: Arc<Registry>,
    /// Where repositories are.
    pub repositories: Arc<Repositories>,
}

/// A delivery whose plugin is known.
#[derive(Debug)]
pub struct Prepared {
    delivery: Delivery,
    routed: Result<(Event, Slot), Malformed>,
}

impl Prepared {
    /// The plugin that is to take it, where there is one.
    #[must_use]
    pub fn plugin(&self) -> Option<&Arc<Plugin>> {
        self.routed.as_ref().ok()?.1.as_ref().ok()
    }
}

impl Pipeline {
    /// Whether nothing else is to run in this host beside the delivery: it would be given up
    /// after this run, and an earlier one was lost with a host that ran others too, any of
    /// which may be what ended it.
    #[must_use]
    pub fn runs_alone(&self, delivery: &Delivery) -> bool {
        if delivery.loss() != Some(Loss::InCompany) {
            return false;
        }
        delivery.attempt >= MAX_RUNS || delivery.attempt >= self.max_attempts(delivery)
    }

    fn max_attempts(&self, delivery: &Delivery) -> u32 {
        let Ok(event) = decode(&delivery.fields) else {
            return MAX_RUNS;
        };
        self.retry(&event).max_attempts()
    }

    /// Decodes and routes a delivery. What is wrong with it is told in its commit.
    #[must_use]
    pub fn prepare(&self, mut delivery: Delivery) -> Prepared {
        let fields = std::mem::take(&mut delivery.fields);
        // The delivery after its last run was to tell of its end, and did not come to it.
        let hopeless = delivery.attempt > MAX_RUNS + 1 && delivery.loss() == Some(Loss::Alone);
        let event = match hopeless {
            true => Err(undecodable(delivery.attempt)),
            false => decode_in_lane(&fields, &delivery),
        };
        let routed = event.map(|event| {
            let plugin = self.plugin(&event);
            (event, plugin)
        });
        Prepared { delivery, routed }
    }

    /// Takes a delivery to its commit. Every failure on the way becomes a part of the commit.
    ///
    /// The caller holds the plugin's turn and a slot of the sandbox. Dropping the future drops
    /// the run; the delivery is then still held and is to be released.
    pub async fn handle(&self, prepared: Prepared) -> Commit {
        let Prepared { delivery, routed } = prepared;
        let commit = match routed {
            Ok((event, plugin)) => {
                let ended = self.run(event, plugin, delivery.clone()).await;
                log(&ended);
                outcome::conclude(ended, Utc::now())
            }
            Err(malformed) => {
                let (group, entry) = (&self.group, delivery.lease.entry);
                let reason = clean(&malformed.reason, MAX_MESSAGE);
                tracing::warn!(group, %entry, "malformed event: {reason}");
                outcome::conclude_malformed(group, delivery.clone(), &malformed, Utc::now())
            }
        };
        commit.unwrap_or_else(|error| unwritable(delivery, &error))
    }

    fn retry(&self, event: &Event) -> &RetryPolicy {
        match self.router.route(event) {
            Ok(route) => &route.retry,
            Err(_) => self.router.unrouted(),
        }
    }

    fn plugin(&self, event: &Event) -> Slot {
        match &event.envelope.target_plugin {
            Some(target) => self.targeted(target, event),
            None => self.plugins.get(&self.router.route(event)?.plugin),
        }
    }

    async fn run(&self, event: Event, plugin: Slot, mut delivery: Delivery) -> Ended<'_> {
        let retry = self.retry(&event);
        let is_run =
            delivery.attempt <= retry.max_attempts() || delivery.loss() == Some(Loss::InCompany);
        let run = match &plugin {
            _ if !is_run => {
                // What it tells of is the run before.
                delivery.attempt -= 1;
                Err(exhausted(&delivery))
            }
            Ok(plugin) => self.call(plugin, &event, delivery.attempt).await,
            Err(failure) => Err(failure.clone()),
        };
        let (result, cost) = match run {
            Ok(run) => (run.result, Some(run.cost)),
            Err(failure) => (Err(failure), None),
        };
        Ended {
            group: &self.group,
            plugin: plugin.ok().map(|plugin| plugin.id.clone()),
            delivery,
            is_run,
            event,
            result,
            cost,
            retry,
        }
    }

    /// The plugin that the event asks for itself: no route has looked whether it fits.
    fn targeted(&self, target: &PluginRef, event: &Event) -> Slot {
        let plugin = self.plugins.get_at(target)?;
        let (world, kind) = (plugin.manifest.world, event.envelope.event_type);
        if world.takes(kind) {
            return Ok(plugin);
        }
        let message =
            format!("the event is to go to {target}, whose world {world} cannot take {kind}");
        Err(Failure::new(ErrorType::PluginUnavailable, message))
    }

    /// One run in the sandbox, or why there was none.
    async fn call(&self, plugin: &Plugin, event: &Event, attempt: u32) -> Result<Run, Failure> {
        let grants = self.grants(plugin, event).await?;
        let (event_id, generation) = (event.envelope.event_id, event.envelope.generation);
        tracing::debug!(%event_id, generation, plugin = plugin.label, attempt, "run begins");
        Ok(plugin.call(event, attempt, &grants).await)
    }

    /// What every run of the plugin has, and the event's repository where it asks for that.
    async fn grants<'a>(
        &self,
        plugin: &'a Plugin,
        event: &Event,
    ) -> Result<Cow<'a, Grants>, Failure> {
        let Some(access) = plugin.manifest.needs.repository() else {
            return Ok(Cow::Borrowed(&plugin.grants));
        };
        let id = event
            .payload
            .repository_id()
            .map_err(|error| Failure::new(ErrorType::MalformedEvent, error.to_string()))?;
        let Some(id) = id else {
            return Ok(Cow::Borrowed(&plugin.grants));
        };
        // Off the guests' threads: the directory may be on a mount that hangs.
        let repositories = Arc::clone(&self.repositories);
        let find = tokio::task::spawn_blocking(move || repositories.find(id));
        let limit = plugin.limits.timeout();
        let found = tokio::time::timeout(limit, find).await.map_err(|_| {
            let message = format!("repository {id} could not be looked at in {limit:?}");
            Failure::new(ErrorType::Timeout, message)
        })?;
        let directory = found.map_err(|error| {
            let message = format!("repository {id} could not be looked at: {error}");
            Failure::new(ErrorType::HostError, message)
        })??;
        Ok(Cow::Owned(
            plugin.grants.with_repository(&directory, access),
        ))
    }
}

/// The end of an entry that its hosts did not live to decode.
fn undecodable(deliveries: u32) -> Malformed {
    Malformed {
        reason: format!("its host died in each of {} deliveries", deliveries - 1),
        salvaged: Salvaged::default(),
    }
}

/// The end of an event that has had all its runs: what ended the last one.
fn exhausted(delivery: &Delivery) -> Failure {
    let runs = delivery.attempt;
    let counts = |run: &&Attempt| run.lost != Some(Loss::GivenBack);
    match delivery.history.iter().rfind(counts) {
        Some(last) if last.lost.is_none() => Failure::new(last.error_type, &last.error_message),
        Some(_) | None => Failure::new(
            ErrorType::HostError,
            format!("it was begun {runs} times, and its host died in the last run"),
        ),
    }
}

/// Decodes an entry whose lane the bus has derived. An entry whose aggregate the bus could
/// not read has a lane of its own, and must not run beside its aggregate's other events.
fn decode_in_lane(fields: &Fields, delivery: &Delivery) -> Result<Event, Malformed> {
    let event = decode(fields)?;
    if !delivery.lease.lane.is_own() {
        return Ok(event);
    }
    Err(Malformed {
        reason: "data: the aggregate's id cannot be read; is something nested too deeply?".into(),
        salvaged: Salvaged::of(&event),
    })
}

fn log(ended: &Ended<'_>) {
    let event_id = ended.event.envelope.event_id;
    let kind = ended.event.envelope.event_type;
    let lane = &ended.delivery.lease.lane;
    let plugin = ended
        .plugin
        .as_ref()
        .map(PluginId::label)
        .unwrap_or_default();
    let attempt = ended.delivery.attempt;
    let cost = ended.cost.unwrap_or_default();
    match &ended.result {
        Ok(_) => tracing::info!(
            %event_id, %lane, plugin, attempt, fuel = cost.fuel, ms = cost.wall_ms,
            "{kind} done"
        ),
        Err(failure) => tracing::warn!(
            %event_id, %lane, plugin, attempt, fuel = cost.fuel, ms = cost.wall_ms,
            error_type = %failure.error_type, frames = frames(failure),
            "{kind} failed: {}", failure.message
        ),
    }
}

/// Where a guest was stopped, innermost first; nothing where none was.
fn frames(failure: &Failure) -> Option<String> {
    (!failure.frames.is_empty()).then(|| failure.frames.join(" < "))
}

/// A defect of ours loses no event: it waits, and the log says why.
fn unwritable(delivery: Delivery, error: &serde_json::Error) -> Commit {
    tracing::error!(entry = %delivery.lease.entry, "cannot write the outcome: {error}");
    Commit {
        lease: delivery.lease,
        event_id: None,
        verdict: Verdict::Retry {
            after: AFTER_A_DEFECT,
            aside: false,
            history: delivery.history,
        },
    }
}
