//! Each rule, broken by hand.

use super::*;
use crate::journal::{Kind, Poisoned, Sent};
use crate::runs::Run;
use crate::snapshot::{DeadLetter, Snapshot};

/// Two events of one lane, finished in order, each by one run.
struct World {
    book: Book,
    snapshot: Snapshot,
    logs: BTreeMap<String, Log>,
}

fn at(ms: u64) -> EntryId {
    EntryId { ms, seq: 0 }
}

impl World {
    fn new() -> Self {
        let mut world = Self {
            book: Book::default(),
            snapshot: Snapshot {
                last_delivered: at(1_000),
                ..Snapshot::default()
            },
            logs: BTreeMap::from([("a".into(), Log::default()), ("b".into(), Log::default())]),
        };
        world.event("one", 1, Kind::Echo, 100);
        world.event("two", 2, Kind::Echo, 101);
        world.run("one", 1, "a", 110, Some(120));
        world.outcome("one", 121, None, 1);
        world.run("two", 1, "b", 122, Some(130));
        world.outcome("two", 131, None, 1);
        world
    }

    fn event(&mut self, event_id: &str, seq: u64, kind: Kind, ms: u64) {
        self.snapshot.inputs.push((at(ms), event_id.into()));
        let sent = Sent {
            lane: "lane".into(),
            seq,
            kind,
            acknowledged: Some(at(ms)),
        };
        self.book.sent.insert(event_id.into(), sent);
    }

    fn outcome(&mut self, cause: &str, ms: u64, error_type: Option<&str>, attempts: u64) {
        self.snapshot.outcomes.push(Outcome {
            entry: at(ms),
            event_id: format!("outcome of {cause}"),
            cause: cause.into(),
            completed: error_type.is_none(),
            error_type: error_type.unwrap_or_default().into(),
            retry_count: attempts - 1,
            attempts,
        });
    }

    fn dead_letter(&mut self, event_id: &str, error_type: &str, attempts: u64) {
        self.snapshot.dead_letters.push(DeadLetter {
            event_id: event_id.into(),
            error_type: error_type.into(),
            attempts,
        });
    }

    fn run(&mut self, event_id: &str, attempt: u64, host: &str, begin: i64, end: Option<i64>) {
        self.logs.get_mut(host).expect("a host").runs.push(Run {
            event_id: event_id.into(),
            audit: false,
            attempt,
            host: host.into(),
            begin,
            end,
        });
    }

    fn broken(&self) -> Vec<Rule> {
        let violations = at_rest(&self.book, &self.snapshot, &self.logs);
        violations.iter().map(|violation| violation.rule).collect()
    }
}

#[test]
fn nothing_is_broken_where_all_is_well() {
    assert_eq!(World::new().broken(), []);
}

#[test]
fn a_second_outcome_and_one_of_nothing_are_noticed() {
    let mut world = World::new();
    world.outcome("two", 140, None, 1);
    assert!(world.broken().contains(&Rule::OneOutcome));
    let mut world = World::new();
    world.outcome("nobody", 140, None, 1);
    assert!(world.broken().contains(&Rule::OneOutcome));
}

#[test]
fn outcomes_that_change_places_or_leave_one_out_are_noticed() {
    let mut world = World::new();
    world.snapshot.outcomes.swap(0, 1);
    assert!(world.broken().contains(&Rule::Order));
    let mut world = World::new();
    world.snapshot.outcomes.remove(0);
    assert!(world.broken().contains(&Rule::Order));
}

#[test]
fn runs_of_a_lane_that_overlap_are_noticed_unless_one_was_refused() {
    let mut world = World::new();
    world.logs.get_mut("b").expect("a host").runs[0].begin = 115;
    assert_eq!(world.broken(), [Rule::NoOverlap]);
    // Soon after a loss an entry may be handed out again.
    world.book.losses.push(100);
    assert_eq!(world.broken(), []);
    world.book.losses[0] = -5_000;
    assert_eq!(world.broken(), [Rule::NoOverlap]);
    world.book.losses.clear();
    // Where the host was told so, nothing came of it.
    let superseded = &mut world.logs.get_mut("a").expect("a host").superseded;
    superseded.push(at(100).to_string());
    assert_eq!(world.broken(), []);
    // Where it was taken over by a newer attempt, neither.
    let mut world = World::new();
    world.logs.get_mut("a").expect("a host").runs[0].end = Some(500);
    world.run("one", 2, "b", 112, Some(120));
    world.snapshot.outcomes[0].attempts = 2;
    world.snapshot.outcomes[0].retry_count = 1;
    world.book.crashes.push(111);
    assert_eq!(world.broken(), []);
}

#[test]
fn an_old_attempt_that_is_committed_over_a_newer_one_is_noticed() {
    let mut world = World::new();
    world.run("one", 2, "b", 120, None);
    assert_eq!(world.broken(), [Rule::Fence]);
    // A replica that took over may know nothing of the newer one.
    world.book.losses.push(115);
    assert_eq!(world.broken(), []);
}

#[test]
fn what_was_acknowledged_or_seen_and_is_gone_is_noticed_unless_redis_may_lose_it() {
    let mut world = World::new();
    world.snapshot.inputs.pop();
    world.snapshot.outcomes.pop();
    world.book.seen.insert("outcome of two".into(), at(131));
    assert_eq!(world.broken(), [Rule::NothingLost, Rule::NothingLost]);
    world.book.losses.push(135);
    assert_eq!(world.broken(), []);
    // What is that old was on the disk.
    world.book.losses[0] = 1_000_000;
    assert_eq!(world.broken(), [Rule::NothingLost, Rule::NothingLost]);
}

#[test]
fn an_event_that_is_neither_finished_nor_waiting_is_noticed() {
    let mut world = World::new();
    world.snapshot.outcomes.pop();
    assert_eq!(world.broken(), [Rule::NothingAstray, Rule::Rest]);
    world.snapshot.pending.insert(at(101));
    // Waiting is well while hosts run, and not at rest.
    let violations = running(&world.book, &world.snapshot, &world.logs);
    assert!(violations.is_empty(), "{violations:?}");
    assert_eq!(world.broken(), [Rule::Rest, Rule::Rest]);
}

#[test]
fn dead_letters_come_with_their_failed_event_once_for_what_is_poisoned() {
    let mut world = World::new();
    world.event("three", 3, Kind::OutOfFuel, 102);
    world.outcome("three", 140, Some("out_of_fuel"), 1);
    assert_eq!(world.broken(), [Rule::DeadLetters], "none");
    world.dead_letter("three", "out_of_fuel", 1);
    assert_eq!(world.broken(), []);
    world.dead_letter("three", "out_of_fuel", 1);
    assert_eq!(world.broken(), [Rule::DeadLetters], "two");
    let mut world = World::new();
    world.dead_letter("one", "host_error", 4);
    assert_eq!(world.broken(), [Rule::DeadLetters], "of a completed event");
}

#[test]
fn attempts_are_those_that_the_event_needs_and_those_that_crashes_used_up() {
    let mut world = World::new();
    world.snapshot.outcomes[0].attempts = 2;
    assert_eq!(world.broken(), [Rule::Attempts]);
    world.book.crashes.push(115);
    assert_eq!(world.broken(), []);
    world.book.crashes[0] = 122;
    assert_eq!(world.broken(), [Rule::Attempts], "it was over by then");
    // Four crashes, and it is given up.
    world.book.crashes = vec![112, 113, 114, 115];
    world.snapshot.outcomes[0].attempts = 4;
    world.snapshot.outcomes[0].retry_count = 3;
    world.snapshot.outcomes[0].completed = false;
    world.snapshot.outcomes[0].error_type = "host_error".into();
    world.dead_letter("one", "host_error", 4);
    assert_eq!(world.broken(), []);
    world.book.crashes.truncate(3);
    assert_eq!(world.broken(), [Rule::DeadLetters]);
}

#[test]
fn books_that_are_not_empty_at_rest_are_noticed() {
    let mut world = World::new();
    world.snapshot.books.insert("lanes", 1);
    assert_eq!(world.broken(), [Rule::Rest]);
}

#[test]
fn a_trimmed_event_must_be_finished() {
    let mut world = World::new();
    world.snapshot.trimmed.insert(at(100));
    assert_eq!(world.broken(), []);
    world.snapshot.pending.insert(at(100));
    assert_eq!(world.broken(), [Rule::Trim, Rule::Rest]);
    let mut world = World::new();
    world.snapshot.trimmed.insert(at(101));
    world.snapshot.outcomes.pop();
    assert!(world.broken().contains(&Rule::Trim));
}

#[test]
fn a_requeued_event_has_one_more_outcome_at_the_end_of_its_lane_and_its_letter_is_gone() {
    let mut world = World::new();
    world.event("three", 3, Kind::OutOfFuel, 102);
    world.outcome("three", 140, Some("out_of_fuel"), 1);
    world.dead_letter("three", "out_of_fuel", 1);
    world.snapshot.inputs.push((at(150), "three#1".into()));
    assert_eq!(
        world.broken(),
        [Rule::NothingAstray, Rule::DeadLetters, Rule::Rest]
    );
    world.snapshot.dead_letters.clear();
    world.outcome("three#1", 160, Some("out_of_fuel"), 1);
    world.dead_letter("three#1", "out_of_fuel", 1);
    assert_eq!(world.broken(), []);
    world.outcome("three#1", 170, Some("out_of_fuel"), 1);
    assert!(world.broken().contains(&Rule::OneOutcome));
}

#[test]
fn what_goes_aside_may_be_passed_and_nothing_else() {
    let mut world = World::new();
    world.book.poisoned = Poisoned::Skip;
    world.book.sent.get_mut("one").expect("it is there").kind = Kind::RetryOnce;
    for attempts in [2, 1] {
        let outcome = &mut world.snapshot.outcomes[usize::from(attempts == 1)];
        outcome.attempts = attempts;
        outcome.retry_count = attempts - 1;
    }
    world.snapshot.outcomes.swap(0, 1);
    assert_eq!(world.broken(), []);
    world.book.poisoned = Poisoned::Block;
    assert_eq!(world.broken(), [Rule::Order]);
    // It must have been the head first.
    let mut world = World::new();
    world.book.poisoned = Poisoned::Skip;
    let two = world.book.sent.get_mut("two").expect("it is there");
    two.kind = Kind::GivesUp;
    world.snapshot.outcomes.swap(0, 1);
    assert!(world.broken().contains(&Rule::Order));
}

#[test]
fn a_run_in_a_stopped_lane_is_noticed() {
    let mut world = World::new();
    world.book.poisoned = Poisoned::Park;
    world.event("zero", 0, Kind::GivesUp, 99);
    world.snapshot.inputs.rotate_right(1);
    world.outcome("zero", 105, Some("retryable_error"), 4);
    world.snapshot.outcomes.rotate_right(1);
    world.dead_letter("zero", "retryable_error", 4);
    assert_eq!(world.broken(), [Rule::Park, Rule::Park]);
    world.book.releases.push(("lane".into(), 111));
    assert_eq!(world.broken(), [Rule::Park]);
    world.book.releases[0].1 = 107;
    assert_eq!(world.broken(), []);
}
