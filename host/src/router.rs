//! Which plugin an event goes to. Pure.

use std::collections::HashMap;

use crate::config::{RetryPolicy, RouteConfig};
use crate::event::{Event, EventType, Payload};
use crate::failure::{ErrorType, Failure};

/// The routes of one group.
#[derive(Debug, Clone)]
pub struct Router {
    group: String,
    routes: HashMap<EventType, Vec<Route>>,
    unrouted: RetryPolicy,
}

/// Where an event goes.
#[derive(Debug, Clone)]
pub struct Route {
    selector: Option<String>,
    /// The plugin's name.
    pub plugin: String,
    /// When and how often a failure is retried.
    pub retry: RetryPolicy,
}

impl Router {
    /// The routes of `group` among all routes.
    #[must_use]
    pub fn new(group: &str, routes: &[RouteConfig]) -> Self {
        let mut by_type: HashMap<EventType, Vec<Route>> = HashMap::new();
        for route in routes.iter().filter(|route| route.group == group) {
            by_type.entry(route.event_type).or_default().push(Route {
                selector: route.selector.clone(),
                plugin: route.plugin.clone(),
                retry: route.retry.clone(),
            });
        }
        Self {
            group: group.to_owned(),
            routes: by_type,
            unrouted: RetryPolicy::default(),
        }
    }

    /// The types that the group takes, in the contract's order.
    #[must_use]
    pub fn types(&self) -> Vec<EventType> {
        let types = EventType::ALL.into_iter();
        types
            .filter(|kind| self.routes.contains_key(kind))
            .collect()
    }

    /// The retries of an event that no route takes.
    #[must_use]
    pub fn unrouted(&self) -> &RetryPolicy {
        &self.unrouted
    }

    /// The route of an event: an exact one before the catch-all.
    ///
    /// # Errors
    /// `no_route`.
    pub fn route(&self, event: &Event) -> Result<&Route, Failure> {
        let kind = event.envelope.event_type;
        let routes = self.routes.get(&kind).map_or(&[][..], Vec::as_slice);
        let selector = selector(&event.payload);
        let with = |wanted: Option<&str>| {
            routes
                .iter()
                .find(|route| route.selector.as_deref() == wanted)
        };
        with(selector).or_else(|| with(Some("*"))).ok_or_else(|| {
            let what = match selector {
                Some(selector) => format!("{kind} with type {selector:?}"),
                None => kind.to_string(),
            };
            Failure::new(
                ErrorType::NoRoute,
                format!("no route of group {} takes {what}", self.group),
            )
        })
    }
}

/// The routes of `group` on `stream`, a line of JSON each, sorted: what the hosts of the group
/// must have in common. The plugins' versions are not in it.
#[must_use]
pub fn shared_routes(group: &str, stream: &str, routes: &[RouteConfig]) -> String {
    let mut lines: Vec<String> = routes
        .iter()
        .filter(|route| route.group == group && route.event_type.stream() == stream)
        .map(|route| {
            let mut route = route.clone();
            if let Some(classes) = &mut route.retry.retry_on {
                classes.sort_unstable();
                classes.dedup();
            }
            serde_json::json!(route).to_string()
        })
        .collect();
    lines.sort_unstable();
    lines.join("\n")
}

fn selector(payload: &Payload) -> Option<&str> {
    if let Payload::AgentExecutionStarted(data) = payload {
        Some(&data.agent_type)
    } else if let Payload::DiscoveryStarted(data) = payload {
        Some(&data.discovery_type)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::decode_json;

    fn started(agent_type: &str) -> Event {
        decode_json(&format!(
            r#"{{"event_id":"3fa85f64-5717-4562-b3fc-2c963f66afa6","type":"agent.execution.started",
            "timestamp":"2024-01-16T20:01:00Z","data":{{"phase_number":1,"input_data":{{}},
            "agent_execution_id":"3fa85f64-5717-4562-b3fc-2c963f66afa6","agent_type":"{agent_type}"}}}}"#
        ))
        .expect("event")
    }

    fn router(selectors: &[&str]) -> Router {
        let routes: Vec<RouteConfig> = selectors
            .iter()
            .map(|selector| RouteConfig {
                group: "g".into(),
                event_type: EventType::AgentExecutionStarted,
                selector: Some((*selector).to_owned()),
                plugin: format!("for-{selector}"),
                retry: RetryPolicy::default(),
            })
            .collect();
        Router::new("g", &routes)
    }

    #[test]
    fn an_exact_route_beats_the_catch_all_whatever_their_order() {
        for order in [["*", "backend"], ["backend", "*"]] {
            let router = router(&order);
            let route = |kind| {
                router
                    .route(&started(kind))
                    .map(|route| route.plugin.as_str())
            };
            assert_eq!(route("backend"), Ok("for-backend"));
            assert_eq!(route("frontend"), Ok("for-*"));
        }
    }

    fn retried_on(retry_on: Option<Vec<ErrorType>>) -> String {
        let retry = RetryPolicy {
            retry_on,
            ..RetryPolicy::default()
        };
        let route = |group: &str, event_type| RouteConfig {
            group: group.into(),
            event_type,
            selector: Some("*".to_owned()),
            plugin: "p".into(),
            retry: retry.clone(),
        };
        let routes = [
            route("g", EventType::AgentExecutionStarted),
            route("g", EventType::DiscoveryStarted),
            route("h", EventType::AgentExecutionFailed),
        ];
        shared_routes("g", "execution-events", &routes)
    }

    #[test]
    fn shared_routes_are_those_of_the_group_on_the_stream_and_do_not_depend_on_order() {
        assert_eq!(
            retried_on(None),
            r#"{"max_delay_ms":300000,"plugin":"p","poisoned_lane":"block","retry_delays_ms":[1000,5000,25000],"selector":"*","type":"agent.execution.started"}"#
        );
        let one = retried_on(Some(vec![ErrorType::Trap, ErrorType::Timeout]));
        let other = retried_on(Some(vec![ErrorType::Timeout, ErrorType::Trap]));
        assert_eq!(one, other);
        assert_ne!(one, retried_on(None));
    }

    #[test]
    fn an_agent_type_without_a_route_is_named_in_the_failure() {
        let failure = router(&["backend"])
            .route(&started("poet"))
            .expect_err("no route");
        assert_eq!(failure.error_type, ErrorType::NoRoute);
        assert!(failure.message.contains("\"poet\""), "{failure}");
    }
}
