//! The dead letters of a group on Redis.

use super::{NO_WINDOW, RedisBus, wire};
use crate::bus::{BusError, Entry, EntryId, Requeued, Subscription};
use crate::event::PluginRef;

impl RedisBus {
    pub(super) async fn page_of_letters(
        &self,
        stream: &str,
        group: &str,
        after: EntryId,
        max: usize,
    ) -> Result<Vec<Entry>, BusError> {
        let mut call = self.call_on(&self.scripts.page, stream, group, NO_WINDOW);
        call.arg(after.to_string()).arg(max);
        let reply = self.run_on(stream, group, &call).await?;
        wire::entries(reply).map_err(|reason| self.link.broken(reason))
    }

    pub(super) async fn requeue_letters(
        &self,
        subscription: &Subscription,
        letters: &[EntryId],
        to: Option<&PluginRef>,
    ) -> Result<Vec<Requeued>, BusError> {
        let mut call = self.call(&self.scripts.requeue, subscription);
        call.arg(to.map(ToString::to_string).unwrap_or_default());
        for letter in letters {
            call.arg(letter.to_string());
        }
        let reply = self.run(subscription, &call).await?;
        wire::requeued(reply).map_err(|reason| self.link.broken(reason))
    }

    pub(super) async fn purge_letters(
        &self,
        subscription: &Subscription,
        letters: &[EntryId],
        reason: &str,
    ) -> Result<usize, BusError> {
        let mut call = self.call(&self.scripts.purge, subscription);
        call.arg(reason);
        for letter in letters {
            call.arg(letter.to_string());
        }
        let reply = self.run(subscription, &call).await?;
        wire::count(&reply).map_err(|reason| self.link.broken(reason))
    }
}
