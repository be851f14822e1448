//! A redis-server of one test's own.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// Other processes may take the port between the look and the start.
const TRIES: usize = 20;

const START_DEADLINE: Duration = Duration::from_secs(60);

/// Killed when dropped. Port and data folder stay the same over a restart.
#[derive(Debug)]
pub(crate) struct RedisServer {
    port: u16,
    folder: TempDir,
    args: Vec<String>,
    child: Option<Child>,
}

impl RedisServer {
    /// A server that writes nothing to disk.
    pub(crate) fn start() -> Self {
        Self::start_with(&[])
    }

    /// A server with more arguments, for example `&["--appendonly", "yes"]`: of two values
    /// for one setting the later one counts.
    pub(crate) fn start_with(args: &[&str]) -> Self {
        Self::start_as(|| args.iter().map(ToString::to_string).collect())
    }

    /// A server with arguments that are made anew for each try, as those that name a port.
    pub(crate) fn start_as(args: impl Fn() -> Vec<String>) -> Self {
        for _ in 0..TRIES {
            let mut server = Self {
                port: free_port(),
                folder: tempfile::tempdir().expect("a folder for Redis"),
                args: args(),
                child: None,
            };
            if server.spawn() {
                return server;
            }
        }
        panic!("no redis-server came up on any of {TRIES} ports");
    }

    /// Where it listens, as a bus URL.
    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// The value of one of its arguments.
    pub(crate) fn arg(&self, name: &str) -> &str {
        let at = self.args.iter().position(|arg| arg == name);
        let value = at.and_then(|at| self.args.get(at + 1));
        value.unwrap_or_else(|| panic!("no {name} in {:?}", self.args))
    }

    /// Does a command on it, as an operator with redis-cli.
    pub(crate) fn command<T: redis::FromRedisValue>(&self, words: &[&str]) -> T {
        let client = redis::Client::open(self.url()).expect("a Redis URL");
        let mut connection = client.get_connection().expect("connect");
        let mut command = redis::Cmd::new();
        for word in words {
            command.arg(*word);
        }
        let reply = command.query(&mut connection);
        reply.unwrap_or_else(|error| panic!("{words:?}: {error}"))
    }

    /// The port that it listens on.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Its data folder.
    pub(crate) fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// The process, for signals. None while it is killed.
    pub(crate) fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// Ends it like `kill -9`.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().expect("kill redis-server");
            child.wait().expect("wait for redis-server");
        }
    }

    /// Starts it again, on the same port and data, after a `kill -9` where it still runs.
    pub(crate) fn restart(&mut self) {
        self.kill();
        assert!(
            self.spawn(),
            "redis-server did not come up again: {}",
            self.log()
        );
    }

    /// False where the process ended before it answered, as when the port is taken.
    fn spawn(&mut self) -> bool {
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.folder.path().join("redis.log"))
            .expect("a log for Redis");
        let child = Command::new("redis-server")
            .args(["--bind", "127.0.0.1", "--port", &self.port.to_string()])
            .arg("--dir")
            .arg(self.folder.path())
            .args(["--save", "", "--appendonly", "no"])
            .args(&self.args)
            .stdin(Stdio::null())
            .stderr(log.try_clone().expect("a second handle of the log"))
            .stdout(log)
            .spawn();
        let mut child = match child {
            Ok(child) => child,
            Err(error) if error.kind() == io::ErrorKind::NotFound => panic!(
                "redis-server is not installed: run the tests with `cargo xtask test`, which \
                 gets it, or install it with `apt-get install redis-server`"
            ),
            Err(error) => panic!("redis-server does not start: {error}"),
        };
        let deadline = Instant::now() + START_DEADLINE;
        let up = loop {
            if child.try_wait().expect("look at redis-server").is_some() {
                break false;
            }
            if answers(self.port, child.id()).unwrap_or(false) {
                break true;
            }
            assert!(
                Instant::now() < deadline,
                "redis-server does not answer: {}",
                self.log()
            );
            thread::sleep(Duration::from_millis(5));
        };
        self.child = up.then_some(child);
        up
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("redis.log")).unwrap_or_default()
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        self.kill();
    }
}

pub(super) fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("bind a free port");
    listener.local_addr().expect("the bound address").port()
}

/// Whether the process `pid`, and not another test's server, is ready on the port.
fn answers(port: u16, pid: u32) -> io::Result<bool> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_read_timeout(Some(START_DEADLINE))?;
    stream.write_all(b"PING\r\nINFO server\r\n")?;
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    if line.trim_end() != "+PONG" {
        return Ok(false);
    }
    line.clear();
    reader.read_line(&mut line)?;
    let length = line.trim_end().trim_start_matches('$').parse();
    let mut info = vec![0; length.map_err(io::Error::other)?];
    reader.read_exact(&mut info)?;
    let process = format!("process_id:{pid}\r\n");
    Ok(String::from_utf8_lossy(&info).contains(&process))
}
