//! The fixture guests as they were built.

use std::fs;
use std::path::{Path, PathBuf};

/// The repository's root.
pub(crate) fn root() -> PathBuf {
    let host = Path::new(env!("CARGO_MANIFEST_DIR"));
    host.parent().expect("the root").to_owned()
}

/// The component of a fixture guest; `-` stands for `_`.
pub(crate) fn read_guest(name: &str) -> Vec<u8> {
    let file = format!("{}.wasm", name.replace('-', "_"));
    let path = root()
        .join("target/guests/wasm32-wasip2/guest/examples")
        .join(file);
    fs::read(&path).unwrap_or_else(|error| {
        panic!(
            "{}: {error}: run the tests with `cargo xtask test`",
            path.display()
        )
    })
}
