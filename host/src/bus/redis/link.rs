//! From a key to the server that has it, over connections that are made again after they broke.

use std::sync::Arc;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{RedisError, RedisResult};

use super::cluster::{Cluster, MapError};
use super::connect::{Connector, Node};
use super::error::Meaning;
use super::url::{RedisUrl, Server};
use crate::bus::BusError;

/// The way to the server that has a key.
pub(super) struct Link {
    name: String,
    connector: Connector,
    servers: Servers,
}

enum Servers {
    One(Arc<Node>),
    Cluster(Cluster),
}

impl Link {
    pub(super) fn new(url: &RedisUrl) -> Result<Self, BusError> {
        let name = url.to_string();
        let connector =
            Connector::new(url).map_err(|error| Meaning::of_connecting(error).on(&name))?;
        let servers = match url.cluster {
            true => Servers::Cluster(Cluster::new(&url.servers)),
            false => Servers::One(Arc::new(Node::new(url.servers[0].clone()))),
        };
        Ok(Self {
            name,
            connector,
            servers,
        })
    }

    /// Whether keys of different slots may be on different servers.
    pub(super) fn is_cluster(&self) -> bool {
        matches!(self.servers, Servers::Cluster(_))
    }

    /// In a cluster, the node that has the key.
    pub(super) async fn node_of(&self, key: &str) -> Result<Option<String>, BusError> {
        let node = self.node(key).await?;
        Ok(self.is_cluster().then(|| node.server.to_string()))
    }

    /// Runs commands on the shared connection to the server that has `key`; all of their keys
    /// must be in its slot. Any error but a plain answer of the server closes the connection:
    /// after a time-out the replies that follow could belong to anything. Nothing is sent
    /// twice: where the slot is elsewhere by now, the next call goes there.
    pub(super) async fn run<T>(
        &self,
        key: &str,
        commands: impl AsyncFnOnce(&mut MultiplexedConnection) -> RedisResult<T>,
    ) -> Result<T, BusError> {
        let node = self.node(key).await?;
        self.run_on(&node, commands).await
    }

    /// As [`run`](Self::run), but an answer that takes longer than `limit` is an error.
    pub(super) async fn run_within<T>(
        &self,
        limit: Duration,
        key: &str,
        commands: impl AsyncFnOnce(&mut MultiplexedConnection) -> RedisResult<T>,
    ) -> Result<T, BusError> {
        self.run(key, async |connection| {
            let answer = tokio::time::timeout(limit, commands(connection)).await;
            answer.unwrap_or_else(|late| Err(std::io::Error::from(late).into()))
        })
        .await
    }

    /// A new connection to the server that has the key.
    pub(super) async fn open(&self, key: &str) -> Result<MultiplexedConnection, BusError> {
        let node = self.node(key).await?;
        match self.connector.open(&node.server).await {
            Ok(connection) => Ok(connection),
            Err(error) => Err(self.heed(Meaning::of_connecting(error), &node.server).await),
        }
    }

    /// What an error on a connection of [`open`](Self::open) means. The caller drops the
    /// connection.
    pub(super) async fn failed(&self, error: &RedisError) -> BusError {
        let meaning = Meaning::of(error, self.is_cluster());
        self.forget_what_moved(&meaning).await;
        meaning.on(&self.name)
    }

    pub(super) fn broken(&self, reason: String) -> BusError {
        BusError::Broken {
            bus: self.name.clone(),
            reason,
        }
    }

    async fn node(&self, key: &str) -> Result<Arc<Node>, BusError> {
        match &self.servers {
            Servers::One(node) => Ok(Arc::clone(node)),
            Servers::Cluster(cluster) => {
                let node = cluster.node(key, &self.connector).await;
                node.map_err(|error| self.no_map(error))
            }
        }
    }

    async fn run_on<T>(
        &self,
        node: &Node,
        commands: impl AsyncFnOnce(&mut MultiplexedConnection) -> RedisResult<T>,
    ) -> Result<T, BusError> {
        let mut connection = match node.shared(&self.connector).await {
            Ok(connection) => connection,
            Err(error) => {
                return Err(self.heed(Meaning::of_connecting(error), &node.server).await);
            }
        };
        match commands(&mut connection).await {
            Ok(value) => Ok(value),
            Err(error) => {
                let meaning = Meaning::of(&error, self.is_cluster());
                if meaning.hangs_up {
                    node.hang_up().await;
                }
                Err(self.heed(meaning, &node.server).await)
            }
        }
    }

    async fn heed(&self, meaning: Meaning, server: &Server) -> BusError {
        self.forget_what_moved(&meaning).await;
        meaning.on(&self.name_with(server))
    }

    async fn forget_what_moved(&self, meaning: &Meaning) {
        if let (true, Servers::Cluster(cluster)) = (meaning.moved, &self.servers) {
            cluster.forget_map().await;
        }
    }

    /// Which bus, and where it has several nodes, which of them.
    fn name_with(&self, server: &Server) -> String {
        match self.is_cluster() {
            true => format!("{} (node {server})", self.name),
            false => self.name.clone(),
        }
    }

    fn no_map(&self, error: MapError) -> BusError {
        match error {
            MapError::NoAnswer(server, error) => {
                Meaning::of_connecting(error).on(&self.name_with(&server))
            }
            MapError::Unassigned(slot) => BusError::Unavailable {
                bus: self.name.clone(),
                reason: format!("no node of the cluster has the slot {slot}"),
            },
        }
    }
}
