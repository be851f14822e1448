//! Dead letters that run again.

use std::time::Duration;

use hothouse::bus::{EntryId, Requeued, Subscription};
use hothouse::event::{Fields, Id, PluginRef};
use serde_json::json;

use super::letters::{Case, NO_LETTER, flat_of};
use crate::driver::{dead_letter, done, done_with};
use crate::harness::events::{EXECUTIONS, flat, seq_of, started, started_data};
use crate::store::{Store, agent_workers};

/// The fields that a requeued event has beside its own.
fn requeued(entry: &Fields, generation: u32) -> Fields {
    let mut entry = entry.clone();
    entry.push("generation", generation.to_string());
    entry.push("target_group", "agent-workers");
    entry
}

pub(crate) async fn a_requeued_event_runs_once_however_often_it_is_requeued(store: Store) {
    let mut case = Case::new(store).await;
    let entry = started(Id::random(), 7);
    let letter = case.bury(vec![entry.clone()]).await[0];
    let answers = case.requeue(&[letter, letter]).await;
    assert_eq!(answers[1], Requeued::Gone);
    assert_eq!(case.requeue(&[letter]).await, [Requeued::Gone]);
    assert_eq!(case.letters().await, []);

    let again = case.host.take_one().await;
    assert_eq!(again.fields, requeued(&entry, 1));
    assert_eq!((again.attempt, again.history.len()), (1, 0));
    case.host.commit(vec![done(&again)]).await.assert_applied();
    assert_eq!(case.requeue(&[letter]).await, [Requeued::Gone]);
    // It is finished now, and a duplicate of it does not run.
    case.store.publish(vec![entry]).await;
    assert_eq!(case.finish_all().await, 0);
    assert_eq!(case.store.outcomes().await.len(), 1);
    case.store.assert_at_rest(&agent_workers()).await;
}

/// A copy that its producer sent again, and that nobody had read when the event was requeued.
pub(crate) async fn a_late_copy_does_not_run_in_the_place_of_the_requeued_event(store: Store) {
    let mut case = Case::new(store).await;
    let entry = started(Id::random(), 7);
    let letter = case.bury(vec![entry.clone()]).await[0];
    case.store.publish(vec![entry.clone()]).await;
    case.requeue(&[letter]).await;

    let again = case.host.take_one().await;
    assert_eq!(again.fields, requeued(&entry, 1));
    case.host.commit(vec![done(&again)]).await.assert_applied();
    assert_eq!(case.finish_all().await, 0);
    case.store.assert_at_rest(&agent_workers()).await;
}

pub(crate) async fn the_hosts_records_are_cleared_whatever_window_the_caller_knows_of(
    store: Store,
) {
    let mut case = Case::new(store).await;
    let letter = case.bury(vec![started(Id::random(), 7)]).await[0];
    case.subscription.dedup_window = Duration::from_secs(1);
    case.requeue(&[letter]).await;
    assert_eq!(case.finish_all().await, 1);
    assert_eq!(case.store.outcomes().await.len(), 1);
}

pub(crate) async fn a_requeue_tells_the_new_entry_and_its_generation(store: Store) {
    let mut case = Case::new(store).await;
    let letters = case
        .bury(vec![started(Id::random(), 0), started(Id::random(), 1)])
        .await;
    let asked = [letters[1], NO_LETTER, letters[0]];
    // Of a reply that was lost, the second one tells that they are gone.
    let answers = case.requeue(&asked).await;
    let entries = case.store.read_all(EXECUTIONS).await;
    let ids: Vec<EntryId> = entries.iter().map(|entry| entry.id).collect();
    let appended = |at: usize| Requeued::Appended {
        entry: ids[at],
        generation: 1,
    };
    assert_eq!(ids.len(), 4);
    assert_eq!(seq_of(&entries[2].fields), 1, "in the order of the letters");
    assert!(
        answers == [appended(2), Requeued::Gone, appended(3)]
            || answers == [const { Requeued::Gone }; 3],
        "{answers:?}"
    );
}

pub(crate) async fn a_requeued_event_takes_the_end_of_its_lane(store: Store) {
    let mut case = Case::new(store).await;
    let plan = Id::random();
    let letter = case.bury(vec![started(plan, 0)]).await[0];
    case.store
        .publish(vec![started(plan, 1), started(plan, 2)])
        .await;
    let mut head = case.host.take_one().await;
    case.requeue(&[letter]).await;
    assert_eq!(case.host.take(10).await.len(), 0, "its lane is busy");
    for _ in 0..2 {
        head = case.host.commit(vec![done(&head)]).await.only_next();
    }
    case.host.commit(vec![done(&head)]).await.assert_applied();
    let order: Vec<u64> = case
        .store
        .outcomes()
        .await
        .iter()
        .map(|one| one.1)
        .collect();
    assert_eq!(order, [1, 2, 0]);
}

pub(crate) async fn an_event_that_fails_again_is_a_letter_of_the_next_generation(store: Store) {
    let mut case = Case::new(store).await;
    let entry = started(Id::random(), 0);
    let plugin: PluginRef = "mended@2.0.0".parse().expect("a plugin");
    let mut letter = case.bury(vec![entry.clone()]).await[0];
    for (generation, to) in [(1, Some(&plugin)), (2, None), (3, Some(&plugin))] {
        let mut expected = requeued(&entry, generation);
        if to.is_some() {
            expected.push("target_plugin", "mended@2.0.0");
        }
        assert_eq!(case.requeue_one(letter, to).await.fields, expected);
        assert_eq!(case.letters().await, []);
        let again = case.host.take_one().await;
        let end = done_with(&again, vec![], Some(dead_letter(&again)));
        case.host.commit(vec![end]).await.assert_applied();
        letter = case.letters().await[0].id;
    }
    assert_eq!(case.letters().await.len(), 1);
    case.store.assert_at_rest(&agent_workers()).await;
}

pub(crate) async fn only_the_requeued_event_is_forgotten_as_finished(store: Store) {
    let mut case = Case::new(store).await;
    let entries: Vec<Fields> = (0..3).map(|n| started(Id::random(), n)).collect();
    let letters = case.bury(entries.clone()).await;
    case.requeue(&letters[1..2]).await;
    case.store.publish(entries).await;
    assert_eq!(case.finish_all().await, 1);
    assert_eq!(case.store.status(&agent_workers()).await.duplicates, 3);
    assert_eq!(case.letters().await.len(), 2);
}

pub(crate) async fn a_requeued_entry_has_the_fields_of_its_letter_to_the_byte(store: Store) {
    let mut case = Case::new(store).await;
    let mut entry = started(Id::random(), 0);
    entry.0.push((b"\xff\xfe".to_vec(), b"\x00\xff".to_vec()));
    entry.push("twice", "1");
    entry.push("twice", "");
    entry.push("hothouse", "a producer's own");
    let letter = case.bury(vec![entry.clone()]).await[0];
    let again = case.requeue_one(letter, None).await;
    assert_eq!(again.fields, requeued(&entry, 1));
    assert_eq!(case.finish_all().await, 1);
}

pub(crate) async fn fields_that_say_who_takes_it_and_when_are_written_anew(store: Store) {
    let mut case = Case::new(store).await;
    let entry = started(Id::random(), 0);
    for (before, after) in [
        ("41", 42),
        ("many", 1),
        ("-3", 1),
        ("4294967295", 1),
        ("", 1),
    ] {
        let mut old = started(Id::random(), 0);
        let event_id = old.get("event_id").expect("an id").to_vec();
        old.push("generation", "7");
        old.push("generation", before);
        old.push("target_group", "agent-workers");
        old.push("target_plugin", "old@1.0.0");
        let letter = case.bury(vec![old]).await[0];
        let mut expected = requeued(&entry, after);
        let again = case.requeue_one(letter, None).await;
        expected.0[0].1 = event_id;
        let (mut found, data) = (again.fields.clone(), b"data".to_vec());
        found.0.retain(|(name, _)| *name != data);
        expected.0.retain(|(name, _)| *name != data);
        assert_eq!(found, expected, "{before:?}");
        assert_eq!(case.finish_all().await, 1);
    }
}

pub(crate) async fn an_event_in_one_field_runs_again_too(store: Store) {
    let mut case = Case::new(store).await;
    let event_id = Id::random();
    let whole = json!({
        "event_id": event_id.to_string().to_uppercase(),
        "type": "agent.execution.started",
        "timestamp": "2024-01-16T20:01:00Z",
        "data": started_data(event_id, Id::random(), 0),
    });
    let mut entry = Fields::default();
    entry.push("event", whole.to_string());
    case.store.publish(vec![entry.clone()]).await;
    let head = case.host.take_one().await;
    let mut end = done_with(&head, vec![], Some(dead_letter(&head)));
    end.event_id = Some(event_id);
    case.host.commit(vec![end]).await.assert_applied();
    let letter = case.letters().await[0].id;
    case.requeue(&[letter]).await;
    let again = case.host.take_one().await;
    assert_eq!(again.fields, requeued(&entry, 1));
}

pub(crate) async fn a_requeued_event_is_for_its_group_alone(store: Store) {
    let mut case = Case::new(store).await;
    let others = Subscription {
        group: "others".into(),
        ..agent_workers()
    };
    let letter = case.bury(vec![started(Id::random(), 0)]).await[0];
    let mut other = case.store.host("a", &others).await;
    assert_eq!(other.finish_all().await.len(), 1);
    case.requeue(&[letter]).await;
    assert_eq!(other.finish_all().await.len(), 0);
    assert_eq!(case.finish_all().await, 1);
    case.store.assert_at_rest(&agent_workers()).await;
    case.store.assert_at_rest(&others).await;
}

pub(crate) async fn an_entry_without_an_id_is_requeued_too(store: Store) {
    let mut case = Case::new(store).await;
    let nothing = flat_of(&[("what", "is this")]);
    let letter = case.bury(vec![nothing.clone()]).await[0];
    case.requeue(&[letter]).await;
    let again = case.host.take_one().await;
    assert_eq!(again.fields, requeued(&nothing, 1));
}

pub(crate) async fn a_letter_that_cannot_run_again_is_refused_and_says_why(store: Store) {
    let mut case = Case::new(store).await;
    let said = r#"{"error_type":"host_error"}"#;
    let trimmed = case.forge(&[("hothouse", said)]).await;
    case.refused(trimmed, "trimmed").await;
    let foreign = case.forge(&[("type", "pr.merged"), ("data", "{}")]).await;
    case.refused(foreign, "no host wrote it").await;
    let broken = case.forge(&[("event", "{"), ("hothouse", said)]).await;
    case.refused(broken, "`event`").await;
    let mut large = flat(Id::random(), "agent.execution.started", "{}");
    for n in 0..4000 {
        large.push(&format!("field {n}"), "x");
    }
    let cut = case.bury(vec![large]).await[0];
    case.refused(cut, "more fields").await;
    // The others of the batch are not touched by it.
    let whole = case.bury(vec![started(Id::random(), 0)]).await[0];
    case.requeue(&[trimmed, whole, cut]).await;
    assert_eq!(case.finish_all().await, 1);
}
