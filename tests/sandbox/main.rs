//! Guests in the real sandbox: what each one must get, and what it must leave behind.
//!
//! The guests are in `tests/guests`; a guest that no test here or elsewhere names fails the
//! suite.

mod hostile;
mod instruments;
mod limits;
mod loading;
mod settings;
mod simple;

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use hothouse::event::{Event, EventType, decode_json};
use hothouse::sandbox::{Call, Grants, Limits, LimitsPatch, Loaded, Run, Sandbox, World};
use serde_json::{Value, json};

const EXECUTION: &str = "9b2f1c58-0b4e-4e0b-9a39-6d7a4f0a1b2c";
const REPOSITORY: &str = "c841794c-46e1-5f5c-9414-6ef1e1e7bc8f";

/// One for all tests, as in a host.
fn sandbox() -> &'static Sandbox {
    static SANDBOX: OnceLock<Sandbox> = OnceLock::new();
    SANDBOX.get_or_init(|| Sandbox::new(32).expect("sandbox"))
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn guest(name: &str) -> Vec<u8> {
    let file = format!("target/guests/wasm32-wasip2/guest/examples/{name}.wasm");
    let path = root().join(file);
    std::fs::read(&path).unwrap_or_else(|error| {
        panic!(
            "cannot read {}: {error}; `cargo xtask test` builds the guests",
            path.display()
        )
    })
}

fn load(name: &str, world: World) -> Loaded {
    sandbox()
        .load(&guest(name), world)
        .unwrap_or_else(|error| panic!("{name}: {error}"))
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

/// How a test calls a guest.
struct Setup<'a> {
    input_data: Value,
    attempt: u32,
    limits: LimitsPatch,
    emits: &'a [EventType],
    grants: Grants,
}

impl Default for Setup<'_> {
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

async fn call(component: &Loaded, world: World, setup: Setup<'_>) -> Run {
    let event = input(world, setup.input_data);
    let limits = Limits::DEFAULT.with(&setup.limits);
    let _slot = sandbox().slot().await.expect("slot");
    component
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

/// Loads and calls.
async fn run(name: &str, world: World, setup: Setup<'_>) -> Run {
    call(&load(name, world), world, setup).await
}

#[test]
fn every_guest_has_a_test() {
    let sources = [
        "hostile.rs",
        "instruments.rs",
        "limits.rs",
        "loading.rs",
        "simple.rs",
    ]
    .map(|file| {
        let path = root().join("tests/sandbox").join(file);
        std::fs::read_to_string(path).expect("source")
    });
    let tested = sources.concat();
    let mut guests = 0;
    for entry in std::fs::read_dir(root().join("tests/guests/examples")).expect("guests") {
        let path = entry.expect("entry").path();
        let name = path
            .file_stem()
            .and_then(|stem| stem.to_str())
            .expect("name");
        assert!(
            tested.contains(&format!("\"{name}\"")),
            "no test calls the guest {name}"
        );
        guests += 1;
    }
    assert!(guests > 0);
}
