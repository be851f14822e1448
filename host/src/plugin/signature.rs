//! Signatures: who vouches for a plugin.
//!
//! A signature covers a [`Statement`]: the sha256 of the component, which is what runs, and of
//! the manifest, which says at which version it runs and what it asks for. It is detached, in
//! the file `plugin.sig` beside the two. Judging is pure; the bytes that are judged are those
//! that are parsed and compiled.

use std::path::Path;
use std::str::FromStr as _;

use ed25519_dalek::Signature;
use serde::{Deserialize, Serialize};

use super::files::read_small;
use super::keys::{KeyId, PrivateKey, TrustedKeys, is_hex};
use crate::sandbox::digest;

/// Largest `plugin.sig`, in bytes. One has less than 500.
const MAX_FILE: usize = 4096;

/// The form of the file and of the statement.
const VERSION: u32 = 1;

/// Starts every statement, so that a signature for this use is one for no other.
const DOMAIN: &str = "hothouse plugin signature v1";

/// What a signature covers: these very bytes of a component and of a manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Statement {
    /// sha256 of the component, as `sha256:` and hex.
    pub component: String,
    /// sha256 of `plugin.toml`, in the same form.
    pub manifest: String,
}

impl Statement {
    /// Of a component and a manifest.
    #[must_use]
    pub fn of(component: &[u8], manifest: &[u8]) -> Self {
        Self {
            component: format!("sha256:{}", digest(component)),
            manifest: format!("sha256:{}", digest(manifest)),
        }
    }

    /// The signed bytes: three lines.
    #[must_use]
    pub fn message(&self) -> String {
        let Self {
            component,
            manifest,
        } = self;
        format!("{DOMAIN}\ncomponent {component}\nmanifest {manifest}\n")
    }
}

/// `plugin.sig`: a signature and what it is said to cover.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignatureFile {
    /// The key that signed.
    pub key: KeyId,
    /// What it signed.
    pub statement: Statement,
    signature: Signature,
}

/// The file as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    version: u32,
    key: String,
    component: String,
    manifest: String,
    signature: String,
}

/// Why a plugin is refused for its signature.
#[derive(Debug, thiserror::Error)]
pub enum SignatureError {
    /// The file is there and cannot be read.
    #[error("its plugin.sig cannot be read: {0}")]
    Unreadable(std::io::Error),
    /// The file is none that `hothouse plugin sign` writes.
    #[error("its plugin.sig is no signature: {0}; sign the plugin again")]
    Malformed(String),
    /// Component or manifest are not the ones that were signed.
    #[error(
        "its {what} is not the one that was signed: it has {found}, signed was {signed}; \
         restore it, or sign the plugin again"
    )]
    Changed {
        /// `component` or `manifest`.
        what: &'static str,
        /// Its digest.
        found: String,
        /// The signed one.
        signed: String,
    },
    /// The key that is said to have signed has not.
    #[error("its signature is false: {name} ({key}) has not made it")]
    False {
        /// The trusted key's name.
        name: String,
        /// Its id.
        key: KeyId,
    },
    /// Signatures are required, and this one is by a stranger.
    #[error(
        "it is signed by key {0}, which is not trusted here (signatures.trusted_keys), and the \
         signature of a trusted key is required"
    )]
    Untrusted(KeyId),
    /// Signatures are required, and there is none.
    #[error(
        "it is not signed, and the signature of a trusted key is required: \
         `hothouse plugin sign DIR --key FILE`"
    )]
    Missing,
}

/// What a plugin's signature says here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum Signed {
    /// A trusted key signed these bytes.
    Trusted {
        /// The operator's name for the key.
        signer: String,
        /// Its id.
        key: KeyId,
    },
    /// Somebody else is said to have signed these bytes. Nobody here has the key to check it.
    Unknown {
        /// The id that the file names.
        key: KeyId,
    },
    /// There is no signature.
    Unsigned,
}

impl std::fmt::Display for Signed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Trusted { signer, key } => write!(f, "{signer} ({key})"),
            Self::Unknown { key } => write!(f, "unknown key {key}, not checked"),
            Self::Unsigned => f.write_str("nobody"),
        }
    }
}

/// What the operator says of signatures: the table `[signatures]`.
#[derive(Debug, Clone, Default)]
pub struct SignaturePolicy {
    /// Whether a plugin runs only where a trusted key signed it.
    pub required: bool,
    /// Keys that are trusted.
    pub keys: TrustedKeys,
}

impl SignaturePolicy {
    /// Judges a plugin with the file `plugin.sig` that it has, or none.
    ///
    /// # Errors
    /// Where the plugin is not to be used. A file that is there and wrong refuses it also where
    /// signatures are not required.
    pub fn judge(
        &self,
        statement: &Statement,
        file: Option<&[u8]>,
    ) -> Result<Signed, SignatureError> {
        let signed = match file {
            Some(file) => verify(statement, &SignatureFile::parse(file)?, &self.keys)?,
            None => Signed::Unsigned,
        };
        match signed {
            Signed::Trusted { .. } => Ok(signed),
            Signed::Unknown { key } if self.required => Err(SignatureError::Untrusted(key)),
            Signed::Unsigned if self.required => Err(SignatureError::Missing),
            Signed::Unknown { .. } | Signed::Unsigned => Ok(signed),
        }
    }
}

/// Whether a signature covers a statement, and whose it is.
///
/// # Errors
/// [`SignatureError::Changed`], [`SignatureError::False`].
pub fn verify(
    statement: &Statement,
    file: &SignatureFile,
    keys: &TrustedKeys,
) -> Result<Signed, SignatureError> {
    let signed = &file.statement;
    for (what, found, signed) in [
        ("component", &statement.component, &signed.component),
        ("manifest", &statement.manifest, &signed.manifest),
    ] {
        if found != signed {
            return Err(SignatureError::Changed {
                what,
                found: found.clone(),
                signed: signed.clone(),
            });
        }
    }
    let key = file.key.clone();
    let Some((name, public)) = keys.find(&key) else {
        return Ok(Signed::Unknown { key });
    };
    let name = name.to_owned();
    // Over the statement of the bytes at hand: what the file says of them counts for nothing.
    match public.has_signed(statement.message().as_bytes(), &file.signature) {
        true => Ok(Signed::Trusted { signer: name, key }),
        false => Err(SignatureError::False { name, key }),
    }
}

impl SignatureFile {
    /// Name of the file in a plugin's directory.
    pub const FILE: &'static str = "plugin.sig";

    /// Its name while it is written.
    pub(crate) const NEW: &'static str = "plugin.sig.new";

    /// Signs a statement.
    #[must_use]
    pub fn sign(statement: Statement, key: &PrivateKey) -> Self {
        Self {
            key: key.public().id(),
            signature: key.sign(statement.message().as_bytes()),
            statement,
        }
    }

    /// The bytes of a directory's file, where there is one.
    ///
    /// # Errors
    /// [`SignatureError::Unreadable`].
    pub fn read(directory: &Path) -> Result<Option<Vec<u8>>, SignatureError> {
        match read_small(&directory.join(Self::FILE), MAX_FILE as u64) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(SignatureError::Unreadable(error)),
        }
    }

    /// Reads the text of a file. Every value has one form.
    ///
    /// # Errors
    /// [`SignatureError::Malformed`].
    pub fn parse(bytes: &[u8]) -> Result<Self, SignatureError> {
        let malformed = |reason: &str| SignatureError::Malformed(reason.to_owned());
        if bytes.len() > MAX_FILE {
            return Err(malformed("it is too large"));
        }
        let text = std::str::from_utf8(bytes).map_err(|_| malformed("it is not UTF-8"))?;
        let written: Written = toml::from_str(text)
            .map_err(|error: toml::de::Error| malformed(error.message().trim()))?;
        if written.version != VERSION {
            return Err(malformed("its version is not 1"));
        }
        let key = KeyId::parse(&written.key).ok_or_else(|| malformed("`key` is no key's id"))?;
        let signature = Signature::from_str(&written.signature)
            .ok()
            .filter(|signature| format!("{signature:x}") == written.signature)
            .ok_or_else(|| malformed("`signature` is not 128 hexadecimal digits"))?;
        Ok(Self {
            key,
            statement: Statement {
                component: digest_of(written.component)
                    .ok_or_else(|| malformed("`component` is no sha256"))?,
                manifest: digest_of(written.manifest)
                    .ok_or_else(|| malformed("`manifest` is no sha256"))?,
            },
            signature,
        })
    }

    /// The text of the file.
    #[must_use]
    pub fn text(&self) -> String {
        let Statement {
            component,
            manifest,
        } = &self.statement;
        format!(
            "# Made by `hothouse plugin sign`.\nversion = {VERSION}\nkey = \"{}\"\n\
             component = \"{component}\"\nmanifest = \"{manifest}\"\nsignature = \"{:x}\"\n",
            self.key, self.signature
        )
    }
}

fn digest_of(text: String) -> Option<String> {
    is_hex(text.strip_prefix("sha256:")?, 64).then_some(text)
}

#[cfg(test)]
mod tests;
