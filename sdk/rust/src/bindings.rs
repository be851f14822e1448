//! Generated from `wit/`: one module for each world.
//!
//! Each world is generated with `pub_export_macro`: this crate then carries a description
//! of the world's imports alone, and the world's exports are described only where its
//! export macro is used. Without that every plugin would have to export all three worlds.

#![allow(
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "generated code"
)]

/// World `agent`, and what the worlds share.
pub mod agent {
    wit_bindgen::generate!({
        path: "../../wit",
        world: "agent",
        pub_export_macro: true,
    });

    /// Compiles where `T` implements the world's export.
    pub fn check<T: exports::hothouse::agent::execution::Guest>() {}
}

/// World `analyzer`.
pub mod analyzer {
    wit_bindgen::generate!({
        path: "../../wit",
        world: "analyzer",
        pub_export_macro: true,
        with: {
            "hothouse:agent/types@0.1.0": super::agent::hothouse::agent::types,
            "hothouse:agent/logging@0.1.0": super::agent::hothouse::agent::logging,
        },
    });

    /// Compiles where `T` implements the world's export.
    pub fn check<T: exports::hothouse::agent::discovery::Guest>() {}
}

/// World `handler`.
pub mod handler {
    wit_bindgen::generate!({
        path: "../../wit",
        world: "handler",
        pub_export_macro: true,
        with: {
            "hothouse:agent/types@0.1.0": super::agent::hothouse::agent::types,
            "hothouse:agent/logging@0.1.0": super::agent::hothouse::agent::logging,
        },
    });

    /// Compiles where `T` implements the world's export.
    pub fn check<T: exports::hothouse::agent::handling::Guest>() {}
}
