//! Guests for the host's tests: most of them do what a hostile or a broken plugin would do, and
//! each says which `error_type` it must get for that.
//!
//! Each file in `examples/` is a component of its own, in Rust. What Rust does not say, such as a
//! second memory, a pointer to nowhere, or every byte of a memory, is a text in `wat/`. The
//! library is the list of both.

include!(concat!(env!("OUT_DIR"), "/guest.rs"));

/// What makes a component of world `agent` of a text in `wat/`, which takes the place of
/// [`WAT_BODY`].
pub const WAT_WORLD: &str = include_str!("agent.wat");

/// Stands in [`WAT_WORLD`] for the guest's own text.
pub const WAT_BODY: &str = "(; BODY ;)";
