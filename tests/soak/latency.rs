//! From publishing a good plugin's event to its outcome, without and with hostile neighbours.

use tokio::time::{Duration, Instant, MissedTickBehavior, interval};

use crate::book::Book;
use crate::guests::{GOOD, GUESTS, Guest};
use crate::place::Place;
use crate::reader::Outcome;

/// Between two events of the good plugin: it is not busy.
const PACE: Duration = Duration::from_millis(10);

/// Hostile events that are always under way.
const HOSTILE: usize = 64;

/// How long the last ones are waited for.
const PATIENCE: Duration = Duration::from_secs(120);

/// What an event of the good plugin may take with hostile neighbours, by what it takes without.
const RATIO: f64 = 2.0;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Neighbours {
    None,
    Hostile,
}

/// What the good plugin's events took, sorted.
pub(crate) struct Latency {
    took: Vec<Duration>,
    hostile: usize,
}

/// Waits until every plugin is loaded: an event of each has ended.
pub(crate) async fn warm_up(place: &mut Place) {
    let mut measured = Measured::new(0);
    let all: Vec<_> = GUESTS.iter().collect();
    measured.publish(place, &all).await;
    measured.end(place).await;
}

/// Publishes an event of the good plugin every now and then.
pub(crate) async fn measure(
    place: &mut Place,
    during: Duration,
    neighbours: Neighbours,
) -> Latency {
    let good = GUESTS
        .iter()
        .find(|guest| guest.name == GOOD)
        .expect("the good one");
    let mut hostile = GUESTS.iter().filter(|guest| guest.name != GOOD).cycle();
    let mut measured = Measured::new(match neighbours {
        Neighbours::None => 1,
        Neighbours::Hostile => 2,
    });
    let mut pace = interval(PACE);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let end = Instant::now() + during;
    while Instant::now() < end {
        tokio::select! {
            biased;
            _ = pace.tick() => measured.publish(place, &[good]).await,
            outcome = place.reader.outcome(PATIENCE) => measured.note(outcome.as_ref()),
        }
        if neighbours == Neighbours::Hostile {
            let missing = HOSTILE.saturating_sub(measured.hostile_under_way);
            let more: Vec<_> = hostile.by_ref().take(missing).collect();
            measured.publish(place, &more).await;
        }
    }
    measured.end(place).await;
    let hostile = measured.book.sent() - measured.took.len();
    measured.took.sort_unstable();
    Latency {
        took: measured.took,
        hostile,
    }
}

struct Measured {
    book: Book,
    published: Vec<Instant>,
    took: Vec<Duration>,
    hostile_under_way: usize,
}

impl Measured {
    fn new(book: u16) -> Self {
        Self {
            book: Book::new(book),
            published: Vec::new(),
            took: Vec::new(),
            hostile_under_way: 0,
        }
    }

    async fn publish(&mut self, place: &mut Place, guests: &[&'static Guest]) {
        if guests.is_empty() {
            return;
        }
        let events = guests.iter().map(|guest| self.book.sends(guest));
        let events: Vec<_> = events.collect();
        self.published.resize(self.book.sent(), Instant::now());
        self.hostile_under_way += guests.iter().filter(|guest| guest.name != GOOD).count();
        place.publish(&events).await;
    }

    /// Waits for what is under way.
    async fn end(&mut self, place: &mut Place) {
        while self.book.under_way() > 0 {
            let outcome = place.reader.outcome(PATIENCE).await;
            self.note(outcome.as_ref());
        }
        place.rests().await;
        self.book.buries(&place.take_letters().await);
        assert_eq!(self.book.letters_due(), 0, "dead letters that did not come");
    }

    fn note(&mut self, outcome: Option<&Outcome>) {
        let outcome = outcome.expect("an outcome in time");
        let (number, guest) = self.book.ends(outcome);
        if guest.name == GOOD {
            self.took.push(outcome.at - self.published[number]);
        } else {
            self.hostile_under_way -= 1;
        }
    }
}

impl Latency {
    fn quantile(&self, share: f64) -> Duration {
        let last = self.took.len() - 1;
        self.took[(last as f64 * share) as usize]
    }

    fn median(&self) -> Duration {
        self.quantile(0.5)
    }

    fn p99(&self) -> Duration {
        self.quantile(0.99)
    }
}

pub(crate) fn print(alone: &Latency, among: &Latency) {
    let row = |name: &str, events: usize, median: String, p99: String| {
        eprintln!("{name:<58} {events:>6} {median:>9} {p99:>9}");
    };
    let ms = |took: Duration| format!("{:.2} ms", took.as_secs_f64() * 1e3);
    eprintln!(
        "\n{:<58} {:>6} {:>9} {:>9}",
        "a good plugin's events, published to outcome", "events", "median", "p99"
    );
    row(
        "alone",
        alone.took.len(),
        ms(alone.median()),
        ms(alone.p99()),
    );
    let beside = format!(
        "while {} events ran of plugins that are hostile",
        among.hostile
    );
    row(
        &beside,
        among.took.len(),
        ms(among.median()),
        ms(among.p99()),
    );
    let [median, p99] = ratios(alone, among);
    eprintln!(
        "ratio: {median:.2} in the median, {p99:.2} at p99; at most {RATIO} are allowed in the median"
    );
}

/// How much longer it takes with neighbours: in the median and at p99.
fn ratios(alone: &Latency, among: &Latency) -> [f64; 2] {
    let ratio = |a: Duration, b: Duration| b.as_secs_f64() / a.as_secs_f64();
    [
        ratio(alone.median(), among.median()),
        ratio(alone.p99(), among.p99()),
    ]
}

pub(crate) fn assert_not_delayed(alone: &Latency, among: &Latency) {
    let [median, _] = ratios(alone, among);
    assert!(
        median <= RATIO,
        "a good plugin's events took {median:.2} times as long"
    );
}
