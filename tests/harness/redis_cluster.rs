//! Redis Clusters of three primaries on loopback.

use std::thread;
use std::time::{Duration, Instant};

use super::redis_server::{RedisServer, free_port};
use super::tls::Certificates;

const NODES: u16 = 3;
const SLOTS: u16 = 16384;

const START_DEADLINE: Duration = Duration::from_secs(60);

/// Its nodes are killed when it is dropped.
#[derive(Debug)]
pub(crate) struct RedisCluster {
    /// The primaries, each with a third of the slots, in their order.
    pub(crate) nodes: Vec<RedisServer>,
}

impl RedisCluster {
    pub(crate) fn start() -> Self {
        Self::start_as(Vec::new)
    }

    /// Each node speaks TLS as well, also with the others.
    pub(crate) fn start_with_tls(certificates: &Certificates) -> Self {
        Self::start_as(|| {
            let mut args = certificates.args();
            args.extend(["--tls-cluster", "yes"].map(str::to_owned));
            args
        })
    }

    fn start_as(args: impl Fn() -> Vec<String>) -> Self {
        let nodes: Vec<RedisServer> = (0..NODES).map(|_| start_node(&args)).collect();
        for (node, epoch) in nodes.iter().zip(1..) {
            let first = SLOTS / NODES * (epoch - 1);
            let last = if epoch == NODES {
                SLOTS - 1
            } else {
                SLOTS / NODES * epoch - 1
            };
            let (first, last) = (first.to_string(), last.to_string());
            node.command::<()>(&["CLUSTER", "ADDSLOTSRANGE", &first, &last]);
            node.command::<()>(&["CLUSTER", "SET-CONFIG-EPOCH", &epoch.to_string()]);
        }
        let cluster = Self { nodes };
        for node in &cluster.nodes[1..] {
            cluster.meet(node);
        }
        cluster.settle(&cluster.nodes);
        cluster
    }

    /// Adds a replica of a primary, which follows it when this returns. Dropping it kills it.
    pub(crate) fn replica_of(&self, primary: usize) -> RedisServer {
        let replica = start_node(&Vec::new);
        self.meet(&replica);
        let primary = id(&self.nodes[primary]);
        until("the replica knows its primary", || {
            let nodes: String = replica.command(&["CLUSTER", "NODES"]);
            nodes.contains(&primary)
        });
        replica.command::<()>(&["CLUSTER", "REPLICATE", &primary]);
        until("the replica follows", || {
            let info: String = replica.command(&["INFO", "replication"]);
            info.contains("master_link_status:up")
        });
        until("everybody knows the replica", || {
            let replica = id(&replica);
            self.nodes.iter().all(|node| {
                let nodes: String = node.command(&["CLUSTER", "NODES"]);
                nodes
                    .lines()
                    .any(|line| line.contains(&replica) && line.contains(" slave "))
            })
        });
        replica
    }

    /// All of its nodes, as a bus URL.
    pub(crate) fn url(&self) -> String {
        let hosts: Vec<String> = self
            .nodes
            .iter()
            .map(|node| format!("127.0.0.1:{}", node.port()))
            .collect();
        format!("redis+cluster://{}", hosts.join(","))
    }

    /// One of its nodes, as a bus URL with TLS.
    pub(crate) fn tls_url(&self, certificates: &Certificates) -> String {
        let port = self.nodes[0].arg("--tls-port");
        let ca = certificates.ca();
        format!("rediss+cluster://127.0.0.1:{port}?ca={}", ca.display())
    }

    /// Number of the node that has a key's slot, as it was at the start.
    pub(crate) fn owner(&self, key: &str) -> usize {
        let slot: u16 = self.nodes[0].command(&["CLUSTER", "KEYSLOT", key]);
        usize::from((slot / (SLOTS / NODES)).min(NODES - 1))
    }

    /// The node that has a key's slot, as it was at the start.
    pub(crate) fn node_of(&self, key: &str) -> &RedisServer {
        &self.nodes[self.owner(key)]
    }

    /// Whether no output waits to be relayed.
    pub(crate) fn outboxes_are_empty(&self) -> bool {
        self.nodes.iter().all(|node| {
            let outboxes: Vec<String> = node.command(&["KEYS", "*:outbox:*"]);
            let mut sizes = outboxes.iter().map(|key| node.command(&["XLEN", key]));
            sizes.all(|size: usize| size == 0)
        })
    }

    /// Moves a key's slot to another node, as `redis-cli --cluster reshard` does.
    pub(crate) fn move_slot(&self, key: &str, to: usize) {
        let moving = self.begin_move(key, to);
        for key in moving.keys() {
            moving.hand_over(&key);
        }
        moving.finish();
    }

    /// Begins to move a key's slot to another node.
    pub(crate) fn begin_move(&self, key: &str, to: usize) -> MovingSlot<'_> {
        let (source, target) = (self.node_of(key), &self.nodes[to]);
        let slot: u16 = source.command(&["CLUSTER", "KEYSLOT", key]);
        let moving = MovingSlot {
            slot: slot.to_string(),
            source,
            target,
        };
        moving.set(target, "IMPORTING", source);
        moving.set(source, "MIGRATING", target);
        moving
    }

    fn meet(&self, node: &RedisServer) {
        let (port, bus) = (node.port().to_string(), node.arg("--cluster-port"));
        self.nodes[0].command::<()>(&["CLUSTER", "MEET", "127.0.0.1", &port, bus]);
    }

    /// Waits until all nodes agree.
    fn settle(&self, nodes: &[RedisServer]) {
        let known = format!("cluster_known_nodes:{}\r\n", self.nodes.len());
        for node in nodes {
            until("the cluster is up", || {
                let info: String = node.command(&["CLUSTER", "INFO"]);
                info.contains("cluster_state:ok") && info.contains(&known)
            });
        }
    }
}

/// A slot on its way.
pub(crate) struct MovingSlot<'a> {
    slot: String,
    source: &'a RedisServer,
    target: &'a RedisServer,
}

impl MovingSlot<'_> {
    /// The keys that are still where they were.
    pub(crate) fn keys(&self) -> Vec<String> {
        let all = ["CLUSTER", "GETKEYSINSLOT", &self.slot, "100000"];
        self.source.command(&all)
    }

    pub(crate) fn hand_over(&self, key: &str) {
        let port = self.target.port().to_string();
        let migrate = ["MIGRATE", "127.0.0.1", &port, key, "0", "5000"];
        self.source.command::<()>(&migrate);
    }

    pub(crate) fn finish(self) {
        for node in [self.target, self.source] {
            self.set(node, "NODE", self.target);
        }
    }

    fn set(&self, on: &RedisServer, state: &str, other: &RedisServer) {
        let set = ["CLUSTER", "SETSLOT", &self.slot, state, &id(other)];
        on.command::<()>(&set);
    }
}

fn start_node(more: &impl Fn() -> Vec<String>) -> RedisServer {
    RedisServer::start_as(|| {
        let bus = free_port().to_string();
        let own = ["--cluster-enabled", "yes", "--cluster-port", &bus]
            .into_iter()
            .chain(["--cluster-announce-ip", "127.0.0.1"])
            .chain(["--cluster-node-timeout", "5000"]);
        own.map(str::to_owned).chain(more()).collect()
    })
}

fn id(node: &RedisServer) -> String {
    node.command(&["CLUSTER", "MYID"])
}

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + START_DEADLINE;
    while !holds() {
        assert!(Instant::now() < deadline, "waited in vain: {what}");
        thread::sleep(Duration::from_millis(10));
    }
}
