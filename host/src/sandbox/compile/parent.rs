//! The host's side: starts the child, feeds it, waits for it, and sees that it is gone.

use std::io::{Read, Write as _};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use hothouse_artifact::TAG;
use rustix::process::Signal;

use super::Progress;
use super::reply::{NoReply, OUT_OF_MEMORY, Reply};
use crate::failure::clean;
use crate::sandbox::{Candidate, Instruments, LoadError};

/// Between two looks at the clock.
const TICK: Duration = Duration::from_millis(100);

/// What is read of a child's standard error, in bytes. It is for a defect's sake.
const MAX_SAID: u64 = 4 << 10;

/// A child that does not outlive its compile.
struct Reaped(Child);

impl Reaped {
    /// Kills it where it still runs. The status is that of its own end where there was one:
    /// a process that has begun to end is not killed any more.
    fn end(&mut self) -> std::io::Result<ExitStatus> {
        // It fails where the child was waited for already, which is as well.
        let _ = self.0.kill();
        self.0.wait()
    }
}

impl Drop for Reaped {
    fn drop(&mut self) {
        let _ = self.end();
    }
}

/// Compiles in a child of `program`, within the candidate's limits.
pub(super) fn compile(
    program: &Path,
    instruments: Instruments,
    candidate: &Candidate<'_>,
    tell: &dyn Fn(Progress<'_>),
) -> Result<Vec<u8>, LoadError> {
    let limits = candidate.limits;
    let mut command = Command::new(program);
    command
        .arg0("hothouse")
        .arg("compile-component")
        .args(["--memory-bytes", &limits.compile_memory_bytes.to_string()])
        .args(["--time-ms", &limits.compile_ms.to_string()])
        .args(instruments.profile.then_some("--profile"))
        .args(instruments.coredump.then_some("--coredump"))
        .env_clear()
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let failed =
        |error| LoadError::CompilerFailed(format!("{} does not start: {error}", program.display()));
    let mut child = Reaped(command.spawn().map_err(failed)?);
    let stdin = child.0.stdin.take();
    let stdout = child.0.stdout.take();
    let stderr = child.0.stderr.take();

    thread::scope(|scope| {
        // Moved in here, so that it is gone before the scope waits for the threads at its pipes.
        let mut child = child;
        let (sender, replies) = mpsc::channel();
        scope.spawn(move || {
            // Where the child is gone its reply, or that there is none, says so.
            let _ = stdin.map(|mut stdin| stdin.write_all(candidate.bytes));
        });
        scope.spawn(move || {
            let reply = stdout.map_or(Err(NoReply::Broken), |mut stdout| {
                Reply::read(&mut stdout, limits.artifact_bytes, TAG)
            });
            // Nobody waits after the time is up.
            let _ = sender.send(reply);
        });
        let said = scope.spawn(move || {
            let mut said = Vec::new();
            // A part is as good as the whole.
            let _ = stderr.map(|stderr| stderr.take(MAX_SAID).read_to_end(&mut said));
            clean(&String::from_utf8_lossy(&said), 300)
        });
        let reply = wait(&replies, candidate, tell);
        let status = child.end().map_err(failed)?;
        match reply {
            None => Err(LoadError::CompileTime {
                limit_ms: limits.compile_ms,
            }),
            Some(Ok(Reply::Artifact(artifact))) => Ok(artifact),
            Some(Ok(Reply::Refused(message))) => Err(LoadError::not_a_component(&message)),
            Some(Err(NoReply::TooLong)) => Err(LoadError::ArtifactTooLarge {
                limit: limits.artifact_bytes,
            }),
            Some(Err(NoReply::Broken)) => {
                let said = said.join().unwrap_or_default();
                Err(died(status, &said, candidate))
            }
        }
    })
}

/// The reply, or none where the time is up.
fn wait(
    replies: &Receiver<Result<Reply, NoReply>>,
    candidate: &Candidate<'_>,
    tell: &dyn Fn(Progress<'_>),
) -> Option<Result<Reply, NoReply>> {
    let begin = Instant::now();
    let limit = Duration::from_millis(candidate.limits.compile_ms);
    loop {
        let elapsed = begin.elapsed();
        let left = limit.checked_sub(elapsed).filter(|left| !left.is_zero())?;
        match replies.recv_timeout(left.min(TICK)) {
            Ok(reply) => return Some(reply),
            Err(RecvTimeoutError::Timeout) => tell(Progress::Compiling {
                name: candidate.name,
                elapsed,
            }),
            Err(RecvTimeoutError::Disconnected) => return Some(Err(NoReply::Broken)),
        }
    }
}

/// A child that was denied memory aborts, and one that took the machine's last is killed.
fn died(status: ExitStatus, said: &str, candidate: &Candidate<'_>) -> LoadError {
    tracing::debug!(component = candidate.name, %status, said, "the compiler died");
    let limits = candidate.limits;
    let signal = status.signal().and_then(Signal::from_named_raw);
    let denied_memory = status.code() == Some(OUT_OF_MEMORY.into())
        || signal == Some(Signal::ABORT)
        || signal == Some(Signal::KILL);
    if denied_memory {
        let limit = limits.compile_memory_bytes;
        return LoadError::CompileMemory { limit };
    }
    LoadError::CompilerFailed(match said {
        "" => status.to_string(),
        said => format!("{status}: {said}"),
    })
}
