//! One dead letter.

use chrono::{DateTime, SecondsFormat, Utc};
use serde::Serialize;

use crate::bus::{DeadLetter, Entry, EntryId, Subscription};
use crate::event::{Fields, Glance, Id};

/// A dead letter as it was read.
#[derive(Debug)]
pub(super) struct Letter {
    pub(super) stream: &'static str,
    pub(super) group: String,
    /// All of it.
    pub(super) entry: Entry,
    /// What the host says of it, where that can be read.
    pub(super) said: Option<DeadLetter>,
}

/// What a list shows of it.
#[derive(Debug, Serialize)]
pub(super) struct Summary {
    pub(super) id: String,
    pub(super) stream: &'static str,
    pub(super) group: String,
    pub(super) event_id: Option<String>,
    #[serde(rename = "type")]
    pub(super) event_type: Option<String>,
    pub(super) aggregate: Option<String>,
    /// When it became a dead letter, by the bus's clock.
    pub(super) at: Option<DateTime<Utc>>,
    pub(super) error_type: Option<String>,
    pub(super) error_message: Option<String>,
    pub(super) attempts: Option<u32>,
    pub(super) plugin: Option<String>,
    pub(super) generation: Option<String>,
}

impl Letter {
    pub(super) fn new(of: &Subscription, entry: Entry) -> Self {
        let said = entry.fields.get("hothouse");
        Self {
            stream: of.stream,
            group: of.group.clone(),
            said: said.and_then(|json| serde_json::from_slice(json).ok()),
            entry,
        }
    }

    pub(super) fn id(&self) -> EntryId {
        self.entry.id
    }

    pub(super) fn event_id(&self) -> Option<Id> {
        Glance::of(&self.entry.fields).event_id
    }

    /// The name of its event's type, where there is one.
    pub(super) fn event_type(&self) -> Option<String> {
        let seen = Glance::of(&self.entry.fields);
        let name = seen.event_type.as_deref()?;
        Some(String::from_utf8_lossy(name).into_owned())
    }

    pub(super) fn error_type(&self) -> String {
        let said = self.said.as_ref();
        said.map_or_else(unreadable, |said| said.error_type.to_string())
    }

    /// `name@version` of the plugin that ran last.
    pub(super) fn plugin(&self) -> Option<&str> {
        self.said.as_ref()?.plugin.as_deref()
    }

    /// The fields that the entry had on its stream.
    pub(super) fn original(&self) -> Fields {
        let mut fields = self.entry.fields.clone();
        if fields.0.last().is_some_and(|(name, _)| name == b"hothouse") {
            fields.0.pop();
        }
        fields
    }

    pub(super) fn summary(&self) -> Summary {
        let seen = Glance::of(&self.entry.fields);
        let aggregate = seen.kind().and_then(|kind| seen.aggregate(kind));
        let said = self.said.as_ref();
        let generation = self.entry.fields.get("generation");
        let ms = i64::try_from(self.id().ms).unwrap_or_default();
        Summary {
            id: self.id().to_string(),
            stream: self.stream,
            group: self.group.clone(),
            event_id: seen.event_id.map(|id| id.to_string()),
            event_type: self.event_type(),
            aggregate: aggregate.map(|id| id.to_string()),
            at: DateTime::from_timestamp_millis(ms),
            error_type: said.map(|said| said.error_type.to_string()),
            error_message: said.map(|said| said.error_message.clone()),
            attempts: said.map(|said| said.attempts),
            plugin: self.plugin().map(str::to_owned),
            generation: generation.map(|text| String::from_utf8_lossy(text).into_owned()),
        }
    }
}

impl Summary {
    /// The time as people read it.
    pub(super) fn at(&self) -> String {
        let at = self
            .at
            .map(|at| at.to_rfc3339_opts(SecondsFormat::Secs, true));
        at.unwrap_or_default()
    }
}

/// Stands where the host's own field cannot be read.
fn unreadable() -> String {
    "unreadable".to_owned()
}
