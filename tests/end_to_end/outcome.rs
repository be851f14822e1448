//! What came out, as a consumer downstream reads it.

use std::collections::BTreeMap;

use hothouse::bus::Entry;
use hothouse::event::Fields;
use serde_json::Value;

/// An event that a host appended.
#[derive(Debug, Clone)]
pub(crate) struct Outcome {
    /// Its fields but for `data`.
    pub(crate) envelope: BTreeMap<String, String>,
    pub(crate) data: Value,
}

impl Outcome {
    /// Of an entry with a source that is a host's, and that no replay appended.
    pub(crate) fn of(entry: &Entry) -> Option<Self> {
        let mut envelope = BTreeMap::new();
        for (name, value) in &entry.fields.0 {
            let name = String::from_utf8(name.clone()).ok()?;
            envelope.insert(name, String::from_utf8(value.clone()).ok()?);
        }
        if !envelope.get("source")?.starts_with("hothouse") || envelope.contains_key("replay_of") {
            return None;
        }
        let data = envelope.remove("data").expect("an outcome has data");
        let data = serde_json::from_str(&data).expect("its data is JSON");
        Some(Self { envelope, data })
    }

    pub(crate) fn kind(&self) -> &str {
        &self.envelope["type"]
    }

    /// The event that it is the outcome of.
    pub(crate) fn cause(&self) -> &str {
        &self.envelope["causation_id"]
    }

    /// `data.error_type`, where it is a failed event.
    pub(crate) fn error_type(&self) -> &str {
        self.data["error_type"].as_str().unwrap_or_default()
    }

    /// Runs that it took.
    pub(crate) fn attempts(&self) -> u64 {
        let attempts = &self.data["hothouse"]["attempts"];
        attempts.as_u64().expect("an outcome tells its attempts")
    }

    /// The names of the fields of `data`, sorted.
    pub(crate) fn data_fields(&self) -> Vec<&str> {
        let data = self.data.as_object().expect("data is an object");
        let mut names: Vec<&str> = data.keys().map(String::as_str).collect();
        names.sort_unstable();
        names
    }
}

/// The `seq` of each lane's outcomes, as they came; all of them must be completed.
pub(crate) fn sequences(outcomes: &[Outcome]) -> BTreeMap<&str, Vec<u64>> {
    let mut lanes: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
    for outcome in outcomes {
        assert_eq!(outcome.kind(), "agent.execution.completed", "{outcome:?}");
        let lane = outcome.data["hothouse"]["execution_plan_id"]
            .as_str()
            .expect("a plan");
        let seq = outcome.data["output_data"]["seq"]
            .as_u64()
            .expect("a number");
        lanes.entry(lane).or_default().push(seq);
    }
    lanes
}

/// A dead letter: the original fields, and what the host says of it.
#[derive(Debug)]
pub(crate) struct DeadLetter {
    pub(crate) original: Fields,
    pub(crate) said: Value,
}

impl DeadLetter {
    pub(crate) fn of(entry: Entry) -> Self {
        let mut original = entry.fields;
        let (name, said) = original.0.pop().expect("a dead letter has fields");
        assert_eq!(name, b"hothouse", "the last field is the host's");
        Self {
            original,
            said: serde_json::from_slice(&said).expect("it is JSON"),
        }
    }

    pub(crate) fn error_type(&self) -> &str {
        self.said["error_type"].as_str().expect("a reason code")
    }

    pub(crate) fn message(&self) -> &str {
        self.said["error_message"].as_str().expect("a message")
    }

    pub(crate) fn attempts(&self) -> u64 {
        self.said["attempts"].as_u64().expect("attempts")
    }
}
