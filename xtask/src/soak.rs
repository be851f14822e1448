//! The long form of the test suite `soak`.

use std::path::Path;

use anyhow::Result;

use crate::{cargo, flags};

/// What `cargo xtask soak` is asked for.
#[derive(Debug)]
pub(crate) struct Play {
    events: u64,
    minutes: Option<u64>,
}

const DEFAULT_EVENTS: u64 = 1_000_000;

impl Play {
    /// Reads `--events N --minutes M`, both optional.
    pub(crate) fn parse(args: &[String]) -> Result<Self> {
        let [events, minutes] = flags::numbers("soak", ["--events", "--minutes"], args)?;
        Ok(Self {
            events: events.unwrap_or(DEFAULT_EVENTS),
            minutes,
        })
    }

    /// Becomes the test that plays it, with a build of the host.
    pub(crate) fn run(&self, root: &Path, binary: &Path) -> Result<()> {
        let mut test = cargo::command();
        test.current_dir(root)
            .args(["test", "--locked", "--package", "hothouse"])
            .args(["--test", "soak", "--", "--nocapture", "every_event"])
            .env("HOTHOUSE_SOAK_EVENTS", self.events.to_string())
            .env("HOTHOUSE_SOAK_BINARY", binary);
        if let Some(minutes) = self.minutes {
            test.env("HOTHOUSE_SOAK_SECONDS", (minutes * 60).to_string());
        }
        cargo::replace_with(&mut test)
    }
}
