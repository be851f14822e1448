//! A dry run's outcome beside the recorded one. Pure.

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::difference::{Difference, Path, Step, differences};
use crate::bus::DeadLetter;
use crate::event::Fields;

/// An outcome: what was put out, and the dead letter where there is one.
#[derive(Debug, Clone, Default)]
pub struct Side {
    /// The encoded events.
    pub events: Vec<Fields>,
    /// The dead letter.
    pub letter: Option<Box<DeadLetter>>,
}

/// What a comparison came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Finding {
    /// Nothing differs.
    Same,
    /// Something does.
    Different,
    /// There is no recorded outcome to compare with.
    NotRecorded,
}

/// Two outcomes, compared.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison {
    /// What it came to.
    pub finding: Finding,
    /// Where they differ.
    pub differences: Vec<Difference>,
}

impl Side {
    /// Runs that the outcome took, where it tells.
    #[must_use]
    pub fn attempts(&self) -> Option<u32> {
        let told = self.ours().and_then(|ours| ours["attempts"].as_u64());
        let told = told.and_then(|attempts| u32::try_from(attempts).ok());
        told.or_else(|| self.letter.as_ref().map(|letter| letter.attempts))
    }

    /// What the outcome cost, where it tells.
    #[must_use]
    pub fn cost(&self) -> Option<Value> {
        let mut ours = self.ours()?;
        Some(ours["cost"].take()).filter(Value::is_object)
    }

    /// The object `hothouse`, which every event of an outcome has.
    fn ours(&self) -> Option<Value> {
        let mut data = data(self.events.first()?);
        Some(data["hothouse"].take())
    }

    /// What is compared: types and data without what is ours and differs between any two runs.
    fn comparable(&self, strict: bool) -> Vec<Value> {
        let event = |fields: &Fields| {
            let mut event = Map::new();
            event.insert("type".into(), text(fields, "type").into());
            let mut data = data(fields);
            let tokens = remove(&mut data, "token_usage");
            let ours = remove(&mut data, "hothouse");
            event.insert("data".into(), data);
            if strict {
                event.insert("token_usage".into(), tokens);
                event.insert("fuel".into(), ours["cost"]["fuel"].clone());
                let memory = ours["cost"]["peak_memory_bytes"].clone();
                event.insert("peak_memory_bytes".into(), memory);
            }
            Value::Object(event)
        };
        match &self.letter {
            // A failed event says the same as its dead letter.
            Some(letter) if self.events.is_empty() => vec![json!({ "dead_letter": {
                "error_type": letter.error_type, "error_message": letter.error_message,
            } })],
            Some(_) | None => self.events.iter().map(event).collect(),
        }
    }
}

/// Compares an outcome with the recorded one: types and data, but for the object `hothouse`,
/// ids and times of the envelope, and tokens. With `strict`, fuel, memory and tokens too.
#[must_use]
pub fn compare(recorded: &Side, now: &Side, strict: bool) -> Comparison {
    let (recorded, now) = (recorded.comparable(strict), now.comparable(strict));
    let differences = match (recorded.as_slice(), now.as_slice()) {
        ([recorded], [now]) => differences(recorded, now),
        _ => listed(recorded.clone(), now.clone()),
    };
    let finding = match (differences.is_empty(), recorded.is_empty()) {
        (true, _) => Finding::Same,
        (false, true) => Finding::NotRecorded,
        (false, false) => Finding::Different,
    };
    Comparison {
        finding,
        differences: match finding {
            Finding::NotRecorded => Vec::new(),
            Finding::Same | Finding::Different => differences,
        },
    }
}

/// The differences of several events, whose paths begin with `events[0]` and so on.
fn listed(recorded: Vec<Value>, now: Vec<Value>) -> Vec<Difference> {
    let all = differences(&Value::from(recorded), &Value::from(now));
    let under = |difference: Difference| Difference {
        path: Path(
            [Step::Key("events".into())]
                .into_iter()
                .chain(difference.path.0)
                .collect(),
        ),
        ..difference
    };
    all.into_iter().map(under).collect()
}

fn remove(data: &mut Value, key: &str) -> Value {
    let removed = data.as_object_mut().and_then(|data| data.remove(key));
    removed.unwrap_or_default()
}

fn data(fields: &Fields) -> Value {
    let data = fields.get("data").unwrap_or_default();
    serde_json::from_slice(data).unwrap_or_else(|_| text(fields, "data").into())
}

fn text(fields: &Fields, name: &str) -> String {
    String::from_utf8_lossy(fields.get(name).unwrap_or_default()).into_owned()
}

#[cfg(test)]
mod tests {
    use chrono::Utc;

    use super::*;
    use crate::failure::ErrorType;

    fn event(kind: &str, data: Value) -> Fields {
        let mut fields = Fields::default();
        fields.push("event_id", crate::event::Id::random().to_string());
        fields.push("type", kind);
        fields.push("data", data.to_string());
        fields
    }

    fn completed(output: Value, fuel: u64, tokens: u64) -> Side {
        let data = json!({ "output_data": output, "token_usage": { "total": tokens },
                           "hothouse": { "attempts": 2, "cost": { "fuel": fuel } } });
        Side {
            events: vec![event("agent.execution.completed", data)],
            letter: None,
        }
    }

    fn letter(message: &str) -> Side {
        Side {
            events: Vec::new(),
            letter: Some(Box::new(DeadLetter {
                entry_id: "1-0".into(),
                error_type: ErrorType::Trap,
                error_message: message.into(),
                attempts: 3,
                plugin: None,
                digest: None,
                first_at: Utc::now(),
                last_at: Utc::now(),
                history: Vec::new(),
            })),
        }
    }

    fn paths(comparison: &Comparison) -> Vec<String> {
        let paths = comparison.differences.iter();
        paths
            .map(|difference| difference.path.to_string())
            .collect()
    }

    #[test]
    fn cost_and_tokens_differ_only_where_that_is_asked_for() {
        let (recorded, now) = (completed(json!(1), 10, 5), completed(json!(1), 11, 6));
        assert_eq!(compare(&recorded, &now, false).finding, Finding::Same);
        let strict = compare(&recorded, &now, true);
        assert_eq!(strict.finding, Finding::Different);
        assert_eq!(paths(&strict), ["fuel", "token_usage.total"]);
        assert_eq!(recorded.attempts(), Some(2));
        assert_eq!(recorded.cost(), Some(json!({ "fuel": 10 })));
    }

    #[test]
    fn a_difference_is_named_by_its_path_in_the_event() {
        let recorded = completed(json!({ "files": ["a", "b"] }), 1, 1);
        let now = completed(json!({ "files": ["a", "c"] }), 1, 1);
        let comparison = compare(&recorded, &now, false);
        assert_eq!(paths(&comparison), ["data.output_data.files[1]"]);
    }

    #[test]
    fn of_several_events_each_is_compared_with_the_one_in_its_place() {
        let side = |shas: &[&str]| Side {
            events: shas
                .iter()
                .map(|sha| event("pr.merged", json!({ "sha": sha })))
                .collect(),
            letter: None,
        };
        let comparison = compare(&side(&["a", "b", "c"]), &side(&["a", "x"]), false);
        assert_eq!(paths(&comparison), ["events[1].data.sha", "events[2]"]);
        assert_eq!(
            compare(&side(&["a", "b"]), &side(&["a", "b"]), false).finding,
            Finding::Same
        );
    }

    #[test]
    fn without_events_the_dead_letters_are_compared() {
        assert_eq!(
            compare(&letter("a"), &letter("a"), false).finding,
            Finding::Same
        );
        let other = compare(&letter("a"), &letter("b"), false);
        assert_eq!(paths(&other), ["dead_letter.error_message"]);
        assert_eq!(letter("a").attempts(), Some(3));
    }

    #[test]
    fn nothing_recorded_is_no_difference_and_nothing_at_all_is_the_same() {
        let now = completed(json!(1), 1, 1);
        let comparison = compare(&Side::default(), &now, false);
        assert_eq!(comparison.finding, Finding::NotRecorded);
        assert_eq!(comparison.differences, []);
        assert_eq!(
            compare(&Side::default(), &letter("a"), false).finding,
            Finding::NotRecorded
        );
        assert_eq!(
            compare(&Side::default(), &Side::default(), false).finding,
            Finding::Same
        );
        assert_eq!(
            compare(&now, &Side::default(), false).finding,
            Finding::Different
        );
    }
}
