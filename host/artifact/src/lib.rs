//! Compiled components that are authenticated before they are loaded.
//!
//! What Wasmtime compiles a component to is machine code, and [`Component::deserialize`] runs
//! whatever it is given. So it is unsafe, and it is called here alone, in [`open`].
//!
//! **The invariant.** Bytes reach `deserialize` only after [`open`] has found, in the same
//! call, that [`seal`] tagged these very bytes with this key, for this digest of a component,
//! this version of Wasmtime and these settings of the compiler. Two things are left to the
//! caller, and nothing here can check them: that [`seal`] is only given what Wasmtime's compiler
//! put out for the component of that digest, and that the [`Key`] is known to nobody else.
#![deny(unsafe_op_in_unsafe_fn)]
#![deny(unsafe_code)] // Allowed once, below.

use std::fmt::{self, Write as _};
use std::hash::{Hash as _, Hasher};

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};
use wasmtime::Engine;
use wasmtime::component::Component;

/// The exact version of Wasmtime. An artifact's own header holds the major version alone.
pub const WASMTIME: &str = "48.0.8";

/// Keeps these tags apart from other uses of a key, and this form from later ones.
const PURPOSE: &[u8] = b"hothouse artifact, form 1\0";

/// Length of a tag, in bytes. It stands behind the artifact.
pub const TAG: usize = 32;

/// What artifacts are authenticated with.
pub struct Key([u8; 32]);

impl Key {
    /// A key of 32 bytes that nobody can guess.
    #[must_use]
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(..)")
    }
}

/// sha256 of a component's bytes.
pub type Digest = [u8; 32];

/// A sealed artifact cannot be loaded.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// It is not what was sealed with this key for this component and engine: changed, cut, or
    /// another one's.
    #[error("its authentication code does not match")]
    NotAuthentic,
    /// Wasmtime refuses it all the same.
    #[error("Wasmtime does not load it: {0:#}")]
    Refused(wasmtime::Error),
}

/// The name of an artifact: what it must match to be loaded, in the characters of a file name.
#[must_use]
pub fn name(engine: &Engine, digest: &Digest) -> String {
    let settings = hex(&settings(engine));
    format!("{WASMTIME}-{settings}-{}", hex(digest))
}

/// Tags an artifact that Wasmtime compiled from the component of this digest, with the settings
/// of this engine. Give it nothing else: [`open`] runs it.
#[must_use]
pub fn seal(engine: &Engine, key: &Key, digest: &Digest, artifact: Vec<u8>) -> Vec<u8> {
    let tag = mac(engine, key, digest, &artifact).finalize().into_bytes();
    let mut sealed = artifact;
    sealed.extend_from_slice(&tag);
    sealed
}

/// Loads an artifact that [`seal`] tagged.
///
/// # Errors
/// [`OpenError`], where it was not tagged with this key for this digest and an engine like this
/// one, or has changed since. Nothing of it has been looked at then.
pub fn open(
    engine: &Engine,
    key: &Key,
    digest: &Digest,
    sealed: &[u8],
) -> Result<Component, OpenError> {
    let (artifact, tag) = sealed
        .split_last_chunk::<TAG>()
        .ok_or(OpenError::NotAuthentic)?;
    mac(engine, key, digest, artifact)
        .verify_slice(tag)
        .map_err(|_| OpenError::NotAuthentic)?;
    // SAFETY: `deserialize` asks for bytes that Wasmtime's own serialisation put out, unchanged.
    // The tag was verified just now over this very slice, which is borrowed and cannot change
    // meanwhile; so it is what `seal` was given under this key, whose callers give it nothing
    // but the compiler's output.
    #[allow(unsafe_code)]
    let component = unsafe { Component::deserialize(engine, artifact) };
    component.map_err(OpenError::Refused)
}

fn mac(engine: &Engine, key: &Key, digest: &Digest, artifact: &[u8]) -> Hmac<Sha256> {
    // HMAC itself fills a key up to its block with zeros.
    let mut block = [0; 64];
    block[..key.0.len()].copy_from_slice(&key.0);
    let mut mac = Hmac::new(&block.into());
    mac.update(PURPOSE);
    // Every part but the last has a length of its own, so that no two inputs look the same.
    mac.update(&(WASMTIME.len() as u64).to_le_bytes());
    mac.update(WASMTIME.as_bytes());
    mac.update(&settings(engine));
    mac.update(digest);
    mac.update(artifact);
    mac
}

/// What an artifact depends on beside its component: Wasmtime's version and whatever of the
/// engine's settings and the machine's processor the compiler heeds.
#[must_use]
pub fn settings(engine: &Engine) -> [u8; 32] {
    /// The standard library's hashers promise nothing from one release to the next.
    struct Stable(Sha256);
    impl Hasher for Stable {
        fn write(&mut self, bytes: &[u8]) {
            self.0.update(bytes);
        }

        fn finish(&self) -> u64 {
            let hash = self.0.clone().finalize();
            hash.iter()
                .take(8)
                .fold(0, |number, byte| number << 8 | u64::from(*byte))
        }
    }
    let mut hasher = Stable(Sha256::new());
    engine.precompile_compatibility_hash().hash(&mut hasher);
    hasher.0.finalize().into()
}

/// In lower-case hex.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut hex, byte| {
        // Writing to a String does not fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

#[cfg(test)]
mod tests;
