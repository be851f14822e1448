//! Outgoing HTTP: requests of guests, to origins that were granted and nowhere else.
//!
//! `wasi:http` is linked for plugins that have origins. A request goes to an origin of the list;
//! its name is resolved once; addresses within private networks are left out, unless the operator
//! lists them; and the connection is made to the addresses that are left, never to the name. What
//! may be said and for how long: `docs/adr/0017-outgoing-http.md`.

mod address;
mod body;
mod client;
mod exchange;
mod origin;
mod resolve;
mod tls;
mod types;
mod wire;

use ipnet::IpNet;

pub(super) use self::client::{Client, MAX_FIELDS, link};
pub use self::origin::{Origin, OriginError};
pub use self::resolve::Lookups;

/// Where a plugin may send requests to. Nowhere by default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outbound {
    /// The origins.
    pub origins: Vec<Origin>,
    /// Networks that origins may lie in though they are private.
    pub networks: Vec<IpNet>,
    /// Bounds the lookups of all its runs.
    pub lookups: Lookups,
}

impl Outbound {
    /// Whether there is nowhere to send a request to: components that import `wasi:http` are then
    /// refused.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.origins.is_empty()
    }
}

/// A request that no grant covers. It ends its run.
#[derive(Debug, thiserror::Error)]
pub(super) enum Denied {
    /// What it asks for names no host and port, or names an address in another spelling than
    /// the usual one.
    #[error("asked for {asked}, which is no origin: {reason}")]
    NoOrigin { asked: String, reason: OriginError },
    /// Its origin is not in the list.
    #[error(
        "asked for {0}, which is not granted: it needs \"{0}\" under `allowed_outbound_hosts`, in the \
         manifest and in the configuration"
    )]
    NotGranted(Origin),
    /// Its origin is, but its addresses are not to be reached.
    #[error(
        "asked for {origin}, which leads to {}: the operator can list networks under \
         `allowed_private_networks`", resolve::listed(.addresses)
    )]
    Prohibited {
        origin: Origin,
        addresses: Vec<resolve::Refused>,
    },
}
