//! Starting child processes from a process that cargo itself started.

use std::env;
use std::os::unix::process::CommandExt;
use std::process::Command;

use anyhow::{Context, Result, bail};

/// The cargo that started xtask, without what it told xtask about xtask.
pub(crate) fn command() -> Command {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    remove_variables(&mut command, describes_xtask);
    command
}

/// Removes every inherited environment variable that `unwanted` picks.
pub(crate) fn remove_variables(command: &mut Command, unwanted: fn(&str) -> bool) {
    for (name, _) in env::vars_os() {
        if name.to_str().is_some_and(unwanted) {
            command.env_remove(name);
        }
    }
}

/// Set by `cargo run` for xtask alone. Handed on, they would make build scripts
/// that watch them run again.
fn describes_xtask(name: &str) -> bool {
    name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_")
}

/// Runs a step and fails when it fails; its output goes straight through.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let status = command
        .status()
        .with_context(|| format!("cannot start {}", shown(command)))?;
    if !status.success() {
        bail!(
            "{} failed ({status}); its own output above says why",
            shown(command)
        );
    }
    Ok(())
}

/// Becomes the command, so that its exit code and the signals meant for it are its
/// own. Comes back only when it cannot be started.
pub(crate) fn replace_with(command: &mut Command) -> Result<()> {
    let error = command.exec();
    Err(error).with_context(|| format!("cannot start {}", shown(command)))
}

/// The command line as a person would type it.
pub(crate) fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let words: Vec<_> = words.map(|word| word.to_string_lossy()).collect();
    format!("`{}`", words.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_describes_xtask_is_hidden_from_the_next_cargo() {
        assert!(describes_xtask("CARGO_PKG_NAME"));
        assert!(describes_xtask("CARGO_MANIFEST_DIR"));
        assert!(!describes_xtask("CARGO_HOME"));
        assert!(!describes_xtask("CARGO_TARGET_DIR"));
        assert!(!describes_xtask("RUSTFLAGS"));
    }

    #[test]
    fn a_failing_step_is_named_with_its_arguments() {
        let error = run(Command::new("false").arg("--now")).expect_err("false always fails");
        assert!(error.to_string().starts_with("`false --now` failed"));
    }
}
