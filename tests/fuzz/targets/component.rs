//! Bytes for a component: refused with a reason, or loaded, and then a run of it ends well.

use hothouse::failure::{Failure, MAX_MESSAGE};
use hothouse::sandbox::{Call, Grants, Limits, LoadError, World};

use super::guest_output::{event, run, sandbox};
use super::run::{assert_is_clean, assert_within_contract};

/// Small, so that nothing takes long.
const LIMITS: Limits = Limits {
    fuel: 1_000_000,
    timeout_ms: 1_000,
    memory_bytes: 4 << 20,
    output_bytes: 64 << 10,
    ..Limits::DEFAULT
};

/// Bytes that begin with `(` are the text of a component, and assembled where they can be.
pub(crate) fn holds(bytes: &[u8]) {
    let assembled = match bytes.starts_with(b"(") {
        true => wat::parse_bytes(bytes).ok(),
        false => None,
    };
    let bytes = assembled.as_deref().unwrap_or(bytes);
    let inspection = match sandbox().inspect(bytes) {
        Ok(inspection) => inspection,
        Err(refused) => return is_told(&refused),
    };
    assert_eq!(inspection.size, bytes.len());
    let world = inspection.world.unwrap_or(World::Agent);
    match sandbox().load(bytes, world) {
        Err(refused) => is_told(&refused),
        Ok(loaded) => {
            assert!(inspection.world.is_some() && inspection.ungranted.is_empty());
            let event = event(world, b"");
            let call = Call {
                event: &event,
                attempt: 1,
                plugin: "fuzzed@0.0.0",
                limits: &LIMITS,
                emits: &[],
                grants: &Grants::default(),
            };
            assert_within_contract(run(&loaded, call), &event, &LIMITS);
        }
    }
}

/// The reason, as it reaches events.
fn is_told(refused: &LoadError) {
    let failure = Failure::new(refused.error_type(), refused.to_string());
    assert!(!failure.message.is_empty());
    assert_is_clean(&failure.message, MAX_MESSAGE);
}
