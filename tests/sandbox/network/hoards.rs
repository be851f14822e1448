//! Guests that hoard and stir what requests are made of, and send none.

use guests::Guest;
use hothouse::failure::{ErrorType, Failure};
use hothouse::sandbox::{Cost, LimitsPatch};
use serde_json::json;

use super::{loaded, outbound, run};

async fn hoard(way: &str, limits: LimitsPatch) -> (Failure, Cost) {
    let granted = outbound(&["https://example.com"], &[]);
    let guest = loaded(Guest::HoardsRequests);
    let run = run(&guest, granted, limits, json!({ "way": way })).await;
    match run.result {
        Err(failure) => (failure, run.cost),
        Ok(reply) => panic!("{way}: it got away with it: {reply:?}"),
    }
}

#[tokio::test]
pub(crate) async fn what_requests_hold_is_an_output_limit_in_all() {
    for way in ["methods", "authorities", "paths", "copies", "appends"] {
        let (failure, _) = hoard(way, LimitsPatch::default()).await;
        assert_eq!(
            failure.error_type,
            ErrorType::OutputLimit,
            "{way}: {failure}"
        );
        assert!(failure.message.contains("host_bytes"), "{way}: {failure}");
    }
}

#[tokio::test]
pub(crate) async fn what_the_host_reads_and_copies_of_requests_is_out_of_fuel() {
    for way in [
        "schemes",
        "copies",
        "looks",
        "reads",
        "lists",
        "method_reads",
    ] {
        let limits = LimitsPatch {
            fuel: Some(60_000_000),
            ..LimitsPatch::default()
        };
        let (failure, cost) = hoard(way, limits).await;
        assert_eq!(failure.error_type, ErrorType::OutOfFuel, "{way}: {failure}");
        // A minute's worth of such calls at their old price: this is a matter of milliseconds.
        assert!(cost.wall_ms < 5_000.0, "{way}: {cost:?}");
    }
}
