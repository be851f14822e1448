//! How far a replay is: a bar on a terminal, lines elsewhere, nothing beside JSON.

use std::io::{self, IsTerminal as _};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// Between two lines.
const INTERVAL: Duration = Duration::from_secs(1);

/// On standard error.
pub(super) enum Progress {
    Bar(ProgressBar),
    Lines { all: u64, last: Option<Instant> },
    Silent,
}

impl Progress {
    /// Of `all` events.
    pub(super) fn new(all: u64, json: bool) -> Self {
        if json {
            return Self::Silent;
        }
        if !io::stderr().is_terminal() {
            return Self::Lines { all, last: None };
        }
        let style = "{bar:40} {pos}/{len} events, {per_sec}, {eta} left";
        let bar = ProgressBar::new(all);
        Self::Bar(match ProgressStyle::with_template(style) {
            Ok(style) => bar.with_style(style),
            Err(_) => bar,
        })
    }

    /// Shows that `done` events are done.
    pub(super) fn at(&mut self, done: u64) {
        match self {
            Self::Silent => {}
            Self::Bar(bar) => bar.set_position(done),
            Self::Lines { all, last } => {
                let due = last.is_none_or(|last| last.elapsed() >= INTERVAL);
                if due || done == *all {
                    eprintln!("{done} of {all} events");
                    *last = Some(Instant::now());
                }
            }
        }
    }

    /// Leaves the terminal to what comes next.
    pub(super) fn end(self) {
        match self {
            Self::Bar(bar) => bar.finish_and_clear(),
            Self::Lines { .. } | Self::Silent => {}
        }
    }
}
