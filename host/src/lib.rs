//! A host for agent handlers that nobody has to trust: events from a bus, each through a
//! fresh sandboxed WebAssembly component, outcomes back to the bus exactly once.
//!
//! The map, from the outside in (`ARCHITECTURE.md` has the invariants):
//!
//! - [`config`]: `hothouse.toml`, checked once.
//! - [`run`]: one host, until it is told to stop.
//! - [`consumer`]: one subscription's loop, from fetch to commit.
//! - [`pipeline`]: decode -> route -> call -> outcome, on one screen.
//! - [`event`], [`router`], [`outcome`], [`failure`]: the pure parts of it.
//! - [`bus`]: streams, lanes, leases and commits, on Redis or SQLite.
//! - [`plugin`], [`sandbox`]: plugins, and what runs them.
//! - [`replay`]: handled events, run again: compared, or for real.
//! - [`cli`]: the verbs.

#![forbid(unsafe_code)]

pub mod bus;
pub mod cli;
pub mod config;
pub mod consumer;
pub mod event;
pub mod failure;
mod host;
pub mod outcome;
pub mod pipeline;
pub mod plugin;
pub mod replay;
pub mod router;
pub mod sandbox;
pub mod telemetry;
mod trimmer;

pub use host::{RunError, consumer_name, run, subscriptions};
