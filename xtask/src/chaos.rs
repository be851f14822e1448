//! The long form of the fault suite.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::path::Path;

use anyhow::Result;

use crate::{cargo, flags};

/// What `cargo xtask chaos` is asked for.
#[derive(Debug)]
pub(crate) struct Play {
    minutes: u64,
    seed: Option<u64>,
}

const DEFAULT_MINUTES: u64 = 10;

impl Play {
    /// Reads `--minutes N --seed S`, both optional.
    pub(crate) fn parse(args: &[String]) -> Result<Self> {
        let [minutes, seed] = flags::numbers("chaos", ["--minutes", "--seed"], args)?;
        Ok(Self {
            minutes: minutes.unwrap_or(DEFAULT_MINUTES),
            seed,
        })
    }

    /// Becomes the test that plays it.
    pub(crate) fn run(&self, root: &Path) -> Result<()> {
        // The standard library's only source of randomness does for a seed.
        let seed = self.seed.unwrap_or_else(|| RandomState::new().hash_one(0));
        eprintln!(
            "xtask: cargo xtask chaos --minutes {} --seed {seed}",
            self.minutes
        );
        let mut test = cargo::command();
        test.current_dir(root)
            .args([
                "test",
                "--locked",
                "--package",
                "hothouse",
                "--test",
                "faults",
            ])
            .args(["--", "chaos::", "--nocapture"])
            .env("HOTHOUSE_CHAOS_SEED", seed.to_string())
            .env("HOTHOUSE_CHAOS_SECONDS", (self.minutes * 60).to_string());
        cargo::replace_with(&mut test)
    }
}
