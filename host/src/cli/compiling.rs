//! The sandbox as verbs use it: compiling in a child process, with a cache and a progress line.

use std::io::{self, IsTerminal as _};
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::sandbox::{Cache, Compilation, Compiler, Instruments, Progress, Sandbox, SandboxError};

/// A compile that takes no longer is not worth a line.
const FIRST: Duration = Duration::from_secs(1);

/// Between two lines of a log.
const INTERVAL: Duration = Duration::from_secs(10);

/// What shows the progress lines of verbs that log little.
pub(super) const LOG: &str = "hothouse::cli::compiling=info";

/// A sandbox of `slots` that keeps what it compiles in `cache`. Where that cannot be used it
/// says so and goes on without.
pub(super) fn sandbox(
    slots: u32,
    instruments: Instruments,
    cache: Option<&Path>,
) -> Result<Sandbox, SandboxError> {
    let opened = cache.map(Cache::open).transpose();
    let cache = opened.unwrap_or_else(|error| {
        tracing::warn!("going on without the cache of compiled components: {error}");
        None
    });
    let shown = Mutex::new(match io::stderr().is_terminal() {
        true => Shown::Spinner(None),
        false => Shown::Lines { due: FIRST },
    });
    let compilation = Compilation::new(Compiler::this_program())
        .with_cache(cache)
        .with_watch(move |progress| {
            let mut shown = shown.lock().unwrap_or_else(PoisonError::into_inner);
            shown.take(progress);
        });
    Sandbox::compiling(slots, instruments, compilation)
}

/// What is seen of a long compile.
enum Shown {
    /// On a terminal.
    Spinner(Option<ProgressBar>),
    /// In a log; the next line is due when the compile has lasted so long.
    Lines { due: Duration },
}

impl Shown {
    fn take(&mut self, progress: Progress<'_>) {
        match (self, progress) {
            (Self::Spinner(spinner), Progress::Compiling { name, elapsed }) => {
                if elapsed >= FIRST {
                    let seconds = elapsed.as_secs();
                    let spinner = spinner.get_or_insert_with(new_spinner);
                    spinner.set_message(format!("compiling {name}, {seconds} s"));
                    spinner.tick();
                }
            }
            (Self::Spinner(spinner), Progress::Ended) => {
                if let Some(spinner) = spinner.take() {
                    spinner.finish_and_clear();
                }
            }
            (Self::Lines { due }, Progress::Compiling { name, elapsed }) => {
                if elapsed >= *due {
                    tracing::info!(component = name, "compiling, {} s", elapsed.as_secs());
                    *due = elapsed + INTERVAL;
                }
            }
            (Self::Lines { due }, Progress::Ended) => *due = FIRST,
        }
    }
}

fn new_spinner() -> ProgressBar {
    let spinner = ProgressBar::new_spinner();
    match ProgressStyle::with_template("{spinner} {msg}") {
        Ok(style) => spinner.with_style(style),
        Err(_) => spinner,
    }
}
