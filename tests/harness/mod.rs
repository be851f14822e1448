//! What the test binaries share: servers of their own, events to publish, and waiting for a
//! condition. A binary takes it in with `#[path = "../harness/mod.rs"] mod harness;`.

#![allow(
    dead_code,
    unused_imports,
    reason = "each test binary uses its own part of it"
)]

mod cluster_pool;
pub(crate) mod events;
mod eventually;
pub(crate) mod guests;
pub(crate) mod process;
mod redis_cluster;
mod redis_server;
mod tls;

pub(crate) use cluster_pool::PooledCluster;
pub(crate) use eventually::{DEADLINE, eventually};
pub(crate) use redis_cluster::RedisCluster;
pub(crate) use redis_server::RedisServer;
pub(crate) use tls::{Certificates, TlsServer};
