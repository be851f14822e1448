//! The guests that take part, what each may use, and what its events must end as.

use hothouse::failure::ErrorType;

/// How an event must end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum End {
    Completed,
    Failed(ErrorType),
}

impl std::fmt::Display for End {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Completed => f.pad("completed"),
            Self::Failed(error_type) => error_type.fmt(f),
        }
    }
}

/// A plugin of world agent, routed by its own name.
#[derive(Debug)]
pub(crate) struct Guest {
    pub(crate) name: &'static str,
    /// The fixture that it is.
    pub(crate) component: &'static str,
    /// Of a thousand events, so many are for it.
    pub(crate) share: u64,
    /// Its `limits` in the configuration: small, so that a million events end in minutes.
    pub(crate) limits: &'static str,
    pub(crate) end: End,
}

/// The one that nobody may delay.
pub(crate) const GOOD: &str = "slow-echo-agent";

const fn guest(name: &'static str, share: u64, limits: &'static str, end: End) -> Guest {
    Guest {
        name,
        component: name,
        share,
        limits,
        end,
    }
}

const fn failed(error_type: ErrorType) -> End {
    End::Failed(error_type)
}

/// The shares of all are a thousand. What takes long has a small one.
pub(crate) static GUESTS: [Guest; 18] = [
    guest(GOOD, 540, "", End::Completed),
    guest(
        "loop-forever",
        100,
        "fuel = 1_000_000",
        failed(ErrorType::OutOfFuel),
    ),
    guest(
        "allocate-forever",
        50,
        "memory_bytes = 4_194_304",
        failed(ErrorType::MemoryLimit),
    ),
    guest("recurse-forever", 40, "", failed(ErrorType::StackOverflow)),
    guest("panics", 80, "", failed(ErrorType::Trap)),
    guest("exits", 20, "", failed(ErrorType::Trap)),
    guest("dies-while-writing", 20, "", failed(ErrorType::Trap)),
    guest("leaks-handles", 20, "", failed(ErrorType::MemoryLimit)),
    guest("random-flood", 20, "", failed(ErrorType::OutputLimit)),
    guest(
        "sleep-forever",
        20,
        "timeout_ms = 20",
        failed(ErrorType::Timeout),
    ),
    guest("invalid-utf8", 20, "", failed(ErrorType::ContractViolation)),
    guest(
        "lies-about-output",
        20,
        "",
        failed(ErrorType::ContractViolation),
    ),
    guest(
        "control-characters",
        20,
        "",
        failed(ErrorType::PermanentError),
    ),
    guest("rejects-input", 15, "", failed(ErrorType::ValidationError)),
    guest("asks-for-retry", 9, "", failed(ErrorType::RetryableError)),
    // It computes for longer than others, and the host is full all the time.
    guest(
        "huge-output",
        1,
        "timeout_ms = 300_000",
        failed(ErrorType::OutputLimit),
    ),
    guest(
        "log-flood",
        5,
        "fuel = 10_000_000",
        failed(ErrorType::OutOfFuel),
    ),
    // For the measure of latency alone: with the usual limits it is busy for long.
    Guest {
        component: "loop-forever",
        ..guest("spins", 0, "", failed(ErrorType::OutOfFuel))
    },
];

/// The guest that the event of a number is for: by shares, in no order, the same each time.
pub(crate) fn guest_of(number: u64) -> &'static Guest {
    // The multiplier of Knuth's hash; 1,000 is no factor of what it divides.
    let mut place = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
    place %= 1_000;
    let found = GUESTS.iter().find(|guest| {
        let here = place < guest.share;
        place = place.saturating_sub(guest.share);
        here
    });
    found.unwrap_or(&GUESTS[0])
}

#[test]
fn the_shares_of_all_guests_are_a_thousand_and_each_gets_its_own() {
    assert_eq!(GUESTS.iter().map(|guest| guest.share).sum::<u64>(), 1_000);
    for guest in &GUESTS {
        let events = (0..1_000_000).filter(|number| guest_of(*number).name == guest.name);
        let share = events.count() as u64 / 1_000;
        assert!(share.abs_diff(guest.share) <= 2, "{}: {share}", guest.name);
    }
}
