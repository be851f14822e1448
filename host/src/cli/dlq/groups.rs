//! Whose dead letters a verb is about.

use anyhow::bail;

use crate::bus::{Bus, Start, Subscription};
use crate::cli::Usage;
use crate::config::Config;
use crate::event::EventType;
use crate::subscriptions;

#[derive(Debug, clap::Args)]
pub(super) struct Groups {
    /// The dead letters of this group alone, also of one that the configuration has no more
    #[arg(long, value_name = "GROUP")]
    group: Option<String>,

    /// The dead letters of this stream alone
    #[arg(long, value_name = "STREAM", value_parser = stream)]
    stream: Option<&'static str>,
}

impl Groups {
    /// The groups, as the configuration has them where it does.
    ///
    /// # Errors
    /// A usage error where there are none.
    pub(super) async fn find(
        &self,
        config: &Config,
        bus: &dyn Bus,
    ) -> anyhow::Result<Vec<Subscription>> {
        let mut found = subscriptions(config);
        found.retain(|subscription| {
            self.group
                .as_ref()
                .is_none_or(|group| *group == subscription.group)
                && self
                    .stream
                    .is_none_or(|stream| stream == subscription.stream)
        });
        if found.is_empty() {
            found = self.left_behind(config, bus).await?;
        }
        if found.is_empty() {
            let groups = config.group_names().join(", ");
            bail!(Usage(format!(
                "no such group is configured or on the bus: the configuration has {groups}"
            )));
        }
        Ok(found)
    }

    /// What the bus has of a group that the configuration does not name.
    async fn left_behind(
        &self,
        config: &Config,
        bus: &dyn Bus,
    ) -> anyhow::Result<Vec<Subscription>> {
        let mut found = Vec::new();
        let Some(group) = &self.group else {
            return Ok(found);
        };
        for stream in EventType::STREAMS {
            if self.stream.is_some_and(|wanted| wanted != stream) {
                continue;
            }
            let status = bus.status(stream, group).await?;
            if status.exists || status.dead_letters > 0 {
                found.push(Subscription {
                    stream,
                    group: group.clone(),
                    types: Vec::new(),
                    start: Start::default(),
                    dedup_window: config.host.dedup_window,
                    lease: config.host.lease,
                    parked_limit: config.host.parked_limit,
                    routes: String::new(),
                });
            }
        }
        Ok(found)
    }
}

fn stream(name: &str) -> Result<&'static str, String> {
    let known = EventType::STREAMS.into_iter().find(|known| *known == name);
    known.ok_or_else(|| format!("expected one of {}", EventType::STREAMS.join(", ")))
}
