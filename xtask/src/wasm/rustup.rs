//! rustup's wasm32-wasip2 target, for the toolchain that runs xtask.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::TARGET;

/// Long enough for the 20 MB of a standard library on a slow line; a network that
/// swallows everything must not hold up the set-up for longer.
const PATIENCE: Duration = Duration::from_secs(180);

/// Whether the toolchain on PATH has the target's standard library.
pub(super) fn has_target() -> bool {
    let printed = Command::new("rustc")
        .args(["--print", "target-libdir", "--target", TARGET])
        .stderr(Stdio::null())
        .output();
    let Ok(printed) = printed else {
        return false;
    };
    holds_std(Path::new(
        String::from_utf8_lossy(&printed.stdout).trim_end(),
    ))
}

fn holds_std(libdir: &Path) -> bool {
    let Ok(entries) = libdir.read_dir() else {
        return false;
    };
    entries.flatten().any(|entry| {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        name.starts_with("libstd-") && name.ends_with(".rlib")
    })
}

/// Lets rustup download the target; it prints nothing itself.
pub(super) fn add_target() -> Result<()> {
    let mut rustup = Command::new("rustup")
        .args(["target", "add", TARGET])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .context("rustup cannot be started")?;
    eprintln!("xtask: trying `rustup target add {TARGET}`");
    let Some(success) = wait(&mut rustup)? else {
        bail!(
            "`rustup target add {TARGET}` was stopped after {} s without an end",
            PATIENCE.as_secs()
        );
    };
    if success {
        return Ok(());
    }
    let output = rustup.wait_with_output().context("reading from rustup")?;
    let output = String::from_utf8_lossy(&output.stderr);
    bail!(
        "`rustup target add {TARGET}` is not possible here ({})",
        reason(&output)
    );
}

/// Whether the child succeeded, or nothing when it had to be stopped.
fn wait(child: &mut Child) -> Result<Option<bool>> {
    let end = Instant::now() + PATIENCE;
    while Instant::now() < end {
        if let Some(status) = child.try_wait().context("waiting for rustup")? {
            return Ok(Some(status.success()));
        }
        thread::sleep(Duration::from_millis(50));
    }
    child.kill().context("stopping rustup")?;
    child.wait().context("waiting for rustup")?;
    Ok(None)
}

/// What failed and its root cause, from rustup's chain of causes on one line.
fn reason(stderr: &str) -> String {
    let error = stderr
        .lines()
        .find_map(|line| line.trim().strip_prefix("error: "));
    let Some(error) = error else {
        return "it gave no reason".into();
    };
    let causes: Vec<&str> = error.split(": ").collect();
    match causes.as_slice() {
        [what, .., why] => format!("{what}: {why}"),
        _ => error.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_is_what_failed_and_its_root_cause() {
        let stderr = "info: downloading component\n\
                      error: download failed: no file from 'https://x': dns error: no such host\n";
        assert_eq!(reason(stderr), "download failed: no such host");
        assert_eq!(reason("error: no such target\n"), "no such target");
        assert_eq!(reason(""), "it gave no reason");
    }

    #[test]
    fn a_library_folder_that_is_not_there_has_no_standard_library() {
        assert!(!holds_std(Path::new("/nonexistent/lib")));
    }
}
