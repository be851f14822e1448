//! Bus URLs.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

use super::embedded::EmbeddedBus;
use super::redis::RedisBus;
use super::{Bus, BusError};

/// Where a bus is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BusUrl {
    /// `memory:`: SQLite in this process's memory, gone when it ends.
    Memory,
    /// `sqlite:PATH`: a SQLite file, for the processes of one machine.
    Sqlite(PathBuf),
    /// `redis://[user:password@]host[:port][/db]`.
    Redis(String),
}

/// The text is no bus URL.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BusUrlError {
    /// It names a bus that this version doesn't have.
    #[error("{0} is not supported yet: use redis://")]
    Unsupported(String),
    /// It is something else. Only what stands before the first colon is shown: the rest may
    /// hold a password.
    #[error("{0:?} is no kind of bus: use redis://HOST:PORT, sqlite:PATH or memory:")]
    Unknown(String),
}

impl FromStr for BusUrl {
    type Err = BusUrlError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "memory:" {
            return Ok(Self::Memory);
        }
        match text.split_once(':') {
            Some(("sqlite", path)) if !path.is_empty() => Ok(Self::Sqlite(path.into())),
            Some(("redis", rest)) if rest.len() > 2 && rest.starts_with("//") => {
                Ok(Self::Redis(text.to_owned()))
            }
            Some((scheme @ ("rediss" | "redis+cluster"), _)) => {
                Err(BusUrlError::Unsupported(format!("{scheme}://")))
            }
            Some((scheme, _)) => Err(BusUrlError::Unknown(format!("{scheme}:…"))),
            None => Err(BusUrlError::Unknown(text.to_owned())),
        }
    }
}

impl fmt::Display for BusUrl {
    /// Without the password: this is what logs and errors show.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory => f.write_str("memory:"),
            Self::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
            Self::Redis(url) => match url.rsplit_once('@') {
                Some((_, host)) => write!(f, "redis://…@{host}"),
                None => f.write_str(url),
            },
        }
    }
}

/// Opens a bus for one host.
///
/// `consumer` names the host and must be new at each start. Nothing is sent to a Redis server
/// yet: it may come up later.
///
/// # Errors
/// When the URL cannot be used at all, or the SQLite file cannot be opened.
pub fn connect(url: &BusUrl, consumer: &str) -> Result<Arc<dyn Bus>, BusError> {
    Ok(match url {
        BusUrl::Memory => Arc::new(EmbeddedBus::in_memory(consumer)?),
        BusUrl::Sqlite(path) => Arc::new(EmbeddedBus::open(path, consumer)?),
        BusUrl::Redis(address) => Arc::new(RedisBus::new(address, &url.to_string(), consumer)?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scheme_is_read_and_a_password_is_never_shown() {
        let redis: BusUrl = "redis://me:secret@db:6379/2".parse().expect("redis");
        assert_eq!(redis.to_string(), "redis://…@db:6379/2");
        assert_eq!("memory:".parse(), Ok(BusUrl::Memory));
        assert_eq!("sqlite:a/b.db".parse(), Ok(BusUrl::Sqlite("a/b.db".into())));
    }

    #[test]
    fn what_is_no_bus_url_is_refused() {
        for text in ["", "sqlite:", "redis:", "redis://", "http://x", "x.db"] {
            assert!(text.parse::<BusUrl>().is_err(), "{text:?}");
        }
        let error = "valkey://me:secret@db"
            .parse::<BusUrl>()
            .expect_err("refused");
        assert!(!error.to_string().contains("secret"), "{error}");
        assert!(matches!(
            "rediss://x".parse::<BusUrl>(),
            Err(BusUrlError::Unsupported(_))
        ));
    }
}
