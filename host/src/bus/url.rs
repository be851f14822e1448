//! Bus URLs.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use super::embedded::EmbeddedBus;
use super::redis::{RedisBus, RedisUrl, RedisUrlError};
use super::{Bus, BusError};

/// Where a bus is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BusUrl {
    /// `memory:`: SQLite in this process's memory, gone when it ends.
    Memory,
    /// `sqlite:PATH`: a SQLite file, for the processes of one machine.
    Sqlite(PathBuf),
    /// `redis://`, `rediss://`, `redis+cluster://` or `rediss+cluster://`.
    Redis(RedisUrl),
}

/// The text is no bus URL.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BusUrlError {
    /// It is to be a Redis, and cannot be.
    #[error("the {scheme}:// URL cannot be used: {reason}")]
    Redis {
        /// What stands before its `://`.
        scheme: String,
        /// Why.
        reason: RedisUrlError,
    },
    /// It is something else. Only what stands before the first colon is shown: the rest may
    /// hold a password.
    #[error(
        "{0:?} is no kind of bus: use redis://HOST:PORT, rediss:// for TLS, redis+cluster:// for \
         a cluster, sqlite:PATH or memory:"
    )]
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
            Some((scheme @ ("redis" | "rediss" | "redis+cluster" | "rediss+cluster"), _)) => text
                .parse()
                .map(Self::Redis)
                .map_err(|reason| BusUrlError::Redis {
                    scheme: scheme.to_owned(),
                    reason,
                }),
            Some((scheme, _)) => Err(BusUrlError::Unknown(format!("{scheme}:…"))),
            None => Err(BusUrlError::Unknown(text.to_owned())),
        }
    }
}

impl BusUrl {
    /// Makes relative paths relative to `folder`.
    #[must_use]
    pub fn relative_to(self, folder: &Path) -> Self {
        match self {
            Self::Memory => Self::Memory,
            Self::Sqlite(path) => Self::Sqlite(folder.join(path)),
            Self::Redis(url) => Self::Redis(url.relative_to(folder)),
        }
    }
}

impl fmt::Display for BusUrl {
    /// Without the password: this is what logs and errors show.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory => f.write_str("memory:"),
            Self::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
            Self::Redis(url) => url.fmt(f),
        }
    }
}

/// Opens a bus for one host.
///
/// `consumer` names the host and must be new at each start. Nothing is sent to a Redis server
/// yet: it may come up later.
///
/// # Errors
/// When the SQLite file cannot be opened, or a file that the URL names for TLS cannot be read.
pub fn connect(url: &BusUrl, consumer: &str) -> Result<Arc<dyn Bus>, BusError> {
    Ok(match url {
        BusUrl::Memory => Arc::new(EmbeddedBus::in_memory(consumer)?),
        BusUrl::Sqlite(path) => Arc::new(EmbeddedBus::open(path, consumer)?),
        BusUrl::Redis(url) => Arc::new(RedisBus::new(url, consumer)?),
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
        let error = "rediss://me:secret/x"
            .parse::<BusUrl>()
            .expect_err("refused");
        assert!(!error.to_string().contains("secret"), "{error}");
    }
}
