//! What guests return: an outcome of the contract, or a failure of theirs. The guest is
//! `parrot.wat`, in the real sandbox.

use std::sync::{LazyLock, OnceLock};

use hothouse::event::{Event, EventType, decode_json};
use hothouse::sandbox::{Call, Grants, Limits, Loaded, Run, Sandbox, World};
use serde_json::{Value, json};
use tokio::runtime::{Builder, Runtime};

use super::run::assert_within_contract;

/// Longest image: a page less what is above it.
pub(crate) const MAX_IMAGE: usize = 0xf000;

/// Small, so that small inputs go over them.
pub(crate) const LIMITS: Limits = Limits {
    fuel: 50_000_000,
    memory_bytes: 1 << 20,
    output_bytes: 16 << 10,
    log_bytes: 1 << 10,
    log_lines: 4,
    ..Limits::DEFAULT
};

/// What the handler's manifest lists under `emits`: not every type.
pub(crate) const EMITS: [EventType; 4] = [
    EventType::RepoSyncStarted,
    EventType::RepoSyncCompleted,
    EventType::PlanningCompleted,
    EventType::PrMerged,
];

/// The first byte chooses the world, the others are the image.
pub(crate) fn holds(bytes: &[u8]) {
    let Some((world, image)) = bytes.split_first() else {
        return;
    };
    let world = World::ALL[usize::from(*world) % World::ALL.len()];
    let image = &image[..image.len().min(MAX_IMAGE)];
    let event = event(world, image);
    assert_within_contract(answer(world, &event), &event, &LIMITS);
}

/// The event that makes the guest of a world return an image.
pub(crate) fn event(world: World, image: &[u8]) -> Event {
    use std::fmt::Write as _;
    let mut said = String::from("~");
    for byte in image {
        write!(said, "{byte:02x}").expect("a String takes all");
    }
    const ID: &str = "c841794c-46e1-5f5c-9414-6ef1e1e7bc8f";
    let (kind, data): (_, Value) = match world {
        World::Agent => (
            EventType::AgentExecutionStarted,
            json!({"agent_execution_id": ID, "agent_type": "parrot", "phase_number": 1,
                   "input_data": said}),
        ),
        World::Analyzer => (
            EventType::DiscoveryStarted,
            json!({"repository_id": ID, "discovery_type": "full", "said": said}),
        ),
        World::Handler => (
            EventType::PrMerged,
            json!({"pull_request_id": ID, "merged_by": ID, "merge_commit_sha": "abc123",
                   "said": said}),
        ),
    };
    let whole = json!({"event_id": uuid::Uuid::new_v4(), "type": kind.as_str(),
                       "timestamp": "2024-01-16T20:01:00Z", "data": data});
    decode_json(&whole.to_string()).expect("an event of the contract")
}

/// Runs the guest of a world on an event.
pub(crate) fn answer(world: World, event: &Event) -> Run {
    let call = Call {
        event,
        attempt: 1,
        plugin: "parrot@0.0.0",
        limits: &LIMITS,
        emits: &EMITS,
        grants: &Grants::default(),
    };
    run(parrot(world), call)
}

/// Runs a component once.
pub(crate) fn run(component: &Loaded, call: Call<'_>) -> Run {
    static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
        let runtime = Builder::new_current_thread().enable_time().build();
        runtime.expect("a runtime")
    });
    RUNTIME.block_on(async {
        let _slot = sandbox().slot().await.expect("a slot");
        component.call(call).await
    })
}

/// One for all runs, as in a host.
pub(crate) fn sandbox() -> &'static Sandbox {
    static SANDBOX: LazyLock<Sandbox> = LazyLock::new(|| Sandbox::new(4).expect("a sandbox"));
    &SANDBOX
}

fn parrot(world: World) -> &'static Loaded {
    static PARROTS: [OnceLock<Loaded>; World::ALL.len()] = [const { OnceLock::new() }; _];
    PARROTS[world as usize].get_or_init(|| {
        let Export { input, types } = export(world);
        let text = include_str!("parrot.wat")
            .replace("(i32.const INPUT)", &format!("(i32.const {input})"))
            .replace("PARROT_WORLD)", &format!("{types})"));
        let bytes = wat::parse_str(text).expect("a component");
        sandbox()
            .load(&bytes, world)
            .expect("a component of its world")
    })
}

/// What differs between the worlds.
struct Export {
    /// Where in the request the text is that holds the image.
    input: u32,
    /// The rest of the component.
    types: &'static str,
}

fn export(world: World) -> Export {
    match world {
        World::Agent => Export {
            input: 100,
            types: r#"
  (type $request (record
    (field "metadata" $metadata) (field "agent-execution-id" string)
    (field "agent-type" string) (field "phase-number" u32)
    (field "execution-plan-id" (option string)) (field "input-data" string)
    (field "extra" string)))
  (type $result (record (field "output-data" string)))
  (func $execute (param "request" $request) (result (result $result (error $handler-error)))
    (canon lift (core func $parrot "run") (memory $memory) (realloc (core func $parrot "realloc"))))
  (instance $world
    (export "metadata" (type $metadata)) (export "retry" (type $retry))
    (export "handler-error" (type $handler-error)) (export "execution-request" (type $request))
    (export "execution-result" (type $result)) (export "execute" (func $execute)))
  (export "hothouse:agent/execution@0.1.0" (instance $world))"#,
        },
        World::Analyzer => Export {
            input: 96,
            types: r#"
  (type $request (record
    (field "metadata" $metadata) (field "repository-id" string)
    (field "discovery-type" string) (field "repository-path" (option string))
    (field "extra" string)))
  (type $stack (record
    (field "language" string) (field "framework" string) (field "database" string)))
  (type $report (record
    (field "detected-stack" $stack) (field "service-boundaries" (list string))
    (field "risk-score" f64)))
  (func $analyze (param "request" $request) (result (result $report (error $handler-error)))
    (canon lift (core func $parrot "run") (memory $memory) (realloc (core func $parrot "realloc"))))
  (instance $world
    (export "metadata" (type $metadata)) (export "retry" (type $retry))
    (export "handler-error" (type $handler-error)) (export "discovery-request" (type $request))
    (export "stack" (type $stack)) (export "discovery-report" (type $report))
    (export "analyze" (func $analyze)))
  (export "hothouse:agent/discovery@0.1.0" (instance $world))"#,
        },
        World::Handler => Export {
            input: 68,
            types: r#"
  (type $event (record (field "metadata" $metadata) (field "data" string)))
  (type $new-event (record (field "event-type" string) (field "data" string)))
  (func $handle (param "event" $event) (result (result (list $new-event) (error $handler-error)))
    (canon lift (core func $parrot "run") (memory $memory) (realloc (core func $parrot "realloc"))))
  (instance $world
    (export "metadata" (type $metadata)) (export "retry" (type $retry))
    (export "handler-error" (type $handler-error)) (export "event" (type $event))
    (export "new-event" (type $new-event)) (export "handle" (func $handle)))
  (export "hothouse:agent/handling@0.1.0" (instance $world))"#,
        },
    }
}
