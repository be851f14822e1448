//! Keys that sign plugins: ed25519, as PEM files like those of `openssl genpkey`.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::Path;

use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use ed25519_dalek::pkcs8::{
    DecodePrivateKey as _, DecodePublicKey as _, EncodePrivateKey as _, EncodePublicKey as _,
    KeypairBytes,
};
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use serde::Serialize;

use crate::sandbox::digest;

/// Largest file of a key, in bytes.
const MAX_FILE: u64 = 4096;

/// Hexadecimal digits of a key's id: 128 bits, so that nobody makes a key with another's id.
const ID_DIGITS: usize = 32;

/// Names a public key: the first half of the sha256 of its 32 bytes, in hex.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct KeyId(String);

impl KeyId {
    /// The id that a text is, if it is one.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        is_hex(text, ID_DIGITS).then(|| Self(text.to_owned()))
    }
}

/// Whether a text is so many hexadecimal digits, in lower case: its one form.
pub(super) fn is_hex(text: &str, digits: usize) -> bool {
    let is_digit = |byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    text.len() == digits && text.bytes().all(is_digit)
}

impl std::fmt::Display for KeyId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(&self.0)
    }
}

/// A file or a text is not the key that it should be.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// It cannot be read.
    #[error("cannot be read: {0}")]
    Unreadable(#[from] std::io::Error),
    /// It is larger than any key.
    #[error("is larger than {MAX_FILE} bytes, and so no key")]
    TooLarge,
    /// It is no public key.
    #[error("is no ed25519 public key in PEM (`-----BEGIN PUBLIC KEY-----`): {0}")]
    NotPublic(ed25519_dalek::pkcs8::spki::Error),
    /// It is a key whose signatures anybody can make.
    #[error("is a weak key, with which anybody can sign")]
    Weak,
    /// It is no private key.
    #[error(
        "is no unencrypted ed25519 private key in PKCS#8 PEM (`-----BEGIN PRIVATE KEY-----`): {0}"
    )]
    NotPrivate(ed25519_dalek::pkcs8::Error),
    /// It cannot be written as PEM.
    #[error("cannot be written as PEM: {0}")]
    Unwritable(ed25519_dalek::pkcs8::Error),
    /// The system gives no random bytes.
    #[error("cannot be made without random bytes: {0}")]
    NoRandom(getrandom::Error),
}

/// A key that checks signatures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey(VerifyingKey);

impl PublicKey {
    /// The key in a PEM text.
    ///
    /// # Errors
    /// [`KeyError::NotPublic`], [`KeyError::Weak`].
    pub fn from_pem(text: &str) -> Result<Self, KeyError> {
        let key = VerifyingKey::from_public_key_pem(text).map_err(KeyError::NotPublic)?;
        match key.is_weak() {
            true => Err(KeyError::Weak),
            false => Ok(Self(key)),
        }
    }

    /// The key in a PEM file.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn read(path: &Path) -> Result<Self, KeyError> {
        Self::from_pem(&read(path)?)
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> KeyId {
        let mut id = digest(self.0.as_bytes());
        id.truncate(ID_DIGITS);
        KeyId(id)
    }

    /// It as PEM.
    ///
    /// # Errors
    /// [`KeyError::Unwritable`].
    pub fn pem(&self) -> Result<String, KeyError> {
        let pem = self.0.to_public_key_pem(LineEnding::LF);
        pem.map_err(|error| KeyError::Unwritable(error.into()))
    }

    /// Whether the holder of the private key signed the message. Strict: of a message there is
    /// no second valid form of a signature, and a key of small order signs nothing.
    pub(super) fn has_signed(&self, message: &[u8], signature: &Signature) -> bool {
        self.0.verify_strict(message, signature).is_ok()
    }
}

/// A key that signs. Shown nowhere.
pub struct PrivateKey(SigningKey);

impl PrivateKey {
    /// A new key from the system's random bytes.
    ///
    /// # Errors
    /// [`KeyError::NoRandom`].
    pub fn generate() -> Result<Self, KeyError> {
        let mut secret = [0; 32];
        getrandom::fill(&mut secret).map_err(KeyError::NoRandom)?;
        Ok(Self(SigningKey::from_bytes(&secret)))
    }

    /// The key in a PEM file.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn read(path: &Path) -> Result<Self, KeyError> {
        let key = SigningKey::from_pkcs8_pem(&read(path)?).map_err(KeyError::NotPrivate)?;
        Ok(Self(key))
    }

    /// Its public half.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key())
    }

    /// It as PEM, in the version of PKCS#8 that every OpenSSL reads.
    ///
    /// # Errors
    /// [`KeyError::Unwritable`].
    pub fn pem(&self) -> Result<impl std::ops::Deref<Target = String>, KeyError> {
        let pair = KeypairBytes {
            secret_key: self.0.to_bytes(),
            public_key: None,
        };
        pair.to_pkcs8_pem(LineEnding::LF)
            .map_err(KeyError::Unwritable)
    }

    pub(super) fn sign(&self, message: &[u8]) -> Signature {
        self.0.sign(message)
    }
}

impl std::fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PrivateKey(of {})", self.public().id())
    }
}

/// Public keys that the operator trusts, by the names that he gives them.
#[derive(Debug, Clone, Default)]
pub struct TrustedKeys(BTreeMap<String, PublicKey>);

impl TrustedKeys {
    /// No keys.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// One key alone.
    #[must_use]
    pub fn only(name: String, key: PublicKey) -> Self {
        Self(BTreeMap::from([(name, key)]))
    }

    /// Adds a key.
    ///
    /// # Errors
    /// Where it is here already: the name that it has.
    pub fn add(&mut self, name: String, key: PublicKey) -> Result<(), String> {
        if let Some((other, _)) = self.find(&key.id()) {
            return Err(other.to_owned());
        }
        self.0.insert(name, key);
        Ok(())
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The key with an id, and its name.
    #[must_use]
    pub fn find(&self, id: &KeyId) -> Option<(&str, &PublicKey)> {
        let mut keys = self.0.iter().map(|(name, key)| (name.as_str(), key));
        keys.find(|(_, key)| key.id() == *id)
    }
}

fn read(path: &Path) -> Result<String, KeyError> {
    let mut text = String::new();
    let file = std::fs::File::open(path)?;
    let length = file.take(MAX_FILE + 1).read_to_string(&mut text)?;
    match length as u64 > MAX_FILE {
        true => Err(KeyError::TooLarge),
        false => Ok(text),
    }
}
