//! The long form of the fault suite.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::cargo;

/// What `cargo xtask chaos` is asked for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Play {
    minutes: u64,
    seed: Option<u64>,
}

const DEFAULT_MINUTES: u64 = 10;

impl Play {
    /// Reads `--minutes N --seed S`, both optional.
    pub(crate) fn parse(args: &[String]) -> Result<Self> {
        let mut play = Self {
            minutes: DEFAULT_MINUTES,
            seed: None,
        };
        let mut args = args.iter();
        while let Some(flag) = args.next() {
            let mut number = || -> Result<u64> {
                let value = args
                    .next()
                    .with_context(|| format!("{flag} needs a number"))?;
                value
                    .parse()
                    .with_context(|| format!("{flag} needs a number, not `{value}`"))
            };
            match flag.as_str() {
                "--minutes" => play.minutes = number()?,
                "--seed" => play.seed = Some(number()?),
                other => bail!("`{other}` is not an option of chaos: it has --minutes and --seed"),
            }
        }
        Ok(play)
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

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Play> {
        let args: Vec<String> = line.split_whitespace().map(String::from).collect();
        Play::parse(&args)
    }

    #[test]
    fn minutes_and_seed_are_read_in_any_order_and_may_be_left_out() {
        let play = |minutes, seed| Play { minutes, seed };
        assert_eq!(parse("").expect("no option"), play(DEFAULT_MINUTES, None));
        assert_eq!(
            parse("--seed 7 --minutes 3").expect("both"),
            play(3, Some(7))
        );
    }

    #[test]
    fn what_is_no_number_or_no_option_is_named() {
        for (line, named) in [
            ("--seed", "--seed"),
            ("--minutes soon", "soon"),
            ("--hours 1", "--hours"),
        ] {
            let error = format!("{:#}", parse(line).expect_err(line));
            assert!(error.contains(named), "{error}");
        }
    }
}
