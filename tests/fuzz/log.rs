//! What guests log, by their event.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, OnceLock};

use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, SubscriberExt as _};

/// Lines by event_id. Every test of the binary has events of its own.
static LINES: Mutex<Option<HashMap<String, Vec<String>>>> = Mutex::new(None);

/// Begins to keep what guests log, once for all tests.
pub(crate) fn keep() {
    static KEPT: OnceLock<()> = OnceLock::new();
    KEPT.get_or_init(|| {
        let subscriber = tracing_subscriber::registry().with(Keeper);
        tracing::subscriber::set_global_default(subscriber).expect("no other subscriber");
    });
}

/// Takes the lines of an event.
pub(crate) fn take(event_id: &str) -> Vec<String> {
    let mut lines = LINES.lock().expect("lines");
    let lines = lines.get_or_insert_default();
    lines.remove(event_id).unwrap_or_default()
}

struct Keeper;

impl<S: Subscriber> Layer<S> for Keeper {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if event.metadata().target() != "guest" {
            return;
        }
        let mut line = Line::default();
        event.record(&mut line);
        let mut lines = LINES.lock().expect("lines");
        let lines = lines.get_or_insert_default();
        lines.entry(line.event_id).or_default().push(line.message);
    }
}

#[derive(Default)]
struct Line {
    event_id: String,
    message: String,
}

impl Visit for Line {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "event_id" {
            self.event_id = value.to_owned();
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.message = format!("{value:?}");
        }
    }
}
