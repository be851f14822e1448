//! From the text of `hothouse.toml` to [`Config`].

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::allow::allow;
use super::section::{Section, parse};
use super::signatures::signatures;
use super::{
    AGENT_WORKERS, Config, DISCOVERY_WORKERS, GroupConfig, HostConfig, PluginConfig, Problem,
    Repositories, RepositoryPattern, RetryPolicy, RouteConfig, TrimPolicy,
};
use crate::bus::{BusUrl, BusUrlError, TrimBound};
use crate::event::{EventType, Id};
use crate::failure::ErrorType;
use crate::sandbox::Limits;

/// Shortest lease: heartbeats come three times in one.
const MIN_LEASE_MS: u64 = 1_000;

/// How often a host trims its streams, where it does.
const TRIM_EVERY: Duration = Duration::from_secs(60);

pub(super) fn config(
    text: &str,
    folder: &Path,
    bus_override: Option<&str>,
) -> Result<Config, Vec<Problem>> {
    let table = parse(text)?;
    let mut problems = Vec::new();
    let mut root = Section::root(table, &mut problems);

    let file_bus = root.get::<String>("bus");
    let bus = bus(&mut root, bus_override, file_bus.as_deref(), folder);
    let host = root
        .section("host", |section| host(section, folder))
        .unwrap_or_else(|| default_host(folder));
    let (limits, limits_max) = root
        .section("limits", limits)
        .unwrap_or((Limits::DEFAULT, Limits::MAXIMUM));
    let repositories = root
        .section("repositories", |section| repositories(section, folder))
        .unwrap_or_default();
    let signatures = root
        .section("signatures", |section| signatures(section, folder))
        .unwrap_or_default();
    let plugins = root.each("plugins", |_, section| plugin(section, folder));
    if root.is_empty("routes") {
        root.problem(
            "routes",
            "there is none: a host without routes has nothing to do",
        );
    }
    let routes = root.list("routes", route);
    let groups = root.each("groups", |_, section| {
        Some(GroupConfig {
            start: section.get("start").unwrap_or_default(),
        })
    });
    let trim = root.section("trim", trim).flatten();
    check_routes(&mut root, &routes, &plugins, &groups);
    root.finish();

    match bus {
        Some(bus) if problems.is_empty() => Ok(Config {
            bus,
            host,
            limits,
            limits_max,
            repositories,
            signatures,
            plugins,
            routes,
            groups,
            trim,
        }),
        Some(_) | None => Err(problems),
    }
}

fn bus(
    root: &mut Section<'_>,
    flag: Option<&str>,
    file: Option<&str>,
    folder: &Path,
) -> Option<BusUrl> {
    let Some(text) = flag.or(file) else {
        root.problem(
            "bus",
            "is missing: set it to redis://HOST:PORT, sqlite:PATH or memory:",
        );
        return None;
    };
    let url: Result<BusUrl, BusUrlError> = text.parse();
    match url {
        // A path on the command line is the caller's, one in the file is the file's.
        Ok(url) if flag.is_none() => Some(url.relative_to(folder)),
        Ok(url) => Some(url),
        Err(error) => {
            root.problem("bus", error);
            None
        }
    }
}

/// Where compiled components are kept, beside the configuration.
const CACHE: &str = ".hothouse/cache";

fn default_host(folder: &Path) -> HostConfig {
    HostConfig {
        name: hostname(),
        slots: 64,
        in_flight: 64,
        lease: Duration::from_secs(10),
        dedup_window: Duration::from_secs(24 * 3600),
        shutdown_grace: Duration::from_secs(30),
        parked_limit: 10_000,
        cache: Some(folder.join(CACHE)),
    }
}

/// `host.cache`.
#[derive(serde::Deserialize)]
#[serde(
    untagged,
    expecting = "expected the path of a directory, or false for no cache"
)]
enum CacheSetting {
    Enabled(bool),
    At(PathBuf),
}

fn hostname() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    match name.trim() {
        "" => "host".to_owned(),
        name => name.replace('|', "-"),
    }
}

fn host(section: &mut Section<'_>, folder: &Path) -> HostConfig {
    let default = default_host(folder);
    let name: Option<String> = section.get("name");
    if name.as_ref().is_some_and(|name| !is_name(name)) {
        section.problem("name", "use letters, digits, `.`, `_` and `-`");
    }
    let lease_ms = section.get("lease_ms");
    if lease_ms.is_some_and(|ms: u64| ms < MIN_LEASE_MS) {
        section.problem("lease_ms", format!("must be {MIN_LEASE_MS} or more"));
    }
    let slots = positive(section, "slots", MOST_RUNS).unwrap_or(u64::from(default.slots));
    let in_flight = positive(section, "in_flight", MOST_RUNS);
    let parked_limit = positive(section, "parked_limit", MOST);
    HostConfig {
        name: name.unwrap_or(default.name),
        slots: u32::try_from(slots).unwrap_or(default.slots),
        in_flight: in_flight.map_or(default.in_flight, |n| n as usize),
        lease: lease_ms.map_or(default.lease, Duration::from_millis),
        dedup_window: positive(section, "dedup_window_s", MOST)
            .map_or(default.dedup_window, Duration::from_secs),
        shutdown_grace: section
            .get("shutdown_grace_ms")
            .map_or(default.shutdown_grace, Duration::from_millis),
        parked_limit: parked_limit.map_or(default.parked_limit, |n| n as usize),
        cache: match section.get("cache") {
            Some(CacheSetting::Enabled(false)) => None,
            Some(CacheSetting::At(path)) => Some(folder.join(path)),
            Some(CacheSetting::Enabled(true)) | None => default.cache,
        },
    }
}

/// No machine has a use for more runs, and the sandbox reserves address space for each.
const MOST_RUNS: u64 = 10_000;

const MOST: u64 = u32::MAX as u64;

fn positive(section: &mut Section<'_>, key: &'static str, most: u64) -> Option<u64> {
    let value: u64 = section.get(key)?;
    if value == 0 || value > most {
        section.problem(key, format!("must be between 1 and {most}"));
        return None;
    }
    Some(value)
}

fn limits(section: &mut Section<'_>) -> (Limits, Limits) {
    let most = section.get("max").unwrap_or_default();
    let most = Limits::MAXIMUM.with(&most);
    let usual = section.get("default").unwrap_or_default();
    (Limits::DEFAULT.with(&usual).at_most(&most), most)
}

fn trim(section: &mut Section<'_>) -> Option<TrimPolicy> {
    let unbounded = section.is_empty("older_than_s") && section.is_empty("keep");
    let older_than = positive(section, "older_than_s", MOST).map(Duration::from_secs);
    let keep = section.get("keep");
    let every = positive(section, "every_s", MOST).map_or(TRIM_EVERY, Duration::from_secs);
    if unbounded {
        section.problem("older_than_s", "is missing: set it, or `keep`, or both");
        return None;
    }
    let bound = TrimBound { older_than, keep };
    Some(TrimPolicy { bound, every })
}

fn repositories(section: &mut Section<'_>, folder: &Path) -> Repositories {
    let text: Option<String> = section.get("path");
    let pattern = text.and_then(|text| match RepositoryPattern::parse(&text, folder) {
        Ok(pattern) => Some(pattern),
        Err(error) => {
            section.problem("path", error);
            None
        }
    });
    let mut table = BTreeMap::new();
    let named: BTreeMap<String, PathBuf> = section.get("table").unwrap_or_default();
    for (id, path) in named {
        match id.parse::<Id>() {
            Ok(id) => {
                table.insert(id, folder.join(path));
            }
            Err(error) => section.problem("table", error),
        }
    }
    Repositories { pattern, table }
}

fn plugin(section: &mut Section<'_>, folder: &Path) -> Option<PluginConfig> {
    let path: Option<PathBuf> = section.require("path");
    let allow = section.section("allow", |section| allow(section, folder));
    let limits = section.get("limits").unwrap_or_default();
    Some(PluginConfig {
        path: folder.join(path?),
        allow: allow.unwrap_or_default(),
        limits,
    })
}

fn route(section: &mut Section<'_>) -> Option<RouteConfig> {
    let name: Option<String> = section.require("type");
    let event_type = name.and_then(|name| {
        let found = EventType::parse(&name);
        if found.is_none() {
            let known = EventType::ALL.map(EventType::as_str).join(", ");
            section.problem("type", format!("{name:?} is not one of {known}"));
        }
        found
    });
    let plugin: Option<String> = section.require("plugin");
    let agent_type: Option<String> = section.get("agent_type");
    let discovery_type: Option<String> = section.get("discovery_type");
    let retry = retry(section);
    let group: Option<String> = section.get("group");
    let event_type = event_type?;

    let usual = usual(event_type);
    let mut selector = usual.map(|_| "*".to_owned());
    for (key, value) in [
        ("agent_type", agent_type),
        ("discovery_type", discovery_type),
    ] {
        let Some(value) = value else { continue };
        if usual.is_some_and(|usual| usual.selector == key) {
            selector = Some(value);
        } else {
            section.problem(key, format!("{event_type} has no {key}"));
        }
    }
    let group = group.or_else(|| usual.map(|usual| usual.group.to_owned()));
    match &group {
        None => section.problem(
            "group",
            format!("is missing: {event_type} has no usual group"),
        ),
        Some(name) if !is_name(name) => {
            section.problem("group", "use letters, digits, `.`, `_` and `-`");
        }
        Some(_) => {}
    }
    Some(RouteConfig {
        group: group?,
        event_type,
        selector,
        plugin: plugin?,
        retry,
    })
}

/// What the contract says of how a type is consumed.
#[derive(Clone, Copy)]
struct Usual {
    /// The group that takes it.
    group: &'static str,
    /// The field of its data that it is routed by.
    selector: &'static str,
}

fn usual(event_type: EventType) -> Option<Usual> {
    match event_type {
        EventType::AgentExecutionStarted => Some(Usual {
            group: AGENT_WORKERS,
            selector: "agent_type",
        }),
        EventType::DiscoveryStarted => Some(Usual {
            group: DISCOVERY_WORKERS,
            selector: "discovery_type",
        }),
        EventType::RepoConnected
        | EventType::RepoSyncStarted
        | EventType::RepoSyncCompleted
        | EventType::DiscoveryCompleted
        | EventType::DiscoveryFailed
        | EventType::FeatureRequestCreated
        | EventType::PlanningStarted
        | EventType::PlanningCompleted
        | EventType::AgentExecutionCompleted
        | EventType::AgentExecutionFailed
        | EventType::PrCreated
        | EventType::PrMerged => None,
    }
}

fn retry(section: &mut Section<'_>) -> RetryPolicy {
    let default = RetryPolicy::default();
    let delays: Option<Vec<u64>> = section.get("retry_delays_ms");
    if delays.as_ref().is_some_and(|delays| delays.len() > 3) {
        section.problem("retry_delays_ms", "at most three retries, by the contract");
    }
    let retry_on: Option<Vec<ErrorType>> = section.get("retry_on");
    for kind in [ErrorType::MalformedEvent, ErrorType::NoRoute] {
        if retry_on.as_ref().is_some_and(|kinds| kinds.contains(&kind)) {
            section.problem("retry_on", format!("{kind} is not a route's to decide"));
        }
    }
    RetryPolicy {
        delays: delays.map_or(default.delays, |delays| {
            delays.into_iter().map(Duration::from_millis).collect()
        }),
        retry_on,
        max_delay: section
            .get("max_delay_ms")
            .map_or(default.max_delay, Duration::from_millis),
        poisoned_lane: section.get("poisoned_lane").unwrap_or_default(),
    }
}

/// What can be seen only over all routes.
fn check_routes(
    root: &mut Section<'_>,
    routes: &[RouteConfig],
    plugins: &BTreeMap<String, PluginConfig>,
    groups: &BTreeMap<String, GroupConfig>,
) {
    let mut seen = BTreeSet::new();
    for route in routes {
        let RouteConfig {
            group,
            event_type,
            selector,
            plugin,
            ..
        } = route;
        let what = match selector {
            Some(selector) => format!("{event_type} ({selector}) in {group}"),
            None => format!("{event_type} in {group}"),
        };
        if !plugins.contains_key(plugin) {
            root.problem(
                "routes",
                format!("{what} goes to {plugin:?}, which is not under [plugins]"),
            );
        }
        if !seen.insert((group, event_type, selector)) {
            root.problem("routes", format!("{what} has two routes"));
        }
    }
    for name in groups.keys() {
        if !routes.iter().any(|route| route.group == *name) {
            root.problem("groups", format!("no route names the group {name:?}"));
        }
    }
}

/// Names stand in keys and tokens of the bus, whose separators they must not hold.
fn is_name(text: &str) -> bool {
    !text.is_empty()
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(text: &str) -> Vec<String> {
        let found = config(text, Path::new(""), None).expect_err("a mistake");
        found.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn three_mistakes_are_reported_at_once() {
        let found = problems(
            r#"
            bus = "postgres://x"
            colour = "green"
            plugins.a.path = "a"
            [host]
            slots = "many"
            [[routes]]
            type = "discovery.started"
            plugin = "a"
            "#,
        );
        assert_eq!(found.len(), 3, "{found:#?}");
        assert!(found[0].starts_with("bus: "), "{found:#?}");
        assert!(found[1].starts_with("host.slots: "), "{found:#?}");
        assert!(found[2].starts_with("colour: unknown key"), "{found:#?}");
    }

    #[test]
    fn a_route_needs_a_type_of_the_contract_a_group_and_a_plugin_that_is_there() {
        let found = problems(
            r#"
            bus = "memory:"
            [plugins.a]
            path = "a"
            [[routes]]
            type = "no.such"
            plugin = "a"
            [[routes]]
            type = "pr.created"
            agent_type = "backend"
            plugin = "a"
            [[routes]]
            type = "pr.created"
            group = "pr-workers"
            plugin = "b"
            "#,
        );
        assert_eq!(found.len(), 4, "{found:#?}");
        assert!(found[0].starts_with("routes[1].type: "), "{found:#?}");
        assert!(found[1].contains("has no agent_type"), "{found:#?}");
        assert!(
            found[2].starts_with("routes[2].group: is missing"),
            "{found:#?}"
        );
        assert!(found[3].contains("\"b\""), "{found:#?}");
    }

    #[test]
    fn a_trim_policy_needs_a_bound() {
        let with = |trim: &str| {
            format!(
                "bus = 'memory:'\nplugins.p.path = 'p'\n[trim]\n{trim}\n\
                 [[routes]]\ntype = 'agent.execution.started'\nplugin = 'p'"
            )
        };
        let found = problems(&with("every_s = 5"));
        assert!(found[0].starts_with("trim.older_than_s: "), "{found:#?}");
        let found = problems(&with("keep = 1\nevery_s = 0"));
        assert!(found[0].starts_with("trim.every_s: "), "{found:#?}");
        // A bound that is wrong is not one that is missing.
        let found = problems(&with("keep = -1"));
        assert_eq!(found.len(), 1, "{found:#?}");
        assert!(found[0].starts_with("trim.keep: "), "{found:#?}");
        let found = config(&with("keep = 0"), Path::new(""), None).expect("config");
        let policy = found.trim.expect("a policy");
        assert_eq!((policy.bound.keep, policy.every), (Some(0), TRIM_EVERY));
    }

    #[test]
    fn the_contract_names_the_groups_of_agents_and_analyzers() {
        let text = r#"
            bus = "sqlite:bus.db"
            [plugins.a]
            path = "a"
            allow = { repository = "read" }
            [[routes]]
            type = "agent.execution.started"
            agent_type = "backend"
            plugin = "a"
            [[routes]]
            type = "discovery.started"
            plugin = "a"
            "#;
        let config = config(text, Path::new("/etc"), None).expect("config");
        assert_eq!(config.group_names(), [AGENT_WORKERS, DISCOVERY_WORKERS]);
        assert_eq!(config.bus, BusUrl::Sqlite("/etc/bus.db".into()));
        assert_eq!(config.routes[1].selector.as_deref(), Some("*"));
        let allow = &config.plugins["a"].allow;
        assert_eq!(allow.repository, Some(crate::sandbox::Access::Read));
    }
}
