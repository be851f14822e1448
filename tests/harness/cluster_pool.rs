//! Clusters that the cases of one test binary share, one after the other.

use std::ops::Deref;
use std::process::{Child, Command, Stdio};
use std::sync::{Condvar, Mutex};

use super::redis_cluster::RedisCluster;
use super::redis_server::RedisServer;

/// How many clusters the cases of one binary share at the most. Each takes two seconds to
/// start, whatever the machine: a primary does not take writes before.
const MOST_POOLED: usize = 2;

/// An empty cluster that other cases of the binary had before and will have after.
#[derive(Debug)]
pub(crate) struct PooledCluster {
    /// Some until it is dropped.
    cluster: Option<Guarded>,
}

/// The pool is never dropped, so the nodes are killed by a process of their own, when its
/// standard input ends because this process did.
#[derive(Debug)]
struct Guarded {
    cluster: RedisCluster,
    _watchdog: Child,
}

#[derive(Default)]
struct Pool {
    free: Vec<Guarded>,
    started: usize,
}

static POOL: Mutex<Pool> = Mutex::new(Pool {
    free: Vec::new(),
    started: 0,
});
static RETURNED: Condvar = Condvar::new();

impl PooledCluster {
    pub(crate) fn take() -> Self {
        let pool = POOL.lock().expect("nobody panics with the lock");
        let full = |pool: &mut Pool| pool.free.is_empty() && pool.started == MOST_POOLED;
        let mut pool = RETURNED
            .wait_while(pool, full)
            .expect("nobody panics with the lock");
        let mut taken = Self {
            cluster: pool.free.pop(),
        };
        pool.started += usize::from(taken.cluster.is_none());
        drop(pool);
        let start = || Guarded::new(RedisCluster::start());
        taken.cluster.get_or_insert_with(start);
        for node in &taken.nodes {
            // What clients of the case before have sent and nobody has read is not to come.
            node.command::<()>(&["CLIENT", "KILL", "TYPE", "normal"]);
            node.command::<()>(&["CLIENT", "UNPAUSE"]);
            node.command::<()>(&["FLUSHALL"]);
        }
        taken
    }
}

impl Deref for PooledCluster {
    type Target = RedisCluster;

    fn deref(&self) -> &RedisCluster {
        let guarded = self.cluster.as_ref();
        &guarded.expect("it is there until it is dropped").cluster
    }
}

impl Drop for PooledCluster {
    fn drop(&mut self) {
        let cluster = self.cluster.take();
        if let Ok(mut pool) = POOL.lock() {
            // Without one it did not start.
            pool.started -= usize::from(cluster.is_none());
            pool.free.extend(cluster);
            RETURNED.notify_one();
        }
    }
}

impl Guarded {
    fn new(cluster: RedisCluster) -> Self {
        let mut watchdog = Command::new("sh");
        watchdog.args([
            "-c",
            r#"read -r end; kill -9 $PIDS; rm -rf "$@""#,
            "watchdog",
        ]);
        let pids = cluster.nodes.iter().filter_map(RedisServer::pid);
        let pids: Vec<String> = pids.map(|pid| pid.to_string()).collect();
        watchdog.env("PIDS", pids.join(" "));
        watchdog.args(cluster.nodes.iter().map(RedisServer::folder));
        let watchdog = watchdog
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        Self {
            cluster,
            _watchdog: watchdog.expect("start the watchdog"),
        }
    }
}
