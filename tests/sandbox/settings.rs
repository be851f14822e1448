//! What components may be made of.

use hothouse::failure::ErrorType;
use hothouse::sandbox::{LoadError, World};

use super::sandbox;

fn load(text: &str) -> LoadError {
    let component = wat::parse_str(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    sandbox()
        .load(&component, World::Agent)
        .expect_err("it exports nothing")
}

/// A component of one core module, which is instantiated `times` times.
fn component(module: &str, times: usize) -> String {
    let instances = "(core instance (instantiate $m))".repeat(times);
    format!("(component (core module $m {module}) {instances})")
}

#[test]
fn every_proposal_that_no_guest_needs_is_off() {
    for (proposal, module) in [
        ("threads", "(memory 1 1 shared)"),
        ("memory64", "(memory i64 1)"),
        ("custom page sizes", "(memory 1 (pagesize 1))"),
        ("tail call", "(func $f (return_call $f))"),
        ("gc", "(type (struct (field i32)))"),
        (
            "function references",
            "(type $t (func)) (func (param (ref $t)) (call_ref $t (local.get 0)))",
        ),
        ("exceptions", "(tag $e) (func (throw $e))"),
        (
            "stack switching",
            "(type $f (func)) (type $c (cont $f)) (func (param (ref $c)))",
        ),
        (
            "wide arithmetic",
            "(func (param i64 i64 i64 i64) (result i64 i64)
                (i64.add128 (local.get 0) (local.get 1) (local.get 2) (local.get 3)))",
        ),
        (
            "relaxed simd",
            "(func (param v128 v128) (result v128)
                (i8x16.relaxed_swizzle (local.get 0) (local.get 1)))",
        ),
    ] {
        let error = load(&component(module, 1));
        assert!(
            matches!(error, LoadError::NotAComponent(_)),
            "{proposal}: {error}"
        );
    }
    for asynchronous in ["(future u8)", "(stream u8)"] {
        let error = load(&format!("(component (type {asynchronous}))"));
        assert!(matches!(error, LoadError::NotAComponent(_)), "{error}");
    }
}

#[test]
fn what_guests_are_built_with_is_on() {
    for module in [
        "(memory 1) (func (memory.fill (i32.const 0) (i32.const 0) (i32.const 1)))",
        "(func (param i32) (result i32) (i32.extend8_s (local.get 0)))",
        "(func (param f64) (result i32) (i32.trunc_sat_f64_s (local.get 0)))",
        "(func (param v128 v128) (result v128) (i8x16.add (local.get 0) (local.get 1)))",
        "(func (result i32 i32) (i32.const 1) (i32.const 2))",
        "(table 1 funcref) (table 1 funcref)",
        "(memory 1) (memory 1)",
    ] {
        let error = load(&component(module, 1));
        // It comes as far as its exports.
        assert!(
            matches!(error, LoadError::WrongWorld { .. }),
            "{module}: {error}"
        );
    }
}

#[test]
fn a_component_that_is_too_large_for_the_pool_is_refused_with_what_there_is_too_much_of() {
    for (module, times, part) in [
        ("(table 20001 funcref)", 1, "20000"),
        ("(memory 1)", 3, "memories"),
        ("(memory 1) (memory 1) (memory 1)", 1, "memories"),
        ("(table 1 funcref)", 9, "tables"),
        ("", 17, "core module instances"),
    ] {
        let error = load(&component(module, times));
        assert!(matches!(error, LoadError::TooLarge(_)), "{module}: {error}");
        assert!(error.to_string().contains(part), "{module}: {error}");
        assert_eq!(error.error_type(), ErrorType::PluginUnavailable);
    }
    let error = load(&component("(table 20000 funcref)", 1));
    assert!(matches!(error, LoadError::WrongWorld { .. }), "{error}");
}
