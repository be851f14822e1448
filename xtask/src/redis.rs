//! redis-server for the tests. They start private servers on their own ports, so
//! the program alone is needed; whether Debian also starts its service is all the same.

use std::env;

use anyhow::{Context, Result};

use crate::apt::Apt;

const PROGRAM: &str = "redis-server";

/// Makes sure that `redis-server` can be started.
pub(crate) fn ensure(apt: &mut Apt) -> Result<()> {
    if on_path() {
        return Ok(());
    }
    apt.install(&[PROGRAM]).with_context(|| {
        format!(
            "the tests need {PROGRAM}, and it is neither on PATH nor to be had with apt-get: \
             install Redis 7.0 or newer so that `{PROGRAM}` is on PATH, then run this again"
        )
    })
}

fn on_path() -> bool {
    env::split_paths(&env::var_os("PATH").unwrap_or_default())
        .any(|folder| folder.join(PROGRAM).is_file())
}
