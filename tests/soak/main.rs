//! A host that runs for long: a real Redis and the real binary under good and hostile plugins,
//! with its memory measured, and a good plugin's latency without and with hostile neighbours.
//!
//! Here with a few events, so that it stays true. `cargo xtask soak` plays it with a million on
//! a release build and holds the measures to their bounds:
//! `HOTHOUSE_SOAK_EVENTS`, `HOTHOUSE_SOAK_SECONDS` and `HOTHOUSE_SOAK_BINARY` say how many, for how
//! long at the most, and of which build.

#[path = "../harness/mod.rs"]
mod harness;

mod book;
mod guests;
mod latency;
mod long;
mod memory;
mod place;
mod reader;

use std::env;
use std::path::PathBuf;

use tokio::time::Duration;

/// Events of the short play.
const EVENTS: u64 = 1_000;

/// How long latency is measured for, with and without neighbours.
const MEASURED: Duration = Duration::from_secs(20);
const GLANCED: Duration = Duration::from_secs(1);

/// What is played.
struct Play {
    events: u64,
    at_most: Option<Duration>,
    /// The release build of a long play: its measures are held to their bounds.
    binary: Option<PathBuf>,
}

impl Play {
    fn of_environment() -> Self {
        Self {
            events: number("HOTHOUSE_SOAK_EVENTS").unwrap_or(EVENTS),
            at_most: number("HOTHOUSE_SOAK_SECONDS").map(Duration::from_secs),
            binary: env::var_os("HOTHOUSE_SOAK_BINARY").map(PathBuf::from),
        }
    }
}

fn number(variable: &str) -> Option<u64> {
    let text = env::var(variable).ok()?;
    let number = text.parse();
    Some(number.unwrap_or_else(|_| panic!("{variable}={text} is no number")))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_event_has_its_one_outcome_among_hostile_plugins() {
    let play = Play::of_environment();
    let held = play.binary.is_some();
    let mut place = place::Place::open(play.binary).await;
    latency::warm_up(&mut place).await;
    let during = if held { MEASURED } else { GLANCED };
    let alone = latency::measure(&mut place, during, latency::Neighbours::None).await;
    let among = latency::measure(&mut place, during, latency::Neighbours::Hostile).await;
    let soaked = long::soak(&mut place, play.events, play.at_most).await;
    latency::print(&alone, &among);
    soaked.print();
    assert_eq!(place.close().await, Some(0), "the host's exit code");
    if held {
        soaked.assert_flat();
        latency::assert_not_delayed(&alone, &among);
    }
}
