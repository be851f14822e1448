//! Guests that send requests, to servers of the test's own on 127.0.0.1.

mod denied;
mod hoards;
mod limits;
mod server;

use std::sync::{Arc, OnceLock};

use guests::Guest;
use hothouse::failure::{ErrorType, Failure};
use hothouse::sandbox::{Candidate, Grants, LimitsPatch, Loaded, Outbound, Reply, Run, World};
use serde_json::{Value, json};

pub(crate) use self::hoards::{
    a_guest_that_only_reads_its_request_is_out_of_fuel,
    each_byte_of_a_request_that_is_passed_given_or_copied_costs_fuel,
    what_a_guest_passes_for_requests_is_an_output_limit_in_all,
};
pub(crate) use self::limits::{
    a_run_that_leaves_its_requests_behind_leaves_no_connection,
    the_connections_of_a_run_are_few_at_a_time_and_end_with_it,
};
use self::server::{Server, answer};
use super::guest::{Setup, component};
use super::{call, sandbox};

const LOOPBACK: &[&str] = &["127.0.0.0/8"];

fn outbound(origins: &[&str], networks: &[&str]) -> Outbound {
    let origins = origins.iter().map(|text| text.parse().expect("origin"));
    let networks = networks.iter().map(|text| text.parse().expect("network"));
    Outbound {
        origins: origins.collect(),
        networks: networks.collect(),
        ..Outbound::default()
    }
}

/// What may import `wasi:http`; where it may send to is the run's.
fn loaded(guest: Guest) -> Loaded {
    let bytes = component(guest);
    let candidate = Candidate {
        outbound: &outbound(&["https://example.com"], &[]),
        ..Candidate::new(&bytes)
    };
    sandbox()
        .load_candidate(&candidate, World::Agent)
        .unwrap_or_else(|error| panic!("{guest:?}: {error}"))
}

fn sender() -> &'static Loaded {
    static GUEST: OnceLock<Loaded> = OnceLock::new();
    GUEST.get_or_init(|| loaded(Guest::SendsRequest))
}

async fn run(component: &Loaded, outbound: Outbound, limits: LimitsPatch, input: Value) -> Run {
    let setup = Setup {
        input_data: input,
        limits,
        grants: Grants {
            outbound: Arc::new(outbound),
            ..Grants::default()
        },
        ..Setup::default()
    };
    call(component, World::Agent, setup).await
}

/// One run of a guest that sends what `input` describes.
async fn send(outbound: Outbound, limits: LimitsPatch, input: Value) -> Result<Value, Failure> {
    let run = run(sender(), outbound, limits, input).await;
    run.result.map(|reply| match reply {
        Reply::Executed { output_data } => serde_json::from_str(output_data.get()).expect("JSON"),
        other => panic!("{other:?}"),
    })
}

/// As [`send`], where it must fail.
async fn fails(outbound: Outbound, limits: LimitsPatch, input: Value) -> Failure {
    match send(outbound, limits, input).await {
        Err(failure) => failure,
        Ok(output) => panic!("it got away with it: {output}"),
    }
}

#[tokio::test]
pub(crate) async fn a_request_to_a_granted_origin_is_answered() {
    let server = Server::start(answer(
        "HTTP/1.1 201 Created\r\nX-Of: server\r\nContent-Length: 5\r\n\r\nhello",
    ))
    .await;
    let granted = outbound(&[&server.origin()], LOOPBACK);
    let input = json!({"url": format!("{}/a?b=c", server.origin()), "method": "POST",
                       "headers": {"x-of": "guest"}, "body": "to be read"});
    let output = send(granted, LimitsPatch::default(), input)
        .await
        .expect("answered");
    assert_eq!(output["status"], 201);
    assert_eq!(output["headers"]["x-of"], "server");
    assert_eq!(output["body"], "hello");

    let seen = server.seen();
    assert_eq!(seen.len(), 1, "{seen:?}");
    let lines: Vec<&str> = seen[0].lines().collect();
    assert_eq!(lines[0], "POST /a?b=c HTTP/1.1");
    for line in [
        format!("host: 127.0.0.1:{}", server.port()),
        "x-of: guest".to_owned(),
        "content-length: 10".to_owned(),
        "connection: close".to_owned(),
    ] {
        assert!(lines.contains(&line.as_str()), "{line}: {lines:?}");
    }
    assert_eq!(lines.last(), Some(&"to be read"));
}

#[tokio::test]
async fn a_body_of_many_parts_goes_out_and_comes_in_whole() {
    let server = Server::start(answer(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
    ))
    .await;
    let body = "0123456789".repeat(50_000);
    let input = json!({"url": server.origin(), "method": "PUT", "body": body});
    let granted = outbound(&[&server.origin()], LOOPBACK);
    let output = send(granted, LimitsPatch::default(), input)
        .await
        .expect("answered");
    assert_eq!(output["body"], "abcde");
    let seen = server.seen().remove(0);
    assert!(seen.ends_with(&format!("\r\n\r\n{body}")), "{}", seen.len());
}

#[tokio::test]
pub(crate) async fn a_component_that_imports_http_is_refused_where_it_has_no_origins() {
    let error = sandbox()
        .load(&component(Guest::SendsRequest), World::Agent)
        .expect_err("refused");
    assert_eq!(error.error_type(), ErrorType::CapabilityDenied);
    for name in ["wasi:http/types", "wasi:http/outgoing-handler"] {
        assert!(error.to_string().contains(name), "{error}");
    }
}
