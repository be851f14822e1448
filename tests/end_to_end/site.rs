//! A test's own place: a bus, and a folder with a configuration and plugins.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use hothouse::bus::{Bus, EntryId, connect};
use hothouse::event::Fields;
use serde_json::Value;
use tempfile::TempDir;

use crate::event::{flat, lines};
pub(crate) use crate::harness::guests::{read_guest, root};
use crate::harness::{PooledCluster, RedisServer, eventually};
use crate::outcome::{DeadLetter, Outcome};
use crate::process::{Answer, Host, run};

/// A group on its stream.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Group(pub(crate) &'static str, pub(crate) &'static str);

pub(crate) const AGENTS: Group = Group("execution-events", "agent-workers");
pub(crate) const DISCOVERIES: Group = Group("repository-events", "discovery-workers");
pub(crate) const SYNCS: Group = Group("repository-events", "sync-workers");

pub(crate) struct Site {
    /// The test's own view of the bus.
    pub(crate) bus: Arc<dyn Bus>,
    /// The bus, as hosts get it.
    pub(crate) url: String,
    pub(crate) redis: Option<RedisServer>,
    cluster: Option<PooledCluster>,
    folder: TempDir,
}

impl Site {
    pub(crate) fn on_redis() -> Self {
        Self::on_redis_with(&[])
    }

    /// On a redis-server with more arguments.
    pub(crate) fn on_redis_with(args: &[&str]) -> Self {
        let redis = RedisServer::start_with(args);
        Self::new(redis.url(), Some(redis), TempDir::new().expect("a folder"))
    }

    /// On SQLite, with this one fixture agent, which takes the events of its name.
    pub(crate) fn with_agent(name: &str) -> Self {
        let site = Self::on_sqlite();
        site.install(name, "world = \"agent\"");
        site.configure(&agent(name, ""));
        site
    }

    pub(crate) fn on_sqlite() -> Self {
        Self::at_sqlite("bus.db")
    }

    /// On a SQLite file at a path in the site's folder.
    pub(crate) fn at_sqlite(path: &str) -> Self {
        let folder = TempDir::new().expect("a folder");
        let url = format!("sqlite:{}", folder.path().join(path).display());
        Self::new(url, None, folder)
    }

    /// On a Redis Cluster that nothing happens to.
    pub(crate) fn on_cluster() -> Self {
        let cluster = PooledCluster::take();
        let mut site = Self::at(cluster.url());
        site.cluster = Some(cluster);
        site
    }

    /// On a bus that is the test's own.
    pub(crate) fn at(url: String) -> Self {
        Self::new(url, None, TempDir::new().expect("a folder"))
    }

    fn new(url: String, redis: Option<RedisServer>, folder: TempDir) -> Self {
        let parsed = url.parse().expect("a bus URL");
        Self {
            bus: connect(&parsed, "test").expect("open the bus"),
            url,
            redis,
            cluster: None,
            folder,
        }
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Writes hothouse.toml: this site's bus, and `rest`.
    pub(crate) fn configure(&self, rest: &str) {
        self.write("hothouse.toml", format!("bus = \"{}\"\n{rest}", self.url));
    }

    /// Writes a file in the site's folder.
    pub(crate) fn write(&self, path: &str, contents: impl AsRef<[u8]>) {
        let path = self.folder().join(path);
        fs::create_dir_all(path.parent().expect("a folder")).expect("make the folder");
        fs::write(path, contents).expect("write the file");
    }

    /// Puts a fixture guest into plugins/NAME, with `manifest` behind its name and version.
    pub(crate) fn install(&self, name: &str, manifest: &str) {
        self.install_bytes(name, manifest, read_guest(name));
    }

    /// As [`install`](Self::install), with bytes of choice for a component.
    pub(crate) fn install_bytes(&self, name: &str, manifest: &str, component: impl AsRef<[u8]>) {
        let head = format!("name = \"{name}\"\nversion = \"1.2.3\"\n");
        self.write(&format!("plugins/{name}/plugin.toml"), head + manifest);
        self.write(&format!("plugins/{name}/{name}.wasm"), component);
    }

    /// Installs an agent and configures it, alone, for its own name as agent type. `more` goes
    /// into its route; retries come at once unless it says otherwise.
    pub(crate) fn serve_agent(&self, guest: &str, more: &str) -> Host {
        self.install(guest, "world = \"agent\"");
        self.configure(&agent(guest, more));
        self.serve()
    }

    /// Starts a host with the site's configuration.
    pub(crate) fn serve(&self) -> Host {
        self.start(&["serve"])
    }

    /// Starts a verb that takes its time in the site's folder.
    pub(crate) fn start(&self, args: &[&str]) -> Host {
        let log = tempfile::Builder::new()
            .prefix("host-")
            .suffix(".log")
            .tempfile_in(self.folder())
            .expect("a log for the host");
        let (_, path) = log.keep().expect("keep the log");
        Host::start_verb(self.folder(), args, path)
    }

    /// Runs a verb in the site's folder.
    pub(crate) async fn hothouse(&self, args: &[&str]) -> Answer {
        run(self.folder(), args, b"").await
    }

    /// Publishes events with `hothouse publish`.
    pub(crate) async fn publish(&self, events: &[Value]) {
        let args = ["publish", "-", "--bus", &self.url];
        run(self.folder(), &args, &lines(events)).await.exits(0);
    }

    /// Appends an entry to a group's stream as a producer does that knows no contract.
    pub(crate) async fn append(&self, Group(stream, _): Group, entry: &Fields) {
        let entries = vec![entry.clone()];
        self.bus.publish(stream, entries).await.expect("append");
    }

    /// Appends an event in the flat form.
    pub(crate) async fn append_event(&self, group: Group, event: &Value) {
        self.append(group, &flat(event)).await;
    }

    /// The outcomes on a stream, in its order.
    pub(crate) async fn outcomes(&self, Group(stream, _): Group) -> Vec<Outcome> {
        let mut outcomes = Vec::new();
        let mut after = EntryId::ZERO;
        loop {
            let page = self.bus.read(stream, after, 1_000).await.expect("read");
            let Some(last) = page.last() else { break };
            after = last.id;
            outcomes.extend(page.iter().filter_map(Outcome::of));
        }
        outcomes
    }

    /// Waits for an event's outcome, and then until the group is done, so that there is no
    /// second one: gives the one.
    pub(crate) async fn outcome_of(&self, group: Group, event_id: &str) -> Outcome {
        let of_it = async || {
            let mut outcomes = self.outcomes(group).await;
            outcomes.retain(|outcome| outcome.cause() == event_id);
            outcomes
        };
        eventually(&format!("an outcome of {event_id}"), async || {
            of_it().await.pop()
        })
        .await;
        self.settled(group).await;
        let mut outcomes = of_it().await;
        assert_eq!(outcomes.len(), 1, "{outcomes:#?}");
        outcomes.remove(0)
    }

    /// Waits until a group has read everything and finished it, and its outputs are there.
    pub(crate) async fn settled(&self, Group(stream, group): Group) {
        eventually(&format!("{group} is done with {stream}"), async || {
            let status = self.bus.status(stream, group).await.expect("status");
            (status.exists && status.lag == Some(0) && status.pending == 0).then_some(())
        })
        .await;
        if let Some(cluster) = &self.cluster {
            eventually("every output is relayed", async || {
                cluster.outboxes_are_empty().then_some(())
            })
            .await;
        }
    }

    /// A group's dead letters, oldest first.
    pub(crate) async fn dead_letters(&self, Group(stream, group): Group) -> Vec<DeadLetter> {
        let entries = self.bus.dead_letters(stream, group, EntryId::ZERO, 1_000);
        let entries = entries.await.expect("read the dead letters");
        entries.into_iter().map(DeadLetter::of).collect()
    }
}

/// The configuration of one agent for its own name as agent type.
pub(crate) fn agent(guest: &str, more: &str) -> String {
    let retries = match more.contains("retry_delays_ms") {
        true => "",
        false => "retry_delays_ms = [1, 1, 1]",
    };
    format!(
        "[plugins.{guest}]\npath = \"plugins/{guest}\"\n[[routes]]\n\
         type = \"agent.execution.started\"\nagent_type = \"{guest}\"\nplugin = \"{guest}\"\n\
         {retries}\n{more}\n"
    )
}

/// Fails where the plugins that ship are not built.
pub(crate) fn require_plugins() {
    for name in [
        "backend-agent",
        "discovery-analyzer",
        "repo-sync",
        "runaway-agent",
    ] {
        let path = root().join(format!("plugins/{name}/{name}.wasm"));
        assert!(
            path.is_file(),
            "{} is not there: run the tests with `cargo xtask test`",
            path.display()
        );
    }
}
