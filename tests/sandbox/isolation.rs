//! No instance sees a byte of an earlier one: not in its memory, its tables or its globals,
//! whatever ran in its slot before and however that ended.

use guests::Guest;
use hothouse::failure::ErrorType;
use hothouse::sandbox::{LimitsPatch, Loaded, Run, Sandbox, World};
use serde_json::{Value, json};

use super::guest::{self, Setup};
use super::simple::output;

const RUNS: u64 = 10_000;

/// What the scanner counts from.
const NOTHING: u64 = 10_000_000;

/// Memory of a run, in bytes. The pool keeps the first mebibyte of a memory and clears it, and
/// gives the rest back: both below and above that, and the scanner's more and less than the
/// dirty one's.
const SIZES: [(usize, usize); 3] = [(2 << 20, 4 << 20), (3 << 20, 1 << 20), (1 << 20, 3 << 20)];

/// How many findings there are in a scanner's run.
fn found(run: &Run) -> u64 {
    let found = output(run)["found"].as_u64().expect("a count");
    found - NOTHING
}

async fn call(sandbox: &Sandbox, guest: &Loaded, input_data: Value, memory_bytes: usize) -> Run {
    let setup = Setup {
        input_data,
        limits: LimitsPatch {
            memory_bytes: Some(memory_bytes),
            ..LimitsPatch::default()
        },
        ..Setup::default()
    };
    guest::call(sandbox, guest, World::Agent, setup).await
}

#[tokio::test]
pub(super) async fn no_run_sees_a_byte_of_an_earlier_one() {
    // One slot: the dirty one takes all that the scanner had, and the other way round.
    let sandbox = Sandbox::new(1).expect("sandbox");
    let scans = guest::load(&sandbox, Guest::ScansForSecrets, World::Agent);
    let dirties = guest::load(&sandbox, Guest::DirtiesMemory, World::Agent);
    for number in 0..RUNS / 2 {
        let sizes = SIZES[usize::try_from(number).expect("small") % SIZES.len()];
        let scanner = call(&sandbox, &scans, json!(number), sizes.0).await;
        assert_eq!(found(&scanner), 0, "run {number}");
        assert!(scanner.cost.peak_memory_bytes > sizes.0 as u64 - (128 << 10));

        let dirty = call(&sandbox, &dirties, json!(number), sizes.1).await;
        let failure = dirty.result.expect_err("it ends in a trap");
        assert_eq!(failure.error_type, ErrorType::MemoryLimit);
        assert!(dirty.cost.peak_memory_bytes > sizes.1 as u64 - (128 << 10));
    }
}

#[tokio::test]
pub(super) async fn a_secret_that_is_there_is_found() {
    let sandbox = Sandbox::new(1).expect("sandbox");
    let scans = guest::load(&sandbox, Guest::ScansForSecrets, World::Agent);
    for (told, times) in [("", 0), ("HOTHOUSE", 1), ("xHOTHOUSEyHOTHOUSE", 2)] {
        let run = call(&sandbox, &scans, json!({ "told": told }), 2 << 20).await;
        assert_eq!(found(&run), times, "{told:?}");
    }
}
