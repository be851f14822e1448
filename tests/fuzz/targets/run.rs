//! What must hold of every run, whatever the guest is.

use hothouse::bus::{Commit, DeadLetter, Delivery, EntryId, Lane, Lease, Verdict};
use hothouse::config::RetryPolicy;
use hothouse::event::{Event, Fields, decode};
use hothouse::failure::{ErrorType, MAX_MESSAGE};
use hothouse::outcome::{Ended, conclude};
use hothouse::sandbox::{Limits, Run};

/// Beside the result there are in an outcome: our object, ids and names of fields.
const OURS: usize = 4 << 10;

/// A run ends as an outcome of the contract, within its limits, or as a failure that is the
/// guest's and has a clean and short message.
pub(crate) fn assert_within_contract(run: Run, event: &Event, limits: &Limits) {
    let Run { result, cost, .. } = run;
    assert!(cost.fuel <= limits.fuel, "{cost:?}");
    assert!(
        cost.peak_memory_bytes <= limits.memory_bytes as u64,
        "{cost:?}"
    );
    if let Err(failure) = &result {
        assert!(is_a_guests(failure.error_type), "{failure}");
        assert_is_clean(&failure.message, MAX_MESSAGE);
    }
    let retry = RetryPolicy {
        delays: Vec::new(),
        ..RetryPolicy::default()
    };
    let ended = Ended {
        group: "workers",
        delivery: delivery(),
        is_run: true,
        event: event.clone(),
        plugin: None,
        result,
        cost: Some(cost),
        retry: &retry,
    };
    let commit = conclude(ended, event.envelope.timestamp).expect("a commit");
    assert_decodes(&commit);
    let Verdict::Done { outputs, .. } = &commit.verdict else {
        panic!("not final: {commit:?}")
    };
    let sizes = outputs.iter().map(|output| output.fields.size());
    // JSON has six bytes for one that it must escape.
    let most = 6 * limits.output_bytes + OURS * (1 + outputs.len());
    assert!(sizes.sum::<usize>() <= most, "{outputs:?}");
}

/// Whether a guest can be the cause. The other classes say that the host failed.
fn is_a_guests(error_type: ErrorType) -> bool {
    match error_type {
        ErrorType::OutOfFuel
        | ErrorType::Timeout
        | ErrorType::MemoryLimit
        | ErrorType::StackOverflow
        | ErrorType::Trap
        | ErrorType::OutputLimit
        | ErrorType::TokenBudget
        | ErrorType::CapabilityDenied
        | ErrorType::ContractViolation
        | ErrorType::ValidationError
        | ErrorType::PermanentError
        | ErrorType::RetryableError => true,
        ErrorType::NoRoute
        | ErrorType::PluginUnavailable
        | ErrorType::MalformedEvent
        | ErrorType::HostError => false,
    }
}

/// What we append, others can read. Gives the dead letter, where there is one.
pub(crate) fn assert_decodes(commit: &Commit) -> Option<&DeadLetter> {
    let Verdict::Done {
        outputs,
        dead_letter,
        ..
    } = &commit.verdict
    else {
        return None;
    };
    for output in outputs {
        let event =
            decode(&output.fields).unwrap_or_else(|error| panic!("{error}: {:?}", output.fields));
        assert_eq!(event.envelope.event_type, output.event_type);
    }
    dead_letter.as_deref()
}

/// What reaches logs and events commands no terminal and hides nothing.
pub(crate) fn assert_is_clean(text: &str, most: usize) {
    assert!(text.len() <= most, "{} bytes: {text:?}", text.len());
    let hides = |c: char| {
        c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
    };
    assert!(!text.chars().any(hides), "{text:?}");
}

/// Of an event that runs for the first time.
pub(crate) fn delivery() -> Delivery {
    Delivery {
        lease: Lease {
            entry: EntryId { ms: 5, seq: 1 },
            lane: Lane::default(),
            fence: 7,
        },
        fields: Fields::default(),
        attempt: 1,
        history: Vec::new(),
    }
}
