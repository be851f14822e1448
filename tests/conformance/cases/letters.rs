//! Dead letters: what a case does to them, and how they are listed and purged.

use hothouse::bus::{Entry, EntryId, Requeued, Subscription, purged_stream};
use hothouse::event::{Fields, Id, PluginRef};

use crate::driver::{Host, dead_letter, done_with};
use crate::harness::events::{EXECUTIONS, seq_of, started, started_as};
use crate::store::{Store, agent_workers};

/// Calls that may fail one after another.
const TRIES: usize = 10;

/// No letter has this id.
pub(super) const NO_LETTER: EntryId = EntryId { ms: 1, seq: 1 };

/// A host, and what a case does to the dead letters of its group.
pub(super) struct Case {
    pub(super) store: Store,
    pub(super) host: Host,
    pub(super) subscription: Subscription,
}

impl Case {
    pub(super) async fn new(store: Store) -> Self {
        let subscription = agent_workers();
        Self {
            host: store.host("a", &subscription).await,
            store,
            subscription,
        }
    }

    /// Lets these end as dead letters; their ids.
    pub(super) async fn bury(&mut self, entries: Vec<Fields>) -> Vec<EntryId> {
        let count = entries.len();
        self.store.publish(entries).await;
        let heads = self.host.take(1_000).await;
        assert_eq!(heads.len(), count);
        let ends = heads
            .iter()
            .map(|head| done_with(head, vec![], Some(dead_letter(head))));
        self.host.commit(ends.collect()).await.assert_applied();
        let letters = self.letters().await;
        let new = letters.iter().rev().take(count).rev();
        new.map(|letter| letter.id).collect()
    }

    pub(super) async fn letters(&self) -> Vec<Entry> {
        let Subscription { stream, group, .. } = &self.subscription;
        let bus = self.store.bus();
        let letters = bus.dead_letters(stream, group, EntryId::ZERO, 10_000);
        letters.await.expect("dead letters")
    }

    /// Puts a letter there as it stands.
    pub(super) async fn forge(&self, fields: &[(&str, &str)]) -> EntryId {
        let mut letter = Fields::default();
        for (name, value) in fields {
            letter.push(name, *value);
        }
        let stream = "{execution-events}:agent-workers:dlq";
        let ids = self.store.bus().publish(stream, vec![letter]).await;
        ids.expect("forge a letter")[0]
    }

    pub(super) async fn requeue(&self, letters: &[EntryId]) -> Vec<Requeued> {
        self.requeue_to(letters, None).await
    }

    /// The answers, of a second call where the reply of the first was lost.
    pub(super) async fn requeue_to(
        &self,
        letters: &[EntryId],
        to: Option<&PluginRef>,
    ) -> Vec<Requeued> {
        for _ in 0..TRIES {
            let answers = self.host.bus.requeue(&self.subscription, letters, to).await;
            if let Ok(answers) = answers {
                assert_eq!(answers.len(), letters.len(), "an answer for each letter");
                return answers;
            }
        }
        panic!("requeue failed {TRIES} times");
    }

    /// Requeues one and gives its new entry.
    pub(super) async fn requeue_one(&self, letter: EntryId, to: Option<&PluginRef>) -> Entry {
        let before = self.store.read_all(EXECUTIONS).await.len();
        self.requeue_to(&[letter], to).await;
        let mut entries = self.store.read_all(EXECUTIONS).await.split_off(before);
        assert_eq!(entries.len(), 1, "{entries:?}");
        entries.remove(0)
    }

    /// The letter is refused, whoever asks, and nothing is changed.
    pub(super) async fn refused(&self, letter: EntryId, why: &str) {
        let before = (self.letters().await, self.store.read_all(EXECUTIONS).await);
        let answers = self.requeue(&[letter]).await;
        let Requeued::Refused(reason) = &answers[0] else {
            panic!("{answers:?}")
        };
        assert!(reason.contains(why), "{reason}");
        let after = (self.letters().await, self.store.read_all(EXECUTIONS).await);
        assert_eq!(after, before);
    }

    pub(super) async fn purge(&self, letters: &[EntryId], reason: &str) {
        for _ in 0..TRIES {
            let purged = self.host.bus.purge(&self.subscription, letters, reason);
            if purged.await.is_ok() {
                return;
            }
        }
        panic!("purge failed {TRIES} times");
    }

    pub(super) async fn finish_all(&mut self) -> usize {
        self.host.finish_all().await.len()
    }
}

pub(crate) async fn a_purged_letter_is_gone_and_written_down_once(store: Store) {
    let mut case = Case::new(store).await;
    let event_id = Id::random();
    let entry = started_as(event_id, Id::random(), 0);
    let letters = case
        .bury(vec![entry.clone(), started(Id::random(), 1)])
        .await;
    let forged = case.forge(&[("what", "is this")]).await;
    case.purge(&letters[..1], "a test | \u{fc}").await;
    case.purge(&[letters[0], NO_LETTER, forged], "and again")
        .await;
    let left: Vec<EntryId> = case.letters().await.iter().map(|one| one.id).collect();
    assert_eq!(left, letters[1..]);

    let records = purged_stream(EXECUTIONS, "agent-workers");
    let mut records = case.store.read_all(&records).await;
    for record in &mut records {
        let (name, at) = record.fields.0.pop().expect("fields");
        assert_eq!(name, b"at");
        let at = String::from_utf8(at).expect("text");
        let at: chrono::DateTime<chrono::Utc> = at.parse().expect("a time");
        let apart = at.timestamp_millis().abs_diff(record.id.ms as i64);
        assert!(apart < 60_000, "{at}");
    }
    let records: Vec<Fields> = records.into_iter().map(|record| record.fields).collect();
    let expected = [
        flat_of(&[
            ("letter", &letters[0].to_string()),
            ("event_id", &event_id.to_string()),
            ("error_type", "trap"),
            ("reason", "a test | \u{fc}"),
        ]),
        flat_of(&[
            ("letter", &forged.to_string()),
            ("event_id", ""),
            ("error_type", ""),
            ("reason", "and again"),
        ]),
    ];
    assert_eq!(records, expected);
    // A purge runs nothing: the event is finished as it was.
    assert_eq!(case.requeue(&letters[..1]).await, [Requeued::Gone]);
    case.store.publish(vec![entry]).await;
    assert_eq!(case.finish_all().await, 0);
    case.store.assert_at_rest(&agent_workers()).await;
}

pub(crate) async fn the_records_of_purged_letters_are_the_newest_ones(store: Store) {
    let mut case = Case::new(store).await;
    let records = purged_stream(EXECUTIONS, "agent-workers");
    for _ in 0..12 {
        let page = vec![flat_of(&[("reason", "old")]); 1_000];
        let published = case.store.bus().publish(&records, page).await;
        published.expect("publish");
    }
    let letter = case.bury(vec![started(Id::random(), 0)]).await[0];
    case.purge(&[letter], "new").await;
    let records = case.store.read_all(&records).await;
    assert!(
        (10_000..10_200).contains(&records.len()),
        "{}",
        records.len()
    );
    let last = records.last().expect("a record");
    assert_eq!(last.fields.get("reason"), Some(b"new".as_slice()));
}

pub(crate) async fn large_letters_come_in_several_pages_each_once(store: Store) {
    let mut case = Case::new(store).await;
    let entries: Vec<Fields> = (0..12)
        .map(|n| {
            let mut entry = started(Id::random(), n);
            entry.push("padding", "x".repeat(1 << 20));
            entry
        })
        .collect();
    for entry in entries {
        case.bury(vec![entry]).await;
    }
    let Subscription { stream, group, .. } = &case.subscription;
    let mut seen = Vec::new();
    let mut after = EntryId::ZERO;
    loop {
        let page = case.host.bus.dead_letters(stream, group, after, 100).await;
        let page = page.expect("dead letters");
        let Some(last) = page.last() else { break };
        after = last.id;
        seen.extend(page.iter().map(|letter| seq_of(&letter.fields)));
    }
    assert_eq!(seen, (0..12).collect::<Vec<u64>>());
}

pub(super) fn flat_of(fields: &[(&str, &str)]) -> Fields {
    let mut entry = Fields::default();
    for (name, value) in fields {
        entry.push(name, *value);
    }
    entry
}
