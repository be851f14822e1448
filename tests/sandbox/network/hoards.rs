//! Guests that hoard and stir what requests are made of, and send none.

use guests::Guest;
use hothouse::failure::ErrorType;
use hothouse::sandbox::{LimitsPatch, Loaded, Run};
use serde_json::{Value, json};

use super::{loaded, outbound, run};

async fn hoard(guest: &Loaded, input: Value) -> Run {
    let granted = outbound(&["https://example.com"], &[]);
    run(guest, granted, LimitsPatch::default(), input).await
}

#[tokio::test]
pub(crate) async fn what_a_guest_passes_for_requests_is_an_output_limit_in_all() {
    let guest = loaded(Guest::HoardsRequests);
    for way in [
        "methods",
        "authorities",
        "paths",
        "from_lists",
        "sets",
        "appends",
        "deletes",
        "looks",
        "copies",
    ] {
        let run = hoard(&guest, json!({ "way": way })).await;
        let failure = run.result.expect_err(way);
        assert_eq!(
            failure.error_type,
            ErrorType::OutputLimit,
            "{way}: {failure}"
        );
        assert!(failure.message.contains("host_bytes"), "{way}: {failure}");
    }
}

#[tokio::test]
pub(crate) async fn each_byte_of_a_request_that_is_passed_given_or_copied_costs_fuel() {
    let guest = loaded(Guest::HoardsRequests);
    for (way, bytes) in [
        ("methods", 1_000_000),
        ("authorities", 60_000),
        ("paths", 60_000),
        ("schemes", 60),
        ("method_reads", 60_000),
        ("authority_reads", 60_000),
        ("path_reads", 60_000),
        ("from_lists", 60_000),
        ("sets", 60_000),
        ("appends", 1_000_000),
        ("deletes", 1_000_000),
        ("looks", 1_000_000),
        ("reads", 60_000),
        ("lists", 60_000),
        ("copies", 60_000),
    ] {
        let mut fuel = Vec::new();
        for times in [10, 20] {
            let run = hoard(&guest, json!({ "way": way, "times": times })).await;
            run.result.expect(way);
            fuel.push(run.cost.fuel);
        }
        let each = (fuel[1] - fuel[0]) / 10;
        // Four for each byte, 500 for the call.
        assert!(each >= 4 * bytes + 500, "{way}: {each}");
    }
}

#[tokio::test]
pub(crate) async fn a_guest_that_only_reads_its_request_is_out_of_fuel() {
    let guest = loaded(Guest::HoardsRequests);
    for way in ["method_reads", "path_reads", "reads", "lists"] {
        let run = hoard(&guest, json!({ "way": way })).await;
        let failure = run.result.expect_err(way);
        assert_eq!(failure.error_type, ErrorType::OutOfFuel, "{way}: {failure}");
    }
}
