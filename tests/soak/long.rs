//! The soak itself: as many events as are asked for, over all guests, as fast as they go.

use tokio::time::{Duration, Instant};

use crate::book::Book;
use crate::guests::guest_of;
use crate::memory::{mib, resident};
use crate::place::Place;
use crate::reader::Outcome;

/// Events under way: enough to keep the host busy.
const UNDER_WAY: usize = 512;
const BATCH: usize = 128;

/// No outcome for so long is none at all.
const PATIENCE: Duration = Duration::from_secs(120);

/// Between two looks at memory and dead letters.
const LOOK: Duration = Duration::from_secs(1);

/// What the host may have grown by between the first fifth and the last, in bytes. A million
/// events that left 32 bytes each would be more.
const GROWTH: u64 = 32 << 20;

/// What was seen.
pub(crate) struct Soaked {
    book: Book,
    took: Duration,
    samples: Vec<Sample>,
    /// At the start, behind each tenth.
    tenths: Vec<Sample>,
}

#[derive(Clone, Copy)]
struct Sample {
    at: Duration,
    ended: usize,
    host: u64,
    redis: u64,
}

/// Sends the events and sees each end.
pub(crate) async fn soak(place: &mut Place, events: u64, at_most: Option<Duration>) -> Soaked {
    let start = Instant::now();
    let mut soaked = Soaked {
        book: Book::new(3),
        took: Duration::ZERO,
        samples: Vec::new(),
        tenths: Vec::new(),
    };
    soaked.look(place, start).await;
    soaked.tenths.push(soaked.samples[0]);
    let (mut next, mut heard, mut looked) = (0, start, start);
    loop {
        let in_time = at_most.is_none_or(|limit| start.elapsed() < limit);
        let room = UNDER_WAY.saturating_sub(soaked.book.under_way());
        if next < events && in_time && room >= BATCH {
            let last = events.min(next + BATCH as u64);
            let batch = (next..last).map(|number| soaked.book.sends(guest_of(number)));
            place.publish(&batch.collect::<Vec<_>>()).await;
            next = last;
        }
        if soaked.hear(place).await {
            heard = Instant::now();
        }
        assert!(
            heard.elapsed() < PATIENCE,
            "nothing ends: {} are under way",
            soaked.book.under_way()
        );
        let done = soaked.book.under_way() == 0 && (next == events || !in_time);
        let tenth = soaked.book.ended() as u64 * 10 / events >= soaked.tenths.len() as u64;
        if done || tenth || looked.elapsed() >= LOOK {
            looked = Instant::now();
            soaked.look(place, start).await;
        }
        if done || tenth {
            soaked.tenths.extend(soaked.samples.last().copied());
        }
        if done {
            break;
        }
    }
    soaked.took = start.elapsed();
    place.rests().await;
    soaked.look(place, start).await;
    while let Some(outcome) = place.reader.outcome_at_hand() {
        soaked.note(&outcome);
    }
    assert_eq!(
        soaked.book.letters_due(),
        0,
        "dead letters that did not come"
    );
    soaked
}

impl Soaked {
    /// Waits a little for outcomes and notes all that are there.
    async fn hear(&mut self, place: &mut Place) -> bool {
        let Some(first) = place.reader.outcome(Duration::from_millis(50)).await else {
            return false;
        };
        self.note(&first);
        while let Some(more) = place.reader.outcome_at_hand() {
            self.note(&more);
        }
        true
    }

    fn note(&mut self, outcome: &Outcome) {
        self.book.ends(outcome);
    }

    async fn look(&mut self, place: &mut Place, start: Instant) {
        self.book.buries(&place.take_letters().await);
        self.samples.push(Sample {
            at: start.elapsed(),
            ended: self.book.ended(),
            host: resident(place.host_pid()),
            redis: place.redis_bytes().await,
        });
    }

    pub(crate) fn print(&self) {
        eprintln!("\n     events    time    events/s   host MiB   Redis MiB");
        let mut before: Option<&Sample> = None;
        for sample in &self.tenths {
            let rate = before.map(|before| {
                let events = (sample.ended - before.ended) as f64;
                events / (sample.at - before.at).as_secs_f64()
            });
            eprintln!(
                "{:>11} {:>5.0} s {:>11} {:>10} {:>11}",
                sample.ended,
                sample.at.as_secs_f64(),
                rate.map_or_else(String::new, |rate| format!("{rate:.0}")),
                mib(sample.host),
                mib(sample.redis),
            );
            before = Some(sample);
        }
        let rate = self.book.ended() as f64 / self.took.as_secs_f64();
        eprintln!(
            "\n{} events in {:.0} s: {rate:.0} a second; {} dead letters; each event ended once, as it must:",
            self.book.ended(),
            self.took.as_secs_f64(),
            self.book.letters()
        );
        for (end, events) in self.book.ends_by_kind() {
            eprintln!("{events:>11} {end}");
        }
        let [first, last] = self.first_and_last();
        eprintln!(
            "host memory: {} MiB at the least in the first fifth, {} MiB in the last; at most {} MiB more are allowed",
            mib(first),
            mib(last),
            mib(GROWTH)
        );
    }

    /// The least that the host held in the first and in the last fifth of the events. What is in
    /// work varies by more than a hundred mebibytes from one second to the next; what is never
    /// given back raises the least.
    fn first_and_last(&self) -> [u64; 2] {
        let all = self.book.ended();
        let least = |within: std::ops::RangeInclusive<usize>| {
            let samples = self.samples.iter().filter(|s| within.contains(&s.ended));
            samples.map(|sample| sample.host).min().expect("a sample")
        };
        [least(0..=all.div_ceil(5)), least(all - all / 5..=all)]
    }

    pub(crate) fn assert_flat(&self) {
        let [first, last] = self.first_and_last();
        assert!(
            last < first + GROWTH,
            "the host grew from {first} to {last} bytes"
        );
    }
}
