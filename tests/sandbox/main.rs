//! Guests in the real sandbox: what each one must get, and what it must leave behind.
//!
//! The guests are in `tests/guests`, and `table.rs` has a row for each.

mod every_guest;
mod fairness;
mod files;
mod guest;
mod hostile;
mod instruments;
mod isolation;
mod limits;
mod loading;
mod network;
mod settings;
mod simple;
mod table;

use std::sync::OnceLock;

use guests::Guest;
use hothouse::sandbox::{Loaded, Run, Sandbox, World};

use guest::Setup;

/// One for all tests, as in a host.
fn sandbox() -> &'static Sandbox {
    static SANDBOX: OnceLock<Sandbox> = OnceLock::new();
    SANDBOX.get_or_init(|| Sandbox::new(32).expect("sandbox"))
}

fn load(guest: Guest, world: World) -> Loaded {
    guest::load(sandbox(), guest, world)
}

async fn call(guest: &Loaded, world: World, setup: Setup) -> Run {
    guest::call(sandbox(), guest, world, setup).await
}

/// Loads and calls.
async fn run(guest: Guest, world: World, setup: Setup) -> Run {
    call(&load(guest, world), world, setup).await
}
