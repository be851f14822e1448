//! What must hold under bytes that nobody vouches for: one function for each way in, called
//! with a fuzzer's bytes (`fuzz/`) and with seeds and changes of them (`tests/fuzz`). Each
//! panics where something does not hold.

#![allow(
    dead_code,
    reason = "each fuzz target is a binary that uses one of these"
)]

pub(crate) mod codec;
pub(crate) mod component;
pub(crate) mod guest_output;
pub(crate) mod manifest;
pub(crate) mod run;
