//! Chores of the Hothouse repository, run as `cargo xtask VERB`: set-up, guest
//! builds, tests and the demo. No product code lives here.

mod apt;
mod cargo;
mod chaos;
mod flags;
mod guests;
mod redis;
mod soak;
mod wasm;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::{env, fs};

use anyhow::{Context, Result, bail};

use apt::Apt;

const HELP: &str = "\
Chores of the Hothouse repository.

Usage: cargo xtask VERB

  demo [ARGS]       set up, build the plugins and the host, run `hothouse demo ARGS`
  test [-- ARGS]    set up, build the plugins and the fixture guests, test every crate;
                    ARGS go to `cargo test`
  chaos [--minutes N] [--seed S]
                    set up as for test, and let a seed decide what goes wrong with hosts, Redis
                    and the lines between them; 10 minutes and a random seed unless told
  soak [--events N] [--minutes M]
                    set up as for test, build the release host, and run events over good and
                    hostile plugins: each has its one outcome, memory is flat, and a good plugin
                    is not delayed; a million events, and no longer than is said
  plugins           build every plugin in plugins/ and put NAME.wasm beside its plugin.toml
  guests            build the fixture guests of tests/guests
  setup             get what the other verbs need: a wasm toolchain and redis-server
  help              print this

The set-up uses what is there. What is missing comes from `rustup target add` or,
where that cannot download, from Debian's packages (as root or through sudo).

Examples:
  cargo xtask demo
  cargo xtask test -- --package hothouse --lib
  cargo xtask test -- --test conformance -- --nocapture
  cargo xtask chaos --minutes 30 --seed 7
  cargo xtask soak --events 50000
";

fn main() -> ExitCode {
    // Not `-> Result`: that would print a backtrace of xtask with every error where
    // RUST_BACKTRACE is set.
    match run(env::args().skip(1).collect()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: Vec<String>) -> Result<()> {
    let (verb, rest) = match args.as_slice() {
        [] => ("help", &[][..]),
        [verb, rest @ ..] => (verb.as_str(), rest),
    };
    match verb {
        "demo" => demo(rest),
        "test" => test(rest),
        "chaos" => chaos(rest),
        "soak" => soak(rest),
        "plugins" => guests::build_plugins(&root()?, wasm::ensure(&mut Apt::default())?),
        "guests" => guests::build_fixtures(&root()?, wasm::ensure(&mut Apt::default())?),
        "setup" => setup().map(drop),
        "help" | "-h" | "--help" => {
            print_help();
            Ok(())
        }
        other => bail!("`{other}` is not a verb; `cargo xtask help` lists them"),
    }
}

/// Help was asked for, so it is the output, and goes to stdout.
#[allow(clippy::print_stdout)]
fn print_help() {
    print!("{HELP}");
}

/// The demo runs on the embedded bus, so it needs no redis-server.
fn demo(args: &[String]) -> Result<()> {
    let root = root()?;
    guests::build_plugins(&root, wasm::ensure(&mut Apt::default())?)?;

    let mut build = cargo::command();
    build
        .current_dir(&root)
        .args(["build", "--locked", "--package", "hothouse"]);
    cargo::run(&mut build)?;

    let mut demo = Command::new(target(&root).join("debug/hothouse"));
    demo.current_dir(&root).arg("demo").args(args);
    cargo::replace_with(&mut demo)
}

fn test(args: &[String]) -> Result<()> {
    let root = root()?;
    let toolchain = setup()?;
    guests::build_plugins(&root, toolchain)?;
    guests::build_fixtures(&root, toolchain)?;
    build_mutants(&root)?;

    let mut test = cargo::command();
    test.current_dir(&root)
        .args(["test", "--locked"])
        .args(test_args(args));
    cargo::replace_with(&mut test)
}

fn chaos(args: &[String]) -> Result<()> {
    let play = chaos::Play::parse(args)?;
    let root = root()?;
    guests::build_fixtures(&root, setup()?)?;
    play.run(&root)
}

fn soak(args: &[String]) -> Result<()> {
    let play = soak::Play::parse(args)?;
    let root = root()?;
    guests::build_fixtures(&root, setup()?)?;
    let mut build = cargo::command();
    build
        .current_dir(&root)
        .args(["build", "--locked", "--release", "--package", "hothouse"]);
    cargo::run(&mut build)?;
    play.run(&root, &target(&root).join("release/hothouse"))
}

/// The binary that can break its scripts, for the fault suite, beside the one that cannot: cargo
/// has one place for both.
fn build_mutants(root: &Path) -> Result<()> {
    let mut build = cargo::command();
    build.current_dir(root).args([
        "build",
        "--locked",
        "--package",
        "hothouse",
        "--features",
        "mutations",
    ]);
    cargo::run(&mut build)?;
    let (from, folder) = (
        target(root).join("debug/hothouse"),
        target(root).join("mutants"),
    );
    let to = folder.join("hothouse");
    fs::create_dir_all(&folder)
        .and_then(|()| fs::copy(&from, &to))
        .with_context(|| format!("cannot copy {} to {}", from.display(), to.display()))?;
    Ok(())
}

fn target(root: &Path) -> PathBuf {
    let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| "target".into(), PathBuf::from);
    root.join(target)
}

/// What `cargo test` gets: every crate, unless the caller names packages.
fn test_args(args: &[String]) -> Vec<&str> {
    let args = match args {
        [first, rest @ ..] if first == "--" => rest,
        all => all,
    };
    let names_packages = args
        .iter()
        .take_while(|arg| *arg != "--")
        .any(|arg| arg == "-p" || arg == "--package" || arg.starts_with("--package="));
    let scope = (!names_packages).then_some("--workspace");
    scope
        .into_iter()
        .chain(args.iter().map(String::as_str))
        .collect()
}

fn setup() -> Result<wasm::Toolchain> {
    // One Apt for both, so that the package lists are fetched at most once.
    let mut apt = Apt::default();
    let toolchain = wasm::ensure(&mut apt)?;
    redis::ensure(&mut apt)?;
    Ok(toolchain)
}

/// The repository's root. Cargo tells at run time where xtask is; the place where
/// it was compiled may have moved since.
fn root() -> Result<PathBuf> {
    let xtask = env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    xtask
        .parent()
        .filter(|root| root.join("wit").is_dir())
        .map(PathBuf::from)
        .with_context(|| {
            format!(
                "the repository's root is not above {}: start xtask as `cargo xtask` inside the repository",
                xtask.display()
            )
        })
}

#[cfg(test)]
mod tests {
    use super::test_args;

    fn args(line: &str) -> Vec<String> {
        line.split_whitespace().map(String::from).collect()
    }

    #[test]
    fn all_crates_are_tested_when_no_package_is_named() {
        assert_eq!(test_args(&args("")), ["--workspace"]);
        assert_eq!(
            test_args(&args("-- --test e2e -- -p")),
            ["--workspace", "--test", "e2e", "--", "-p"]
        );
    }

    #[test]
    fn naming_a_package_narrows_the_test_run_to_it() {
        assert_eq!(test_args(&args("-- -p xtask")), ["-p", "xtask"]);
    }
}
