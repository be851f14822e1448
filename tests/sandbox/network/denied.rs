//! Requests that are not to be made: `capability_denied`, and not one connection.

use hothouse::failure::ErrorType;
use hothouse::sandbox::LimitsPatch;
use serde_json::{Value, json};

use super::server::{Server, answer};
use super::{LOOPBACK, fails, outbound, send};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

/// Sends with these grants, and expects a denial that says so.
async fn denied(origins: &[&str], networks: &[&str], input: Value, part: &str) {
    let said = input.to_string();
    let failure = fails(outbound(origins, networks), LimitsPatch::default(), input).await;
    assert_eq!(
        failure.error_type,
        ErrorType::CapabilityDenied,
        "{said}: {failure}"
    );
    assert!(failure.message.contains(part), "{said}: {failure}");
}

#[tokio::test]
async fn an_origin_that_is_not_granted_is_denied_by_its_name() {
    let server = Server::start(answer(OK)).await;
    let other_port = format!("http://127.0.0.1:{}", server.port().wrapping_add(1).max(1));
    let input = json!({"url": server.origin()});
    let origin = format!("asked for {}, which is not granted", server.origin());
    denied(&[&other_port], LOOPBACK, input, &origin).await;
    let https = format!("https://127.0.0.1:{}", server.port());
    denied(&[&server.origin()], LOOPBACK, json!({"url": https}), &https).await;
    assert_eq!(server.seen(), Vec::<String>::new());
}

#[tokio::test]
async fn a_guest_that_hides_every_error_is_denied_all_the_same() {
    let input = json!({"url": "http://127.0.0.1:9", "hide": true});
    denied(&["http://example.com"], &[], input.clone(), "not granted").await;
    denied(&["http://127.0.0.1:9"], &[], input, "loopback").await;
}

#[tokio::test]
async fn a_granted_origin_that_is_an_address_of_the_host_or_of_its_network_is_denied() {
    for (origin, why) in [
        ("http://127.0.0.1", "127.0.0.1 (loopback)"),
        ("http://[::1]:8080", "::1 (loopback)"),
        ("http://[::ffff:127.0.0.1]", "(loopback)"),
        ("http://[::127.0.0.1]", "(IPv4-compatible)"),
        ("http://[64:ff9b::7f00:1]", "(loopback)"),
        ("http://[2002:7f00:1::]", "(6to4)"),
        (
            "http://169.254.169.254",
            "169.254.169.254 (a cloud's metadata)",
        ),
        ("http://[fd00:ec2::254]", "(a cloud's metadata)"),
        ("http://10.0.0.1", "10.0.0.1 (private)"),
        ("https://192.168.1.1", "(private)"),
        ("http://0.0.0.0", "(this network)"),
        ("http://100.64.0.1", "(shared by a carrier)"),
        ("http://[fe80::1]", "(link-local)"),
        ("http://255.255.255.255", "(broadcast)"),
    ] {
        denied(&[origin], &[], json!({"url": origin}), why).await;
    }
}

#[tokio::test]
async fn a_name_that_leads_to_the_host_itself_is_denied_unless_the_network_is_listed() {
    let server = Server::start(answer(OK)).await;
    let origin = format!("http://localhost:{}", server.port());
    denied(
        &[&origin],
        &[],
        json!({"url": origin}),
        "127.0.0.1 (loopback)",
    )
    .await;
    assert_eq!(server.seen(), Vec::<String>::new());

    let granted = outbound(&[&origin], LOOPBACK);
    let output = send(granted, LimitsPatch::default(), json!({"url": origin})).await;
    assert_eq!(output.expect("listed")["status"], 200);
    let host = format!("host: localhost:{}", server.port());
    assert!(server.seen()[0].contains(&host), "{:?}", server.seen());
}

#[tokio::test]
async fn a_redirect_is_not_followed_by_the_host_and_checked_where_the_guest_follows_it() {
    for location in [
        "http://169.254.169.254/latest/meta-data/",
        "http://127.0.0.1:1/",
        "http://example.com/",
    ] {
        let moved =
            format!("HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n");
        let server = Server::start(answer(moved)).await;
        let origin = server.origin();
        let granted = outbound(&[&origin], LOOPBACK);
        let output = send(granted, LimitsPatch::default(), json!({"url": origin})).await;
        let output = output.expect("the redirect itself");
        assert_eq!(output["status"], 302);
        assert_eq!(output["headers"]["location"], location);

        let input = json!({"url": origin, "follow": true});
        denied(&[&origin], LOOPBACK, input, "not granted").await;
        assert_eq!(server.seen().len(), 2);
    }
}

#[tokio::test]
async fn another_spelling_of_an_address_is_no_origin() {
    let server = Server::start(answer(OK)).await;
    let (origin, port) = (server.origin(), server.port());
    for host in [
        "2130706433",
        "017700000001",
        "0x7f000001",
        "0x7f.0.0.1",
        "0177.0.0.1",
        "127.1",
        "127.0.0.1.",
        "127.0.0.01",
        "user@127.0.0.1",
    ] {
        let input = json!({"url": format!("http://{host}:{port}/")});
        denied(&[&origin], LOOPBACK, input, "which is no origin").await;
    }
    for host in ["[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "localhost"] {
        let input = json!({"url": format!("http://{host}:{port}/")});
        denied(&[&origin], LOOPBACK, input, "not granted").await;
    }
    assert_eq!(server.seen(), Vec::<String>::new());
}

#[tokio::test]
async fn another_scheme_is_no_origin() {
    let input = json!({"url": "ftp://127.0.0.1:80/"});
    let granted = outbound(&["http://127.0.0.1:80"], LOOPBACK);
    let failure = fails(granted, LimitsPatch::default(), input).await;
    assert_eq!(failure.error_type, ErrorType::CapabilityDenied, "{failure}");
    assert!(failure.message.contains("ftp://127.0.0.1:80"), "{failure}");
}
