//! Replays: a record that moves together with what is appended, whoever sends the step and
//! however often.

use hothouse::bus::{Bus, BusError, EntryId, GroupStatus, MOST_FIELDS, ReplayRun, ReplayStep};
use hothouse::event::{Fields, Id};

use crate::driver::done;
use crate::harness::events::{EXECUTIONS, event_id_of, started};
use crate::store::{Store, agent_workers};

/// Calls that may fail one after another: of two callers one may lose every reply for as long
/// as the other is at work.
const TRIES: usize = 100;

const REQUEST: &str = r#"{"any":"text | \u0000 \ud83c\udf31"}"#;

fn at(ms: u64) -> EntryId {
    EntryId { ms, seq: 0 }
}

fn events(count: u64) -> Vec<Fields> {
    (0..count).map(|seq| started(Id::random(), seq)).collect()
}

fn step(run: Id, after: u64, through: u64, events: &[Fields]) -> ReplayStep {
    ReplayStep {
        stream: EXECUTIONS.into(),
        run,
        after: at(after),
        through: at(through),
        events: events.to_vec(),
        finishes: false,
    }
}

/// Asks again, as it is, for as long as replies are lost.
async fn insist<T>(mut call: impl AsyncFnMut() -> Result<T, BusError>) -> T {
    let mut last = None;
    for _ in 0..TRIES {
        match call().await {
            Ok(value) => return value,
            Err(error @ BusError::Unavailable { .. }) => last = Some(error),
            Err(error) => panic!("{error}"),
        }
    }
    panic!("failed {TRIES} times: {last:?}");
}

async fn begin(bus: &dyn Bus, run: Id) -> ReplayRun {
    insist(async || bus.replay_begin(EXECUTIONS, run, REQUEST, at(100)).await).await
}

async fn take(bus: &dyn Bus, step: &ReplayStep) -> Option<ReplayRun> {
    insist(async || bus.replay_append(step).await).await
}

async fn ids(store: &Store) -> Vec<Id> {
    let entries = store.read_all(EXECUTIONS).await;
    entries
        .iter()
        .map(|entry| event_id_of(&entry.fields))
        .collect()
}

fn ids_of(events: &[Fields]) -> Vec<Id> {
    events.iter().map(event_id_of).collect()
}

pub(crate) async fn the_last_id_of_a_stream_is_its_last_entrys(store: Store) {
    let last = async || store.bus().last_id(EXECUTIONS).await.expect("last id");
    assert_eq!(last().await, EntryId::ZERO);
    for _ in 0..2 {
        let published = store.publish(events(12)).await;
        assert_eq!(Some(&last().await), published.last());
    }
}

pub(crate) async fn a_replay_appends_its_events_in_order_and_moves_its_cursor(store: Store) {
    let bus = store.connect("a");
    let run = Id::random();
    let begun = begin(&*bus, run).await;
    let expected = ReplayRun {
        run,
        stream: EXECUTIONS.into(),
        request: REQUEST.into(),
        end: at(100),
        cursor: EntryId::ZERO,
        appended: 0,
        finished: false,
        begun_at: begun.begun_at,
        moved_at: begun.begun_at,
    };
    assert_eq!(begun, expected);

    let all = events(30);
    let moved = take(&*bus, &step(run, 0, 20, &all[..11]))
        .await
        .expect("a run");
    assert_eq!((moved.cursor, moved.appended), (at(20), 11));
    assert!(!moved.finished && moved.moved_at >= begun.moved_at);
    let last = ReplayStep {
        finishes: true,
        ..step(run, 20, 100, &all[11..])
    };
    let ended = take(&*bus, &last).await.expect("a run");
    let expected = ReplayRun {
        cursor: at(100),
        appended: 30,
        finished: true,
        moved_at: ended.moved_at,
        ..expected
    };
    assert_eq!(ended, expected);
    let entries = store.read_all(EXECUTIONS).await;
    let appended: Vec<Fields> = entries.into_iter().map(|entry| entry.fields).collect();
    assert_eq!(appended, all, "to the byte");
}

pub(crate) async fn a_run_that_is_begun_again_keeps_its_record(store: Store) {
    let bus = store.connect("a");
    let run = Id::random();
    begin(&*bus, run).await;
    let moved = take(&*bus, &step(run, 0, 5, &events(1)))
        .await
        .expect("a run");
    let again = insist(async || bus.replay_begin(EXECUTIONS, run, "other", at(7)).await).await;
    assert_eq!(again, moved);
}

pub(crate) async fn a_step_that_is_sent_again_appends_nothing(store: Store) {
    let bus = store.connect("a");
    let run = Id::random();
    begin(&*bus, run).await;
    let all = events(3);
    let step = step(run, 0, 5, &all);
    let first = take(&*bus, &step).await;
    for _ in 0..3 {
        assert_eq!(take(&*bus, &step).await, first);
    }
    assert_eq!(ids(&store).await, ids_of(&all));
}

pub(crate) async fn a_step_from_a_cursor_that_has_moved_changes_nothing(store: Store) {
    let bus = store.connect("a");
    let run = Id::random();
    begin(&*bus, run).await;
    let all = events(2);
    let moved = take(&*bus, &step(run, 0, 5, &all)).await;
    for (after, through) in [(0, 9), (4, 9), (6, 9), (9, 10)] {
        let stale = step(run, after, through, &events(2));
        assert_eq!(take(&*bus, &stale).await, moved, "from {after}");
    }
    assert_eq!(ids(&store).await, ids_of(&all));
}

/// One caller of the run: takes steps from where the record says, until nothing is left.
async fn resume(bus: &dyn Bus, run: Id, all: &[Fields]) {
    let mut cursor = 0;
    while cursor < all.len() {
        let next = (cursor + 3).min(all.len());
        let step = step(run, cursor as u64, next as u64, &all[cursor..next]);
        let record = take(bus, &step).await.expect("a run");
        cursor = usize::try_from(record.cursor.ms).expect("a place in the list");
    }
}

pub(crate) async fn two_callers_of_one_run_append_each_event_once(store: Store) {
    let bus = store.connect("a");
    let run = Id::random();
    begin(&*bus, run).await;
    let all = events(60);
    tokio::join!(resume(&*bus, run, &all), resume(&*bus, run, &all));
    assert_eq!(ids(&store).await, ids_of(&all));
}

pub(crate) async fn a_run_that_nobody_began_takes_no_step(store: Store) {
    let bus = store.connect("a");
    let begun = Id::random();
    begin(&*bus, begun).await;
    let nobodys = step(Id::random(), 0, 5, &events(2));
    assert_eq!(take(&*bus, &nobodys).await, None);
    let elsewhere = ReplayStep {
        stream: "pr-events".into(),
        ..step(begun, 0, 5, &events(2))
    };
    assert_eq!(take(&*bus, &elsewhere).await, None);
    assert_eq!(ids(&store).await, []);
    assert_eq!(store.read_all("pr-events").await, []);
}

pub(crate) async fn a_step_that_a_stream_cannot_take_changes_nothing(store: Store) {
    let run = Id::random();
    begin(&**store.bus(), run).await;
    let mut large = Fields::default();
    for n in 0..=MOST_FIELDS {
        large.push(&n.to_string(), "x");
    }
    for bad in [Fields::default(), large] {
        let mut all = events(2);
        all.push(bad);
        let answer = store.bus().replay_append(&step(run, 0, 5, &all)).await;
        assert!(matches!(answer, Err(BusError::Broken { .. })), "{answer:?}");
    }
    let runs = store.bus().replay_runs(EXECUTIONS).await.expect("runs");
    assert_eq!((runs[0].cursor, runs[0].appended), (EntryId::ZERO, 0));
    assert_eq!(ids(&store).await, []);
}

pub(crate) async fn a_step_with_nothing_to_append_moves_the_cursor(store: Store) {
    let bus = store.connect("a");
    let run = Id::random();
    begin(&*bus, run).await;
    let through = EntryId {
        ms: u64::MAX >> 1,
        seq: 7,
    };
    let empty = ReplayStep {
        through,
        finishes: true,
        ..step(run, 0, 0, &[])
    };
    let ended = take(&*bus, &empty).await.expect("a run");
    assert_eq!((ended.cursor, ended.appended), (through, 0));
    assert!(ended.finished);
    assert_eq!(ids(&store).await, []);
}

pub(crate) async fn every_stream_has_its_own_runs_and_the_last_that_moved_is_last(store: Store) {
    let bus = store.connect("a");
    let runs = async |stream| {
        let runs = bus.replay_runs(stream).await.expect("runs");
        runs.iter().map(|run| run.run).collect::<Vec<_>>()
    };
    assert_eq!(runs(EXECUTIONS).await, []);
    let (first, second, other) = (Id::random(), Id::random(), Id::random());
    insist(async || bus.replay_begin("pr-events", other, REQUEST, at(1)).await).await;
    begin(&*bus, first).await;
    let begun = begin(&*bus, second).await;
    // A step of another millisecond than the last begin.
    let mut cursor = 0;
    loop {
        let moved = take(&*bus, &step(first, cursor, cursor + 1, &[])).await;
        cursor += 1;
        if moved.expect("a run").moved_at > begun.moved_at {
            break;
        }
    }
    assert_eq!(runs(EXECUTIONS).await, [second, first]);
    assert_eq!(runs("pr-events").await, [other]);
}

pub(crate) async fn a_replay_leaves_a_groups_books_alone(store: Store) {
    let mut host = store.host("a", &agent_workers()).await;
    let lane = Id::random();
    store
        .publish(vec![started(lane, 0), started(lane, 1)])
        .await;
    let held = host.take_one().await;
    let before = store.status(&agent_workers()).await;

    let run = Id::random();
    begin(&*host.bus, run).await;
    let again = vec![started(lane, 2), started(Id::random(), 0)];
    take(&*host.bus, &step(run, 0, 5, &again)).await;
    let after = store.status(&agent_workers()).await;
    let expected = GroupStatus {
        lag: Some(2),
        ..before
    };
    assert_eq!(after, expected);

    // What was held is committed as ever, and the new events take the ends of their lanes.
    let next = host.commit(vec![done(&held)]).await.only_next();
    host.commit(vec![done(&next)]).await.assert_applied();
    host.finish_all().await;
    let outcomes = store.outcomes().await;
    let of_lane: Vec<u64> = outcomes
        .iter()
        .filter(|(plan, _, _)| *plan == lane)
        .map(|(_, seq, _)| *seq)
        .collect();
    assert_eq!((of_lane, outcomes.len()), (vec![0, 1, 2], 4));
    store.assert_at_rest(&agent_workers()).await;
}
