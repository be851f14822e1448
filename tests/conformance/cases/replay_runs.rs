//! Whole runs of a replay, as the verb drives them.

use hothouse::bus::{Bus, Entry, EntryId, ReplayRun};
use hothouse::event::{EventType, Fields, Id};
use hothouse::replay::{Pace, Request, Selection, append};
use tokio::sync::watch;

use crate::harness::events::{EXECUTIONS, started};
use crate::store::Store;

/// More than two steps have room for.
const EVENTS: u64 = 150;

fn request(end: EntryId, limit: Option<u64>) -> Request {
    Request {
        selection: Selection {
            group: "agent-workers".into(),
            types: vec![EventType::AgentExecutionStarted],
            from: EntryId::ZERO,
            until: end,
            aggregate: None,
            correlation_id: None,
            event_id: None,
        },
        limit,
        to: None,
        selected: EVENTS,
    }
}

/// Publishes events and begins a run over all of them.
async fn begun(store: &Store) -> (Vec<EntryId>, ReplayRun) {
    let events: Vec<Fields> = (0..EVENTS).map(|seq| started(Id::random(), seq)).collect();
    let ids = store.publish(events).await;
    let end = store.bus().last_id(EXECUTIONS).await.expect("last id");
    let begun = store.bus().replay_begin(EXECUTIONS, Id::random(), "", end);
    (ids, begun.await.expect("begin"))
}

/// Goes on with a run to its end.
async fn go_on(bus: &dyn Bus, run: ReplayRun, limit: Option<u64>) -> ReplayRun {
    let (_stopper, stop) = watch::channel(false);
    let request = request(run.end, limit);
    let ended = append(bus, run, &request, Pace::per_second(0.0), stop, |_| {});
    ended.await.expect("the run ends")
}

/// What was appended, by the entries that it was made of.
async fn replayed(store: &Store) -> Vec<String> {
    let of = |entry: &Entry| {
        let of = entry.fields.get("replay_of")?;
        Some(String::from_utf8_lossy(of).into_owned())
    };
    store
        .read_all(EXECUTIONS)
        .await
        .iter()
        .filter_map(of)
        .collect()
}

pub(crate) async fn two_that_go_on_with_one_run_replay_each_event_once_and_in_order(store: Store) {
    let bus = store.connect("a");
    let (ids, run) = begun(&store).await;
    let (one, other) = tokio::join!(
        go_on(&*bus, run.clone(), None),
        go_on(&*bus, run.clone(), None)
    );
    assert!(one.finished && other.finished);
    assert_eq!((one.appended, one.cursor), (EVENTS, run.end));
    let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
    assert_eq!(replayed(&store).await, ids);
    // From a record that is long out of date nothing is appended again.
    assert_eq!(go_on(&*bus, run, None).await, one);
    assert_eq!(replayed(&store).await, ids);
}

pub(crate) async fn a_run_ends_at_its_limit(store: Store) {
    let bus = store.connect("a");
    let (ids, run) = begun(&store).await;
    let ended = go_on(&*bus, run, Some(70)).await;
    assert_eq!((ended.finished, ended.appended), (true, 70));
    let ids: Vec<String> = ids[..70].iter().map(ToString::to_string).collect();
    assert_eq!(replayed(&store).await, ids);
}
