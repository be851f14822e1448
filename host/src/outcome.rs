//! From what a run gave to what is committed. Pure.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Map;

use crate::bus::{Attempt, Commit, DeadLetter, Delivery, Output, Verdict};
use crate::config::{PoisonedLane, RetryPolicy};
use crate::event::{
    AgentExecutionCompleted, AgentExecutionFailed, DiscoveryCompleted, DiscoveryFailed, Envelope,
    Event, EventType, Extra, Id, Malformed, Payload, Salvaged, encode,
};
use crate::failure::{ErrorType, Failure};
use crate::plugin::PluginId;
use crate::sandbox::{Cost, Reply};

/// How one delivery of an event ended.
#[derive(Debug)]
pub struct Ended<'a> {
    /// The group.
    pub group: &'a str,
    /// The delivery.
    pub delivery: Delivery,
    /// Whether this is the end of a run. Else the delivery tells of the runs before it.
    pub is_run: bool,
    /// The event.
    pub event: Event,
    /// The plugin that it was routed to, where it was.
    pub plugin: Option<PluginId>,
    /// What the run gave.
    pub result: Result<Reply, Failure>,
    /// What the run cost, where there was one.
    pub cost: Option<Cost>,
    /// The route's, or the default where there was no route.
    pub retry: &'a RetryPolicy,
}

/// The object `hothouse` in the data of every outcome: everything of ours.
#[derive(Serialize)]
struct Ours<'a> {
    group: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    plugin: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    digest: Option<&'a str>,
    attempts: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    cost: Option<Cost>,
    /// Copied from the input: it is the outcome's aggregate downstream.
    #[serde(skip_serializing_if = "Option::is_none")]
    execution_plan_id: Option<Id>,
}

/// What an outcome's envelope is made of.
struct Origin<'a> {
    group: &'a str,
    event_id: Id,
    correlation_id: Option<Id>,
    generation: u32,
    source: String,
    now: DateTime<Utc>,
}

/// The commit of an ended delivery: completed, failed, or to be run again.
///
/// # Errors
/// When an outcome does not serialise, which is a defect of ours.
pub fn conclude(ended: Ended<'_>, now: DateTime<Utc>) -> Result<Commit, serde_json::Error> {
    let event_id = ended.event.envelope.event_id;
    let label = ended.plugin.as_ref().map(PluginId::label);
    let verdict = match &ended.result {
        Ok(reply) => Verdict::Done {
            outputs: completed(&ended, reply, now)?,
            dead_letter: None,
            stops_lane: false,
        },
        Err(failure) => {
            let attempt = ended.delivery.attempt;
            let history = match told(&ended) {
                true => ended.delivery.history.clone(),
                false => history(&ended.delivery, failure, label, now),
            };
            match ended.retry.next(failure, attempt, event_id) {
                Some(after) => Verdict::Retry {
                    after,
                    aside: ended.retry.poisoned_lane == PoisonedLane::Skip,
                    history,
                },
                None => {
                    let plugin = ended.plugin.as_ref();
                    let dead_letter = (!failure.error_type.is_verdict())
                        .then(|| dead_letter(&ended.delivery, failure, plugin, history, now));
                    let parks = ended.retry.poisoned_lane == PoisonedLane::Park;
                    Verdict::Done {
                        outputs: failed(&ended, failure, now)?,
                        stops_lane: parks && dead_letter.is_some(),
                        dead_letter,
                    }
                }
            }
        }
    };
    Ok(Commit {
        lease: ended.delivery.lease,
        event_id: Some(event_id),
        verdict,
    })
}

/// The commit of a delivery that an operator gives up before its runs are used up: a failed
/// event and a dead letter with the class of its last failure, whatever that is. The delivery
/// is no run.
///
/// # Errors
/// As [`conclude`].
pub fn give_up(
    group: &str,
    mut delivery: Delivery,
    event: Event,
    reason: &str,
    now: DateTime<Utc>,
) -> Result<Commit, serde_json::Error> {
    delivery.attempt -= 1;
    let failure = match delivery.history.last() {
        Some(last) => Failure::new(
            last.error_type,
            format!("{reason}; its last run: {}", last.error_message),
        ),
        None => Failure::new(ErrorType::HostError, reason),
    };
    let ended = Ended {
        group,
        delivery,
        is_run: false,
        event,
        plugin: None,
        result: Err(failure.clone()),
        cost: None,
        retry: &RetryPolicy::default(),
    };
    let history = match told(&ended) {
        true => ended.delivery.history.clone(),
        false => history(&ended.delivery, &failure, None, now),
    };
    let dead_letter = dead_letter(&ended.delivery, &failure, None, history, now);
    Ok(Commit {
        event_id: Some(ended.event.envelope.event_id),
        verdict: Verdict::Done {
            outputs: failed(&ended, &failure, now)?,
            dead_letter: Some(dead_letter),
            stops_lane: false,
        },
        lease: ended.delivery.lease,
    })
}

/// The commit of an entry that is no event: a dead letter, and a failed event where enough of
/// it could be read.
///
/// # Errors
/// As [`conclude`].
pub fn conclude_malformed(
    group: &str,
    delivery: Delivery,
    malformed: &Malformed,
    now: DateTime<Utc>,
) -> Result<Commit, serde_json::Error> {
    let failure = Failure::new(ErrorType::MalformedEvent, &malformed.reason);
    let salvaged = &malformed.salvaged;
    let history = history(&delivery, &failure, None, now);
    let outputs = failed_of_salvaged(group, &delivery, salvaged, &failure, now)?;
    Ok(Commit {
        event_id: salvaged.event_id,
        verdict: Verdict::Done {
            outputs: outputs.into_iter().collect(),
            dead_letter: Some(dead_letter(&delivery, &failure, None, history, now)),
            stops_lane: false,
        },
        lease: delivery.lease,
    })
}

fn completed(
    ended: &Ended<'_>,
    reply: &Reply,
    now: DateTime<Utc>,
) -> Result<Vec<Output>, serde_json::Error> {
    let origin = Origin::of(ended, now);
    let extra = ours(ended)?;
    let payload = match (reply, &ended.event.payload) {
        (Reply::Executed { output_data }, Payload::AgentExecutionStarted(input)) => {
            Payload::AgentExecutionCompleted(AgentExecutionCompleted {
                agent_execution_id: input.agent_execution_id,
                output_data: output_data.clone(),
                token_usage: ended.cost.unwrap_or_default().token_usage,
                extra,
            })
        }
        (
            Reply::Analyzed {
                detected_stack,
                service_boundaries,
                risk_score,
            },
            Payload::DiscoveryStarted(input),
        ) => Payload::DiscoveryCompleted(DiscoveryCompleted {
            repository_id: input.repository_id,
            discovery_report_id: origin.id("report"),
            detected_stack: detected_stack.clone(),
            service_boundaries: service_boundaries.clone(),
            risk_score: *risk_score,
            extra,
        }),
        (Reply::Handled { events }, _) => {
            return events
                .iter()
                .enumerate()
                .map(|(index, (kind, data))| {
                    let data = with_ours(data, &extra)?;
                    Ok(origin.output(*kind, data, index))
                })
                .collect();
        }
        // The sandbox gives a world's reply to that world's events alone.
        (Reply::Executed { .. } | Reply::Analyzed { .. }, _) => return Ok(Vec::new()),
    };
    Ok(vec![origin.output(
        payload.event_type(),
        payload.to_data()?,
        0,
    )])
}

fn failed(
    ended: &Ended<'_>,
    failure: &Failure,
    now: DateTime<Utc>,
) -> Result<Vec<Output>, serde_json::Error> {
    let retry_count = retries(ended.delivery.attempt);
    let Some((kind, subject)) = ended.event.payload.failed_as() else {
        return Ok(Vec::new());
    };
    let payload = failed_payload(kind, subject, failure, retry_count, ours(ended)?);
    let data = payload.to_data()?;
    Ok(vec![Origin::of(ended, now).output(kind, data, 0)])
}

fn failed_of_salvaged(
    group: &str,
    delivery: &Delivery,
    salvaged: &Salvaged,
    failure: &Failure,
    now: DateTime<Utc>,
) -> Result<Option<Output>, serde_json::Error> {
    let kind = salvaged.event_type.and_then(EventType::failed);
    let (Some(event_id), Some(subject), Some(kind)) = (salvaged.event_id, salvaged.subject, kind)
    else {
        return Ok(None);
    };
    let extra = object(&Ours {
        group,
        plugin: None,
        digest: None,
        attempts: delivery.attempt,
        cost: None,
        execution_plan_id: salvaged.execution_plan_id,
    })?;
    let origin = Origin {
        group,
        event_id,
        correlation_id: salvaged.correlation_id,
        generation: salvaged.generation,
        source: source(None),
        now,
    };
    let payload = failed_payload(kind, subject, failure, retries(delivery.attempt), extra);
    Ok(Some(origin.output(kind, payload.to_data()?, 0)))
}

/// The contract knows of three retries at the most.
fn retries(attempt: u32) -> u32 {
    attempt.saturating_sub(1).min(3)
}

/// `kind` is `discovery.failed`, or else `agent.execution.failed`: they have one shape.
fn failed_payload(
    kind: EventType,
    subject: Id,
    failure: &Failure,
    retry_count: u32,
    extra: Extra,
) -> Payload {
    let error_message = failure.message.clone();
    let error_type = failure.error_type.to_string();
    if kind == EventType::DiscoveryFailed {
        return Payload::DiscoveryFailed(DiscoveryFailed {
            repository_id: subject,
            error_message,
            error_type,
            retry_count,
            extra,
        });
    }
    Payload::AgentExecutionFailed(AgentExecutionFailed {
        agent_execution_id: subject,
        error_message,
        error_type,
        retry_count,
        extra,
    })
}

/// Whether the history tells of this end already. A run is always told of: where an attempt was
/// given back, an earlier one may have the same number.
fn told(ended: &Ended<'_>) -> bool {
    let last = ended.delivery.history.last();
    !ended.is_run && last.is_some_and(|last| last.attempt >= ended.delivery.attempt)
}

fn history(
    delivery: &Delivery,
    failure: &Failure,
    plugin: Option<String>,
    now: DateTime<Utc>,
) -> Vec<Attempt> {
    let mut history = delivery.history.clone();
    history.push(Attempt {
        attempt: delivery.attempt,
        at: now,
        error_type: failure.error_type,
        error_message: failure.message.clone(),
        plugin,
        lost: None,
        fence: None,
    });
    history
}

fn dead_letter(
    delivery: &Delivery,
    failure: &Failure,
    plugin: Option<&PluginId>,
    history: Vec<Attempt>,
    now: DateTime<Utc>,
) -> Box<DeadLetter> {
    Box::new(DeadLetter {
        entry_id: delivery.lease.entry.to_string(),
        error_type: failure.error_type,
        error_message: failure.message.clone(),
        attempts: delivery.attempt,
        plugin: plugin.map(PluginId::label),
        digest: plugin.map(|plugin| plugin.digest.clone()),
        first_at: history.first().map_or(now, |attempt| attempt.at),
        last_at: now,
        history,
    })
}

fn ours(ended: &Ended<'_>) -> Result<Extra, serde_json::Error> {
    object(&Ours {
        group: ended.group,
        plugin: ended.plugin.as_ref().map(PluginId::label),
        digest: ended.plugin.as_ref().map(|plugin| plugin.digest.as_str()),
        attempts: ended.delivery.attempt,
        cost: ended.cost,
        execution_plan_id: ended.event.payload.execution_plan_id(),
    })
}

fn object(ours: &Ours<'_>) -> Result<Extra, serde_json::Error> {
    let mut extra = Map::new();
    extra.insert("hothouse".to_owned(), serde_json::to_value(ours)?);
    Ok(extra)
}

/// The text of a handler's data with our object at its end. Spliced, not parsed and written
/// again: numbers stay as the plugin wrote them.
fn with_ours(data: &str, ours: &Extra) -> Result<String, serde_json::Error> {
    let body = data
        .trim_end()
        .strip_suffix('}')
        .unwrap_or_default()
        .trim_end();
    let comma = if body.trim_start() == "{" { "" } else { "," };
    let ours = serde_json::to_string(ours)?;
    Ok(format!("{body}{comma}{}", &ours[1..]))
}

fn source(plugin: Option<&PluginId>) -> String {
    match plugin {
        Some(plugin) => format!("hothouse/{}", plugin.label()),
        None => "hothouse".to_owned(),
    }
}

impl<'a> Origin<'a> {
    fn of(ended: &'a Ended<'_>, now: DateTime<Utc>) -> Self {
        let envelope = &ended.event.envelope;
        Self {
            group: ended.group,
            event_id: envelope.event_id,
            correlation_id: envelope.correlation_id,
            generation: envelope.generation,
            source: source(ended.plugin.as_ref()),
            now,
        }
    }

    /// The same delivery always derives the same ids, so that consumers can deduplicate.
    fn id(&self, what: &str) -> Id {
        outcome_id(self.event_id, self.group, self.generation, what)
    }

    fn output(&self, event_type: EventType, data: String, index: usize) -> Output {
        let envelope = Envelope {
            event_id: self.id(&index.to_string()),
            event_type,
            timestamp: millis(self.now),
            correlation_id: Some(self.correlation_id.unwrap_or(self.event_id)),
            causation_id: Some(self.event_id),
            source: Some(self.source.clone()),
            version: "1.0".to_owned(),
            generation: 0,
            target_plugin: None,
        };
        Output {
            event_type,
            fields: encode(&envelope, &data),
        }
    }
}

/// The id of what a group makes of an event: `what` is the place of an event that it puts out,
/// or a name.
pub(crate) fn outcome_id(event_id: Id, group: &str, generation: u32, what: &str) -> Id {
    event_id.derive(&format!("{group}/{generation}/{what}"))
}

/// Finer than a millisecond is noise between hosts.
pub(crate) fn millis(time: DateTime<Utc>) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(time.timestamp_millis()).unwrap_or(time)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_object_is_spliced_into_data_whatever_it_ends_with() {
        let ours: Extra = serde_json::from_str(r#"{"hothouse":{"a":1}}"#).expect("json");
        for (data, expected) in [
            ("{}", r#"{"hothouse":{"a":1}}"#),
            (" { } ", r#" {"hothouse":{"a":1}}"#),
            (r#"{"x":{}}"#, r#"{"x":{},"hothouse":{"a":1}}"#),
            (r#"{"x":"}"}"#, r#"{"x":"}","hothouse":{"a":1}}"#),
            ("{\"x\":1e400}\n", r#"{"x":1e400,"hothouse":{"a":1}}"#),
        ] {
            assert_eq!(with_ours(data, &ours).expect("splice"), expected);
        }
    }
}
