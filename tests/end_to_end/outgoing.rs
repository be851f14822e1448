//! Guests that send requests from the real binary, over HTTP and HTTPS.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use crate::event::{id_of, started};
use crate::harness::Certificates;
use crate::process::binary;
use crate::site::{AGENTS, Site, agent};

const AGENT: &str = "sends-request";

/// A server on 127.0.0.1 that answers every request alike, and ends with the test.
struct Server {
    port: u16,
    task: JoinHandle<()>,
}

impl Server {
    async fn start(tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("address").port();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                serve(stream, tls.as_ref()).await;
            }
        });
        Self { port, task }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(stream: TcpStream, tls: Option<&TlsAcceptor>) {
    match tls {
        None => answer(stream).await,
        // A client that does not trust the certificate leaves here.
        Some(tls) => {
            if let Ok(stream) = tls.accept(stream).await {
                answer(stream).await;
            }
        }
    }
}

async fn answer(mut stream: impl AsyncRead + AsyncWrite + Unpin) {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        match stream.read_buf(&mut request).await {
            Ok(read) if read > 0 => {}
            Ok(_) | Err(_) => return,
        }
    }
    let response = b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nwelcome";
    // Who is gone has no use for it.
    let _ = stream.write_all(response).await;
    let _ = stream.shutdown().await;
}

fn acceptor(certificates: &Certificates) -> TlsAcceptor {
    let chain = CertificateDer::from_pem_file(certificates.cert()).expect("a certificate");
    let key = PrivateKeyDer::from_pem_file(certificates.key()).expect("a key");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![chain], key)
        .expect("a certificate and its key");
    TlsAcceptor::from(Arc::new(config))
}

/// `hothouse run` of one request, with a root certificate and with proxies that lead nowhere.
async fn send(site: &Site, origin: &str, ca: PathBuf) -> Value {
    let needs = format!("world = \"agent\"\n[needs]\nallowed_outbound_hosts = [\"{origin}\"]");
    site.install(AGENT, &needs);
    let event = started(AGENT, json!({"url": format!("{origin}/path")}));
    site.write("event.json", event.to_string());
    let mut command = binary(Path::new(env!("CARGO_BIN_EXE_hothouse")), site.folder());
    command
        .args([
            "run",
            "plugins/sends-request",
            "--event",
            "event.json",
            "--json",
        ])
        .args(["--allow-host", origin, "--allow-network", "127.0.0.0/8"])
        .env("SSL_CERT_FILE", ca);
    for proxy in [
        "http_proxy",
        "HTTP_PROXY",
        "https_proxy",
        "HTTPS_PROXY",
        "ALL_PROXY",
    ] {
        command.env(proxy, "http://127.0.0.1:9");
    }
    let output = tokio::task::spawn_blocking(move || command.output());
    let output = output.await.expect("no panic").expect("start hothouse");
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

#[tokio::test]
async fn a_guest_reaches_its_origin_over_https_whose_certificate_is_trusted_and_for_its_host() {
    let site = Site::on_sqlite();
    let certificates = Certificates::new();
    let server = Server::start(Some(acceptor(&certificates))).await;
    let origin = format!("https://127.0.0.1:{}", server.port);
    let told = send(&site, &origin, certificates.ca()).await;
    assert_eq!(told["result"], "completed", "{told:#}");
    assert_eq!(told["events"][0]["data"]["output_data"]["body"], "welcome");

    let other_host = format!("https://localhost:{}", server.port);
    let other_authority = Certificates::new();
    for (origin, ca) in [
        (&other_host, certificates.ca()),
        (&origin, other_authority.ca()),
    ] {
        let told = send(&site, origin, ca).await;
        let data = &told["events"][0]["data"];
        assert_eq!(data["error_type"], "permanent_error", "{told:#}");
        let message = data["error_message"].as_str().expect("a message");
        assert!(message.contains("TlsCertificateError"), "{message}");
    }
}

#[tokio::test]
async fn a_host_sends_to_what_manifest_and_configuration_both_name_and_to_nothing_else() {
    let server = Server::start(None).await;
    let (granted, other) = (
        format!("http://127.0.0.1:{}", server.port),
        format!("http://localhost:{}", server.port),
    );
    let site = Site::on_sqlite();
    let needs = format!("world = \"agent\"\n[needs]\nallowed_outbound_hosts = [\"{granted}\"]");
    site.install(AGENT, &needs);
    let allow = format!(
        "[plugins.{AGENT}.allow]\nallowed_outbound_hosts = [\"{granted}\", \"{other}\"]\n\
         allowed_private_networks = [\"127.0.0.0/8\"]\n"
    );
    site.configure(&(agent(AGENT, "") + &allow));
    let _host = site.serve();
    let events = [&granted, &other].map(|origin| started(AGENT, json!({"url": origin})));
    site.publish(&events).await;

    let outcome = site.outcome_of(AGENTS, id_of(&events[0])).await;
    assert_eq!(
        outcome.data["output_data"]["body"], "welcome",
        "{outcome:#?}"
    );
    let outcome = site.outcome_of(AGENTS, id_of(&events[1])).await;
    assert_eq!(outcome.error_type(), "capability_denied");
    let message = outcome.data["error_message"].as_str().expect("a message");
    assert!(
        message.contains(&format!("{other}, which is not granted")),
        "{message}"
    );
    assert_eq!(site.dead_letters(AGENTS).await.len(), 1);
}

#[tokio::test]
async fn a_private_address_is_denied_where_its_network_is_not_listed() {
    let site = Site::on_sqlite();
    let origin = "http://169.254.169.254:80";
    let needs = format!("world = \"agent\"\n[needs]\nallowed_outbound_hosts = [\"{origin}\"]");
    site.install(AGENT, &needs);
    let allow = format!("[plugins.{AGENT}.allow]\nallowed_outbound_hosts = [\"{origin}\"]\n");
    site.configure(&(agent(AGENT, "") + &allow));
    let _host = site.serve();
    let event = started(AGENT, json!({"url": origin, "hide": true}));
    site.publish(std::slice::from_ref(&event)).await;
    let outcome = site.outcome_of(AGENTS, id_of(&event)).await;
    assert_eq!(outcome.error_type(), "capability_denied");
    let message = outcome.data["error_message"].as_str().expect("a message");
    assert!(
        message.contains("169.254.169.254 (a cloud's metadata)"),
        "{message}"
    );
}

#[tokio::test]
async fn what_is_no_origin_or_no_network_is_refused_where_it_is_written() {
    let site = Site::on_sqlite();
    site.install(AGENT, "world = \"agent\"");
    let allow = format!(
        "[plugins.{AGENT}.allow]\nallowed_outbound_hosts = [\"https://example.com/path\"]\n\
         allowed_private_networks = [\"10.0.0.0/99\"]\n"
    );
    site.configure(&(agent(AGENT, "") + &allow));
    let told = site.hothouse(&["config", "validate"]).await.exits(2);
    for part in [
        "allowed_outbound_hosts",
        "an origin ends with its port",
        "10.0.0.0/99",
    ] {
        assert!(told.stdout.contains(part), "{part}: {told:#?}");
    }
}
