//! Where it is played: a Redis, a host on it, and its configuration.

use std::fs;
use std::path::{Path, PathBuf};

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client};
use serde_json::json;
use tempfile::TempDir;
use uuid::Uuid;

use crate::guests::{GUESTS, Guest};
use crate::harness::events::{EXECUTIONS, flat};
use crate::harness::guests::read_guest;
use crate::harness::process::{Host, binary};
use crate::harness::{RedisServer, eventually};
use crate::reader::Reader;

/// Entries that trimming leaves: more than are ever under way, so that none is gone before it is
/// read here.
const KEPT: u64 = 20_000;

pub(crate) struct Place {
    redis: MultiplexedConnection,
    pub(crate) reader: Reader,
    host: Host,
    // Behind the reader and the host, which are to end first.
    _server: RedisServer,
    _folder: TempDir,
}

/// An event to publish.
pub(crate) struct Event {
    pub(crate) id: Uuid,
    pub(crate) guest: &'static Guest,
    /// Comes back from the good one.
    pub(crate) seq: u64,
}

impl Place {
    /// Starts a host of a build, or of this one.
    pub(crate) async fn open(build: Option<PathBuf>) -> Self {
        let server = RedisServer::start();
        let folder = TempDir::new().expect("a folder");
        configure(folder.path(), &server.url());
        let build = build.unwrap_or_else(|| env!("CARGO_BIN_EXE_hothouse").into());
        let command = binary(&build, folder.path());
        let log = folder.path().join("host.log");
        // A line for each of a million failures would be the soak of a disk.
        let host = Host::start_logging(command, &["serve"], log, "error,guest=off");
        Self {
            redis: connect(&server).await,
            reader: Reader::start(connect(&server).await),
            host,
            _server: server,
            _folder: folder,
        }
    }

    /// The host's process, for its memory.
    pub(crate) fn host_pid(&self) -> u32 {
        self.host.pid()
    }

    /// Bytes that Redis uses.
    pub(crate) async fn redis_bytes(&mut self) -> u64 {
        let ask = redis::cmd("INFO").arg("memory").clone();
        let info: String = ask.query_async(&mut self.redis).await.expect("INFO");
        let line = info
            .lines()
            .find_map(|line| line.strip_prefix("used_memory:"));
        let bytes = line.and_then(|bytes| bytes.trim().parse().ok());
        bytes.expect("used_memory")
    }

    pub(crate) async fn publish(&mut self, events: &[Event]) {
        let mut pipe = redis::pipe();
        for Event { id, guest, seq } in events {
            // Each is an aggregate of its own: nothing waits for its lane.
            let data = json!({
                "agent_execution_id": id, "agent_type": guest.name, "phase_number": 1,
                // Each guest takes what it knows of it.
                "input_data": { "seq": seq, "status": seq % 2, "bytes": 4096 },
            });
            let event_id = id.to_string().parse().expect("an id");
            let fields = flat(event_id, "agent.execution.started", &data.to_string());
            pipe.xadd(EXECUTIONS, "*", &fields.0).ignore();
        }
        let published: redis::RedisResult<()> = pipe.query_async(&mut self.redis).await;
        published.expect("publish");
    }

    /// Dead letters since the last look, by their events. They go, so that Redis stays small.
    pub(crate) async fn take_letters(&mut self) -> Vec<Uuid> {
        self.reader.letters(&mut self.redis).await
    }

    /// Waits until nothing is under way, so that nothing more can come.
    pub(crate) async fn rests(&mut self) {
        let redis = self.redis.clone();
        eventually("the group has nothing in hand", async || {
            let ask = redis::cmd("XPENDING")
                .arg(EXECUTIONS)
                .arg("agent-workers")
                .clone();
            let pending: (u64, redis::Value, redis::Value, redis::Value) =
                ask.query_async(&mut redis.clone()).await.expect("XPENDING");
            (pending.0 == 0).then_some(())
        })
        .await;
    }

    /// Ends the host as an operator does. Gives its exit code.
    pub(crate) async fn close(mut self) -> Option<i32> {
        self.host.terminate();
        let code = self.host.exit_code().await;
        assert_eq!(self.host.log(), "", "what the host has to say of errors");
        code
    }
}

async fn connect(server: &RedisServer) -> MultiplexedConnection {
    let client = Client::open(server.url()).expect("a Redis URL");
    // The reader waits in Redis.
    let patient = AsyncConnectionConfig::new().set_response_timeout(None);
    let connected = client.get_multiplexed_async_connection_with_config(&patient);
    connected.await.expect("connect")
}

fn configure(folder: &Path, url: &str) {
    let mut config = format!(
        "bus = \"{url}\"\n[host]\ndedup_window_s = 30\n[trim]\nkeep = {KEPT}\nevery_s = 1\n"
    );
    for guest in &GUESTS {
        let Guest { name, limits, .. } = guest;
        let folder = folder.join("plugins").join(name);
        fs::create_dir_all(&folder).expect("make the plugin's folder");
        let manifest = format!("name = \"{name}\"\nversion = \"1.2.3\"\nworld = \"agent\"\n");
        fs::write(folder.join("plugin.toml"), manifest).expect("write the manifest");
        let component = folder.join(format!("{name}.wasm"));
        fs::write(component, read_guest(guest.component)).expect("write the component");
        config += &format!(
            "[plugins.{name}]\npath = \"plugins/{name}\"\nlimits = {{ {limits} }}\n\
             [[routes]]\ntype = \"agent.execution.started\"\nagent_type = \"{name}\"\n\
             plugin = \"{name}\"\nretry_delays_ms = []\n"
        );
    }
    fs::write(folder.join("hothouse.toml"), config).expect("write the configuration");
}
