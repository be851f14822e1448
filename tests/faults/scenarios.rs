//! Each fault alone, under load.

mod hosts;
mod lines;
mod mutants;
mod servers;

use crate::fault::Fault;
use crate::load::Plan;
use crate::stage::{Setup, Stage};

/// Plays faults one after the other, each after the recovery from the one before.
async fn play(setup: Setup, plan: Plan, faults: &[Fault]) -> Stage {
    let mut stage = Stage::open(setup).await;
    stage.produce(plan);
    stage.flows(10).await;
    for fault in faults {
        assert!(
            fault.inflict(&mut stage).await,
            "{fault:?} never took place"
        );
        stage.recovers(&format!("{fault:?}")).await;
    }
    stage.assert_rests().await;
    stage
}

/// Makes a test of a name, what differs from the usual stage, and faults.
macro_rules! scenarios {
    ($($name:ident $(($($field:ident: $value:expr),*))? [$($fault:expr),* $(,)?])*) => {
        $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            let setup = crate::stage::Setup {
                $($($field: $value,)*)?
                ..crate::stage::Setup::new(stringify!($name))
            };
            crate::scenarios::play(setup, crate::load::Plan::default(), &[$($fault),*]).await;
        })*
    };
}
use scenarios;
