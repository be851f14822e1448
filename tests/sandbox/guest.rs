//! The guests, and how a test calls one.

use std::path::{Path, PathBuf};

use guests::{Guest, WAT_BODY, WAT_WORLD};
use hothouse::event::{Event, EventType, decode_json};
use hothouse::sandbox::{Call, Grants, Limits, LimitsPatch, Loaded, Run, Sandbox, World};
use serde_json::{Value, json};

pub(crate) const EXECUTION: &str = "9b2f1c58-0b4e-4e0b-9a39-6d7a4f0a1b2c";
pub(crate) const REPOSITORY: &str = "c841794c-46e1-5f5c-9414-6ef1e1e7bc8f";

/// A guest's component.
pub(crate) fn component(guest: Guest) -> Vec<u8> {
    if let Some(text) = guest.wat() {
        return agent_of(text);
    }
    let path = built(guest);
    std::fs::read(&path).unwrap_or_else(|error| {
        panic!(
            "cannot read {}: {error}; `cargo xtask test` builds the guests",
            path.display()
        )
    })
}

/// A component of world `agent` around a text.
pub(crate) fn agent_of(text: &str) -> Vec<u8> {
    wat::parse_str(WAT_WORLD.replace(WAT_BODY, text)).expect("a component in text")
}

fn built(guest: Guest) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../target/guests/wasm32-wasip2/guest/examples")
        .join(format!("{}.wasm", guest.name()))
}

pub(crate) fn load(sandbox: &Sandbox, guest: Guest, world: World) -> Loaded {
    sandbox
        .load(&component(guest), world)
        .unwrap_or_else(|error| panic!("{guest:?}: {error}"))
}

fn event(kind: &str, data: Value) -> Event {
    let whole = json!({"event_id": "3fa85f64-5717-4562-b3fc-2c963f66afa6", "type": kind,
                       "timestamp": "2024-01-16T20:01:00Z", "data": data});
    decode_json(&whole.to_string()).expect("event")
}

/// The event that a guest of a world is called with.
fn input(world: World, input_data: Value) -> Event {
    match world {
        World::Agent => event(
            "agent.execution.started",
            json!({"agent_execution_id": EXECUTION, "agent_type": "backend", "phase_number": 1,
                   "input_data": input_data}),
        ),
        World::Analyzer => event(
            "discovery.started",
            json!({"repository_id": REPOSITORY, "discovery_type": "full"}),
        ),
        World::Handler => {
            let mut data = json!({"pull_request_id": REPOSITORY, "merged_by": REPOSITORY,
                                  "merge_commit_sha": "abc123"});
            if let (Some(data), Some(more)) = (data.as_object_mut(), input_data.as_object()) {
                data.extend(more.clone());
            }
            event("pr.merged", data)
        }
    }
}

/// What a guest is called with.
#[derive(Clone)]
pub(crate) struct Setup {
    pub(crate) input_data: Value,
    pub(crate) attempt: u32,
    pub(crate) limits: LimitsPatch,
    pub(crate) emits: &'static [EventType],
    pub(crate) grants: Grants,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            input_data: json!({}),
            attempt: 1,
            limits: LimitsPatch::default(),
            emits: &[],
            grants: Grants::default(),
        }
    }
}

/// A setup that gives an agent its input.
pub(crate) fn given(input_data: Value) -> Setup {
    Setup {
        input_data,
        ..Setup::default()
    }
}

/// A setup with other limits.
pub(crate) fn limited(limits: LimitsPatch) -> Setup {
    Setup {
        limits,
        ..Setup::default()
    }
}

/// Runs a guest in a slot of its sandbox.
pub(crate) async fn call(sandbox: &Sandbox, guest: &Loaded, world: World, setup: Setup) -> Run {
    let event = input(world, setup.input_data);
    let limits = Limits::DEFAULT.with(&setup.limits);
    let _slot = sandbox.slot().await.expect("slot");
    guest
        .call(Call {
            event: &event,
            attempt: setup.attempt,
            plugin: "guest@0.0.0",
            limits: &limits,
            emits: setup.emits,
            grants: &setup.grants,
        })
        .await
}

/// A call of a good agent, which echoes `seq`.
pub(crate) fn good_call(seq: u64) -> Setup {
    given(json!({ "seq": seq, "sleep_ms": 0 }))
}
