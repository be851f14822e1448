//! What is refused before it runs.

use hothouse::failure::ErrorType;
use hothouse::sandbox::{LoadError, World};

use super::{guest, sandbox};

#[test]
fn an_import_that_nobody_grants_is_refused_by_its_name() {
    let error = sandbox()
        .load(&guest("imports_backdoor"), World::Agent)
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
    let whole = guest("panics");
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
fn a_component_of_another_world_is_refused_with_what_it_exports() {
    let error = sandbox()
        .load(&guest("echo"), World::Agent)
        .expect_err("refused");
    assert!(matches!(error, LoadError::WrongWorld { .. }));
    assert!(
        error.to_string().contains("hothouse:agent/handling@0.1.0"),
        "{error}"
    );
}

#[test]
fn an_inspection_tells_the_world_and_every_import() {
    let inspection = sandbox().inspect(&guest("echo")).expect("component");
    assert_eq!(inspection.world, Some(World::Handler));
    assert_eq!(inspection.exports, ["hothouse:agent/handling@0.1.0"]);
    assert!(inspection.ungranted.is_empty(), "{inspection:?}");
    assert_eq!(inspection.digest.len(), 64);
}
