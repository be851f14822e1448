//! What the README shows is what there is.

use std::path::Path;

use hothouse::config::Config;
use hothouse::failure::ErrorType;
use hothouse::plugin::Manifest;
use hothouse::sandbox::Limits;

fn read(file: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(file);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The code blocks of a language.
fn blocks(text: &str, language: &str) -> Vec<String> {
    let fence = format!("```{language}\n");
    let parts = text.split(&fence).skip(1);
    parts
        .map(|part| part.split("```").next().unwrap_or_default().to_owned())
        .collect()
}

#[test]
fn the_plugin_in_the_readme_is_the_one_that_the_sdk_tests() {
    let doc: String = read("sdk/rust/src/lib.rs")
        .lines()
        .filter_map(|line| line.strip_prefix("//!"))
        .map(|line| line.strip_prefix(' ').unwrap_or(line))
        // Lines that rustdoc runs and does not show.
        .filter(|line| *line != "#" && !line.starts_with("# "))
        .map(|line| format!("{line}\n"))
        .collect();
    let shown = blocks(&read("README.md"), "rust");
    assert_eq!(shown.len(), 1);
    assert!(
        doc.contains(shown[0].trim()),
        "the SDK's documentation does not have it"
    );
}

#[test]
fn the_manifest_in_the_readme_is_one() {
    let manifests: Vec<String> = blocks(&read("README.md"), "toml")
        .into_iter()
        .filter(|block| block.contains("world ="))
        .collect();
    assert_eq!(manifests.len(), 1);
    let manifest = Manifest::parse(&manifests[0]).expect("manifest");
    assert_eq!(manifest.name, "greeter");
}

#[test]
fn what_the_readme_allows_is_what_it_asks_for() {
    let shown = blocks(&read("README.md"), "toml");
    let with = |part: &str| {
        let found: Vec<&String> = shown.iter().filter(|block| block.contains(part)).collect();
        assert_eq!(found.len(), 1, "{part}");
        found[0].clone()
    };
    let manifest = "name = 'my-agent'\nversion = '1.0.0'\nworld = 'agent'\n".to_owned();
    let manifest = Manifest::parse(&(manifest + &with("[needs]"))).expect("manifest");
    let config = "bus = 'memory:'\nplugins.my-agent.path = 'p'\n\
                  [[routes]]\ntype = 'agent.execution.started'\nplugin = 'my-agent'\n";
    let config = config.to_owned() + &with("[plugins.my-agent.allow]");
    let config = Config::parse(&config, Path::new(""), None).expect("config");
    let allowed = &config.plugins["my-agent"].allow;
    assert!(manifest.needs.missing(allowed).is_empty());
    assert!(manifest.needs.unused(allowed).is_empty());
}

#[test]
fn the_limits_in_the_readme_are_the_limits() {
    let readme = read("README.md");
    let of = |limits: Limits| match serde_json::to_value(limits).expect("limits") {
        serde_json::Value::Object(limits) => limits,
        other => panic!("{other}"),
    };
    let most = of(Limits::MAXIMUM);
    for (name, default) in of(Limits::DEFAULT) {
        let row = format!("| `{name}` | {default} | {} |", most[&name]);
        assert!(readme.contains(&row), "README.md has no {row:?}");
    }
}

#[test]
fn every_error_type_that_there_is_stands_in_the_readme_with_what_becomes_of_it() {
    let readme = read("README.md");
    for kind in ErrorType::ALL {
        // Nothing meters tokens yet.
        if kind == ErrorType::TokenBudget {
            continue;
        }
        let row = readme
            .lines()
            .find(|line| line.starts_with("| `") && line.contains(&format!("`{kind}`")))
            .unwrap_or_else(|| panic!("README.md says nothing of {kind}"));
        let expected = match (kind.is_verdict(), kind.retried()) {
            (true, _) => "| no | no:",
            (false, true) => "| yes | after the retries |",
            (false, false) => "| no | at once |",
        };
        assert!(row.contains(expected), "{kind}: {row}");
    }
}

#[test]
fn every_setting_in_the_readme_is_known_to_the_configuration() {
    let text = r#"
        bus = "redis://me:secret@localhost:6379/1"
        [host]
        name = "a"
        slots = 64
        in_flight = 64
        lease_ms = 10000
        dedup_window_s = 86400
        shutdown_grace_ms = 30000
        parked_limit = 10000
        cache = ".hothouse/cache"
        [limits.default]
        fuel = 1
        [limits.max]
        fuel = 1
        [signatures]
        require_signature = false
        trusted_keys = {}
        [plugins.p]
        path = "p"
        limits.fuel = 1
        [plugins.p.allow]
        repository = "read"
        directories = { "/cache" = { path = "cache", access = "write" } }
        env = ["LOG_LEVEL"]
        secrets = { API_TOKEN = { env = "MY_TOKEN" } }
        allowed_outbound_hosts = ["https://api.example.com:443"]
        allowed_private_networks = ["10.0.0.0/8"]
        [[routes]]
        type = "agent.execution.started"
        agent_type = "backend"
        group = "agent-workers"
        plugin = "p"
        retry_delays_ms = [1000, 5000, 25000]
        retry_on = ["trap"]
        max_delay_ms = 300000
        poisoned_lane = "block"
        [[routes]]
        type = "discovery.started"
        discovery_type = "full"
        plugin = "p"
        [groups.agent-workers]
        start = "new"
        [trim]
        older_than_s = 86400
        keep = 1000
        every_s = 60
        [repositories]
        path = "/srv/{repository_id}"
        table = {}
    "#;
    let config = Config::parse(text, Path::new(""), None).expect("every key is known");
    // The keys of this text and of the README are the same.
    let readme = read("README.md");
    let keys = [
        "bus",
        "host.name",
        "host.slots",
        "host.in_flight",
        "host.lease_ms",
        "host.dedup_window_s",
        "host.shutdown_grace_ms",
        "host.parked_limit",
        "host.cache",
        "limits.default.*`, `limits.max.*",
        "signatures.require_signature",
        "signatures.trusted_keys",
        "plugins.NAME.path",
        "plugins.NAME.allow.repository",
        "plugins.NAME.allow.directories",
        "plugins.NAME.allow.env",
        "plugins.NAME.allow.secrets",
        "plugins.NAME.allow.allowed_outbound_hosts",
        "plugins.NAME.allow.allowed_private_networks",
        "plugins.NAME.limits.*",
        "routes[].type",
        "routes[].agent_type`, `routes[].discovery_type",
        "routes[].group",
        "routes[].plugin",
        "routes[].retry_delays_ms",
        "routes[].retry_on",
        "routes[].max_delay_ms",
        "routes[].poisoned_lane",
        "groups.NAME.start",
        "trim.older_than_s",
        "trim.keep",
        "trim.every_s",
        "repositories.path",
        "repositories.table",
    ];
    for key in keys {
        assert!(
            readme.contains(&format!("| `{key}`")),
            "README.md has no {key}"
        );
    }
    // The defaults of the README are those of a file that sets nothing.
    let bare = "bus = 'memory:'\nplugins.p.path = 'p'\ntrim.keep = 1\n\
                [[routes]]\ntype = 'agent.execution.started'\nplugin = 'p'";
    let bare = Config::parse(bare, Path::new(""), None).expect("config");
    assert_eq!(bare.host.slots, config.host.slots);
    assert_eq!(bare.host.in_flight, config.host.in_flight);
    assert_eq!(bare.host.lease, config.host.lease);
    assert_eq!(bare.host.dedup_window, config.host.dedup_window);
    assert_eq!(bare.host.shutdown_grace, config.host.shutdown_grace);
    assert_eq!(bare.host.parked_limit, config.host.parked_limit);
    assert_eq!(bare.signatures.required, config.signatures.required);
    assert_eq!(bare.host.cache, config.host.cache);
    let retry = |config: &Config| {
        let retry = config.routes[0].retry.clone();
        (retry.delays, retry.max_delay, retry.poisoned_lane)
    };
    assert_eq!(retry(&bare), retry(&config));
    let every = |config: &Config| config.trim.as_ref().map(|trim| trim.every);
    assert_eq!(every(&bare), every(&config));
}
