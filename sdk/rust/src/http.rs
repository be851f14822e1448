//! Requests over HTTP, for plugins that were granted origins. Feature `http`.
//!
//! ```no_run
//! use hothouse_sdk::{HandlerError, http::Request};
//!
//! fn title(id: u32) -> Result<String, HandlerError> {
//!     let issue: hothouse_sdk::serde_json::Value =
//!         Request::get(format!("https://api.example.com/issues/{id}"))
//!             .header("accept", "application/json")
//!             .send()?
//!             .json()?;
//!     Ok(issue["title"].to_string())
//! }
//! ```
//!
//! The manifest asks for each origin and the operator allows it: `allowed_outbound_hosts =
//! ["https://api.example.com:443"]`. A request to any other origin, or to one whose addresses are
//! private, ends the run as `capability_denied`: it does not come back as an [`Error`]. Redirects
//! are not followed: a plugin that wants to sends a new request, which is checked as any other.
//! The host bounds bytes of each response and time (`http_response_bytes`, `http_timeout_ms`), and
//! requests for each run (`http_requests`): one more ends the run as `output_limit`.
//!
//! Outside a host, in a plugin's own tests, every request fails with [`Error::NoHost`].

#[cfg(target_arch = "wasm32")]
#[path = "http/wasi.rs"]
mod wire;

#[cfg(not(target_arch = "wasm32"))]
mod wire {
    use super::{Error, Request, Response, Target};

    pub(super) fn send(_: Request, _: &Target) -> Result<Response, Error> {
        Err(Error::NoHost)
    }
}

use std::fmt;
use std::time::Duration;

use serde::de::DeserializeOwned;

use crate::HandlerError;

/// A request, built step by step and then sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    method: String,
    url: String,
    headers: Vec<(String, Vec<u8>)>,
    body: Option<Vec<u8>>,
    timeout: Option<Duration>,
}

impl Request {
    /// A request with any method, such as `PATCH`.
    pub fn new(method: impl Into<String>, url: impl Into<String>) -> Self {
        Self {
            method: method.into(),
            url: url.into(),
            headers: Vec::new(),
            body: None,
            timeout: None,
        }
    }

    /// `GET`
    pub fn get(url: impl Into<String>) -> Self {
        Self::new("GET", url)
    }

    /// `POST`
    pub fn post(url: impl Into<String>) -> Self {
        Self::new("POST", url)
    }

    /// `PUT`
    pub fn put(url: impl Into<String>) -> Self {
        Self::new("PUT", url)
    }

    /// `DELETE`
    pub fn delete(url: impl Into<String>) -> Self {
        Self::new("DELETE", url)
    }

    /// One more header. `host`, `content-length` and what belongs to the connection are the
    /// host's: [`send`](Self::send) fails where they are set.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<Vec<u8>>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// The body. There is none by default.
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = Some(body.into());
        self
    }

    /// How long to wait to be connected, for the head of the response, and for each further
    /// part of it. The host's own limit holds where it is shorter.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Sends it, waits for the response and reads the whole of it. A response is `Ok` whatever
    /// its status.
    ///
    /// # Errors
    /// [`Error`], which says what to do about it when it becomes a [`HandlerError`].
    pub fn send(self) -> Result<Response, Error> {
        let target = Target::parse(&self.url)?;
        wire::send(self, &target)
    }
}

/// A response, read to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    status: u16,
    headers: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
}

impl Response {
    /// The status, such as 200.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// The first header of that name, in any case, where it is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        let (_, value) = headers.find(|(known, _)| known.eq_ignore_ascii_case(name))?;
        std::str::from_utf8(value).ok()
    }

    /// All headers, in lower case.
    pub fn headers(&self) -> &[(String, Vec<u8>)] {
        &self.headers
    }

    /// The body.
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// The body without the rest.
    pub fn into_body(self) -> Vec<u8> {
        self.body
    }

    /// The body, decoded from JSON.
    ///
    /// # Errors
    /// [`Error::Response`] where the status is not 2xx, or the body is not what is asked for.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Error> {
        if !(200..300).contains(&self.status) {
            return Err(Error::Response(format!("status {}", self.status)));
        }
        serde_json::from_slice(&self.body).map_err(|error| Error::Response(error.to_string()))
    }
}

/// Why there is no response, or none that can be used.
///
/// `?` makes a [`HandlerError`] of it: retryable where it may pass ([`Unreachable`](Self::Unreachable),
/// [`TimedOut`](Self::TimedOut), [`Interrupted`](Self::Interrupted)), permanent otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// The request cannot be sent as it is: its URL, method or headers.
    Request(String),
    /// The name does not resolve, or nobody answers there.
    Unreachable(String),
    /// The server's certificate is not trusted, or TLS fails.
    Tls(String),
    /// It took longer than the plugin or the host would wait.
    TimedOut,
    /// The response is larger than its limit (`http_response_bytes`).
    TooLarge,
    /// The connection ended too early, or what came is not HTTP.
    Interrupted(String),
    /// The response is not what was expected.
    Response(String),
    /// There is no host: the plugin runs natively, in a test.
    NoHost,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Request(why) => write!(f, "the request cannot be sent: {why}"),
            Self::Unreachable(why) => write!(f, "the server cannot be reached: {why}"),
            Self::Tls(why) => write!(f, "no secure connection: {why}"),
            Self::TimedOut => f.write_str("the server took too long"),
            Self::TooLarge => f.write_str("the response is larger than its limit"),
            Self::Interrupted(why) => write!(f, "the response is broken off: {why}"),
            Self::Response(why) => write!(f, "the response cannot be used: {why}"),
            Self::NoHost => f.write_str("there is no host to send the request"),
        }
    }
}

impl std::error::Error for Error {}

impl From<Error> for HandlerError {
    fn from(error: Error) -> Self {
        match error {
            Error::Unreachable(_) | Error::TimedOut | Error::Interrupted(_) => {
                Self::retryable(error)
            }
            Error::Request(_)
            | Error::Tls(_)
            | Error::TooLarge
            | Error::Response(_)
            | Error::NoHost => Self::permanent(error),
        }
    }
}

/// A URL in the parts that WASI takes. Whether they are right the host says.
#[derive(Debug, PartialEq, Eq)]
#[cfg_attr(
    not(target_arch = "wasm32"),
    allow(dead_code, reason = "read by tests")
)]
struct Target {
    scheme: String,
    authority: String,
    path_with_query: String,
}

impl Target {
    fn parse(url: &str) -> Result<Self, Error> {
        let (scheme, rest) = url
            .split_once("://")
            .ok_or_else(|| Error::Request(format!("{url:?} is no URL")))?;
        let rest = rest.split('#').next().unwrap_or(rest);
        let (authority, path) = match rest.find(['/', '?']) {
            Some(at) => rest.split_at(at),
            None => (rest, ""),
        };
        let slash = if path.starts_with('/') { "" } else { "/" };
        Ok(Self {
            scheme: scheme.to_ascii_lowercase(),
            authority: authority.to_owned(),
            path_with_query: format!("{slash}{path}"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_taken_apart() {
        for (url, scheme, authority, path) in [
            ("https://a.b", "https", "a.b", "/"),
            ("HTTP://a.b:8080/c/d?e=f#g", "http", "a.b:8080", "/c/d?e=f"),
            ("https://a.b?c=/d", "https", "a.b", "/?c=/d"),
            ("https://[::1]:1/", "https", "[::1]:1", "/"),
        ] {
            let target = Target::parse(url).expect(url);
            assert_eq!(target.scheme, scheme);
            assert_eq!(target.authority, authority);
            assert_eq!(target.path_with_query, path);
        }
        assert!(matches!(Target::parse("a.b/c"), Err(Error::Request(_))));
    }

    #[test]
    fn without_a_host_a_request_fails() {
        assert_eq!(Request::get("https://a.b").send(), Err(Error::NoHost));
    }

    #[test]
    fn what_may_pass_is_retried() {
        let retried =
            |error: Error| matches!(HandlerError::from(error), HandlerError::Retryable { .. });
        assert!(retried(Error::TimedOut));
        assert!(retried(Error::Unreachable("refused".to_owned())));
        assert!(!retried(Error::TooLarge));
        assert!(!retried(Error::Request("no URL".to_owned())));
    }

    #[test]
    fn json_is_read_from_a_response_that_is_well() {
        let response = |status| Response {
            status,
            headers: vec![("content-type".to_owned(), b"text/plain".to_vec())],
            body: b"7".to_vec(),
        };
        assert_eq!(response(200).json(), Ok(7));
        assert_eq!(response(200).header("Content-Type"), Some("text/plain"));
        let error = response(404).json::<u32>();
        assert_eq!(error, Err(Error::Response("status 404".to_owned())));
    }
}
