//! What the fuzz targets check, without a fuzzer: every seed of their corpus, changes of the
//! seeds, and anything that a guest can return.
//!
//! `fuzz/` has the targets for cargo-fuzz; both call `targets`.

mod image;
mod log;
mod mutation;
mod outputs;
mod seeds;
mod targets;
