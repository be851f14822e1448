//! What of a Redis server, and of what other programs do to it, is unsafe for this use.

mod aof;
mod streams;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::{Path, PathBuf};

use redis::{FromRedisValue, InfoDict};

use self::aof::Tail;
use super::RedisBus;
use crate::bus::{Advice, BusError, Subscription};

/// Oldest server whose scripts see what ours need (`XINFO GROUPS` with `lag`, atomic `TIME`).
const OLDEST_SERVER: (u64, u64) = (7, 0);

const SETTINGS: [&str; 4] = ["appendfsync", "dir", "appenddirname", "appendfilename"];

type Settings = HashMap<String, String>;

impl RedisBus {
    pub(super) async fn advise(
        &self,
        subscriptions: &[Subscription],
    ) -> Result<Vec<Advice>, BusError> {
        let mut advice = Vec::new();
        // In a cluster the streams are on several servers.
        let mut servers = BTreeSet::new();
        let streams: BTreeSet<&str> = subscriptions.iter().map(|one| one.stream).collect();
        for stream in &streams {
            advice.extend(self.server_advice(stream, &mut servers).await?);
        }
        if streams.is_empty() {
            advice.extend(self.server_advice("", &mut servers).await?);
        }
        for subscription in subscriptions {
            let found = streams::look(&self.link, subscription).await;
            let what = format!("{} on {}", subscription.group, subscription.stream);
            advice.extend(unless_refused(found, &what)?);
        }
        // What is true of a stream, or of several servers, is said once.
        let mut said = HashSet::new();
        advice.retain(|one| said.insert(one.message.clone()));
        Ok(advice)
    }

    /// Of the server that has the key, unless it is among those that are known.
    async fn server_advice(
        &self,
        key: &str,
        known: &mut BTreeSet<String>,
    ) -> Result<Vec<Advice>, BusError> {
        let info: InfoDict = match self.ask(key, &["INFO"]).await {
            Ok(info) => info,
            Err(error) => return unless_refused(Err(error), "the server's state (INFO)"),
        };
        let server: Option<String> = info.get("run_id");
        if !known.insert(server.unwrap_or_default()) {
            return Ok(Vec::new());
        }
        let mut advice = state(&info);
        let command: Vec<&str> = ["CONFIG", "GET"].into_iter().chain(SETTINGS).collect();
        let settings = match self.ask::<Settings>(key, &command).await {
            Ok(settings) => settings,
            Err(error) => {
                let what = "appendfsync (CONFIG GET)";
                advice.extend(unless_refused(Err(error), what)?);
                Settings::new()
            }
        };
        if number(&info, "aof_enabled") == Some(1) {
            advice.extend(fsync(&settings));
            let tail = match self.manifest(key, &info, &settings).await {
                Some(manifest) => tokio::task::spawn_blocking(move || aof::tail(&manifest)).await,
                None => Ok(Tail::NotHere),
            };
            advice.extend(on_tail(tail.unwrap_or(Tail::NotHere), &info));
        }
        if let Some(node) = self.link.node_of(key).await? {
            for one in &mut advice {
                one.message = format!("node {node}: {}", one.message);
            }
        }
        Ok(advice)
    }

    /// The answer of the server that has the key.
    async fn ask<T: FromRedisValue>(&self, key: &str, words: &[&str]) -> Result<T, BusError> {
        let mut command = redis::cmd(words[0]);
        command.arg(&words[1..]);
        self.link
            .run(key, async |connection| {
                command.query_async(connection).await
            })
            .await
    }

    /// The manifest of the server's AOF, where the server is a process of this machine.
    async fn manifest(&self, key: &str, info: &InfoDict, settings: &Settings) -> Option<PathBuf> {
        let setting = |name: &str| settings.get(name).filter(|value| !value.is_empty());
        let connection: String = self.ask(key, &["CLIENT", "INFO"]).await.ok()?;
        let mut parts = connection.split_whitespace();
        let address = parts.find_map(|part| part.strip_prefix("laddr="))?;
        let address: std::net::SocketAddr = address.parse().ok()?;
        let pid: u32 = info.get("process_id")?;
        let dir = Path::new(setting("dir")?);
        // A tunnel or a container can be behind a loopback address: the process must be here.
        let works_in = std::fs::read_link(format!("/proc/{pid}/cwd")).ok()?;
        if !address.ip().is_loopback() || works_in != dir {
            return None;
        }
        let manifest = format!("{}.manifest", setting("appendfilename")?);
        Some(dir.join(setting("appenddirname")?).join(manifest))
    }
}

/// What the server refuses to tell is said, and is no error.
fn unless_refused(
    found: Result<Vec<Advice>, BusError>,
    what: &str,
) -> Result<Vec<Advice>, BusError> {
    match found {
        Err(BusError::Broken { reason, .. }) => Ok(vec![Advice::note(format!(
            "{what} could not be checked: {reason}"
        ))]),
        found => found,
    }
}

fn number(info: &InfoDict, name: &str) -> Option<i64> {
    info.get(name)
}

fn state(info: &InfoDict) -> Vec<Advice> {
    let text = |name: &str| info.get::<String>(name).unwrap_or_default();
    let mut advice = Vec::new();
    let version = text("redis_version");
    let mut parts = version.split('.').map(|part| part.parse().unwrap_or(0));
    let found = (parts.next().unwrap_or(0), parts.next().unwrap_or(0));
    if found < OLDEST_SERVER {
        advice.push(Advice::note(format!(
            "the server is Redis {version}: Hothouse needs 7.0 or newer"
        )));
    }
    if number(info, "loading") == Some(1) {
        advice.push(Advice::note(
            "the server is still loading its data: hosts wait for it",
        ));
    }
    if number(info, "aof_enabled") == Some(0) {
        advice.push(Advice::note(
            "appendonly is off: a restart of Redis loses events. Set `appendonly yes`",
        ));
    }
    for (name, what) in [
        ("aof_last_write_status", "write its append-only file"),
        ("aof_last_bgrewrite_status", "rewrite its append-only file"),
    ] {
        if text(name) == "err" {
            advice.push(Advice::note(format!(
                "Redis could not {what} the last time ({name}): look at its log and its disk"
            )));
        }
    }
    let policy = text("maxmemory_policy");
    if !policy.is_empty() && policy != "noeviction" {
        let message = format!(
            "maxmemory-policy is {policy}: Redis drops streams or the hosts' books when memory \
             is short. Set `maxmemory-policy noeviction`"
        );
        advice.push(match number(info, "maxmemory") {
            Some(0) | None => Advice::note(message),
            Some(_) => Advice::fail(message),
        });
    }
    advice
}

fn fsync(settings: &Settings) -> Option<Advice> {
    let found = settings.get("appendfsync").map(String::as_str)?;
    (found != "always").then(|| {
        Advice::note(format!(
            "appendfsync is {found}: a crash of Redis can lose the events of the last second, \
             or of more where it is `no`. Set `appendfsync always` where none may be lost"
        ))
    })
}

fn on_tail(tail: Tail, info: &InfoDict) -> Option<Advice> {
    match tail {
        Tail::Whole => None,
        Tail::Torn { file, offset } => Some(Advice::fail(format!(
            "{} has a transaction without its end at byte {offset}: Redis was cut off in the \
             middle of a write. Its next restart loses every write since then, or revives half \
             a commit, which doubles outcomes. Run `redis-cli BGREWRITEAOF` before Redis stops",
            file.display()
        ))),
        Tail::NotHere => {
            let rewritten = number(info, "aof_rewrites").unwrap_or(0) > 0
                || number(info, "aof_last_rewrite_time_sec").unwrap_or(-1) >= 0;
            (!rewritten).then(|| {
                Advice::note(
                    "Redis's append-only file cannot be looked at from here, and was not \
                     rewritten since Redis started: if Redis was cut off in the middle of a \
                     write before that, its next restart loses or doubles events. Run \
                     `redis-cli BGREWRITEAOF` after every unclean stop",
                )
            })
        }
    }
}
