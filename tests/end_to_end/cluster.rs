//! A Redis Cluster whose nodes change while a host serves.

use std::collections::HashMap;

use hothouse::bus::EntryId;
use serde_json::{Value, json};

use crate::event::{flat, id_of};
use crate::handlers::{echo, feature, planning};
use crate::harness::{RedisCluster, eventually};
use crate::outage::{
    EVENTS, events, every_event_has_one_outcome_in_order, outcomes_come, prepare, produce,
};
use crate::outcome::Outcome;
use crate::site::{AGENTS, Group, Site};

const PLANS: Group = Group("planning-events", "sync-workers");
const FEATURES: Group = Group("feature-events", "sync-workers");

#[tokio::test]
async fn every_event_has_one_outcome_in_order_though_its_slot_moves_to_another_node() {
    let cluster = RedisCluster::start();
    let site = Site::at(cluster.url());
    prepare(&site);
    let mut host = site.serve();
    let events = events();
    let faults = async {
        outcomes_come(&site, EVENTS / 4).await;
        let to = (cluster.owner(AGENTS.0) + 1) % cluster.nodes.len();
        cluster.move_slot(AGENTS.0, to);
    };
    tokio::join!(produce(&site, &events), faults);
    every_event_has_one_outcome_in_order(&site, &events).await;
    assert!(host.is_running(), "{}", host.log());
}

/// A replica may lack the newest writes of a primary that dies: outcomes and acknowledgements
/// vanish together, and the outputs that were relayed before are there already.
#[tokio::test]
async fn outputs_for_another_stream_arrive_once_though_their_primary_dies() {
    const PLANNINGS: usize = 200;
    let mut cluster = RedisCluster::start();
    let owner = cluster.owner(PLANS.0);
    assert_ne!(owner, cluster.owner(FEATURES.0));
    let _replica = cluster.replica_of(owner);
    let site = Site::at(cluster.url());
    echo(&site, &[(PLANS.1, "planning.started")]);
    let mut host = site.serve();
    let emit = json!([{ "type": "feature.request.created", "data": feature("t") }]);
    let inputs: Vec<Value> = (0..PLANNINGS).map(|_| planning(&emit)).collect();
    let publish = async || {
        for input in &inputs {
            eventually("the event is acknowledged", async || {
                site.bus.publish(PLANS.0, vec![flat(input)]).await.ok()
            })
            .await;
        }
    };
    // None while the cluster is down.
    let outputs = async || {
        let entries = site
            .bus
            .read(FEATURES.0, EntryId::ZERO, 10_000)
            .await
            .ok()?;
        let mut outputs: HashMap<String, usize> = HashMap::new();
        for outcome in entries.iter().filter_map(Outcome::of) {
            *outputs.entry(outcome.cause().to_owned()).or_default() += 1;
        }
        Some(outputs)
    };
    let fault = async {
        eventually("some outputs", async || {
            (outputs().await?.len() >= PLANNINGS / 4).then_some(())
        })
        .await;
        cluster.nodes[owner].kill();
    };
    tokio::join!(publish(), fault);
    // The replica may lack acknowledged events as well: a careful producer sends them again.
    publish().await;
    eventually("all outputs", async || {
        (outputs().await?.len() == PLANNINGS).then_some(())
    })
    .await;
    site.settled(PLANS).await;
    let outputs = outputs().await.expect("the cluster is up");
    for input in &inputs {
        assert_eq!(outputs.get(id_of(input)), Some(&1), "{input}");
    }
    assert!(host.is_running(), "{}", host.log());
}
