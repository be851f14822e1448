//! The request as `wasi:http` sends it.

use std::time::Duration;

use wasip2::http::outgoing_handler;
use wasip2::http::types::{
    ErrorCode, Fields, FutureIncomingResponse, HeaderError, IncomingResponse, Method, OutgoingBody,
    OutgoingRequest, RequestOptions, Scheme, http_error_code,
};
use wasip2::io::streams::{OutputStream, StreamError};

use super::{Error, Request, Response, Target};

/// Bytes that are read at a time.
const CHUNK: u64 = 64 * 1024;

pub(super) fn send(request: Request, target: &Target) -> Result<Response, Error> {
    let fields = fields(&request)?;
    let outgoing = OutgoingRequest::new(fields);
    let wrong = |what: &str| Error::Request(format!("{what} is not valid"));
    let set = outgoing.set_method(&method(&request.method));
    set.map_err(|()| wrong("its method"))?;
    let set = outgoing.set_scheme(Some(&scheme(&target.scheme)));
    set.map_err(|()| wrong("the scheme of its URL"))?;
    let set = outgoing.set_authority(Some(&target.authority));
    set.map_err(|()| wrong("the host of its URL"))?;
    let set = outgoing.set_path_with_query(Some(&target.path_with_query));
    set.map_err(|()| wrong("the path of its URL"))?;
    let body = match &request.body {
        Some(_) => Some(outgoing.body().map_err(|()| wrong("its body"))?),
        None => None,
    };
    let options = request.timeout.map(options);
    let future = outgoing_handler::handle(outgoing, options).map_err(of_code)?;
    if let (Some(body), Some(bytes)) = (body, &request.body) {
        write(body, bytes);
    }
    read(wait(&future)?)
}

fn fields(request: &Request) -> Result<Fields, Error> {
    let fields = Fields::new();
    let length = request.body.as_ref().map(|body| body.len().to_string());
    let length = length.map(|length| ("content-length".to_owned(), length.into_bytes()));
    for (name, value) in request.headers.iter().cloned().chain(length) {
        let appended = fields.append(&name, &value);
        appended.map_err(|error| {
            let why = match error {
                HeaderError::InvalidSyntax => "is not valid",
                HeaderError::Forbidden => "is the host's to set",
                HeaderError::Immutable => "cannot be set any more",
            };
            Error::Request(format!("the header {name:?} {why}"))
        })?;
    }
    Ok(fields)
}

fn method(name: &str) -> Method {
    match name {
        "GET" => Method::Get,
        "HEAD" => Method::Head,
        "POST" => Method::Post,
        "PUT" => Method::Put,
        "DELETE" => Method::Delete,
        "CONNECT" => Method::Connect,
        "OPTIONS" => Method::Options,
        "TRACE" => Method::Trace,
        "PATCH" => Method::Patch,
        other => Method::Other(other.to_owned()),
    }
}

fn scheme(name: &str) -> Scheme {
    match name {
        "http" => Scheme::Http,
        "https" => Scheme::Https,
        other => Scheme::Other(other.to_owned()),
    }
}

fn options(timeout: Duration) -> RequestOptions {
    let options = RequestOptions::new();
    let nanos = u64::try_from(timeout.as_nanos()).unwrap_or(u64::MAX);
    // A host that knows no time-outs of guests has its own.
    let _ = options.set_connect_timeout(Some(nanos));
    let _ = options.set_first_byte_timeout(Some(nanos));
    let _ = options.set_between_bytes_timeout(Some(nanos));
    options
}

/// Where the server does not take the whole body, its response or the end of the connection says
/// more than this could.
fn write(body: OutgoingBody, bytes: &[u8]) {
    let Ok(stream) = body.write() else { return };
    let written = write_all(&stream, bytes);
    drop(stream);
    if written.is_ok() {
        let _ = OutgoingBody::finish(body, None);
    }
}

fn write_all(stream: &OutputStream, mut bytes: &[u8]) -> Result<(), StreamError> {
    while !bytes.is_empty() {
        let room = usize::try_from(stream.check_write()?).unwrap_or(usize::MAX);
        if room == 0 {
            stream.subscribe().block();
            continue;
        }
        let (part, rest) = bytes.split_at(room.min(bytes.len()));
        stream.write(part)?;
        bytes = rest;
    }
    Ok(())
}

fn wait(future: &FutureIncomingResponse) -> Result<IncomingResponse, Error> {
    let unanswered = || Error::Interrupted("there is no response".to_owned());
    future.subscribe().block();
    let taken = future.get().ok_or_else(unanswered)?;
    taken.map_err(|()| unanswered())?.map_err(of_code)
}

fn read(incoming: IncomingResponse) -> Result<Response, Error> {
    let status = incoming.status();
    let headers = incoming.headers().entries();
    let unread = || Error::Interrupted("its body cannot be read".to_owned());
    let body = incoming.consume().map_err(|()| unread())?;
    let stream = body.stream().map_err(|()| unread())?;
    let mut bytes = Vec::new();
    loop {
        match stream.blocking_read(CHUNK) {
            Ok(part) => bytes.extend_from_slice(&part),
            Err(StreamError::Closed) => break,
            Err(StreamError::LastOperationFailed(error)) => {
                let code = http_error_code(&error);
                return Err(code.map_or_else(unread, of_code));
            }
        }
    }
    Ok(Response {
        status,
        headers,
        body: bytes,
    })
}

fn of_code(code: ErrorCode) -> Error {
    let text = format!("{code:?}");
    match code {
        ErrorCode::DnsTimeout
        | ErrorCode::ConnectionTimeout
        | ErrorCode::ConnectionReadTimeout
        | ErrorCode::ConnectionWriteTimeout
        | ErrorCode::HttpResponseTimeout => Error::TimedOut,
        ErrorCode::DnsError(_)
        | ErrorCode::DestinationNotFound
        | ErrorCode::DestinationUnavailable
        | ErrorCode::DestinationIpProhibited
        | ErrorCode::DestinationIpUnroutable
        | ErrorCode::ConnectionRefused
        | ErrorCode::ConnectionLimitReached => Error::Unreachable(text),
        ErrorCode::TlsProtocolError
        | ErrorCode::TlsCertificateError
        | ErrorCode::TlsAlertReceived(_) => Error::Tls(text),
        ErrorCode::HttpResponseHeaderSectionSize(_)
        | ErrorCode::HttpResponseHeaderSize(_)
        | ErrorCode::HttpResponseBodySize(_)
        | ErrorCode::HttpResponseTrailerSectionSize(_)
        | ErrorCode::HttpResponseTrailerSize(_) => Error::TooLarge,
        ErrorCode::HttpRequestDenied
        | ErrorCode::HttpRequestLengthRequired
        | ErrorCode::HttpRequestBodySize(_)
        | ErrorCode::HttpRequestMethodInvalid
        | ErrorCode::HttpRequestUriInvalid
        | ErrorCode::HttpRequestUriTooLong
        | ErrorCode::HttpRequestHeaderSectionSize(_)
        | ErrorCode::HttpRequestHeaderSize(_)
        | ErrorCode::HttpRequestTrailerSectionSize(_)
        | ErrorCode::HttpRequestTrailerSize(_) => Error::Request(text),
        ErrorCode::ConnectionTerminated
        | ErrorCode::HttpResponseIncomplete
        | ErrorCode::HttpResponseTransferCoding(_)
        | ErrorCode::HttpResponseContentCoding(_)
        | ErrorCode::HttpUpgradeFailed
        | ErrorCode::HttpProtocolError
        | ErrorCode::LoopDetected
        | ErrorCode::ConfigurationError
        | ErrorCode::InternalError(_) => Error::Interrupted(text),
    }
}
