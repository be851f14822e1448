//! URLs of Redis servers.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use percent_encoding::percent_decode_str;

const DEFAULT_PORT: u16 = 6379;

/// Which Redis to use and how:
/// `redis[s][+cluster]://[USER:PASSWORD@]HOST[:PORT][,HOST[:PORT]...][/DATABASE][?ca=..&cert=..&key=..]`.
///
/// `rediss` is TLS. The server's certificate is always verified: against the system's roots, or
/// against those in the file `ca`. Several hosts are for a cluster, where one that answers is
/// enough. User, password and paths are percent-encoded.
#[derive(Clone, PartialEq, Eq)]
pub struct RedisUrl {
    /// One; in a cluster the nodes to ask first, at least one.
    pub(super) servers: Vec<Server>,
    pub(super) cluster: bool,
    pub(super) user: Option<String>,
    pub(super) password: Option<String>,
    pub(super) database: u32,
    pub(super) tls: Option<Tls>,
}

/// Where one server listens.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Server {
    pub(super) host: String,
    pub(super) port: u16,
}

/// PEM files. Without `ca` the system's roots are trusted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Tls {
    pub(super) ca: Option<PathBuf>,
    pub(super) client: Option<ClientCertificate>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ClientCertificate {
    pub(super) cert: PathBuf,
    pub(super) key: PathBuf,
}

/// The text is no URL of a Redis. Nothing of the text is shown: a part in the wrong place may
/// be the password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RedisUrlError {
    /// The scheme is another one.
    #[error("begin it with redis://, rediss://, redis+cluster:// or rediss+cluster://")]
    Scheme,
    /// Nothing stands where a host should.
    #[error("it names no host: write HOST:PORT after the //")]
    NoHost,
    /// What stands after a host's colon is no port.
    #[error(
        "a port is a number up to 65535. In a user name or a password write @ as %40, / as %2F, \
         ? as %3F, # as %23 and : as %3A"
    )]
    Port,
    /// A host that is none.
    #[error("a host is a name, an IPv4 address, or an IPv6 address in brackets")]
    Host,
    /// Percent-encoding that gives no UTF-8.
    #[error("user name, password and paths are percent-encoded UTF-8: write % as %25")]
    Encoding,
    /// `user@host`.
    #[error("a user name needs a password: write USER:PASSWORD@HOST, or :PASSWORD@HOST for both")]
    UserAlone,
    /// Two hosts without a cluster.
    #[error("it names several hosts: that is for redis+cluster:// and rediss+cluster:// alone")]
    SeveralHosts,
    /// The path is no number.
    #[error("after HOST:PORT/ stands the number of a database")]
    Database,
    /// A cluster has but one.
    #[error("a cluster has only the database 0: leave out the path")]
    ClusterDatabase,
    /// An unknown parameter, or one that comes twice.
    #[error("after the ? stand ca=FILE, cert=FILE and key=FILE, each at most once")]
    Parameter,
    /// A parameter for TLS without TLS.
    #[error("ca, cert and key are for TLS: write rediss:// or rediss+cluster://")]
    NoTls,
    /// `cert` without `key`, or the other way round.
    #[error("a client's certificate and its key go together: cert=FILE&key=FILE")]
    HalfCertificate,
    /// Verification cannot be switched off, and nothing else has a meaning there.
    #[error(
        "nothing may stand after a #, which in a password is written %23: the server's \
         certificate is always verified"
    )]
    Fragment,
}

impl FromStr for RedisUrl {
    type Err = RedisUrlError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (scheme, rest) = text.split_once("://").ok_or(RedisUrlError::Scheme)?;
        let (tls, cluster) = match scheme {
            "redis" => (false, false),
            "rediss" => (true, false),
            "redis+cluster" => (false, true),
            "rediss+cluster" => (true, true),
            _ => return Err(RedisUrlError::Scheme),
        };
        if rest.contains('#') {
            return Err(RedisUrlError::Fragment);
        }
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (login, hosts) = match authority.rsplit_once('@') {
            Some((login, hosts)) => (Some(login), hosts),
            None => (None, authority),
        };
        let (user, password) = login.map(read_login).transpose()?.unwrap_or_default();
        let servers = hosts
            .split(',')
            .map(str::parse)
            .collect::<Result<Vec<Server>, _>>()?;
        if servers.len() > 1 && !cluster {
            return Err(RedisUrlError::SeveralHosts);
        }
        let database = match path {
            "" => 0,
            path => path.parse().map_err(|_| RedisUrlError::Database)?,
        };
        if cluster && database != 0 {
            return Err(RedisUrlError::ClusterDatabase);
        }
        let files = read_files(query)?;
        if !tls && files != Tls::default() {
            return Err(RedisUrlError::NoTls);
        }
        Ok(Self {
            servers,
            cluster,
            user,
            password,
            database,
            tls: tls.then_some(files),
        })
    }
}

/// User and password.
type Login = (Option<String>, Option<String>);

fn read_login(login: &str) -> Result<Login, RedisUrlError> {
    let (user, password) = login.split_once(':').ok_or(RedisUrlError::UserAlone)?;
    let user = match user {
        "" => None,
        user => Some(decode(user)?),
    };
    Ok((user, Some(decode(password)?)))
}

fn read_files(query: &str) -> Result<Tls, RedisUrlError> {
    let (mut ca, mut cert, mut key) = (None, None, None);
    for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
        let file = match parameter.split_once('=') {
            Some(("ca", file)) => ca.replace(PathBuf::from(decode(file)?)),
            Some(("cert", file)) => cert.replace(PathBuf::from(decode(file)?)),
            Some(("key", file)) => key.replace(PathBuf::from(decode(file)?)),
            _ => return Err(RedisUrlError::Parameter),
        };
        if file.is_some() {
            return Err(RedisUrlError::Parameter);
        }
    }
    let client = match (cert, key) {
        (Some(cert), Some(key)) => Some(ClientCertificate { cert, key }),
        (None, None) => None,
        (Some(_), None) | (None, Some(_)) => return Err(RedisUrlError::HalfCertificate),
    };
    Ok(Tls { ca, client })
}

fn decode(text: &str) -> Result<String, RedisUrlError> {
    let decoded = percent_decode_str(text).decode_utf8();
    decoded.map(Into::into).map_err(|_| RedisUrlError::Encoding)
}

impl FromStr for Server {
    type Err = RedisUrlError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((host, "")) => (host, None),
            Some((host, rest)) => (
                host,
                Some(rest.strip_prefix(':').ok_or(RedisUrlError::Host)?),
            ),
            None => match text.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (text, None),
            },
        };
        let port = port.map_or(Ok(DEFAULT_PORT), str::parse);
        let host = host.to_owned();
        match host.as_str() {
            "" => Err(RedisUrlError::NoHost),
            _ => Ok(Self {
                host,
                port: port.map_err(|_| RedisUrlError::Port)?,
            }),
        }
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "[{}]:{}", self.host, self.port),
            false => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

impl RedisUrl {
    /// Makes relative paths relative to `folder`.
    #[must_use]
    pub(in crate::bus) fn relative_to(mut self, folder: &Path) -> Self {
        if let Some(tls) = &mut self.tls {
            if let Some(ca) = &mut tls.ca {
                *ca = folder.join(&ca);
            }
            if let Some(client) = &mut tls.client {
                client.cert = folder.join(&client.cert);
                client.key = folder.join(&client.key);
            }
        }
        self
    }
}

impl fmt::Display for RedisUrl {
    /// Without user, password and files: this is what logs and errors show.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.tls {
            Some(_) => "rediss",
            None => "redis",
        })?;
        f.write_str(match self.cluster {
            true => "+cluster://",
            false => "://",
        })?;
        if self.password.is_some() {
            f.write_str("…@")?;
        }
        for (at, server) in self.servers.iter().enumerate() {
            let comma = if at == 0 { "" } else { "," };
            write!(f, "{comma}{server}")?;
        }
        match self.database {
            0 => Ok(()),
            database => write!(f, "/{database}"),
        }
    }
}

impl fmt::Debug for RedisUrl {
    /// As it is shown, so that no password gets into a log with what holds the URL.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RedisUrl({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> RedisUrl {
        text.parse()
            .unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    fn server(host: &str, port: u16) -> Server {
        Server {
            host: host.to_owned(),
            port,
        }
    }

    #[test]
    fn every_part_is_read_and_decoded() {
        let url = read("rediss://us%40er:p%3Aa%2Fss@db:7000/2?ca=/etc/my%20ca.pem&cert=c&key=k");
        assert_eq!(url.servers, [server("db", 7000)]);
        assert_eq!(url.user.as_deref(), Some("us@er"));
        assert_eq!(url.password.as_deref(), Some("p:a/ss"));
        assert_eq!(url.database, 2);
        let tls = url.tls.expect("TLS");
        assert_eq!(tls.ca, Some("/etc/my ca.pem".into()));
        assert_eq!(tls.client.map(|client| client.key), Some("k".into()));

        let url = read("redis+cluster://:p@a:1,b,[::1]:3");
        let expected = [server("a", 1), server("b", DEFAULT_PORT), server("::1", 3)];
        assert_eq!(url.servers, expected);
        assert!(url.cluster && url.tls.is_none());
        assert_eq!((url.user, url.password.as_deref()), (None, Some("p")));
    }

    #[test]
    fn user_and_password_are_never_shown() {
        for scheme in ["redis", "rediss", "redis+cluster", "rediss+cluster"] {
            let url = read(&format!("{scheme}://me:secret@db:6379"));
            assert_eq!(url.to_string(), format!("{scheme}://…@db:6379"));
            let debug = format!("{url:?}");
            assert!(
                !debug.contains("secret") && !debug.contains("me:"),
                "{debug}"
            );
        }
        let url = read("redis+cluster://a:1,[::1]:2/0");
        assert_eq!(url.to_string(), "redis+cluster://a:1,[::1]:2");
    }

    #[test]
    fn what_is_no_url_of_a_redis_says_why_and_shows_nothing_of_it() {
        use RedisUrlError::*;
        let cases = [
            ("secret://db", Scheme),
            ("redis:secret", Scheme),
            ("redis://", NoHost),
            ("redis://:6379", NoHost),
            ("redis://u:secret@", NoHost),
            ("redis+cluster://a,", NoHost),
            ("redis://u:secret/db", Port),
            ("redis://db:65536", Port),
            ("redis://[::1]secret", Host),
            ("redis://u:%ff@db", Encoding),
            ("redis://secret@db", UserAlone),
            ("redis://a:1,b:2", SeveralHosts),
            ("redis://db/secret", Database),
            ("redis+cluster://db/1", ClusterDatabase),
            ("rediss://db?secret=1", Parameter),
            ("rediss://db?ca=a&ca=b", Parameter),
            ("redis://db?ca=a", NoTls),
            ("rediss://db?cert=a", HalfCertificate),
            ("rediss://db/#insecure", Fragment),
        ];
        for (text, expected) in cases {
            assert_eq!(text.parse::<RedisUrl>(), Err(expected), "{text}");
            assert!(!expected.to_string().contains("secret"));
        }
    }

    #[test]
    fn files_may_be_relative_to_a_folder() {
        let url = read("rediss://db?ca=ca.pem&cert=/c&key=k").relative_to(Path::new("/etc"));
        let tls = url.tls.expect("TLS");
        assert_eq!(tls.ca, Some("/etc/ca.pem".into()));
        let client = tls.client.expect("a certificate");
        assert_eq!(client.cert, Path::new("/c"));
        assert_eq!(client.key, Path::new("/etc/k"));
    }
}
