//! Debian's packages, for machines where something is missing.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::cargo::shown;

/// apt-get, with the package lists fetched at most once.
#[derive(Default)]
pub(crate) struct Apt {
    updated: bool,
}

impl Apt {
    /// Installs packages, or fails without having removed any other.
    pub(crate) fn install(&mut self, packages: &[&str]) -> Result<()> {
        self.update()?;
        eprintln!(
            "xtask: installing with apt-get (a minute or two): {}",
            packages.join(" ")
        );
        // --no-remove: some of these conflict with packages that the machine's owner
        // may have chosen (rustc-web with rustc); that is theirs to decide.
        let mut install = apt_get()?;
        install
            .args([
                "install",
                "--yes",
                "--no-install-recommends",
                "--no-remove",
                "-qq",
            ])
            .args(packages)
            .stdout(Stdio::null());
        let status = install
            .status()
            .with_context(|| format!("cannot start {}", shown(&install)))?;
        if !status.success() {
            bail!(
                "`apt-get install {}` failed ({status}); its errors are above",
                packages.join(" ")
            );
        }
        Ok(())
    }

    /// Fetches the package lists, once. A list that cannot be fetched is no error: the
    /// packages may be in another, and if not, the installation says so.
    pub(crate) fn update(&mut self) -> Result<()> {
        if self.updated {
            return Ok(());
        }
        let mut update = apt_get()?;
        update.args(["update", "-qq"]).stdout(Stdio::null());
        eprintln!("xtask: fetching Debian's package lists");
        let status = update
            .status()
            .with_context(|| format!("cannot start {}", shown(&update)))?;
        if !status.success() {
            eprintln!("xtask: apt-get update failed ({status}); going on with the lists at hand");
        }
        self.updated = true;
        Ok(())
    }

    /// The names that a package depends on, as far as the package lists know it.
    pub(crate) fn dependencies(&mut self, package: &str) -> Result<Vec<String>> {
        self.update()?;
        let output = Command::new("apt-cache")
            .args(["depends", package])
            .output()
            .context("cannot start apt-cache")?;
        Ok(depends_lines(&String::from_utf8_lossy(&output.stdout)))
    }
}

/// apt-get as root, or through sudo where that asks no password.
fn apt_get() -> Result<Command> {
    if !Path::new("/usr/bin/apt-get").exists() {
        bail!("there is no apt-get on this machine");
    }
    let mut command = if is_root() {
        Command::new("env")
    } else if succeeds(Command::new("sudo").args(["-n", "true"])) {
        let mut sudo = Command::new("sudo");
        sudo.args(["-n", "env"]);
        sudo
    } else {
        bail!("apt-get needs root, and sudo is not there or asks for a password");
    };
    // A fresh machine may still be updating itself: wait for its lock a while.
    command.args([
        "DEBIAN_FRONTEND=noninteractive",
        "apt-get",
        "-o",
        "DPkg::Lock::Timeout=120",
    ]);
    Ok(command)
}

fn is_root() -> bool {
    Command::new("id")
        .arg("-u")
        .output()
        .is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}

fn succeeds(command: &mut Command) -> bool {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

fn depends_lines(text: &str) -> Vec<String> {
    text.lines()
        .filter_map(|line| line.trim().strip_prefix("Depends: "))
        .map(String::from)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::depends_lines;

    #[test]
    fn only_hard_dependencies_are_read_from_apt_cache() {
        let text =
            "rust-web-llvm\n  Depends: libc6\n  Depends: llvm-22\n  Conflicts: <rust-llvm>\n";
        assert_eq!(depends_lines(text), ["libc6", "llvm-22"]);
    }
}
