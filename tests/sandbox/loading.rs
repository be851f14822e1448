//! What is refused before it runs.

use guests::Guest;
use hothouse::failure::ErrorType;
use hothouse::sandbox::{LoadError, World};

use super::guest::component;
use super::sandbox;

#[test]
pub(super) fn an_import_that_nobody_grants_is_refused_by_its_name() {
    let error = sandbox()
        .load(&component(Guest::ImportsBackdoor), World::Agent)
        .expect_err("refused");
    let LoadError::Ungranted(names) = &error else {
        panic!("{error}")
    };
    assert_eq!(names.len(), 1, "{names:?}");
    assert!(names[0].starts_with("evil:backdoor/shell"), "{names:?}");
    assert_eq!(error.error_type(), ErrorType::CapabilityDenied);
}

#[test]
fn bytes_that_are_no_component_are_refused() {
    let whole = component(Guest::Panics);
    let core_module = b"\0asm\x01\0\0\0";
    for bytes in [
        &b""[..],
        b"not wasm at all",
        core_module,
        &whole[..whole.len() / 2],
    ] {
        let error = sandbox().load(bytes, World::Agent).expect_err("refused");
        assert!(matches!(error, LoadError::NotAComponent(_)), "{error}");
        assert_eq!(error.error_type(), ErrorType::PluginUnavailable);
    }
}

#[test]
pub(super) fn a_component_of_another_world_is_refused_with_what_it_exports() {
    let error = sandbox()
        .load(&component(Guest::Echo), World::Agent)
        .expect_err("refused");
    assert!(matches!(error, LoadError::WrongWorld { .. }));
    assert!(
        error.to_string().contains("hothouse:agent/handling@0.1.0"),
        "{error}"
    );
}

#[test]
fn an_inspection_tells_the_world_and_every_import() {
    let inspection = sandbox()
        .inspect(&component(Guest::Echo))
        .expect("component");
    assert_eq!(inspection.world, Some(World::Handler));
    assert_eq!(inspection.exports, ["hothouse:agent/handling@0.1.0"]);
    assert!(inspection.ungranted.is_empty(), "{inspection:?}");
    assert_eq!(inspection.digest.len(), 64);
}

#[test]
pub(super) fn more_memories_or_tables_than_the_pool_has_are_refused() {
    for guest in [Guest::ManyMemories, Guest::HugeTable] {
        let refused = sandbox().load(&component(guest), World::Agent);
        let error = refused.expect_err("refused");
        assert!(matches!(error, LoadError::TooLarge(_)), "{error:?}");
        assert_eq!(error.error_type(), ErrorType::PluginUnavailable);
    }
}

/// A component whose types contain each other, `depth` of them.
fn nested_types(depth: usize) -> Vec<u8> {
    let mut text = "(component (type $t0 (option u8))".to_owned();
    for level in 1..depth {
        text += &format!("(type $t{level} (option $t{}))", level - 1);
    }
    text += &format!("(import \"f\" (func (param \"p\" $t{}))))", depth - 1);
    wat::parse_str(text).expect("wat")
}

/// A component in a component, and so on: in bytes, since the text of so many is refused.
fn nested_components(depth: usize) -> Vec<u8> {
    const HEADER: [u8; 8] = *b"\0asm\x0d\0\x01\0";
    const COMPONENT: u8 = 4;
    let mut bytes = HEADER.to_vec();
    for _ in 0..depth {
        let mut outer = HEADER.to_vec();
        outer.push(COMPONENT);
        let mut left = bytes.len();
        while left >= 0x80 {
            outer.push(0x80 | (left & 0x7f) as u8);
            left >>= 7;
        }
        outer.push(left as u8);
        outer.extend(bytes);
        bytes = outer;
    }
    bytes
}

/// Types of which each has the one before it twice: 2^depth fields.
fn doubled_types(depth: usize) -> Vec<u8> {
    let mut text = "(component (type $t0 (tuple u8 u8))".to_owned();
    for level in 1..depth {
        let below = level - 1;
        text += &format!("(type $t{level} (tuple $t{below} $t{below}))");
    }
    text += &format!("(import \"f\" (func (param \"p\" $t{}))))", depth - 1);
    wat::parse_str(text).expect("wat")
}

#[test]
fn types_without_end_are_refused() {
    for (what, bytes) in [
        ("types", nested_types(500)),
        ("components", nested_components(500)),
        ("doubled types", doubled_types(60)),
    ] {
        let refused = sandbox().load(&bytes, World::Agent);
        let error = refused.expect_err(what);
        assert_eq!(error.error_type(), ErrorType::PluginUnavailable, "{what}");
    }
}

#[test]
fn a_component_that_ends_anywhere_is_refused() {
    let whole = component(Guest::Panics);
    for part in 1..64 {
        let cut = &whole[..whole.len() * part / 64];
        let error = sandbox().load(cut, World::Agent).expect_err("refused");
        assert!(matches!(error, LoadError::NotAComponent(_)), "{error}");
    }
}
