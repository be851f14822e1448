//! The automatic trim policy: what every group has acknowledged goes when the operator's bounds
//! allow it. Any number of hosts may do it.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::sleep;

use crate::bus::{Bus, BusError, Subscription};
use crate::config::TrimPolicy;

/// First pause after an error of the bus; it doubles up to the usual pause.
const BACKOFF: Duration = Duration::from_secs(1);

/// Trims the streams of a host's subscriptions, again and again.
pub(crate) struct Trimmer {
    bus: Arc<dyn Bus>,
    policy: TrimPolicy,
    groups: BTreeMap<&'static str, Vec<String>>,
}

impl Trimmer {
    pub(crate) fn new(bus: Arc<dyn Bus>, policy: TrimPolicy, of: &[Subscription]) -> Self {
        Self {
            bus,
            policy,
            groups: groups_of(of),
        }
    }

    /// Runs until `stop` turns true.
    ///
    /// # Errors
    /// None: an error of the bus is logged and waited out.
    pub(crate) async fn run(self, mut stop: watch::Receiver<bool>) -> Result<(), BusError> {
        let mut errors = 0;
        loop {
            let pause = match errors {
                0 => self.policy.every,
                n => BACKOFF
                    .saturating_mul(1 << (n - 1).min(10))
                    .min(self.policy.every),
            };
            let round = async {
                sleep(pause).await;
                self.trim().await
            };
            match until(&mut stop, round).await {
                None => return Ok(()),
                Some(Ok(())) => errors = 0,
                Some(Err(error)) => {
                    errors += 1_u32;
                    tracing::warn!("trimming: {error}");
                }
            }
        }
    }

    /// Every stream, and the first error.
    async fn trim(&self) -> Result<(), BusError> {
        let mut result = Ok(());
        for (stream, groups) in &self.groups {
            match self
                .bus
                .trim(stream, groups, self.policy.bound, false)
                .await
            {
                Err(error) => result = result.and(Err(error)),
                Ok(trimmed) => {
                    let held_back_by = trimmed.held_back_by.map(|held| held.to_string());
                    let held_back_by = held_back_by.unwrap_or_default();
                    if let Some(up_to) = trimmed.up_to {
                        let removed = trimmed.removed;
                        tracing::info!(stream, removed, %up_to, held_back_by, "trimmed");
                    } else {
                        tracing::debug!(stream, held_back_by, "nothing to trim");
                    }
                }
            }
        }
        result
    }
}

/// The groups of each stream.
pub(crate) fn groups_of(subscriptions: &[Subscription]) -> BTreeMap<&'static str, Vec<String>> {
    let mut groups: BTreeMap<&'static str, Vec<String>> = BTreeMap::new();
    for subscription in subscriptions {
        let of_stream = groups.entry(subscription.stream).or_default();
        of_stream.push(subscription.group.clone());
    }
    groups
}

/// The future's value; none where the host is to stop before.
async fn until<T>(stop: &mut watch::Receiver<bool>, future: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        _ = stop.wait_for(|stop| *stop) => None,
        value = future => Some(value),
    }
}
