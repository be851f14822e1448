//! A component that asks to be loaded.

use std::sync::LazyLock;

use super::{Limits, LoadError, Outbound};

static NOWHERE: LazyLock<Outbound> = LazyLock::new(Outbound::default);

/// The bytes of a component and the limits within which it is compiled.
#[derive(Debug, Clone, Copy)]
pub struct Candidate<'a> {
    /// Names it in logs and where a compile is waited for.
    pub name: &'a str,
    /// The component, as it was built.
    pub bytes: &'a [u8],
    /// Its limits; those of runs do not count here.
    pub limits: &'a Limits,
    /// Where it may send requests to: what it imports of HTTP is granted where that is anywhere.
    pub outbound: &'a Outbound,
}

impl<'a> Candidate<'a> {
    /// With the default limits, and no origins.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self {
            name: "component",
            bytes,
            limits: &Limits::DEFAULT,
            outbound: &NOWHERE,
        }
    }

    pub(super) fn check_size(&self) -> Result<(), LoadError> {
        let (bytes, limit) = (self.bytes.len(), self.limits.component_bytes);
        match bytes > limit {
            true => Err(LoadError::TooManyBytes { bytes, limit }),
            false => Ok(()),
        }
    }
}
