//! Redis servers that die, lose their tail, hang, fill up, and hand over to a replica.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use hothouse::bus::EntryId;
use tokio::time::{Duration, sleep};

use crate::harness::events::EXECUTIONS;
use crate::harness::process::signal;
use crate::harness::{RedisServer, eventually};
use crate::proxy::{Flow, Proxy};
use crate::redis_side::{command, connect};
use crate::snapshot::GROUP;
use crate::stage::{Fsync, Stage};

/// While it loads its AOF, Redis looks at its connections once for a thousand commands.
const BURDEN: usize = 6_000;

/// A replica, behind a proxy of bytes that can hold it back.
pub(super) struct Replica {
    server: RedisServer,
    link: Proxy,
}

/// How a server with a cut AOF is brought back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Remedy {
    /// `redis-check-aof --fix` before the start.
    Fix,
    /// BGREWRITEAOF after the start.
    Rewrite,
}

impl Stage {
    /// `kill -9`, and up again.
    pub(crate) fn kill_redis(&mut self, away: Duration) {
        self.tell(format!("Redis is killed, for {away:.1?}"));
        if self.setup.fsync == Fsync::EverySec {
            self.journal.lost();
        }
        self.redis.kill();
        std::thread::sleep(away);
        self.redis.restart();
        self.tell("Redis is up again");
    }

    /// SIGSTOP for a while.
    pub(crate) async fn stop_redis(&self, away: Duration) {
        self.tell(format!("Redis hangs for {away:.1?}"));
        let pid = self.redis.pid().expect("Redis runs");
        signal(pid, "STOP");
        sleep(away).await;
        signal(pid, "CONT");
        self.tell("Redis goes on");
    }

    /// Kills Redis, cuts `bytes` off its AOF, and brings it back as the documents say.
    pub(crate) async fn tear_aof(&mut self, bytes: u64, remedy: Remedy) {
        self.tell(format!(
            "Redis is killed and loses {bytes} bytes of AOF: {remedy:?}"
        ));
        self.journal.lost();
        self.redis.kill();
        let path = self.aof();
        let file = File::options().write(true).open(&path).expect("the AOF");
        let length = file.metadata().expect("its length").len();
        file.set_len(length.saturating_sub(bytes)).expect("cut it");
        drop(file);
        if remedy == Remedy::Fix {
            let fix = Command::new("sh")
                .arg("-c")
                .arg(format!(
                    "yes | redis-check-aof --fix {}",
                    self.manifest().display()
                ))
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .status();
            assert!(
                fix.expect("redis-check-aof").success(),
                "it cannot be fixed"
            );
        }
        self.redis.restart();
        if remedy == Remedy::Rewrite {
            command(self.port(), &["BGREWRITEAOF"]).await;
            let port = self.port();
            eventually("the AOF is rewritten", async || {
                let info = command(port, &["INFO", "persistence"]).await;
                let done = info.contains("aof_rewrite_in_progress:0")
                    && info.contains("aof_rewrite_scheduled:0");
                done.then_some(())
            })
            .await;
        }
        self.tell("Redis is up again");
    }

    fn aof(&self) -> PathBuf {
        let mut files: Vec<PathBuf> = fs::read_dir(self.redis.folder().join("appendonlydir"))
            .expect("the AOF's folder")
            .map(|file| file.expect("a file").path())
            .filter(|path| path.to_string_lossy().ends_with(".incr.aof"))
            .collect();
        files.sort();
        files.pop().expect("an AOF")
    }

    fn manifest(&self) -> PathBuf {
        self.redis
            .folder()
            .join("appendonlydir/appendonly.aof.manifest")
    }

    /// Allows less memory than is used, for a while.
    pub(crate) async fn fill_redis(&self, during: Duration) {
        self.tell(format!("Redis is full for {during:.1?}"));
        command(
            self.port(),
            &["CONFIG", "SET", "maxmemory-policy", "noeviction"],
        )
        .await;
        command(self.port(), &["CONFIG", "SET", "maxmemory", "1"]).await;
        sleep(during).await;
        command(self.port(), &["CONFIG", "SET", "maxmemory", "0"]).await;
        self.tell("Redis has room");
    }

    /// Makes the server a replica of nobody, which refuses writes, for a while.
    pub(crate) async fn make_redis_read_only(&self, during: Duration) {
        self.tell(format!("Redis is read-only for {during:.1?}"));
        command(self.port(), &["REPLICAOF", "127.0.0.1", "1"]).await;
        sleep(during).await;
        command(self.port(), &["REPLICAOF", "NO", "ONE"]).await;
        self.tell("Redis takes writes");
    }

    /// A save of the data fails, for a while: Redis refuses writes meanwhile.
    pub(crate) async fn fail_disk(&self, during: Duration) {
        self.tell(format!("Redis cannot save for {during:.1?}"));
        // A folder where the file is to be: no user can write that.
        let in_the_way = self.redis.folder().join("dump.rdb");
        // A server that has or was a replica has saved there; the AOF is what counts.
        if in_the_way.is_file() {
            fs::remove_file(&in_the_way).expect("remove the old data");
        }
        fs::create_dir(&in_the_way).expect("make a folder");
        let port = self.port();
        command(port, &["CONFIG", "SET", "save", "3600 1"]).await;
        command(port, &["BGSAVE"]).await;
        eventually("the save fails", async || {
            let info = command(port, &["INFO", "persistence"]).await;
            info.contains("rdb_last_bgsave_status:err").then_some(())
        })
        .await;
        sleep(during).await;
        command(port, &["CONFIG", "SET", "save", ""]).await;
        fs::remove_dir(&in_the_way).expect("remove the folder");
        self.tell("Redis takes writes");
    }

    /// So many entries that a start takes its time.
    pub(super) async fn burden(&self) {
        let mut connection = connect(self.port()).await.expect("the server answers");
        let mut fill = redis::pipe();
        for number in 0..BURDEN {
            fill.set(format!("burden:{number}"), number).ignore();
        }
        let filled: redis::RedisResult<()> = fill.query_async(&mut connection).await;
        filled.expect("the server takes it");
    }

    pub(crate) async fn flush_scripts(&self) {
        self.tell("SCRIPT FLUSH");
        command(self.port(), &["SCRIPT", "FLUSH"]).await;
    }

    pub(crate) async fn destroy_group(&self) {
        self.tell("the group is destroyed");
        let newest = self.look().await.last_delivered;
        // What is read between the look and the end of the group is forgotten as well.
        let margin = EntryId {
            ms: newest.ms + 1_000,
            seq: 0,
        };
        self.journal.forgot(margin);
        command(self.port(), &["XGROUP", "DESTROY", EXECUTIONS, GROUP]).await;
    }

    pub(crate) fn has_replica(&self) -> bool {
        self.replica.is_some()
    }

    /// Starts a replica of the server that counts.
    pub(super) async fn follow(&mut self) {
        let link = Proxy::of_bytes_to(self.port()).await;
        // Not as an argument: it must not be a replica again when it is restarted later.
        let server = RedisServer::start_with(&["--appendonly", "yes"]);
        let port = server.port();
        let source = link.port().to_string();
        command(port, &["REPLICAOF", "127.0.0.1", &source]).await;
        eventually("the replica is in step", async || {
            let info = command(port, &["INFO", "replication"]).await;
            info.contains("master_link_status:up").then_some(())
        })
        .await;
        self.replica = Some(Replica { server, link });
    }

    /// The replica takes over after it lagged behind for a while; the old server dies.
    pub(crate) async fn fail_over(&mut self, lag: Duration) {
        let replica = self.replica.take().expect("a stage with a replica");
        self.tell(format!("the replica lags for {lag:.1?} and takes over"));
        replica.link.flow(Flow::Stopped);
        sleep(lag).await;
        self.journal.lost();
        self.redis.kill();
        replica.link.cut();
        let port = replica.server.port();
        command(port, &["REPLICAOF", "NO", "ONE"]).await;
        self.primary.send_replace(port);
        for member in &self.hosts {
            member.proxy.repoint(port);
        }
        self.redis = replica.server;
        assert!(connect(port).await.is_some(), "the replica answers");
        self.tell("the replica has taken over");
    }
}
