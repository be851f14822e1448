//! TLS and passwords: what is wrong is said, and what is secret is not.

use hothouse::bus::{self, BusError, BusUrl};

use crate::harness::events::EXECUTIONS;
use crate::harness::{Certificates, RedisServer, TlsServer};
use crate::store::agent_workers;

/// The error of the first use, or of opening the bus.
async fn error_of(url: &str) -> BusError {
    let url: BusUrl = url.parse().expect("a bus URL");
    match bus::connect(&url, "a") {
        Ok(bus) => bus.join(&agent_workers()).await.expect_err("refused"),
        Err(error) => error,
    }
}

fn assert_broken(error: &BusError, says: &str) {
    let text = error.to_string();
    assert!(matches!(error, BusError::Broken { .. }), "{text}");
    assert!(text.contains(says), "{text}");
    let secrets = [TlsServer::PASSWORD, TlsServer::ENCODED, "wrong"];
    assert!(
        !secrets.iter().any(|secret| text.contains(secret)),
        "{text}"
    );
}

#[tokio::test]
async fn a_wrong_login_is_refused_for_good_and_says_so() {
    let tls = TlsServer::start();
    let ca = format!("?ca={}", tls.certificates.ca().display());
    let right = TlsServer::ENCODED;
    for login in ["hothouse:wrong", "nobody:wrong", ":wrong"] {
        let error = error_of(&tls.url_with(login, &ca)).await;
        assert_broken(&error, "user name or password");
    }
    let url: BusUrl = tls.url().parse().expect("a bus URL");
    let bus = bus::connect(&url, "a").expect("open");
    bus.join(&agent_workers()).await.expect("the right one");

    let url = format!(
        "redis://{}:{right}@127.0.0.1:{}",
        TlsServer::USER,
        tls.server.port()
    );
    let url: BusUrl = url.parse().expect("a bus URL");
    let bus = bus::connect(&url, "a").expect("open");
    bus.join(&agent_workers()).await.expect("without TLS");
}

#[tokio::test]
async fn a_server_that_asks_for_a_password_says_so() {
    let server = RedisServer::start();
    server.command::<()>(&["CONFIG", "SET", "requirepass", "right"]);
    assert_broken(&error_of(&server.url()).await, "asks for a password");
    let with = |login: &str| server.url().replace("//", &format!("//{login}@"));
    assert_broken(&error_of(&with(":wrong")).await, "user name or password");
    let url: BusUrl = with(":right").parse().expect("a bus URL");
    let bus = bus::connect(&url, "a").expect("open");
    bus.join(&agent_workers()).await.expect("the right one");
}

#[tokio::test]
async fn a_user_without_the_rights_is_told_so() {
    let server = RedisServer::start();
    let user = [
        "ACL", "SETUSER", "me", "on", ">right", "~*", "+@read", "+@write",
    ];
    server.command::<()>(&user);
    let url = server.url().replace("//", "//me:right@");
    assert_broken(&error_of(&url).await, "rights");
}

#[tokio::test]
async fn a_certificate_that_nobody_vouches_for_is_refused() {
    let tls = TlsServer::start();
    let login = format!("{}:{}", TlsServer::USER, TlsServer::ENCODED);
    // The system's roots do not know it, and neither does another authority.
    let other = Certificates::new();
    for parameters in [String::new(), format!("?ca={}", other.ca().display())] {
        let error = error_of(&tls.url_with(&login, &parameters)).await;
        assert_broken(&error, "invalid peer certificate");
    }
    // It is for 127.0.0.1, and not for this name of it.
    let url = tls.url().replace("127.0.0.1", "localhost");
    assert_broken(&error_of(&url).await, "TLS with the server fails");
    // A server without TLS may begin to speak it.
    let plain = RedisServer::start();
    let ca = tls.certificates.ca();
    let url = format!("rediss://127.0.0.1:{}?ca={}", plain.port(), ca.display());
    let error = error_of(&url).await;
    assert!(matches!(error, BusError::Unavailable { .. }), "{error}");
    assert!(error.to_string().contains("does not speak TLS"), "{error}");
}

#[tokio::test]
async fn a_server_that_asks_for_a_certificate_gets_it() {
    let tls = TlsServer::start_with(&["--tls-auth-clients", "yes"]);
    assert_broken(&error_of(&tls.url()).await, "TLS with the server fails");
    let (cert, key) = (tls.certificates.cert(), tls.certificates.key());
    let url = format!(
        "{}&cert={}&key={}",
        tls.url(),
        cert.display(),
        key.display()
    );
    let url: BusUrl = url.parse().expect("a bus URL");
    let bus = bus::connect(&url, "a").expect("open");
    bus.join(&agent_workers()).await.expect("join");
    bus.status(EXECUTIONS, "agent-workers")
        .await
        .expect("status");
}

#[tokio::test]
async fn files_that_are_not_there_or_hold_no_certificate_are_named_at_once() {
    let tls = TlsServer::start();
    let login = format!("{}:{}", TlsServer::USER, TlsServer::ENCODED);
    let error = error_of(&tls.url_with(&login, "?ca=/nowhere/ca.pem")).await;
    assert_broken(&error, "ca=/nowhere/ca.pem cannot be read");
    let key = tls.certificates.key();
    let error = error_of(&tls.url_with(&login, &format!("?ca={}", key.display()))).await;
    assert_broken(&error, "holds no certificate");
}
