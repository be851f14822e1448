//! What a group does with an entry: which lane it belongs to, and what is skipped.

use hothouse::bus::Delivery;
use hothouse::event::{Fields, Id};

use crate::driver::{done_with, release};
use crate::harness::events::{flat, started, started_as, started_data};
use crate::store::{Store, agent_workers};

const STARTED: &str = "agent.execution.started";

fn fields(pairs: &[(&str, &[u8])]) -> Fields {
    let mut fields = Fields::default();
    for (name, value) in pairs {
        fields.push(name, *value);
    }
    fields
}

/// Publishes one entry and takes it as a delivery.
async fn deliver(store: &Store, entry: Fields) -> Delivery {
    let mut host = store.host("a", &agent_workers()).await;
    store.publish(vec![entry]).await;
    let delivery = host.take_one().await;
    let end = done_with(&delivery, vec![], None);
    host.commit(vec![end]).await.assert_applied();
    delivery
}

async fn assert_skipped(store: &Store, entries: Vec<Fields>) {
    let mut host = store.host("a", &agent_workers()).await;
    store.publish(entries).await;
    let run = host.finish_all().await;
    assert_eq!(run.len(), 0, "{run:?}");
    store.assert_at_rest(&agent_workers()).await;
    assert_eq!(store.status(&agent_workers()).await.dead_letters, 0);
}

pub(crate) async fn types_that_the_group_does_not_handle_are_skipped(store: Store) {
    let data = started_data(Id::random(), Id::random(), 0).to_string();
    let mut entries: Vec<Fields> = ["pr.merged", "no.such.type", "", "AGENT.EXECUTION.STARTED"]
        .map(|kind| flat(Id::random(), kind, &data))
        .into();
    entries.push(fields(&[("type", b"\xff\xfe"), ("data", data.as_bytes())]));
    entries.push(fields(&[("event", br#"{"type":"pr.merged","data":{}}"#)]));
    assert_skipped(&store, entries).await;
}

pub(crate) async fn own_outcomes_are_skipped_without_a_look_at_their_data(store: Store) {
    let entries = ["agent.execution.completed", "agent.execution.failed"]
        .into_iter()
        .flat_map(|kind| {
            [
                flat(Id::random(), kind, "{ this is no JSON"),
                fields(&[("type", kind.as_bytes())]),
                fields(&[("type", kind.as_bytes()), ("data", b"\xff")]),
            ]
        });
    assert_skipped(&store, entries.collect()).await;
}

pub(crate) async fn more_skipped_entries_than_a_script_has_room_for_are_acknowledged(store: Store) {
    let entry = fields(&[("type", b"agent.execution.completed")]);
    store.publish(vec![entry; 9000]).await;
    let mut host = store.host("a", &agent_workers()).await;
    assert_eq!(host.take(20_000).await.len(), 0);
    store.assert_at_rest(&agent_workers()).await;
}

pub(crate) async fn entries_for_another_group_are_skipped(store: Store) {
    let to = |group: &[u8]| {
        let mut entry = started(Id::random(), 0);
        entry.push("target_group", group);
        entry
    };
    assert_skipped(
        &store,
        vec![to(b"auditors"), to(b"agent-worker"), to(b"\xff")],
    )
    .await;
    let own = deliver(&store, to(b"agent-workers")).await;
    assert!(!own.lease.lane.is_own());
}

pub(crate) async fn an_event_in_one_field_has_the_lane_of_the_flat_form(store: Store) {
    let plan = Id::random();
    let whole = |event_id: Id| {
        serde_json::json!({
            "event_id": event_id.to_string(),
            "type": STARTED,
            "timestamp": "2024-01-16T20:01:00Z",
            "data": started_data(event_id, plan, 1),
        })
    };
    let one_field = fields(&[("event", whole(Id::random()).to_string().as_bytes())]);
    store
        .publish(vec![started(plan, 0), one_field.clone(), started(plan, 2)])
        .await;
    let mut host = store.host("a", &agent_workers()).await;
    let head = host.take_one().await;
    let second = host
        .commit(vec![done_with(&head, vec![], None)])
        .await
        .only_next();
    assert_eq!(second.lease.lane, head.lease.lane);
    assert_eq!(second.fields, one_field);
}

pub(crate) async fn ids_in_upper_case_are_the_same_lane(store: Store) {
    let (event_id, plan) = (Id::random(), Id::random());
    let lower = started(plan, 0);
    let data = started_data(event_id, plan, 1)
        .to_string()
        .replace(&plan.to_string(), &plan.to_string().to_uppercase());
    store
        .publish(vec![lower, flat(event_id, STARTED, &data)])
        .await;
    let mut host = store.host("a", &agent_workers()).await;
    let head = host.take_one().await;
    assert_eq!(head.lease.lane.as_str(), plan.to_string());
    let next = host
        .commit(vec![done_with(&head, vec![], None)])
        .await
        .only_next();
    assert_eq!(next.lease.lane, head.lease.lane);
}

pub(crate) async fn without_a_plan_the_execution_is_the_lane(store: Store) {
    let event_id = Id::random();
    let mut data = started_data(event_id, Id::random(), 0);
    let execution = event_id.derive("execution").to_string();
    data["execution_plan_id"] = serde_json::Value::Null;
    let null = deliver(&store, flat(Id::random(), STARTED, &data.to_string())).await;
    assert_eq!(null.lease.lane.as_str(), execution);
    data.as_object_mut()
        .expect("an object")
        .remove("execution_plan_id");
    let absent = deliver(&store, flat(Id::random(), STARTED, &data.to_string())).await;
    assert_eq!(absent.lease.lane.as_str(), execution);
}

pub(crate) async fn an_entry_whose_aggregate_cannot_be_read_has_a_lane_of_its_own(store: Store) {
    let with_plan = |plan: serde_json::Value| {
        let mut data = started_data(Id::random(), Id::random(), 0);
        data["execution_plan_id"] = plan;
        flat(Id::random(), STARTED, &data.to_string())
    };
    let no_dashes = Id::random().0.simple().to_string();
    let good = started_data(Id::random(), Id::random(), 0).to_string();
    let in_text = serde_json::json!({ "type": STARTED, "data": good }).to_string();
    let typeless = serde_json::json!({ "data": { "execution_plan_id": Id::random().to_string() } });
    let entries = [
        with_plan(7.into()),
        with_plan(false.into()),
        with_plan("".into()),
        with_plan("not an id".into()),
        with_plan(no_dashes.into()),
        with_plan(serde_json::json!([])),
        with_plan(serde_json::json!({})),
        flat(Id::random(), STARTED, ""),
        flat(Id::random(), STARTED, "{"),
        flat(Id::random(), STARTED, "[]"),
        flat(Id::random(), STARTED, "7"),
        flat(Id::random(), STARTED, "null"),
        flat(Id::random(), STARTED, "{}"),
        flat(Id::random(), STARTED, &format!("{good} trailing")),
        fields(&[("type", STARTED.as_bytes())]),
        fields(&[("data", good.as_bytes())]),
        fields(&[("event", b"{")]),
        fields(&[("event", b"[]")]),
        fields(&[("event", b"\xff")]),
        fields(&[("event", br#"{"type":7,"data":{}}"#)]),
        fields(&[("event", in_text.as_bytes())]),
        fields(&[("event", typeless.to_string().as_bytes())]),
        fields(&[("something", b"else")]),
    ];
    let ids = store.publish(entries.to_vec()).await;
    let mut host = store.host("a", &agent_workers()).await;
    let deliveries = host.take(100).await;
    assert_eq!(deliveries.len(), entries.len());
    for ((delivery, entry), id) in deliveries.iter().zip(&entries).zip(&ids) {
        assert!(delivery.lease.lane.is_own(), "{entry:?}");
        assert_eq!(delivery.lease.lane.as_str(), format!("!{id}"), "{entry:?}");
        assert_eq!(&delivery.fields, entry);
    }
    // Such a lane can be given back and taken again like any other.
    host.commit(deliveries.iter().map(release).collect()).await;
    let again = host.take(100).await;
    assert_eq!(again.len(), entries.len());
    let ends = again
        .iter()
        .map(|one| done_with(one, vec![], None))
        .collect();
    host.commit(ends).await;
    store.assert_at_rest(&agent_workers()).await;
}

pub(crate) async fn data_with_bytes_that_are_no_text_still_has_its_lane(store: Store) {
    let plan = Id::random();
    let mut data = format!(r#"{{"execution_plan_id":"{plan}","note":""#).into_bytes();
    data.extend_from_slice(b"\xff\xc3\"}");
    let entry = fields(&[("type", STARTED.as_bytes()), ("data", &data)]);
    let delivery = deliver(&store, entry).await;
    assert_eq!(delivery.lease.lane.as_str(), plan.to_string());
}

pub(crate) async fn of_a_field_that_comes_twice_the_last_one_counts(store: Store) {
    let (event_id, plan) = (Id::random(), Id::random());
    let mut entry = fields(&[("type", b"pr.merged"), ("data", b"{")]);
    entry.0.extend(started_as(event_id, plan, 0).0);
    let delivery = deliver(&store, entry).await;
    assert_eq!(delivery.lease.lane.as_str(), plan.to_string());
}
