//! All faults, one after the other, as a seed decides.
//!
//! `HOTHOUSE_CHAOS_SEED` and `HOTHOUSE_CHAOS_SECONDS` say what to play and for how long; without
//! them the same short play each time. `cargo xtask chaos --minutes N --seed S` sets them.

use std::env;

use tokio::time::{Duration, Instant};

use crate::fault::{Fault, pause};
use crate::journal::Poisoned;
use crate::load::Plan;
use crate::rng::Rng;
use crate::stage::{Fsync, LEASE, Setup, Stage};

const SEED: u64 = 20_240_116;
const SECONDS: u64 = 35;

/// A stage is played on for this long; then a new one begins, with a seed of its own.
const ROUND: Duration = Duration::from_secs(45);

const SHORTEST: Duration = Duration::from_secs(15);

fn number(variable: &str, default: u64) -> u64 {
    match env::var(variable) {
        Err(_) => default,
        Ok(text) => text
            .parse()
            .unwrap_or_else(|_| panic!("{variable}={text} is no number")),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_guarantee_holds_through_faults_that_a_seed_decides() {
    let mut seed = number("HOTHOUSE_CHAOS_SEED", SEED);
    let end = Instant::now() + Duration::from_secs(number("HOTHOUSE_CHAOS_SECONDS", SECONDS));
    loop {
        let left = end - Instant::now();
        play(seed, left.min(ROUND)).await;
        // What is left would be too short to say anything.
        if end - Instant::now() < SHORTEST {
            return;
        }
        seed = Rng::new(seed).next();
    }
}

async fn play(seed: u64, during: Duration) {
    let rerun = format!("cargo xtask chaos --minutes 1 --seed {seed}");
    let mut rng = Rng::new(seed);
    let (hosts, always, replica) = (rng.among(3..6) as usize, rng.one_in(2), rng.one_in(3));
    let setup = Setup {
        seed: rng.next(),
        hosts,
        lease: LEASE,
        fsync: match always {
            true => Fsync::Always,
            false => Fsync::EverySec,
        },
        replica,
        trims: always && !replica,
        audits: rng.one_in(2),
        poisoned: match rng.among(0..4) {
            0 | 1 => Poisoned::Block,
            2 => Poisoned::Skip,
            _ => Poisoned::Park,
        },
        requeues: rng.one_in(2),
        slow_to_load: false,
        mutant: None,
        rerun,
    };
    eprintln!("seed {seed}, {} s: {setup:?}", during.as_secs());
    let mut stage = Stage::open(setup).await;
    stage.produce(Plan::default());
    stage.flows(10).await;
    let end = Instant::now() + during;
    while Instant::now() < end {
        let fault = Fault::draw(&mut rng, &stage);
        fault.inflict(&mut stage).await;
        stage.recovers(&format!("{fault:?}")).await;
        pause(&mut rng).await;
    }
    stage.assert_rests().await;
    stage.assert_worked(during).await;
}
