//! Real hosts on a real Redis, with everything going wrong that the fault plan knows: each fault
//! alone in `scenarios`, and all of them as a seed decides in `chaos`. What must hold is in
//! `checker`; that it notices is seen on broken builds in `scenarios/mutants.rs`.

#[path = "../harness/mod.rs"]
mod harness;

mod archive;
mod checker;
mod fault;
mod journal;
mod load;
mod proxy;
mod redis_side;
mod rng;
mod runs;
mod snapshot;
mod stage;
mod story;

mod chaos;
mod scenarios;
