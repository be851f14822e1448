//! Random steps, the same on both buses: what one hands out, the other does.

mod checks;
mod world;

use hothouse::bus::LaneStep;
use hothouse::event::Id;
use proptest::prelude::*;
use proptest::sample::Index;

use self::world::World;
use crate::store::Kind;

const LANES: usize = 3;
const HOSTS: usize = 2;

/// More than all steps together publish.
const ALL: usize = 1000;

#[derive(Debug, Clone)]
enum Step {
    /// The next event of a lane.
    Publish {
        lane: usize,
    },
    /// An event that was published before, in any lane.
    PublishAgain {
        which: Index,
        lane: usize,
    },
    Fetch {
        host: usize,
    },
    /// The host ends what it holds of a lane; where it holds nothing there, nothing happens.
    End {
        host: usize,
        lane: usize,
        end: End,
        advance: bool,
    },
    /// The run of what the host holds of a lane begins alone.
    BeginAlone {
        host: usize,
        lane: usize,
    },
    Leave {
        host: usize,
    },
    /// Nothing more is heard of the host until its lease is over; it comes back with the next
    /// step of its own.
    Lose {
        host: usize,
    },
    /// A host tries to end what it holds no more.
    Late {
        which: Index,
    },
    Operate {
        host: usize,
        lane: usize,
        step: LaneStep,
    },
    Requeue {
        which: Index,
    },
    /// All that is acknowledged.
    Trim,
}

/// How what a host holds ends.
#[derive(Debug, Clone, Copy)]
enum End {
    Done,
    /// It waits, for no time or for longer than the case takes, and its lane with it.
    Retry {
        long: bool,
    },
    /// The same, but the lane goes on meanwhile.
    Aside {
        long: bool,
    },
    /// A dead letter stops the lane.
    Stop,
    Release,
}

fn end() -> impl Strategy<Value = End> {
    prop_oneof![
        6 => Just(End::Done),
        3 => any::<bool>().prop_map(|long| End::Retry { long }),
        3 => any::<bool>().prop_map(|long| End::Aside { long }),
        2 => Just(End::Stop),
        1 => Just(End::Release),
    ]
}

fn operator_step() -> impl Strategy<Value = LaneStep> {
    prop_oneof![
        2 => Just(LaneStep::Release),
        1 => Just(LaneStep::RetryNow),
        1 => Just(LaneStep::Claim),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let (lane, host) = (0..LANES, 0..HOSTS);
    prop_oneof![
        8 => lane.clone().prop_map(|lane| Step::Publish { lane }),
        2 => (any::<Index>(), lane.clone())
            .prop_map(|(which, lane)| Step::PublishAgain { which, lane }),
        6 => host.clone().prop_map(|host| Step::Fetch { host }),
        14 => (host.clone(), lane.clone(), end(), any::<bool>())
            .prop_map(|(host, lane, end, advance)| Step::End { host, lane, end, advance }),
        1 => (host.clone(), lane.clone())
            .prop_map(|(host, lane)| Step::BeginAlone { host, lane }),
        1 => host.clone().prop_map(|host| Step::Leave { host }),
        2 => host.clone().prop_map(|host| Step::Lose { host }),
        2 => any::<Index>().prop_map(|which| Step::Late { which }),
        4 => (host, lane, operator_step())
            .prop_map(|(host, lane, step)| Step::Operate { host, lane, step }),
        2 => any::<Index>().prop_map(|which| Step::Requeue { which }),
        2 => Just(Step::Trim),
    ]
}

/// What the steps did, as both buses must tell it.
async fn run(kind: Kind, plans: [Id; LANES], steps: &[(Step, Id)]) -> Vec<String> {
    let mut world = World::new(kind, plans).await;
    for (step, new_id) in steps {
        world.apply(step, *new_id).await;
        world.check_books().await;
    }
    world.finish().await
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 24,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn any_steps_mean_the_same_on_both_buses(steps in prop::collection::vec(step(), 1..80)) {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        let plans = std::array::from_fn(|_| Id::random());
        let steps: Vec<(Step, Id)> = steps.into_iter().map(|step| (step, Id::random())).collect();
        let sqlite = runtime.block_on(run(Kind::Sqlite, plans, &steps));
        let redis = runtime.block_on(run(Kind::Redis, plans, &steps));
        prop_assert_eq!(sqlite, redis);
    }
}
