//! What attacks leave behind in a host: nothing. A process of its own with a single test and a
//! single thread that runs guests, so that what is measured is theirs.

#[path = "../sandbox/guest.rs"]
mod guest;
#[path = "../sandbox/table.rs"]
mod table;

use guests::Guest;
use hothouse::failure::ErrorType;
use hothouse::sandbox::{LimitsPatch, Loaded, Sandbox, World};
use serde_json::json;

use guest::{Setup, call, given, good_call, limited, load};
use table::{attempt, guest_table, memory, timeout_ms, usual};

const SLOTS: u32 = 4;

/// Repetitions of each attack before memory is measured: pools and heaps fill up first.
const WARM_UP: u32 = 40;

const REPETITIONS: u32 = 200;

/// What all repetitions of an attack may leave, in bytes: 20 KiB for each would be too much.
const GROWTH: u64 = 4 << 20;

struct Attack {
    guest: Guest,
    test: &'static str,
    world: World,
    setup: Setup,
    error_type: ErrorType,
}

macro_rules! attacks {
    ($( $guest:ident {
        $( $test:ident: $world:ident($setup:expr) => $error:ident, $part:literal; )*
        $( [$module:ident::$other:ident]; )*
    } )*) => {
        fn attacks() -> Vec<Attack> {
            vec![$($( Attack {
                guest: Guest::$guest,
                test: stringify!($test),
                world: World::$world,
                setup: brief($setup, ErrorType::$error),
                error_type: ErrorType::$error,
            }, )*)*]
        }
    };
}

guest_table!(attacks);

/// The same attack in less time: what is repeated hundreds of times ends early.
fn brief(setup: Setup, error_type: ErrorType) -> Setup {
    let limits = setup.limits;
    let (fuel, timeout_ms) = match error_type {
        ErrorType::OutOfFuel => (Some(30_000_000), limits.timeout_ms),
        ErrorType::Timeout => (limits.fuel, limits.timeout_ms.map(|limit| limit.min(20))),
        _ => (limits.fuel, limits.timeout_ms),
    };
    Setup {
        limits: LimitsPatch {
            fuel,
            timeout_ms,
            ..limits
        },
        ..setup
    }
}

/// Runs an attack several times, as many at once as there are slots.
async fn repeat(sandbox: &Sandbox, attacker: &Loaded, attack: &Attack, times: u32) {
    for _ in 0..times / SLOTS {
        let run = || call(sandbox, attacker, attack.world, attack.setup.clone());
        let runs = tokio::join!(run(), run(), run(), run());
        for run in [runs.0, runs.1, runs.2, runs.3] {
            let failure = run.result.expect_err(attack.test);
            assert_eq!(failure.error_type, attack.error_type, "{}", attack.test);
        }
    }
}

/// Memory that this process holds, in bytes.
fn resident() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").expect("statm");
    let pages = statm.split(' ').nth(1).expect("the second field");
    pages.parse::<u64>().expect("pages") * 4096
}

#[tokio::test]
async fn after_each_attack_memory_is_back_every_slot_is_free_and_the_next_run_is_as_usual() {
    let sandbox = Sandbox::new(SLOTS).expect("sandbox");
    let good = load(&sandbox, Guest::SlowEchoAgent, World::Agent);
    let mut grown = Vec::new();
    for attack in attacks() {
        let attacker = load(&sandbox, attack.guest, attack.world);
        repeat(&sandbox, &attacker, &attack, WARM_UP).await;
        let before = resident();
        let begun = std::time::Instant::now();
        repeat(&sandbox, &attacker, &attack, REPETITIONS).await;
        let growth = resident().saturating_sub(before);
        eprintln!(
            "{:>8} {:>8?} {}",
            growth,
            begun.elapsed() / REPETITIONS,
            attack.test
        );
        if growth > GROWTH {
            grown.push((attack.test, growth));
        }

        assert_eq!(sandbox.free_slots(), SLOTS as usize, "{}", attack.test);
        let after = call(&sandbox, &good, World::Agent, good_call(1)).await;
        assert!(after.result.is_ok(), "{}: {after:?}", attack.test);
    }
    assert!(grown.is_empty(), "memory that did not come back: {grown:?}");
}
