//! Origins: scheme, host and port.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Longest name of a host, and of one label in it.
const MAX_NAME: usize = 253;
const MAX_LABEL: usize = 63;

/// Where requests may go to, as in `https://api.example.com:443`: a scheme, `http` or `https`, a
/// host and a port. A host is one name or one address. Two origins are equal where all three are:
/// the port may be left out where it is the scheme's, and a name is read without case.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Origin {
    scheme: Scheme,
    host: Host,
    port: u16,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Scheme {
    Http,
    Https,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Host {
    Name(String),
    Address(IpAddr),
}

/// The text is no origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OriginError {
    /// Another scheme or none.
    #[error("it begins with neither `http://` nor `https://`")]
    Scheme,
    /// Something stands after the port.
    #[error("an origin ends with its port: no path, no query")]
    Path,
    /// A user or a password stands before the host.
    #[error("an origin has no user and no password")]
    User,
    /// The port is no number from 1 to 65535.
    #[error("the port is not a number from 1 to 65535")]
    Port,
    /// The host is no name. Names that are not ASCII are written as `xn--...`.
    #[error(
        "the host is neither a name (letters, digits, `-`, `_` and `.`; others as `xn--...`), nor \
         an address such as 192.0.2.1 or [2001:db8::1]"
    )]
    Host,
}

impl Origin {
    pub(super) fn scheme(&self) -> Scheme {
        self.scheme
    }

    pub(super) fn host(&self) -> &Host {
        &self.host
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// Host and port as they stand in the header `Host`: the scheme's own port is left out.
    pub(super) fn authority(&self) -> String {
        match self.port == self.scheme.port() {
            true => self.host.to_string(),
            false => format!("{}:{}", self.host, self.port),
        }
    }
}

impl Scheme {
    fn port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

impl FromStr for Origin {
    type Err = OriginError;

    fn from_str(text: &str) -> Result<Self, OriginError> {
        let (scheme, rest) = text.split_once("://").ok_or(OriginError::Scheme)?;
        let scheme = [Scheme::Http, Scheme::Https]
            .into_iter()
            .find(|known| scheme.eq_ignore_ascii_case(known.as_str()))
            .ok_or(OriginError::Scheme)?;
        if rest.contains(['/', '?', '#', '\\']) {
            return Err(OriginError::Path);
        }
        if rest.contains('@') {
            return Err(OriginError::User);
        }
        // The colons of an IPv6 address are within its brackets.
        let (host, port) = match rest.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => (host, Some(port)),
            Some(_) | None => (rest, None),
        };
        Ok(Self {
            scheme,
            host: host.parse()?,
            port: port.map_or(Ok(scheme.port()), parse_port)?,
        })
    }
}

fn parse_port(text: &str) -> Result<u16, OriginError> {
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(OriginError::Port);
    }
    let port = text.parse().map_err(|_| OriginError::Port)?;
    match port {
        0 => Err(OriginError::Port),
        port => Ok(port),
    }
}

impl FromStr for Host {
    type Err = OriginError;

    fn from_str(text: &str) -> Result<Self, OriginError> {
        if let Some(inner) = text.strip_prefix('[') {
            let inner = inner.strip_suffix(']').ok_or(OriginError::Host)?;
            let address: Ipv6Addr = inner.parse().map_err(|_| OriginError::Host)?;
            return Ok(Self::Address(address.into()));
        }
        if let Ok(address) = text.parse::<Ipv4Addr>() {
            return Ok(Self::Address(address.into()));
        }
        let is_name = text.len() <= MAX_NAME && text.split('.').all(is_label);
        if !is_name || ends_in_a_number(text) {
            return Err(OriginError::Host);
        }
        Ok(Self::Name(text.to_ascii_lowercase()))
    }
}

fn is_label(label: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    (1..=MAX_LABEL).contains(&label.len())
        && label.chars().all(allowed)
        && !label.starts_with('-')
        && !label.ends_with('-')
}

/// Whether resolvers take the host for an IPv4 address in decimal, octal or hexadecimal, whole or
/// in parts: `2130706433`, `0177.0.0.1`, `0x7f.1`. No top-level domain is a number.
fn ends_in_a_number(host: &str) -> bool {
    let last = host.rsplit('.').next().unwrap_or(host);
    let hexadecimal = last.strip_prefix("0x").or(last.strip_prefix("0X"));
    match hexadecimal {
        Some(digits) => digits.bytes().all(|byte| byte.is_ascii_hexdigit()),
        None => last.bytes().all(|byte| byte.is_ascii_digit()),
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Address(IpAddr::V4(address)) => write!(f, "{address}"),
            Self::Address(IpAddr::V6(address)) => write!(f, "[{address}]"),
        }
    }
}

/// With its port, always.
impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, host, port) = (self.scheme.as_str(), &self.host, self.port);
        f.pad(&format!("{scheme}://{host}:{port}"))
    }
}

impl Serialize for Origin {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Origin {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn origin(text: &str) -> Origin {
        text.parse()
            .unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn an_origin_is_shown_with_its_port_and_in_lower_case() {
        for (text, shown, authority) in [
            (
                "https://API.example.com",
                "https://api.example.com:443",
                "api.example.com",
            ),
            ("HTTP://localhost:80", "http://localhost:80", "localhost"),
            (
                "http://my_service:8080",
                "http://my_service:8080",
                "my_service:8080",
            ),
            ("http://192.0.2.1", "http://192.0.2.1:80", "192.0.2.1"),
            (
                "https://[2001:DB8::1]:8443",
                "https://[2001:db8::1]:8443",
                "[2001:db8::1]:8443",
            ),
            ("https://[::1]", "https://[::1]:443", "[::1]"),
        ] {
            assert_eq!(origin(text).to_string(), shown);
            assert_eq!(origin(text).authority(), authority);
        }
        assert_eq!(origin("https://a.b"), origin("https://A.b:443"));
        assert_ne!(origin("https://a.b"), origin("http://a.b:443"));
    }

    #[test]
    fn what_is_no_origin_is_refused_with_the_reason() {
        use OriginError::{Host, Path, Port, Scheme, User};
        for (text, error) in [
            ("api.example.com", Scheme),
            ("ftp://example.com", Scheme),
            ("https:example.com", Scheme),
            ("https://example.com/", Path),
            ("https://example.com?x", Path),
            ("https://example.com#x", Path),
            ("https://example.com\\@evil", Path),
            ("https://user@example.com", User),
            ("https://example.com:443@evil", User),
            ("https://example.com:", Port),
            ("https://example.com:0", Port),
            ("https://example.com:+1", Port),
            ("https://example.com:65536", Port),
            ("https://", Host),
            ("https://*.example.com", Host),
            ("https://example..com", Host),
            ("https://example.com.", Host),
            ("https://-a.com", Host),
            ("https://exämple.com", Host),
            ("https://exa mple.com", Host),
            ("https://[::1", Host),
            ("https://::1", Host),
            ("https://[fe80::1%eth0]", Host),
            ("https://[127.0.0.1]", Host),
        ] {
            assert_eq!(text.parse::<Origin>(), Err(error), "{text}");
        }
    }

    #[test]
    fn an_address_has_one_spelling() {
        for host in [
            "2130706433",
            "017700000001",
            "0x7f000001",
            "0X7F000001",
            "0x",
            "127.1",
            "127.0.1",
            "0177.0.0.1",
            "127.0.0.01",
            "0x7f.1",
            "127.0.0.0x1",
            "256.0.0.1",
            "1.2.3.4.5",
            "example.1",
            "127.0.0.1.",
            "①②⑦.0.0.1",
        ] {
            let text = format!("http://{host}:80");
            assert_eq!(text.parse::<Origin>(), Err(OriginError::Host), "{host}");
        }
    }

    proptest! {
        #[test]
        fn no_text_breaks_the_parser_and_what_it_takes_is_the_same_read_again(text in "(https?://)?[a-zA-Z0-9.:\\[\\]@/_%-]{0,40}") {
            if let Ok(origin) = text.parse::<Origin>() {
                prop_assert_eq!(origin.to_string().parse::<Origin>(), Ok(origin));
            }
        }

        #[test]
        fn every_address_is_an_origin(address: IpAddr, port in 1u16..) {
            let text = format!("https://{}", std::net::SocketAddr::new(address, port));
            let origin = origin(&text);
            prop_assert_eq!(origin.host(), &Host::Address(address));
            prop_assert_eq!(origin.port(), port);
        }
    }
}
