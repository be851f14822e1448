//! TLS of outgoing requests: the system's roots, nothing of an earlier connection.

use std::sync::{Arc, LazyLock};

use rustls::client::Resumption;
use rustls::crypto::ring;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio_rustls::TlsConnector;

use super::origin::Host;

/// Read once for the process: a change of the system's roots is seen by hosts that start after
/// it. `SSL_CERT_FILE` and `SSL_CERT_DIR` name other roots, as for other programs.
static SYSTEM: LazyLock<Result<TlsConnector, rustls::Error>> = LazyLock::new(|| {
    let found = rustls_native_certs::load_native_certs();
    for error in &found.errors {
        tracing::warn!("a root certificate cannot be read: {error}");
    }
    let mut roots = RootCertStore::empty();
    let (added, unusable) = roots.add_parsable_certificates(found.certs);
    tracing::debug!(added, unusable, "root certificates read");
    if roots.is_empty() {
        tracing::warn!("there are no root certificates: every https origin will be refused");
    }
    connector(roots)
});

/// What trusts the system's roots.
pub(super) fn system() -> Result<TlsConnector, rustls::Error> {
    SYSTEM.clone()
}

/// Sessions are not resumed: a ticket would tie runs, and plugins, to each other.
pub(super) fn connector(roots: RootCertStore) -> Result<TlsConnector, rustls::Error> {
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.resumption = Resumption::disabled();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsConnector::from(Arc::new(config)))
}

/// The name that the server's certificate must be for.
pub(super) fn server_name(host: &Host) -> Option<ServerName<'static>> {
    match host {
        Host::Name(name) => ServerName::try_from(name.clone()).ok(),
        Host::Address(address) => Some(ServerName::from(*address)),
    }
}
