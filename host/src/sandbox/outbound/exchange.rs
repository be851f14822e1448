//! One request and its response, on a connection of their own.

use std::error::Error as _;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::BodyExt as _;
use hyper::client::conn::http1;
use hyper::header::{CONNECTION, HOST, HeaderValue};
use hyper::{Method, Request, Response, Uri};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;
use wasmtime_wasi::runtime;
use wasmtime_wasi_http::io::TokioIo;
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody};

use super::body::Timed;
use super::origin::{Host, Scheme};
use super::resolve::Permitted;
use super::tls;
use super::wire::{Bounded, TooLarge};

/// The head of a response, in bytes and in lines.
const MAX_HEAD: usize = 64 * 1024;
const MAX_HEADERS: usize = 128;

/// No request takes longer, whatever the operator allows.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// What keeps the connection going until the response is read.
pub(super) type Connection = Box<dyn Future<Output = Result<(), Error>> + Send>;

/// A request that may be sent: where to, and within which limits.
pub(super) struct Exchange {
    pub(super) to: Permitted,
    pub(super) times: Times,
    pub(super) response_bytes: u64,
    /// Bounds the connections of the run.
    pub(super) open: Arc<Semaphore>,
}

/// How long a request may take: until the deadline, whatever the guest asks for, and less where
/// it asks for less.
#[derive(Debug, Clone, Copy)]
pub(super) struct Times {
    pub(super) deadline: Instant,
    pub(super) connected_by: Instant,
    first_byte: Option<Duration>,
    between_bytes: Option<Duration>,
}

impl Times {
    pub(super) fn starting_now(timeout: Duration, asked: Option<RequestOptions>) -> Self {
        let asked = asked.unwrap_or_default();
        let timeout = timeout.min(LONGEST);
        let now = Instant::now();
        let deadline = now + timeout;
        Self {
            deadline,
            connected_by: now + asked.connect_timeout.unwrap_or(timeout).min(timeout),
            first_byte: asked.first_byte_timeout,
            between_bytes: asked.between_bytes_timeout,
        }
    }

    fn first_byte_by(&self) -> Instant {
        let first_byte = self
            .first_byte
            .and_then(|time| Instant::now().checked_add(time));
        first_byte.map_or(self.deadline, |time| time.min(self.deadline))
    }
}

impl Exchange {
    /// Connects, sends, and gives the response as soon as its head is there. Dropped at any
    /// point, it closes the connection; so does what it gives.
    pub(super) async fn send(
        self,
        request: Request<WasiBody>,
    ) -> Result<(Response<WasiBody>, Connection), Error> {
        let waited = timeout_at(self.times.connected_by, self.open.clone().acquire_owned()).await;
        let Ok(Ok(permit)) = waited else {
            return Err(Error::ConnectionLimitReached);
        };
        let by = self.times.connected_by;
        let tcp = connect(&self.to.addresses, by).await?;
        match self.to.origin.scheme() {
            Scheme::Http => self.over(tcp, permit, request).await,
            Scheme::Https => {
                let tls = tls::system().map_err(|_| Error::TlsProtocolError)?;
                let handshake = handshake(&tls, self.to.origin.host(), tcp);
                let secured = timeout_at(by, handshake).await;
                let stream = secured.map_err(|_| Error::ConnectionTimeout)??;
                self.over(stream, permit, request).await
            }
        }
    }

    async fn over<S>(
        &self,
        stream: S,
        permit: OwnedSemaphorePermit,
        request: Request<WasiBody>,
    ) -> Result<(Response<WasiBody>, Connection), Error>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let deadline = self.times.deadline;
        let request = self.addressed(request)?;
        let (mut sender, connection) = http1::Builder::new()
            .max_buf_size(MAX_HEAD)
            .max_headers(MAX_HEADERS)
            .handshake(TokioIo::new(Bounded::new(stream, self.response_bytes)))
            .await
            .map_err(|error| translate(&error))?;
        let connection = runtime::spawn(async move {
            // What goes wrong on it is told to whoever waits for the response or reads its body.
            let _ = timeout_at(deadline, connection).await;
            drop(permit);
        });
        let sent = timeout_at(self.times.first_byte_by(), sender.send_request(request)).await;
        let response = match sent {
            Ok(response) => response.map_err(|error| translate(&error))?,
            Err(_) if Instant::now() >= deadline => return Err(Error::HttpResponseTimeout),
            Err(_) => return Err(Error::ConnectionReadTimeout),
        };
        let pause = self.times.between_bytes;
        let response =
            response.map(|incoming| Timed::new(incoming, deadline, pause).boxed_unsync());
        let connection = async move {
            connection.await;
            Ok(())
        };
        Ok((response, Box::new(connection)))
    }

    /// As it goes over the wire: to the origin that was checked, whatever the guest wrote.
    fn addressed(&self, mut request: Request<WasiBody>) -> Result<Request<WasiBody>, Error> {
        // A tunnel would lead past every check.
        if request.method() == Method::CONNECT {
            return Err(Error::HttpRequestMethodInvalid);
        }
        let path = match request.uri().path_and_query().map(|path| path.as_str()) {
            Some(path) if path.starts_with('?') => format!("/{path}"),
            Some(path) => path.to_owned(),
            None => "/".to_owned(),
        };
        *request.uri_mut() = path
            .parse::<Uri>()
            .map_err(|_| Error::HttpRequestUriInvalid)?;
        let host = HeaderValue::try_from(self.to.origin.authority())
            .map_err(|_| Error::HttpRequestUriInvalid)?;
        request.headers_mut().insert(HOST, host);
        let close = HeaderValue::from_static("close");
        request.headers_mut().insert(CONNECTION, close);
        Ok(request)
    }
}

/// The first of the addresses that answers. Each may take its share of the time that is left, so
/// that one that swallows packets does not hide those after it.
async fn connect(addresses: &[SocketAddr], by: Instant) -> Result<TcpStream, Error> {
    let mut last = Error::DestinationNotFound;
    for (address, left) in addresses.iter().zip((1..=addresses.len() as u32).rev()) {
        let now = Instant::now();
        let share = by.saturating_duration_since(now) / left;
        match timeout_at(now + share, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                // Nagle only delays a request; where the option is refused, it works all the same.
                let _ = stream.set_nodelay(true);
                return Ok(stream);
            }
            Ok(Err(error)) => last = unconnected(&error),
            Err(_) => last = Error::ConnectionTimeout,
        }
    }
    Err(last)
}

async fn handshake(
    tls: &TlsConnector,
    host: &Host,
    stream: TcpStream,
) -> Result<tokio_rustls::client::TlsStream<TcpStream>, Error> {
    let name = tls::server_name(host).ok_or(Error::TlsCertificateError)?;
    tls.connect(name, stream)
        .await
        .map_err(|error| insecure(&error))
}

fn unconnected(error: &io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => Error::ConnectionRefused,
        io::ErrorKind::TimedOut => Error::ConnectionTimeout,
        io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted => {
            Error::ConnectionTerminated
        }
        // Not our type, and it grows: for the guest they are all the same.
        _ => Error::DestinationUnavailable,
    }
}

fn insecure(error: &io::Error) -> Error {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
    match inner {
        Some(rustls::Error::InvalidCertificate(_)) => Error::TlsCertificateError,
        Some(rustls::Error::AlertReceived(alert)) => Error::TlsAlertReceived {
            alert_id: Some(u8::from(*alert)),
            alert_message: None,
        },
        Some(_) => Error::TlsProtocolError,
        None => Error::ConnectionTerminated,
    }
}

/// What hyper says, as the guest hears it. By type, never by text.
pub(super) fn translate(error: &hyper::Error) -> Error {
    let mut source = error.source();
    while let Some(cause) = source {
        if let Some(io) = cause.downcast_ref::<io::Error>() {
            let too_large = io.get_ref().and_then(|inner| inner.downcast_ref());
            return match too_large {
                Some(TooLarge(limit)) => Error::HttpResponseBodySize(Some(*limit)),
                None if io.kind() == io::ErrorKind::UnexpectedEof => Error::HttpResponseIncomplete,
                None => Error::ConnectionTerminated,
            };
        }
        source = cause.source();
    }
    if error.is_parse_too_large() {
        return Error::HttpResponseHeaderSectionSize(u32::try_from(MAX_HEAD).ok());
    }
    if error.is_incomplete_message() {
        return Error::HttpResponseIncomplete;
    }
    if error.is_canceled() || error.is_closed() {
        return Error::ConnectionTerminated;
    }
    Error::HttpProtocolError
}
