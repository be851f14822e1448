use futures_util::FutureExt as _;
use wasmtime::component::{Component, ComponentNamedList, Instance, Lift, Linker};
use wasmtime::{Engine, Error, Store};

use super::*;
use crate::event::{Event, decode_json};
use crate::failure::MAX_MESSAGE;
use crate::sandbox::engine;
use crate::sandbox::{Call, Grants, Instruments, meter};

/// A function for each way to die.
const COMPONENT: &str = r#"
(component
  (type $thing (resource (rep i32)))
  (core func $drop (canon resource.drop $thing))
  (core module $m
    (import "" "drop" (func $drop (param i32)))
    (memory (export "memory") 1)
    (data (i32.const 0) "\10\00\00\00\02\00\00\00" "\00\00\00\00\ff\ff\ff\7f" "\ff\fe")
    (data (i32.const 64) "\80\00\00\00\00\10\00\00")
    (func $explodes (export "explodes") unreachable)
    (func $calls_it (export "calls-it") call $explodes)
    (func $divides (export "divides") (drop (i32.div_u (i32.const 1) (i32.const 0))))
    (func $loops (export "loops") (loop br 0))
    (func $recurses (export "recurses") call $recurses)
    (func $grows (export "grows")
      (drop (memory.grow (i32.const 1000)))
      unreachable)
    (func $drops (export "drops") (call $drop (i32.const 77)))
    (func $not_unicode (export "not-unicode") (result i32) i32.const 0)
    (func $far_away (export "far-away") (result i32) i32.const 8)
    (func $long (export "long") (result i32) i32.const 64)
    (func $nowhere (export "nowhere") (result i32) i32.const -4))
  (core instance $i (instantiate $m (with "" (instance (export "drop" (func $drop))))))
  (func (export "explodes") (canon lift (core func $i "explodes")))
  (func (export "calls-it") (canon lift (core func $i "calls-it")))
  (func (export "divides") (canon lift (core func $i "divides")))
  (func (export "loops") (canon lift (core func $i "loops")))
  (func (export "recurses") (canon lift (core func $i "recurses")))
  (func (export "grows") (canon lift (core func $i "grows")))
  (func (export "drops") (canon lift (core func $i "drops")))
  (func (export "not-unicode") (result string)
    (canon lift (core func $i "not-unicode") (memory (core memory $i "memory"))))
  (func (export "far-away") (result string)
    (canon lift (core func $i "far-away") (memory (core memory $i "memory"))))
  (func (export "long") (result string)
    (canon lift (core func $i "long") (memory (core memory $i "memory"))))
  (func (export "nowhere") (result string)
    (canon lift (core func $i "nowhere") (memory (core memory $i "memory")))))
"#;

fn limits() -> Limits {
    Limits {
        fuel: 1_000_000,
        memory_bytes: 1 << 20,
        ..Limits::DEFAULT
    }
}

fn event() -> Event {
    let text = include_str!("../../../../demo/events/12-pr.created.json");
    decode_json(text).expect("event")
}

fn state() -> State {
    let event = event();
    State::new(&Call {
        event: &event,
        attempt: 1,
        plugin: "guest@0.0.0",
        limits: &limits(),
        emits: &[],
        grants: &Grants::default(),
    })
    .now_or_never()
    .expect("nothing to wait for without mounts")
    .expect("state")
}

fn store(engine: &Engine) -> Store<State> {
    let mut store = Store::new(engine, state());
    meter::limit(&mut store, &limits()).expect("limits");
    store.set_hostcall_fuel(1000);
    store
}

fn compiled(wat: &str) -> Component {
    let engine = engine::engine(1, Instruments::default()).expect("engine");
    let bytes = wat::parse_str(wat).expect("a component");
    Component::from_binary(&engine, &bytes).expect("compiled")
}

async fn instantiate(
    component: &Component,
    store: &mut Store<State>,
) -> wasmtime::Result<Instance> {
    let linker = Linker::new(component.engine());
    linker.instantiate_async(store, component).await
}

/// What calling a function of the component ends with.
async fn call<R>(name: &str) -> Failure
where
    R: ComponentNamedList + Lift + Send + Sync + 'static,
{
    let component = compiled(COMPONENT);
    let mut store = store(component.engine());
    let instance = instantiate(&component, &mut store).await.expect("instance");
    let function = instance.get_typed_func::<(), R>(&mut store, name);
    let called = function.expect(name).call_async(&mut store, ()).await;
    let Err(error) = called else {
        panic!("{name} returned")
    };
    classify(&error, store.data(), &limits())
}

fn classified(error: Error) -> Failure {
    classify(&error, &state(), &limits())
}

#[tokio::test]
async fn every_way_to_trap_has_its_class_and_names_where() {
    for (name, kind, part, frames) in [
        ("explodes", ErrorType::Trap, "unreachable", vec!["explodes"]),
        (
            "calls-it",
            ErrorType::Trap,
            "(in explodes < calls_it)",
            vec!["explodes", "calls_it"],
        ),
        (
            "divides",
            ErrorType::Trap,
            "divide by zero",
            vec!["divides"],
        ),
        (
            "loops",
            ErrorType::OutOfFuel,
            "1000000 units of fuel",
            vec!["loops"],
        ),
        (
            "recurses",
            ErrorType::StackOverflow,
            "recurses < recurses",
            vec!["recurses"; 16],
        ),
        (
            "grows",
            ErrorType::MemoryLimit,
            "1048576 bytes of memory",
            vec!["grows"],
        ),
        (
            "drops",
            ErrorType::ContractViolation,
            "handle index",
            vec!["drops"],
        ),
    ] {
        let failure = call::<()>(name).await;
        assert_eq!(failure.error_type, kind, "{name}: {failure}");
        assert!(failure.message.contains(part), "{name}: {failure}");
        assert_eq!(failure.frames, frames, "{name}: {failure}");
    }
}

#[tokio::test]
async fn every_broken_result_has_its_class() {
    for (name, kind, part) in [
        ("not-unicode", ErrorType::ContractViolation, "not Unicode"),
        ("far-away", ErrorType::ContractViolation, "out of bounds"),
        ("nowhere", ErrorType::ContractViolation, "out of bounds"),
        ("long", ErrorType::OutputLimit, "its result has more than"),
    ] {
        let failure = call::<(String,)>(name).await;
        assert_eq!(failure.error_type, kind, "{name}: {failure}");
        assert!(failure.message.contains(part), "{name}: {failure}");
    }
}

#[tokio::test]
async fn an_instance_that_there_is_no_room_for_is_the_hosts_fault() {
    let component = compiled("(component)");
    let mut first = store(component.engine());
    instantiate(&component, &mut first)
        .await
        .expect("the first");
    let mut second = store(component.engine());
    let error = instantiate(&component, &mut second).await;
    let failure = classified(error.expect_err("no room"));
    assert_eq!(failure.error_type, ErrorType::HostError, "{failure}");
}

#[tokio::test]
async fn a_memory_that_begins_over_its_limit_is_the_guests_fault() {
    let component =
        compiled("(component (core module $m (memory 100)) (core instance (instantiate $m)))");
    let mut store = store(component.engine());
    let error = instantiate(&component, &mut store).await;
    let error = error.expect_err("denied").context(Instantiation);
    let failure = classify(&error, store.data(), &limits());
    assert_eq!(failure.error_type, ErrorType::MemoryLimit, "{failure}");
}

#[test]
fn errors_of_a_type_are_classified_by_it() {
    let full = ResourceTableError::Full;
    let gone = ResourceTableError::NotPresent;
    let not_utf8 = String::from_utf8(vec![0xff])
        .expect_err("not UTF-8")
        .utf8_error();
    let not_utf16 = char::decode_utf16([0xd800])
        .next()
        .expect("one")
        .expect_err("half");
    let io = std::io::Error::other("a broken disk");
    for (error, kind, part) in [
        (
            Error::new(I32Exit(3)),
            ErrorType::Trap,
            "exited with code 3",
        ),
        (Error::new(full), ErrorType::MemoryLimit, "256 handles"),
        (
            Error::new(Exceeded::RandomBytes(7)),
            ErrorType::OutputLimit,
            "7 random bytes",
        ),
        (
            Error::new(Exceeded::HttpRequests(8)),
            ErrorType::OutputLimit,
            "8 requests over HTTP (`http_requests`)",
        ),
        (Error::new(gone), ErrorType::Trap, "its handles"),
        (
            Error::new(not_utf8),
            ErrorType::ContractViolation,
            "not Unicode",
        ),
        (
            Error::new(not_utf16),
            ErrorType::ContractViolation,
            "not Unicode",
        ),
        (Error::new(io), ErrorType::HostError, "a broken disk"),
        (
            Error::new(OutOfMemory::new(1)),
            ErrorType::HostError,
            "host failed",
        ),
        (Trap::Interrupt.into(), ErrorType::Timeout, "30s"),
        (
            Trap::MemoryOutOfBounds.into(),
            ErrorType::Trap,
            "out of bounds",
        ),
        (
            Trap::CannotEnterComponent.into(),
            ErrorType::Trap,
            "cannot enter",
        ),
        (
            Error::msg("pointer"),
            ErrorType::ContractViolation,
            "pointer",
        ),
        (
            Error::msg("pointer".to_owned()),
            ErrorType::ContractViolation,
            "pointer",
        ),
        (
            Error::msg("record").context(Instantiation),
            ErrorType::ContractViolation,
            "record",
        ),
        (
            Error::from(Trap::OutOfFuel).context(Instantiation),
            ErrorType::OutOfFuel,
            "fuel",
        ),
    ] {
        let failure = classified(error);
        assert_eq!(failure.error_type, kind, "{failure}");
        assert!(failure.message.contains(part), "{failure}");
        assert!(failure.message.len() <= MAX_MESSAGE);
    }
}
