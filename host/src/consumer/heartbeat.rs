//! This host's lease on what it holds, and the heartbeats that extend it.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::{Pending, backoff};
use crate::bus::{Beat, Bus, BusError, Subscription};

/// Leases end by the bus's clock, to the millisecond.
const CLOCK_TICK: Duration = Duration::from_millis(10);

/// Sends heartbeats, one at a time, and knows how long the lease lasts by our own clock.
pub(super) struct Heartbeat {
    bus: Arc<dyn Bus>,
    subscription: Arc<Subscription>,
    under_way: Option<Pending<Beat>>,
    /// When the heartbeat under way, or else the last one, began.
    began: Instant,
    /// When the next one is to begin.
    next_at: Instant,
    errors: u32,
    /// When the last heartbeat began that the bus answered: the lease lasts from then.
    heard_at: Instant,
}

impl Heartbeat {
    /// For a host that joins now, which is a heartbeat too.
    pub(super) fn new(bus: Arc<dyn Bus>, subscription: Arc<Subscription>) -> Self {
        let now = Instant::now();
        Self {
            bus,
            subscription,
            under_way: None,
            began: now,
            next_at: now,
            errors: 0,
            heard_at: now,
        }
    }

    /// When what runs must have ended if the bus is not heard before: well before the lease
    /// ends, by the time at which the heartbeat that last extended it was sent.
    pub(super) fn fence_at(&self) -> Instant {
        self.heard_at + self.subscription.lease * 2 / 3
    }

    /// How long nothing was heard.
    pub(super) fn silent_for(&self) -> Duration {
        self.heard_at.elapsed()
    }

    /// The host joined with a call that began then.
    pub(super) fn joined(&mut self, began: Instant) {
        self.heard_at = began;
        self.next_at = began;
    }

    /// Begins a heartbeat when it is time, and ends with it.
    /// May be dropped: what is under way goes on with the next call.
    pub(super) async fn beat(&mut self) -> Result<Beat, BusError> {
        let call = match &mut self.under_way {
            Some(call) => call,
            None => {
                sleep_until(self.next_at).await;
                self.began = Instant::now();
                let (bus, subscription) = (Arc::clone(&self.bus), Arc::clone(&self.subscription));
                self.under_way
                    .insert(Box::pin(async move { bus.heartbeat(&subscription).await }))
            }
        };
        let result = call.await;
        self.under_way = None;
        let often = self.subscription.lease / 3;
        match &result {
            Ok(beat) => {
                self.errors = 0;
                self.heard_at = self.began;
                // Where a lease ends before, its host is gone: what it holds is not to wait.
                let soon = (beat.next_end + CLOCK_TICK).min(often);
                self.next_at = self.began + soon;
            }
            Err(_) => {
                // Soon enough to be heard before the lease ends, where the bus was away for
                // less than the half of it that makes the group wait for its hosts.
                self.next_at = Instant::now() + backoff(self.errors).min(often / 2);
                self.errors += 1;
            }
        }
        result
    }

    /// Gives up what is under way.
    pub(super) fn stop(&mut self) {
        self.under_way = None;
    }
}
