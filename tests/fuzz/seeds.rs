//! Every seed of the corpus, and changes of them.

use std::path::Path;

use proptest::prelude::*;
use proptest::sample::Index;

use crate::mutation::{any_mutations, mutated};
use crate::targets;

/// The seeds of a target, in the order of their names.
fn seeds(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus");
    let entries = std::fs::read_dir(folder.join(target)).expect("the corpus");
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("a seed").path()).collect();
    paths.sort();
    assert!(!paths.is_empty(), "{target} has no seed");
    let read = |path: &std::path::PathBuf| std::fs::read(path).expect("a seed");
    paths.iter().map(read).collect()
}

/// The components as texts and assembled, so that changes hit both.
fn components() -> Vec<Vec<u8>> {
    let texts = seeds("component");
    let assembled = texts.iter().map(|text| {
        let text = std::str::from_utf8(text).expect("a text");
        wat::parse_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
    });
    assembled.chain(texts.iter().cloned()).collect()
}

macro_rules! targets {
    ($( $target:ident, $seeds:expr, $cases:literal; )*) => { $(
        mod $target {
            use super::*;

            #[test]
            fn every_seed_holds() {
                $seeds.iter().for_each(|seed| targets::$target::holds(seed));
            }

            #[test]
            fn a_changed_seed_holds() {
                let seeds = $seeds;
                let config = ProptestConfig::with_cases($cases);
                proptest!(config, |(seed: Index, mutations in any_mutations())| {
                    targets::$target::holds(&mutated(&seeds, seed, &mutations));
                });
            }
        }
    )* };
}

targets! {
    codec, seeds("codec"), 5_000;
    manifest, seeds("manifest"), 2_000;
    component, components(), 500;
    guest_output, seeds("guest_output"), 3_000;
}
