//! One bus for one case, and the hosts that the case opens on it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hothouse::bus::{
    self, Bus, BusUrl, DeadLetter, Entry, EntryId, GroupStatus, Start, Subscription,
};
use hothouse::event::{EventType, Fields, Id};
use tempfile::TempDir;

use crate::driver::Host;
use crate::flaky::Flaky;
use crate::harness::events::{EXECUTIONS, completed_parts};
use crate::harness::{PooledCluster, RedisServer, TlsServer};

/// More than any case has entries.
const ALL: usize = 1_000_000;

/// The buses that the cases run on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Memory,
    Sqlite,
    Redis,
    /// With TLS, a user and a password.
    RedisTls,
    Cluster,
    FlakySqlite,
    FlakyRedis,
    FlakyCluster,
}

/// An empty bus of a test's own.
pub(crate) struct Store {
    kind: Kind,
    url: BusUrl,
    /// The view of producers and onlookers. Its replies arrive.
    bus: Arc<dyn Bus>,
    hosts: Mutex<HashMap<String, Arc<dyn Bus>>>,
    // After the buses: they are closed before what they stand on goes away.
    server: Server,
}

/// What a bus stands on, until it is dropped.
enum Server {
    None,
    Folder { _it: TempDir },
    Redis { it: RedisServer },
    RedisTls { _it: TlsServer },
    Cluster { _it: PooledCluster },
}

impl Store {
    pub(crate) fn open(kind: Kind) -> Self {
        let (url, server) = match kind {
            Kind::Memory => ("memory:".to_owned(), Server::None),
            Kind::Sqlite | Kind::FlakySqlite => {
                let it = tempfile::tempdir().expect("a folder for SQLite");
                let path = it.path().join("bus.db");
                let url = format!("sqlite:{}", path.display());
                (url, Server::Folder { _it: it })
            }
            Kind::Redis | Kind::FlakyRedis => {
                let it = RedisServer::start();
                (it.url(), Server::Redis { it })
            }
            Kind::RedisTls => {
                let it = TlsServer::start();
                (it.url(), Server::RedisTls { _it: it })
            }
            Kind::Cluster | Kind::FlakyCluster => {
                let it = PooledCluster::take();
                (it.url(), Server::Cluster { _it: it })
            }
        };
        let url: BusUrl = url.parse().expect("a bus URL");
        Self {
            kind,
            bus: bus::connect(&url, "onlooker").expect("open the bus"),
            url,
            hosts: Mutex::default(),
            server,
        }
    }

    /// The host with this name in the group, which it joins. One host may be in several
    /// groups.
    pub(crate) async fn host(&self, name: &str, subscription: &Subscription) -> Host {
        let bus = self.connect(name);
        bus.join(subscription).await.expect("join");
        Host::new(bus, subscription.clone())
    }

    /// The view of one host, whose replies are lost where the kind is flaky.
    pub(crate) fn connect(&self, name: &str) -> Arc<dyn Bus> {
        let mut hosts = self.hosts.lock().expect("no case panicked with the lock");
        if let Some(bus) = hosts.get(name) {
            return Arc::clone(bus);
        }
        let open = || bus::connect(&self.url, name).expect("open the bus");
        let bus: Arc<dyn Bus> = match self.kind {
            Kind::Memory => {
                assert!(
                    hosts.is_empty(),
                    "memory: has one host: list the case under `several_hosts`"
                );
                Arc::clone(&self.bus)
            }
            Kind::Sqlite | Kind::Redis | Kind::RedisTls | Kind::Cluster => open(),
            Kind::FlakySqlite | Kind::FlakyRedis | Kind::FlakyCluster => {
                Arc::new(Flaky::new(open()))
            }
        };
        hosts.insert(name.to_owned(), Arc::clone(&bus));
        bus
    }

    /// The onlooker's view of the bus.
    pub(crate) fn bus(&self) -> &Arc<dyn Bus> {
        &self.bus
    }

    /// Where the books of a Redis server of the case's own can be looked at.
    pub(crate) fn redis_url(&self) -> Option<String> {
        match &self.server {
            Server::Redis { it } => Some(it.url()),
            Server::None
            | Server::Folder { .. }
            | Server::RedisTls { .. }
            | Server::Cluster { .. } => None,
        }
    }

    /// Appends to the stream of the executions.
    pub(crate) async fn publish(&self, entries: Vec<Fields>) -> Vec<EntryId> {
        let published = self.bus.publish(EXECUTIONS, entries).await;
        published.expect("publish")
    }

    pub(crate) async fn read_all(&self, stream: &str) -> Vec<Entry> {
        let entries = self.bus.read(stream, EntryId::ZERO, ALL).await;
        entries.expect("read")
    }

    /// Entries of one type on the stream of the executions.
    pub(crate) async fn of_type(&self, event_type: EventType) -> Vec<Entry> {
        let mut entries = self.read_all(EXECUTIONS).await;
        entries.retain(|entry| entry.fields.get("type") == Some(event_type.as_str().as_bytes()));
        entries
    }

    /// Lane, place in the lane and input of every completed event, in stream order.
    pub(crate) async fn outcomes(&self) -> Vec<(Id, u64, Id)> {
        let entries = self.of_type(EventType::AgentExecutionCompleted).await;
        entries
            .iter()
            .map(|entry| completed_parts(&entry.fields))
            .collect()
    }

    pub(crate) async fn status(&self, subscription: &Subscription) -> GroupStatus {
        let status = self
            .bus
            .status(subscription.stream, &subscription.group)
            .await;
        status.expect("status")
    }

    /// The dead letters of a group: the original fields, and what was added.
    pub(crate) async fn dead_letters(
        &self,
        subscription: &Subscription,
    ) -> Vec<(Fields, DeadLetter)> {
        let letters = self
            .bus
            .dead_letters(subscription.stream, &subscription.group, EntryId::ZERO, ALL)
            .await
            .expect("dead letters");
        letters
            .into_iter()
            .map(|entry| open_letter(entry.fields))
            .collect()
    }

    /// What is left to read is no work, all is acknowledged, and nothing is in the books.
    pub(crate) async fn assert_at_rest(&self, subscription: &Subscription) {
        loop {
            let fetched = self.bus.fetch(subscription, 1000).await.expect("fetch");
            assert_eq!(fetched.deliveries.len(), 0, "{fetched:?}");
            if !fetched.more {
                break;
            }
        }
        let status = self.status(subscription).await;
        let left = (status.lag, status.pending, status.parked, status.lanes);
        assert_eq!(left, (Some(0), 0, 0, 0), "{status:?}");
    }
}

/// Takes the last field off a dead letter.
pub(crate) fn open_letter(mut fields: Fields) -> (Fields, DeadLetter) {
    let (name, value) = fields.0.pop().expect("a dead letter has fields");
    assert_eq!(name, b"hothouse", "the last field's name");
    let letter = serde_json::from_slice(&value).expect("the field `hothouse` is a DeadLetter");
    (fields, letter)
}

/// agent-workers on agent.execution.started, with a lease that outlasts every test.
pub(crate) fn agent_workers() -> Subscription {
    Subscription {
        stream: EXECUTIONS,
        group: "agent-workers".into(),
        types: vec![EventType::AgentExecutionStarted],
        start: Start::All,
        dedup_window: Duration::from_secs(3600),
        lease: Duration::from_secs(3600),
        parked_limit: 10_000,
        routes: "agent.execution.started -> backend-agent".into(),
    }
}
