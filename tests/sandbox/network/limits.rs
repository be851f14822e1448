//! Servers and guests without measure: what the guest is told, and that the run ends.

use std::time::Duration;

use guests::Guest;
use hothouse::failure::{ErrorType, Failure};
use hothouse::sandbox::LimitsPatch;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};

use super::server::{Server, answer, repeat, stall};
use super::{LOOPBACK, fails, loaded, outbound, run, send};

const HEAD: &str = "HTTP/1.1 200 OK\r\n";
const BODY: &str = "HTTP/1.1 200 OK\r\n\r\n";
const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

fn usual() -> LimitsPatch {
    LimitsPatch::default()
}

fn impatient() -> LimitsPatch {
    LimitsPatch {
        http_timeout_ms: Some(300),
        ..usual()
    }
}

fn small() -> LimitsPatch {
    LimitsPatch {
        http_response_bytes: Some(100_000),
        ..usual()
    }
}

/// A request to a server must fail in this way, and leave no connection.
async fn attack<Serve, Done>(serve: Serve, limits: LimitsPatch, more: Value) -> Failure
where
    Serve: Fn(TcpStream) -> Done + Send + Sync + 'static,
    Done: Future<Output = ()> + Send + 'static,
{
    let server = Server::start(serve).await;
    let mut input = json!({"url": server.origin()});
    if let (Some(input), Some(more)) = (input.as_object_mut(), more.as_object()) {
        input.extend(more.clone());
    }
    let failure = fails(outbound(&[&server.origin()], LOOPBACK), limits, input).await;
    server.until_open(0).await;
    failure
}

macro_rules! attacks {
    ($( $test:ident: $serve:expr, $limits:expr => $error:ident, $part:literal; )*) => { $(
        #[tokio::test]
        async fn $test() {
            let failure = attack($serve, $limits, json!({})).await;
            assert_eq!(failure.error_type, ErrorType::$error, "{failure}");
            assert!(failure.message.contains($part), "{failure}");
        }
    )* };
}

attacks! {
    a_server_that_never_answers_is_a_timeout_of_the_request:
        stall(""), impatient() => RetryableError, "took too long";
    a_head_without_end_in_sight_is_a_timeout_of_the_request:
        stall(HEAD), impatient() => RetryableError, "took too long";
    a_body_that_stalls_is_a_timeout_of_the_request:
        stall(BODY), impatient() => RetryableError, "took too long";
    a_server_that_drips_bytes_is_a_timeout_of_the_request:
        repeat(BODY, b"x", Duration::from_millis(5)), impatient() => RetryableError, "took too long";
    a_head_that_drips_is_a_timeout_of_the_request:
        repeat(HEAD, b"x", Duration::from_millis(5)), impatient() => RetryableError, "took too long";
    headers_without_end_are_too_large:
        repeat(HEAD, b"x-header: of some length\r\n", Duration::ZERO), usual()
        => PermanentError, "larger than its limit";
    a_header_without_end_is_too_large:
        repeat("HTTP/1.1 200 OK\r\nx: ", &[b'x'; 4096], Duration::ZERO), usual()
        => PermanentError, "larger than its limit";
    early_responses_without_end_are_too_large:
        repeat("", b"HTTP/1.1 103 Early Hints\r\n\r\n", Duration::ZERO), small()
        => PermanentError, "larger than its limit";
    a_body_without_end_is_too_large:
        repeat(BODY, &[b'x'; 4096], Duration::ZERO), small() => PermanentError, "larger than its limit";
    chunks_without_end_are_too_large:
        repeat("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n", Duration::ZERO),
        small() => PermanentError, "larger than its limit";
    a_server_that_closes_without_an_answer_breaks_off:
        answer(""), usual() => RetryableError, "broken off";
    a_body_that_is_shorter_than_it_says_breaks_off:
        answer("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nten bytes."), usual()
        => RetryableError, "broken off";
    a_chunked_body_without_its_end_breaks_off:
        answer("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"), usual()
        => RetryableError, "broken off";
    what_is_not_http_breaks_off:
        answer("SSH-2.0-OpenSSH_9.2\r\n"), usual() => RetryableError, "broken off";
}

#[tokio::test]
async fn a_guest_may_wait_for_less_than_the_limit_and_not_for_more() {
    let failure = attack(stall(""), usual(), json!({"timeout_ms": 100})).await;
    assert!(failure.message.contains("took too long"), "{failure}");
    let failure = attack(stall(""), impatient(), json!({"timeout_ms": 3_600_000})).await;
    assert!(failure.message.contains("took too long"), "{failure}");
}

#[tokio::test]
async fn a_run_that_waits_for_a_server_ends_at_its_own_limit() {
    let limits = LimitsPatch {
        http_timeout_ms: Some(600_000),
        timeout_ms: Some(300),
        ..usual()
    };
    let failure = attack(stall(BODY), limits, json!({})).await;
    assert_eq!(failure.error_type, ErrorType::Timeout, "{failure}");
}

#[tokio::test]
async fn a_response_as_large_as_its_limit_is_read() {
    let server = Server::start(answer(format!("{BODY}0123456789"))).await;
    let exactly = |bytes| LimitsPatch {
        http_response_bytes: Some(bytes),
        ..usual()
    };
    let whole = BODY.len() as u64 + 10;
    let (origin, input) = (server.origin(), json!({"url": server.origin()}));
    let granted = outbound(&[&origin], LOOPBACK);
    let output = send(granted.clone(), exactly(whole), input.clone()).await;
    assert_eq!(output.expect("within its limit")["body"], "0123456789");
    let failure = fails(granted, exactly(whole - 1), input).await;
    assert_eq!(failure.error_type, ErrorType::PermanentError, "{failure}");
}

#[tokio::test]
async fn a_server_that_is_not_there_cannot_be_reached() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let origin = format!("http://{}", listener.local_addr().expect("address"));
    drop(listener);
    let failure = fails(
        outbound(&[&origin], LOOPBACK),
        usual(),
        json!({"url": origin}),
    )
    .await;
    assert_eq!(failure.error_type, ErrorType::RetryableError, "{failure}");
    assert!(failure.message.contains("ConnectionRefused"), "{failure}");
}

#[tokio::test]
async fn more_requests_than_the_limit_are_an_output_limit() {
    let server = Server::start(answer(OK)).await;
    let limits = LimitsPatch {
        http_requests: Some(2),
        ..usual()
    };
    let granted = outbound(&[&server.origin()], LOOPBACK);
    let input = |times| json!({"url": server.origin(), "times": times});
    let output = send(granted.clone(), limits, input(2)).await;
    assert_eq!(output.expect("two")["status"], 200);
    let failure = fails(granted, limits, input(3)).await;
    assert_eq!(failure.error_type, ErrorType::OutputLimit, "{failure}");
    assert!(
        failure
            .message
            .contains("2 requests over HTTP (`http_requests`)"),
        "{failure}"
    );
    assert_eq!(server.seen().len(), 4);
}

#[tokio::test]
async fn what_is_the_hosts_of_a_request_a_guest_cannot_set() {
    for header in [
        "host",
        "Connection",
        "transfer-encoding",
        "upgrade",
        "proxy-authorization",
    ] {
        let failure = attack(answer(OK), usual(), json!({"headers": {header: "x"}})).await;
        assert_eq!(failure.error_type, ErrorType::PermanentError, "{failure}");
        assert!(failure.message.contains("the host's to set"), "{failure}");
    }
    let failure = attack(answer(OK), usual(), json!({"method": "CONNECT"})).await;
    assert_eq!(failure.error_type, ErrorType::PermanentError, "{failure}");
    assert!(failure.message.contains("Method"), "{failure}");
}

#[tokio::test]
async fn header_fields_without_measure_are_an_output_limit() {
    let large = "x".repeat(100_000);
    let failure = attack(answer(OK), usual(), json!({"headers": {"x-large": large}})).await;
    assert_eq!(failure.error_type, ErrorType::OutputLimit, "{failure}");
    assert!(failure.message.contains("header fields"), "{failure}");
}

#[tokio::test]
pub(crate) async fn the_connections_of_a_run_are_few_at_a_time_and_end_with_it() {
    let server = Server::start(stall("")).await;
    let granted = outbound(&[&server.origin()], LOOPBACK);
    let holder = loaded(Guest::HoldsRequests);
    let authority = format!("127.0.0.1:{}", server.port());
    let input = json!({"authority": authority, "requests": 20});
    let limits = LimitsPatch {
        timeout_ms: Some(3_000),
        ..usual()
    };
    let (run, ()) = tokio::join!(run(&holder, granted, limits, input), server.until_open(8));
    let failure = run.result.expect_err("it waits for ever");
    assert_eq!(failure.error_type, ErrorType::Timeout, "{failure}");
    server.until_open(0).await;
    assert_eq!(server.most_open(), 8);
}

#[tokio::test]
pub(crate) async fn a_run_that_leaves_its_requests_behind_leaves_no_connection() {
    let server = Server::start(repeat(BODY, &[b'x'; 4096], Duration::ZERO)).await;
    let granted = outbound(&[&server.origin()], LOOPBACK);
    let holder = loaded(Guest::HoldsRequests);
    let authority = format!("127.0.0.1:{}", server.port());
    let input = json!({"authority": authority, "requests": 4, "answered": 4, "leave": true});
    let run = run(&holder, granted, usual(), input).await;
    run.result.expect("it returns");
    assert_eq!(server.seen().len(), 4);
    server.until_open(0).await;
}
