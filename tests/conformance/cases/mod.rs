//! The cases, by what they are about. `main.rs` lists them.

pub(crate) mod claims;
pub(crate) mod commits;
pub(crate) mod duplicates;
pub(crate) mod figures;
pub(crate) mod hosts;
pub(crate) mod lanes;
pub(crate) mod letters;
pub(crate) mod poisoned;
pub(crate) mod recovery;
pub(crate) mod replay_runs;
pub(crate) mod replays;
pub(crate) mod requeues;
pub(crate) mod retries;
pub(crate) mod routes;
pub(crate) mod streams;
pub(crate) mod stress;
pub(crate) mod trims;
