//! What only a cluster can do to a host.

mod nodes;
mod relay;

use std::sync::Arc;

use hothouse::bus::{self, Bus, BusUrl, Commit, Delivery, EntryId, Output, Subscription};
use hothouse::event::{EventType, Fields, Id};

use crate::driver::{Host, done_with};
use crate::harness::events::{completed, event_id_of, flat, seq_of};

/// The stream that outputs go to, in another slot and on another node than the executions.
const TARGET: &str = "feature-events";

fn open(url: &str, consumer: &str) -> Arc<dyn Bus> {
    let url: BusUrl = url.parse().expect("a bus URL");
    bus::connect(&url, consumer).expect("open the bus")
}

async fn join(url: &str, consumer: &str, subscription: &Subscription) -> Host {
    let bus = open(url, consumer);
    bus.join(subscription).await.expect("join");
    Host::new(bus, subscription.clone())
}

/// The `seq`-th output of a lane, for the other stream.
fn output(event_id: Id, lane: &str, seq: u64) -> Output {
    let event_type = EventType::FeatureRequestCreated;
    assert_eq!(event_type.stream(), TARGET);
    let mut fields = flat(event_id.derive("output"), event_type.as_str(), "{}");
    fields.push("lane", lane);
    fields.push("seq", seq.to_string());
    Output { event_type, fields }
}

/// The delivery is completed, with an output for the other stream.
fn done_elsewhere(delivery: &Delivery) -> Commit {
    let event_id = event_id_of(&delivery.fields);
    let outputs = vec![
        completed(&delivery.fields),
        output(
            event_id,
            delivery.lease.lane.as_str(),
            seq_of(&delivery.fields),
        ),
    ];
    done_with(delivery, outputs, None)
}

/// Lane and place of all outputs that arrived, in the order of their stream.
async fn arrived(bus: &Arc<dyn Bus>) -> Vec<(String, u64)> {
    let entries = bus.read(TARGET, EntryId::ZERO, 100_000).await;
    let text = |fields: &Fields, name: &str| {
        let value = fields.get(name).expect("the output has its fields");
        String::from_utf8(value.to_vec()).expect("text")
    };
    entries
        .expect("read")
        .iter()
        .map(|entry| {
            let seq = text(&entry.fields, "seq").parse().expect("a number");
            (text(&entry.fields, "lane"), seq)
        })
        .collect()
}
