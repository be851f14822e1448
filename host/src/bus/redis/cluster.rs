//! Which node of a Redis Cluster has a key.

use std::sync::Arc;
use std::time::Duration;

use redis::{ErrorKind, RedisResult, ServerErrorKind, Value};
use tokio::sync::Mutex;

use super::connect::{ConnectError, Connector, Node};
use super::url::Server;

const SLOTS: u16 = 16384;

/// How long one node may take to tell the map before another one is asked.
const ASK_TIMEOUT: Duration = Duration::from_secs(2);

/// The slot of a key: by its first braces, where something stands between them.
fn slot(key: &str) -> u16 {
    let tag = key
        .split_once('{')
        .and_then(|(_, rest)| rest.split_once('}'));
    let hashed = match tag {
        Some((tag, _)) if !tag.is_empty() => tag,
        _ => key,
    };
    crc16::State::<crc16::XMODEM>::calculate(hashed.as_bytes()) % SLOTS
}

/// The nodes of a cluster, and who has which slot as long as nobody said otherwise.
pub(super) struct Cluster {
    seeds: Vec<Arc<Node>>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// None where it is to be asked for.
    map: Option<Map>,
    /// Every node of the last map, replicas too, with the connections to them.
    nodes: Vec<Arc<Node>>,
    /// Who is asked first, so that one that does not answer or knows only old maps is not
    /// asked for ever.
    turn: usize,
}

/// First and last slot, and their primary.
type Map = Vec<(u16, u16, Arc<Node>)>;

/// Why it is not known who has a slot.
#[derive(Debug)]
pub(super) enum MapError {
    /// The cluster says that nobody has it.
    Unassigned(u16),
    /// No node told the map: the last one that was asked, and why.
    NoAnswer(Server, ConnectError),
}

impl Cluster {
    pub(super) fn new(seeds: &[Server]) -> Self {
        let seeds = seeds.iter().cloned().map(|seed| Arc::new(Node::new(seed)));
        Self {
            seeds: seeds.collect(),
            state: Mutex::default(),
        }
    }

    /// The primary that has the key's slot.
    pub(super) async fn node(
        &self,
        key: &str,
        connector: &Connector,
    ) -> Result<Arc<Node>, MapError> {
        let slot = slot(key);
        let mut state = self.state.lock().await;
        let map = self.map(&mut state, connector).await?;
        let range = map
            .iter()
            .find(|(first, last, _)| (*first..=*last).contains(&slot));
        match range {
            Some((_, _, node)) => Ok(Arc::clone(node)),
            None => {
                state.map = None;
                Err(MapError::Unassigned(slot))
            }
        }
    }

    /// The map is asked for again before the next call.
    pub(super) async fn forget_map(&self) {
        self.state.lock().await.map = None;
    }

    async fn map<'a>(
        &self,
        state: &'a mut State,
        connector: &Connector,
    ) -> Result<&'a Map, MapError> {
        if state.map.is_none() {
            let map = self.ask(state, connector).await?;
            state.map = Some(map);
        }
        Ok(state.map.get_or_insert_default())
    }

    /// Asks one node after the other for the map.
    async fn ask(&self, state: &mut State, connector: &Connector) -> Result<Map, MapError> {
        let candidates: Vec<Arc<Node>> = state.nodes.iter().chain(&self.seeds).cloned().collect();
        let mut left = candidates.len();
        loop {
            let node = &candidates[state.turn % candidates.len()];
            state.turn = (state.turn + 1) % candidates.len();
            left -= 1;
            match told_by(node, connector).await {
                Ok(told) => return Ok(state.learn(told)),
                Err(error) if left == 0 => {
                    return Err(MapError::NoAnswer(node.server.clone(), error));
                }
                Err(_) => {}
            }
        }
    }
}

impl State {
    /// Takes over what a node told, and keeps connections to the nodes that are still there.
    fn learn(&mut self, told: Vec<Range>) -> Map {
        let mut nodes: Vec<Arc<Node>> = Vec::new();
        let mut known = |server: Server| {
            let same = |node: &&Arc<Node>| node.server == server;
            let found = nodes.iter().chain(&self.nodes).find(same).cloned();
            let node = found.unwrap_or_else(|| Arc::new(Node::new(server)));
            if !nodes.iter().any(|other| Arc::ptr_eq(other, &node)) {
                nodes.push(Arc::clone(&node));
            }
            node
        };
        let mut map = Map::new();
        for range in told {
            map.push((range.first, range.last, known(range.primary)));
            for replica in range.replicas {
                known(replica);
            }
        }
        self.nodes = nodes;
        map
    }
}

/// What a node knows of the map.
async fn told_by(node: &Node, connector: &Connector) -> Result<Vec<Range>, ConnectError> {
    let asked = tokio::time::timeout(ASK_TIMEOUT, slots(node, connector)).await;
    let late = |_| {
        Err(ConnectError::Silent(
            "it does not tell the cluster's slots in time".to_owned(),
        ))
    };
    match asked.unwrap_or_else(late) {
        Ok(reply) => ranges(&reply, &node.server)
            .ok_or_else(|| ConnectError::Config(format!("it gives {reply:?} for CLUSTER SLOTS"))),
        Err(error) => {
            node.hang_up().await;
            Err(error)
        }
    }
}

async fn slots(node: &Node, connector: &Connector) -> Result<Value, ConnectError> {
    let mut connection = node.shared(connector).await?;
    let reply: RedisResult<Value> = redis::cmd("CLUSTER")
        .arg("SLOTS")
        .query_async(&mut connection)
        .await;
    reply.map_err(|error| match error.kind() {
        ErrorKind::Server(ServerErrorKind::ResponseError) => ConnectError::Config(format!(
            "it tells no slots ({error}): where it is no node of a cluster, begin the URL with \
             redis:// or rediss://"
        )),
        _ => error.into(),
    })
}

struct Range {
    first: u16,
    last: u16,
    primary: Server,
    replicas: Vec<Server>,
}

/// The reply to `CLUSTER SLOTS`; None where it is something else.
fn ranges(reply: &Value, answering: &Server) -> Option<Vec<Range>> {
    let mut ranges = Vec::new();
    for range in list(reply)? {
        let [first, last, primary, replicas @ ..] = list(range)? else {
            return None;
        };
        let (first, last) = (number(first)?, number(last)?);
        if let Some(primary) = server(primary, answering) {
            let replicas = replicas.iter();
            ranges.push(Range {
                first,
                last,
                primary,
                replicas: replicas
                    .filter_map(|node| server(node, answering))
                    .collect(),
            });
        }
    }
    Some(ranges)
}

/// A node that does not know its own host has the one that it was reached by. None where the
/// cluster does not know it either.
fn server(node: &Value, answering: &Server) -> Option<Server> {
    let [host, port, ..] = list(node)? else {
        return None;
    };
    let host = match host {
        Value::BulkString(host) if host == b"?" => return None,
        Value::BulkString(host) if !host.is_empty() => String::from_utf8(host.clone()).ok()?,
        Value::BulkString(_) | Value::Nil => answering.host.clone(),
        _ => return None,
    };
    let port = number(port)?;
    Some(Server { host, port })
}

fn list(value: &Value) -> Option<&[Value]> {
    match value {
        Value::Array(values) => Some(values),
        _ => None,
    }
}

fn number(value: &Value) -> Option<u16> {
    match value {
        Value::Int(number) => u16::try_from(*number).ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_the_slot_that_redis_says() {
        // CLUSTER KEYSLOT of Redis 7.0.15.
        let cases = [
            ("123456789", 12739),
            ("execution-events", 11974),
            ("{execution-events}:agent-workers:lanes", 11974),
            ("{repository-events}:relayed:{execution-events}", 7343),
            ("repository-events", 7343),
            ("{}x", 10595),
            ("x{", 3596),
        ];
        for (key, expected) in cases {
            assert_eq!(slot(key), expected, "{key}");
        }
    }
}
