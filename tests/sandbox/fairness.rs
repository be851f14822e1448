//! Guests that hold what they can get hold up no others.

use guests::Guest;
use hothouse::sandbox::{LimitsPatch, Sandbox, World};
use tokio::task::JoinSet;

use super::guest::{self, good_call, limited};

const SLOTS: u32 = 8;
const GOOD_RUNS: u64 = 50;

#[tokio::test]
pub(super) async fn good_runs_end_while_hostile_ones_hold_all_that_they_can() {
    static SANDBOX: std::sync::OnceLock<Sandbox> = std::sync::OnceLock::new();
    let sandbox = SANDBOX.get_or_init(|| Sandbox::new(SLOTS).expect("sandbox"));
    let good = guest::load(sandbox, Guest::SlowEchoAgent, World::Agent);

    // All slots but one, on the one thread that there is, for longer than any test.
    let mut hostile = JoinSet::new();
    for index in 1..SLOTS {
        let attack = match index % 2 {
            0 => Guest::LoopForever,
            _ => Guest::SleepForever,
        };
        hostile.spawn(async move {
            let guest = guest::load(sandbox, attack, World::Agent);
            let limits = LimitsPatch {
                fuel: Some(u64::MAX),
                timeout_ms: Some(3_600_000),
                ..LimitsPatch::default()
            };
            guest::call(sandbox, &guest, World::Agent, limited(limits)).await
        });
    }
    while sandbox.free_slots() > 1 {
        tokio::task::yield_now().await;
    }

    for seq in 0..GOOD_RUNS {
        let run = guest::call(sandbox, &good, World::Agent, good_call(seq)).await;
        run.result.expect("a good run");
    }
    assert!(hostile.try_join_next().is_none(), "an attack ended");
    hostile.shutdown().await;
    assert_eq!(sandbox.free_slots(), SLOTS as usize);
}
