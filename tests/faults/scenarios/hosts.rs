//! Hosts that die, freeze, join and leave.

use tokio::time::sleep;

use crate::load::Plan;
use crate::proxy::{Act, Call, Side};
use crate::stage::{LEASE, Setup, Stage};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_killed_before_it_has_the_reply_of_its_fetch() {
    let mut stage = Stage::open(Setup::new(
        "a_host_killed_before_it_has_the_reply_of_its_fetch",
    ))
    .await;
    stage.produce(Plan::default());
    stage.flows(20).await;
    let mut trap = stage.hosts[0]
        .proxy
        .trap(Call::Fetch, Side::Reply, 0, Act::Hold);
    trap.sprung().await;
    stage.kill_host(0);
    stage.recovers("the kill").await;
    stage.replace_host(0).await;
    stage.flows(20).await;
    stage.assert_rests().await;
}
