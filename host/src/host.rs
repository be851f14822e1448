//! One host: a consumer for each group and stream, started and stopped together.

use std::sync::Arc;

use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::bus::{Bus, BusError, Subscription};
use crate::config::Config;
use crate::consumer::Consumer;
use crate::event::EventType;
use crate::pipeline::Pipeline;
use crate::plugin::Registry;
use crate::router::{Router, shared_routes};
use crate::sandbox::Sandbox;
use crate::trimmer::Trimmer;

/// A host ended before it was told to.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The bus refuses it for good.
    #[error(transparent)]
    Bus(#[from] BusError),
    /// A consumer panicked: a defect of ours.
    #[error("a consumer stopped: {0}")]
    Defect(tokio::task::JoinError),
}

/// Runs a host until `stop` turns true and everything in hand has ended or gone back.
///
/// # Errors
/// When a group cannot be consumed at all; the others are stopped in good order then.
pub async fn run(
    config: &Config,
    bus: Arc<dyn Bus>,
    sandbox: Arc<Sandbox>,
    plugins: Arc<Registry>,
    stop: watch::Receiver<bool>,
) -> Result<(), RunError> {
    // Ours: a consumer that fails stops the others through it.
    let (stopper, stopped) = watch::channel(*stop.borrow());
    let mut consumers = JoinSet::new();
    let subscriptions = subscriptions(config);
    if let Some(policy) = config.trim {
        let trimmer = Trimmer::new(Arc::clone(&bus), policy, &subscriptions);
        consumers.spawn(trimmer.run(stopped.clone()));
    }
    for subscription in subscriptions {
        let pipeline = Pipeline {
            router: Router::new(&subscription.group, &config.routes),
            group: subscription.group.clone(),
            plugins: Arc::clone(&plugins),
            repositories: Arc::new(config.repositories.clone()),
        };
        let consumer = Consumer::new(
            Arc::clone(&bus),
            subscription,
            pipeline,
            Arc::clone(&sandbox),
            config.host.in_flight,
            config.host.shutdown_grace,
            stopped.clone(),
        );
        consumers.spawn(consumer.run());
    }
    let mut stop = stop;
    let mut first_error = None;
    loop {
        tokio::select! {
            ended = consumers.join_next() => {
                let error = match ended {
                    None => break,
                    Some(Ok(Ok(()))) => None,
                    Some(Ok(Err(error))) => Some(RunError::Bus(error)),
                    Some(Err(error)) => Some(RunError::Defect(error)),
                };
                if let Some(error) = error {
                    tracing::error!("{error}");
                    first_error.get_or_insert(error);
                    stopper.send_replace(true);
                }
            }
            _ = stop.wait_for(|stop| *stop), if !*stopper.borrow() => {
                tracing::info!("stopping: letting the runs in hand end");
                stopper.send_replace(true);
            }
        }
    }
    first_error.map_or(Ok(()), Err)
}

/// The subscriptions that the routes amount to: one for each group and stream.
#[must_use]
pub fn subscriptions(config: &Config) -> Vec<Subscription> {
    let mut subscriptions = Vec::new();
    for group in config.group_names() {
        let types = Router::new(group, &config.routes).types();
        for stream in EventType::STREAMS {
            let types: Vec<EventType> = types
                .iter()
                .copied()
                .filter(|kind| kind.stream() == stream)
                .collect();
            if types.is_empty() {
                continue;
            }
            subscriptions.push(Subscription {
                stream,
                group: group.to_owned(),
                types,
                start: config.groups.get(group).copied().unwrap_or_default().start,
                dedup_window: config.host.dedup_window,
                lease: config.host.lease,
                parked_limit: config.host.parked_limit,
                routes: shared(group, stream, config),
            });
        }
    }
    subscriptions
}

/// What the hosts of a group must have in common: their routes, and for how long they remember a
/// finished event, since their records of it are the same ones.
fn shared(group: &str, stream: &str, config: &Config) -> String {
    let routes = shared_routes(group, stream, &config.routes);
    let window = config.host.dedup_window.as_secs();
    format!("{routes}\n{{\"dedup_window_s\":{window}}}")
}

/// The host's name on the bus, new at each start: what an earlier start held is not its own.
#[must_use]
pub fn consumer_name(config: &Config) -> String {
    format!("{}-{}", config.host.name, uuid::Uuid::new_v4().simple())
}
