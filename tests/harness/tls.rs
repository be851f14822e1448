//! A redis-server with TLS, under a certificate authority of the test's own.

use std::fs;
use std::path::PathBuf;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, IsCa, KeyPair,
};
use tempfile::TempDir;

use super::redis_server::{RedisServer, free_port};

/// A certificate authority, and what it signed for `127.0.0.1`, as PEM files in a folder.
#[derive(Debug)]
pub(crate) struct Certificates {
    folder: TempDir,
}

impl Certificates {
    pub(crate) fn new() -> Self {
        let mut params = params_of("authority", &[]);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(params, key()).expect("an authority");
        let signed_key = key();
        let signed = params_of("server", &["127.0.0.1"])
            .signed_by(&signed_key, &authority)
            .expect("a certificate");
        let folder = TempDir::new().expect("a folder for certificates");
        let certificates = Self { folder };
        for (path, pem) in [
            (certificates.ca(), authority.pem()),
            (certificates.cert(), signed.pem()),
            (certificates.key(), signed_key.serialize_pem()),
        ] {
            fs::write(path, pem).expect("write a PEM file");
        }
        certificates
    }

    pub(crate) fn ca(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    pub(crate) fn cert(&self) -> PathBuf {
        self.folder.path().join("cert.pem")
    }

    pub(crate) fn key(&self) -> PathBuf {
        self.folder.path().join("key.pem")
    }

    /// Arguments of a redis-server that listens with TLS on a port of its own too.
    pub(crate) fn args(&self) -> Vec<String> {
        let file = |path: PathBuf| path.display().to_string();
        let args = [
            ("--tls-port", free_port().to_string()),
            ("--tls-ca-cert-file", file(self.ca())),
            ("--tls-cert-file", file(self.cert())),
            ("--tls-key-file", file(self.key())),
            ("--tls-auth-clients", "no".to_owned()),
        ];
        let args = args.into_iter();
        args.flat_map(|(name, value)| [name.to_owned(), value])
            .collect()
    }
}

fn params_of(name: &str, hosts: &[&str]) -> CertificateParams {
    let hosts: Vec<String> = hosts.iter().map(ToString::to_string).collect();
    let mut params = CertificateParams::new(hosts).expect("names of hosts");
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

fn key() -> KeyPair {
    KeyPair::generate().expect("a key")
}

/// A redis-server with TLS that knows a user with a password. The test itself comes in without
/// either.
#[derive(Debug)]
pub(crate) struct TlsServer {
    pub(crate) server: RedisServer,
    pub(crate) certificates: Certificates,
}

impl TlsServer {
    pub(crate) const USER: &str = "hothouse";
    pub(crate) const PASSWORD: &str = "p@ss:word/?#%";

    /// The password as a URL has it.
    pub(crate) const ENCODED: &str = "p%40ss%3Aword%2F%3F%23%25";

    /// The rights of the user, as README.md gives them.
    pub(crate) const RIGHTS: &str = "~* +@all -@dangerous +info +config|get";

    pub(crate) fn start() -> Self {
        Self::start_with(&[])
    }

    /// With more arguments.
    pub(crate) fn start_with(more: &[&str]) -> Self {
        let certificates = Certificates::new();
        let server = RedisServer::start_as(|| {
            let mut args = certificates.args();
            let password = format!(">{}", Self::PASSWORD);
            args.extend(["--user", Self::USER, "on", &password].map(str::to_owned));
            args.extend(Self::RIGHTS.split(' ').map(str::to_owned));
            args.extend(more.iter().map(ToString::to_string));
            args
        });
        Self {
            server,
            certificates,
        }
    }

    /// Everything right, as a bus URL.
    pub(crate) fn url(&self) -> String {
        let login = format!("{}:{}", Self::USER, Self::ENCODED);
        let ca = self.certificates.ca();
        self.url_with(&login, &format!("?ca={}", ca.display()))
    }

    /// With a login and parameters of choice.
    pub(crate) fn url_with(&self, login: &str, parameters: &str) -> String {
        let port = self.server.arg("--tls-port");
        format!("rediss://{login}@127.0.0.1:{port}{parameters}")
    }
}
