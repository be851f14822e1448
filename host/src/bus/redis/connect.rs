//! Connections to servers, with or without TLS, as the URL says.

use std::error::Error as _;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, Client, ClientTlsConfig, ConnectionAddr, ConnectionInfo,
    IntoConnectionInfo, RedisConnectionInfo, RedisError, RedisResult, TlsCertificates,
};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use tokio::sync::Mutex;

use super::RESPONSE_TIMEOUT;
use super::url::{RedisUrl, Server, Tls};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Why there is no connection.
#[derive(Debug)]
pub(super) enum ConnectError {
    /// What the URL says cannot work.
    Config(String),
    /// There was no answer.
    Silent(String),
    /// What the server or the network said.
    Redis(RedisError),
}

impl From<RedisError> for ConnectError {
    fn from(error: RedisError) -> Self {
        match tls_error(&error) {
            Some(error) => Self::Config(format!(
                "TLS with the server fails: {error}. Compare the URL's scheme, host, ca, cert and \
                 key with the server's set-up"
            )),
            None => Self::Redis(error),
        }
    }
}

/// Opens connections to any server of the URL's kind.
pub(super) struct Connector {
    settings: RedisConnectionInfo,
    tls: Option<Tls>,
}

impl Connector {
    /// Reads the files that the URL names, so that a wrong path is found out at once.
    pub(super) fn new(url: &RedisUrl) -> Result<Self, ConnectError> {
        let mut settings = RedisConnectionInfo::default().set_db(i64::from(url.database));
        if let Some(user) = &url.user {
            settings = settings.set_username(user);
        }
        if let Some(password) = &url.password {
            settings = settings.set_password(password);
        }
        let connector = Self {
            settings,
            tls: url.tls.clone(),
        };
        if let Some(tls) = &connector.tls {
            // Fails where the process has one already, which is as well.
            let _ = rustls::crypto::ring::default_provider().install_default();
            certificates(tls)?;
        }
        Ok(connector)
    }

    /// A new connection. The URL's files are read again, so that a renewed certificate is used
    /// from then on.
    pub(super) async fn open(
        &self,
        server: &Server,
    ) -> Result<MultiplexedConnection, ConnectError> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_TIMEOUT))
            .set_response_timeout(Some(RESPONSE_TIMEOUT));
        let client = self.client(server)?;
        let connection = client.get_multiplexed_async_connection_with_config(&config);
        let mut connection = connection.await.map_err(|error| match &self.tls {
            // A server without TLS waits for the end of what it takes for a command.
            Some(_) if error.is_timeout() => ConnectError::Silent(
                "it does not answer, or does not speak TLS on this port".to_owned(),
            ),
            Some(_) | None => ConnectError::from(error),
        })?;
        // A server that wants a password says so to a short command; a long one it does not
        // even read.
        redis::cmd("PING")
            .query_async::<()>(&mut connection)
            .await?;
        Ok(connection)
    }

    fn client(&self, server: &Server) -> Result<Client, ConnectError> {
        let (host, port) = (server.host.clone(), server.port);
        let info = |addr: ConnectionAddr| -> RedisResult<ConnectionInfo> {
            let info = addr.into_connection_info()?;
            Ok(info.set_redis_settings(self.settings.clone()))
        };
        Ok(match &self.tls {
            None => Client::open(info(ConnectionAddr::Tcp(host, port))?)?,
            Some(tls) => {
                let addr = ConnectionAddr::TcpTls {
                    host,
                    port,
                    insecure: false,
                    tls_params: None,
                };
                Client::build_with_tls(info(addr)?, certificates(tls)?)?
            }
        })
    }
}

fn certificates(tls: &Tls) -> Result<TlsCertificates, ConnectError> {
    let root_cert = match &tls.ca {
        Some(path) => Some(certificate_file("ca", path)?),
        None => None,
    };
    let client_tls = match &tls.client {
        Some(client) => Some(ClientTlsConfig {
            client_cert: certificate_file("cert", &client.cert)?,
            client_key: read("key", &client.key)?,
        }),
        None => None,
    };
    Ok(TlsCertificates {
        client_tls,
        root_cert,
    })
}

fn certificate_file(parameter: &str, path: &Path) -> Result<Vec<u8>, ConnectError> {
    let pem = read(parameter, path)?;
    let mut certificates = CertificateDer::pem_slice_iter(&pem);
    match certificates.next() {
        Some(Ok(_)) => Ok(pem),
        Some(Err(_)) | None => Err(ConnectError::Config(format!(
            "{parameter}={} holds no certificate: it must be a PEM file",
            path.display()
        ))),
    }
}

fn read(parameter: &str, path: &Path) -> Result<Vec<u8>, ConnectError> {
    std::fs::read(path).map_err(|error| {
        ConnectError::Config(format!(
            "{parameter}={} cannot be read: {error}",
            path.display()
        ))
    })
}

/// What TLS has against the other side, where that is the error.
fn tls_error(error: &RedisError) -> Option<&rustls::Error> {
    let source = error.source()?;
    let source = source.downcast_ref::<Arc<dyn std::error::Error + Send + Sync>>()?;
    source
        .downcast_ref::<io::Error>()?
        .get_ref()?
        .downcast_ref()
}

/// A server and the connection to it that is shared by all but blocking calls.
pub(super) struct Node {
    pub(super) server: Server,
    connection: Mutex<Option<MultiplexedConnection>>,
}

impl Node {
    pub(super) fn new(server: Server) -> Self {
        Self {
            server,
            connection: Mutex::new(None),
        }
    }

    pub(super) async fn shared(
        &self,
        connector: &Connector,
    ) -> Result<MultiplexedConnection, ConnectError> {
        let mut slot = self.connection.lock().await;
        if let Some(connection) = &*slot {
            return Ok(connection.clone());
        }
        let connection = connector.open(&self.server).await?;
        Ok(slot.insert(connection).clone())
    }

    /// The next call connects anew.
    pub(super) async fn hang_up(&self) {
        self.connection.lock().await.take();
    }
}
