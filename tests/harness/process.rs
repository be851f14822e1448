//! The binary as a child process, killed when its handle goes, also by a panic.

use std::fs::File;
use std::io::{ErrorKind, Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use serde_json::Value;

use super::eventually;

/// Lines of a host's log that a failed test shows.
const SHOWN_LINES: usize = 200;

/// The binary in `folder`, without what the caller's environment says to it.
fn hothouse(folder: &Path) -> Command {
    binary(Path::new(env!("CARGO_BIN_EXE_hothouse")), folder)
}

/// The same with another build of the binary.
pub(crate) fn binary(path: &Path, folder: &Path) -> Command {
    let mut command = Command::new(path);
    command
        .current_dir(folder)
        .env_remove("HOTHOUSE_BUS")
        .env_remove("HOTHOUSE_CONFIG")
        .env_remove("HOTHOUSE_LOG");
    command
}

/// A child that does not outlive its test.
struct Process(Child);

impl Process {
    fn start(command: &mut Command) -> Self {
        Self(command.spawn().expect("start hothouse"))
    }

    async fn ended(&mut self) -> ExitStatus {
        eventually("the process ends", async || {
            self.0.try_wait().expect("look at the process")
        })
        .await
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It fails where the process has ended, which is as well.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What a verb answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Answer {
    /// Standard output as the one JSON value that `--json` promises.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("{error} in the answer of --json: {self:#?}"))
    }

    /// Itself, after a look at its exit code.
    #[track_caller]
    pub(crate) fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self:#?}");
        self
    }
}

/// Runs a verb to its end, with `input` on standard input.
pub(crate) async fn run(folder: &Path, args: &[&str], input: &[u8]) -> Answer {
    let mut stdin = tempfile::tempfile().expect("a file for standard input");
    stdin.write_all(input).expect("write standard input");
    stdin.rewind().expect("rewind standard input");
    let mut stdout = tempfile::tempfile().expect("a file for standard output");
    let mut stderr = tempfile::tempfile().expect("a file for standard error");
    let handle = |file: &File| file.try_clone().expect("a second handle");
    let mut process = Process::start(
        hothouse(folder)
            .args(args)
            .stdin(stdin)
            .stdout(handle(&stdout))
            .stderr(handle(&stderr)),
    );
    let status = process.ended().await;
    let text = |file: &mut File| {
        let mut text = String::new();
        file.rewind().expect("rewind the output");
        file.read_to_string(&mut text).expect("read the output");
        text
    };
    Answer {
        code: status.code(),
        stdout: text(&mut stdout),
        stderr: text(&mut stderr),
    }
}

/// A verb under way: a `hothouse serve`, where nothing else is said.
pub(crate) struct Host {
    process: Process,
    log: PathBuf,
}

impl Host {
    /// Starts it; its log goes to the file `log`, which it begins anew.
    pub(crate) fn start(folder: &Path, args: &[&str], log: PathBuf) -> Self {
        Self::start_verb(folder, &[&["serve"], args].concat(), log)
    }

    /// As [`start`](Self::start), for another verb that takes its time.
    pub(crate) fn start_verb(folder: &Path, args: &[&str], log: PathBuf) -> Self {
        Self::start_as(hothouse(folder), args, log)
    }

    /// The same with a command that [`binary`] gave.
    pub(crate) fn start_as(hothouse: Command, args: &[&str], log: PathBuf) -> Self {
        Self::start_logging(hothouse, args, log, "info,hothouse=debug")
    }

    /// The same with what is to be in the log.
    pub(crate) fn start_logging(
        mut hothouse: Command,
        args: &[&str],
        log: PathBuf,
        filter: &str,
    ) -> Self {
        let file = File::create(&log).expect("a log for the host");
        let process = Process::start(
            hothouse
                .args(args)
                .env("HOTHOUSE_LOG", filter)
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(file),
        );
        Self { process, log }
    }

    /// Waits until a line of the log holds all of `parts`.
    pub(crate) async fn logs(&mut self, parts: &[&str]) {
        eventually(&format!("the host logs {parts:?}"), async || {
            let log = self.log();
            let found = log
                .lines()
                .any(|line| parts.iter().all(|part| line.contains(part)));
            assert!(found || self.is_running(), "the host ended: {log}");
            found.then_some(())
        })
        .await;
    }

    /// Waits until an event is inside the sandbox.
    pub(crate) async fn runs(&mut self, event_id: &str) {
        self.logs(&["run begins", event_id]).await;
    }

    /// Everything that it logged so far.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).expect("read the host's log")
    }

    pub(crate) fn is_running(&mut self) -> bool {
        let ended = self.process.0.try_wait().expect("look at the host");
        ended.is_none()
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.0.id()
    }

    /// Its child processes that it has not waited for.
    pub(crate) fn children(&self) -> Vec<u32> {
        children(self.process.0.id())
    }

    /// Sends SIGTERM.
    pub(crate) fn terminate(&self) {
        self.signal("TERM");
    }

    /// Sends a signal by its name.
    pub(crate) fn signal(&self, name: &str) {
        signal(self.process.0.id(), name);
    }

    /// Ends it like `kill -9`.
    pub(crate) fn kill(&mut self) {
        self.process.0.kill().expect("kill the host");
        self.process.0.wait().expect("wait for the host");
    }

    /// Waits for its end and gives the exit code.
    pub(crate) async fn exit_code(&mut self) -> Option<i32> {
        self.process.ended().await.code()
    }
}

impl Drop for Host {
    /// A test that fails shows what its hosts logged last.
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = std::fs::read_to_string(&self.log).unwrap_or_default();
            let lines: Vec<&str> = log.lines().collect();
            let last = &lines[lines.len().saturating_sub(SHOWN_LINES)..];
            eprintln!("log of a host:\n{}", last.join("\n"));
        }
    }
}

/// Sends a signal by its name. The shell's own `kill` is there on every machine.
pub(crate) fn signal(pid: u32, name: &str) {
    let status = Command::new("sh")
        .args(["-c", &format!("kill -{name} {pid}")])
        .status();
    match status {
        Ok(status) => assert!(status.success(), "kill -{name} {pid}: {status}"),
        Err(error) if error.kind() == ErrorKind::NotFound => panic!("there is no shell"),
        Err(error) => panic!("kill -{name} {pid}: {error}"),
    }
}

/// The children of a process that it has not waited for.
fn children(parent: u32) -> Vec<u32> {
    let processes = std::fs::read_dir("/proc").expect("list the processes");
    let pid = |entry: std::fs::DirEntry| entry.file_name().to_str()?.parse::<u32>().ok();
    let mut children = Vec::new();
    for pid in processes.flatten().filter_map(pid) {
        // It may have ended since. Behind the name, which may hold anything: state and parent.
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let after_name = stat.rsplit(')').next().unwrap_or_default();
        if after_name.split_whitespace().nth(1) == Some(&parent.to_string()) {
            children.push(pid);
        }
    }
    children
}
