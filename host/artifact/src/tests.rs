use std::sync::LazyLock;

use proptest::prelude::*;
use wasmtime::{Config, OptLevel};

use super::*;

const DIGEST: Digest = [7; 32];
const EMPTY_COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";

static ENGINE: LazyLock<Engine> = LazyLock::new(Engine::default);
static SEALED: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let artifact = ENGINE.precompile_component(EMPTY_COMPONENT);
    seal(&ENGINE, &key(), &DIGEST, artifact.expect("an artifact"))
});

fn key() -> Key {
    Key::new([1; 32])
}

#[track_caller]
fn refused(opened: Result<Component, OpenError>) {
    let error = opened.expect_err("refused");
    assert!(matches!(error, OpenError::NotAuthentic), "{error}");
}

#[test]
fn what_was_sealed_opens() {
    open(&ENGINE, &key(), &DIGEST, &SEALED).expect("a component");
}

#[test]
fn a_flipped_bit_in_any_region_is_refused() {
    let last = SEALED.len() - 1;
    for at in [0, 1, 16, last / 2, last - TAG, last - TAG + 1, last] {
        for bit in 0..8 {
            let mut changed = SEALED.clone();
            changed[at] ^= 1 << bit;
            refused(open(&ENGINE, &key(), &DIGEST, &changed));
        }
    }
}

#[test]
fn another_key_digest_or_setting_is_refused() {
    let mut other = Config::new();
    other.cranelift_opt_level(OptLevel::None);
    let other = Engine::new(&other).expect("an engine");
    refused(open(&ENGINE, &Key::new([2; 32]), &DIGEST, &SEALED));
    refused(open(&ENGINE, &key(), &[8; 32], &SEALED));
    refused(open(&other, &key(), &DIGEST, &SEALED));
    assert_ne!(name(&ENGINE, &DIGEST), name(&other, &DIGEST));
    assert_ne!(name(&ENGINE, &DIGEST), name(&ENGINE, &[8; 32]));
}

#[test]
fn nothing_and_a_lone_tag_are_refused() {
    refused(open(&ENGINE, &key(), &DIGEST, &[]));
    refused(open(
        &ENGINE,
        &key(),
        &DIGEST,
        &SEALED[SEALED.len() - TAG..],
    ));
}

#[test]
fn the_version_is_that_of_the_lock_file() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../Cargo.lock");
    let lock = std::fs::read_to_string(path).expect("Cargo.lock");
    let entry = format!("name = \"wasmtime\"\nversion = \"{WASMTIME}\"\n");
    assert!(lock.contains(&entry), "Cargo.lock has no {entry}");
}

#[test]
fn a_key_is_not_shown() {
    assert_eq!(format!("{:?}", key()), "Key(..)");
}

proptest! {
    #[test]
    fn any_change_of_any_byte_is_refused(at in 0..SEALED.len(), change in 1..=u8::MAX) {
        let mut changed = SEALED.clone();
        changed[at] ^= change;
        refused(open(&ENGINE, &key(), &DIGEST, &changed));
    }

    #[test]
    fn any_cut_and_any_addition_is_refused(at in 0..SEALED.len(), more in prop::collection::vec(any::<u8>(), 1..80)) {
        refused(open(&ENGINE, &key(), &DIGEST, &SEALED[..at]));
        let longer = [SEALED.as_slice(), &more].concat();
        refused(open(&ENGINE, &key(), &DIGEST, &longer));
    }

    #[test]
    fn bytes_of_no_meaning_are_refused(bytes: Vec<u8>) {
        refused(open(&ENGINE, &key(), &DIGEST, &bytes));
    }
}
