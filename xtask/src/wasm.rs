//! The toolchain that builds guests: rustup's wasm32-wasip2 target where it can be
//! had, otherwise Debian's rustc, which builds the standard library from source.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, anyhow, bail};

use crate::apt::Apt;
use crate::cargo::{self, remove_variables};

mod rustup;

const TARGET: &str = "wasm32-wasip2";

/// A toolchain that is complete and can build guests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Toolchain {
    /// The toolchain that runs xtask, with the wasm32-wasip2 target added.
    Rustup,
    /// Debian's rustc-web and what belongs to it.
    Debian,
}

/// Finds a wasm toolchain, or gets one. Where one is there nothing is fetched.
pub(crate) fn ensure(apt: &mut Apt) -> Result<Toolchain> {
    if let Some(found) = choose(rustup::has_target(), &debian_missing()) {
        return Ok(found);
    }

    let rustup_error = match rustup::add_target() {
        Ok(()) if rustup::has_target() => return Ok(Toolchain::Rustup),
        Ok(()) => anyhow!("rustup added {TARGET}, but rustc does not see it"),
        Err(error) => error,
    };
    eprintln!("xtask: {rustup_error:#}; trying Debian's packages");

    let debian_error = match install_debian(apt) {
        Ok(()) => match debian_missing().first() {
            None => return Ok(Toolchain::Debian),
            Some(path) => anyhow!("the packages are installed, but have no {}", path.display()),
        },
        Err(error) => error,
    };
    bail!(
        "guests cannot be built: there is no wasm toolchain, and none could be set up.\n\
         - rustup: {rustup_error:#}\n\
         - Debian's packages: {debian_error:#}\n\
         Do one of these, then run this again: `rustup target add {TARGET}`, or as root \
         `apt-get install {}` and the lld of the same LLVM (Debian 12 has them).",
        DEBIAN_PACKAGES.join(" ")
    )
}

/// rustup's target goes first: its standard library is ready-made.
fn choose(rustup_has_target: bool, debian_missing: &[PathBuf]) -> Option<Toolchain> {
    if rustup_has_target {
        Some(Toolchain::Rustup)
    } else if debian_missing.is_empty() {
        Some(Toolchain::Debian)
    } else {
        None
    }
}

/// `cargo build` for guests, to which the caller adds what to build.
pub(crate) fn guest_build(toolchain: Toolchain) -> Command {
    let mut command = match toolchain {
        Toolchain::Rustup => cargo::command(),
        Toolchain::Debian => debian_cargo(),
    };
    // Flags meant for this machine's code (target-cpu=native, a linker) break wasm.
    remove_variables(&mut command, |name| {
        matches!(name, "RUSTFLAGS" | "CARGO_ENCODED_RUSTFLAGS") || name.starts_with("CARGO_BUILD_")
    });
    command.args(["build", "--locked", "--target", TARGET]);
    // A target directory of their own: guests and the host never wait for each
    // other's build lock, nor rebuild each other's dependencies.
    command.args(["--profile", "guest", "--target-dir", "target/guests"]);
    if toolchain == Toolchain::Debian {
        command.arg("-Zbuild-std=std,panic_abort");
    }
    command
}

/// All but lld, whose package is named after its LLVM version.
const DEBIAN_PACKAGES: [&str; 5] = [
    "rustc-web",
    "cargo-web",
    "rust-web-src",
    "rust-web-llvm",
    "wasi-libc",
];

const WASI_LIBC: &str = "/usr/lib/wasm32-wasi";

/// Debian's cargo with the settings that make it build components.
fn debian_cargo() -> Command {
    let mut command = Command::new("/usr/bin/cargo");
    // Whatever the outer cargo or rustup said about their own toolchain would make
    // Debian's cargo use that one.
    remove_variables(&mut command, |name| {
        matches!(name, "CARGO" | "LD_LIBRARY_PATH")
            || (name.starts_with("CARGO_") && name != "CARGO_HOME")
            || name.starts_with("RUST")
    });
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = std::iter::once(PathBuf::from("/usr/bin")).chain(env::split_paths(&path));
    if let Ok(path) = env::join_paths(folders) {
        command.env("PATH", path);
    }
    command
        // -Zbuild-std is for nightly toolchains; this lets a stable one have it.
        .env("RUSTC_BOOTSTRAP", "1")
        .env("CARGO_TARGET_WASM32_WASIP2_LINKER", component_linker())
        .env(
            "CARGO_TARGET_WASM32_WASIP2_RUSTFLAGS",
            format!("-L native={WASI_LIBC} -C link-self-contained=no -C linker-flavor=wasm-ld"),
        );
    command
}

fn component_linker() -> PathBuf {
    PathBuf::from(format!(
        "/usr/lib/rustlib/{}-unknown-linux-gnu/bin/wasm-component-ld",
        env::consts::ARCH
    ))
}

/// What Debian's toolchain lacks; nothing when it is complete.
fn debian_missing() -> Vec<PathBuf> {
    let mut needed = vec![component_linker(), Path::new(WASI_LIBC).join("libc.a")];
    needed.extend(
        [
            "/usr/bin/rustc",
            "/usr/bin/cargo",
            // A link of rust-web-llvm to lld, which is another package.
            "/usr/bin/rust-lld",
            "/usr/lib/rustlib/src/rust/library/std/Cargo.toml",
        ]
        .map(PathBuf::from),
    );
    needed.retain(|path| !path.exists());
    needed
}

fn install_debian(apt: &mut Apt) -> Result<()> {
    let dependencies = apt.dependencies("rust-web-llvm")?;
    let lld = lld_package(&dependencies).ok_or_else(|| {
        anyhow!("the package lists have no rust-web-llvm that depends on an llvm-N")
    })?;
    let packages: Vec<&str> = DEBIAN_PACKAGES.into_iter().chain([lld.as_str()]).collect();
    apt.install(&packages)
}

/// rust-web-llvm links rust-lld to the lld of its LLVM version, but does not depend
/// on it.
fn lld_package(dependencies: &[String]) -> Option<String> {
    dependencies
        .iter()
        .filter_map(|name| name.strip_prefix("llvm-"))
        .find(|version| version.bytes().all(|byte| byte.is_ascii_digit()))
        .map(|version| format!("lld-{version}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rustup_is_preferred_to_debian() {
        assert_eq!(choose(true, &[]), Some(Toolchain::Rustup));
        assert_eq!(choose(true, &["x".into()]), Some(Toolchain::Rustup));
    }

    #[test]
    fn debian_is_used_as_it_is_when_nothing_is_missing() {
        assert_eq!(choose(false, &[]), Some(Toolchain::Debian));
    }

    #[test]
    fn an_incomplete_debian_toolchain_is_not_used() {
        assert_eq!(choose(false, &["/usr/bin/rust-lld".into()]), None);
    }

    #[test]
    fn lld_has_the_version_of_the_llvm_that_rust_depends_on() {
        let dependencies = ["libc6", "llvm-runtime", "llvm-22"].map(String::from);
        assert_eq!(lld_package(&dependencies), Some("lld-22".into()));
        assert_eq!(lld_package(&[]), None);
    }
}
