//! Why an event has no result: the one place that names and classifies failures.

mod codes;

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Longest `error_message` in an event, in bytes.
pub const MAX_MESSAGE: usize = 1024;

/// `error_type` of a failed event, and the reason code of a dead letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorType {
    /// The handler used up its fuel.
    OutOfFuel,
    /// The handler ran longer than its wall-clock limit.
    Timeout,
    /// The handler asked for more memory than its limit and then failed.
    MemoryLimit,
    /// The handler's stack was full.
    StackOverflow,
    /// The handler panicked, exited, or did what WebAssembly forbids.
    Trap,
    /// The handler's result is larger than its limit.
    OutputLimit,
    /// The handler used up its tokens.
    TokenBudget,
    /// The component imports, or the handler asked for, what nobody granted.
    CapabilityDenied,
    /// The handler's result is not what the contract asks for.
    ContractViolation,
    /// The handler's verdict: the input is wrong.
    ValidationError,
    /// The handler's verdict: it failed for good.
    PermanentError,
    /// The handler's verdict: it may work later.
    RetryableError,
    /// No route takes the event.
    NoRoute,
    /// The plugin that the event is routed to could not be loaded.
    PluginUnavailable,
    /// The entry is no event of the contract.
    MalformedEvent,
    /// The host could not do its part.
    HostError,
}

impl ErrorType {
    /// Every error type.
    pub const ALL: [Self; 16] = [
        Self::OutOfFuel,
        Self::Timeout,
        Self::MemoryLimit,
        Self::StackOverflow,
        Self::Trap,
        Self::OutputLimit,
        Self::TokenBudget,
        Self::CapabilityDenied,
        Self::ContractViolation,
        Self::ValidationError,
        Self::PermanentError,
        Self::RetryableError,
        Self::NoRoute,
        Self::PluginUnavailable,
        Self::MalformedEvent,
        Self::HostError,
    ];

    /// The name on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OutOfFuel => "out_of_fuel",
            Self::Timeout => "timeout",
            Self::MemoryLimit => "memory_limit",
            Self::StackOverflow => "stack_overflow",
            Self::Trap => "trap",
            Self::OutputLimit => "output_limit",
            Self::TokenBudget => "token_budget",
            Self::CapabilityDenied => "capability_denied",
            Self::ContractViolation => "contract_violation",
            Self::ValidationError => "validation_error",
            Self::PermanentError => "permanent_error",
            Self::RetryableError => "retryable_error",
            Self::NoRoute => "no_route",
            Self::PluginUnavailable => "plugin_unavailable",
            Self::MalformedEvent => "malformed_event",
            Self::HostError => "host_error",
        }
    }

    /// Whether a retry may help. A route may override it (`retry_on`).
    #[must_use]
    pub fn retried(self) -> bool {
        match self {
            Self::RetryableError
            | Self::Timeout
            | Self::Trap
            | Self::NoRoute
            | Self::PluginUnavailable
            | Self::HostError => true,
            Self::OutOfFuel
            | Self::MemoryLimit
            | Self::StackOverflow
            | Self::OutputLimit
            | Self::TokenBudget
            | Self::CapabilityDenied
            | Self::ContractViolation
            | Self::ValidationError
            | Self::PermanentError
            | Self::MalformedEvent => false,
        }
    }

    /// Whether this is the handler's own verdict on its input. A final failure that is not
    /// ends as a dead letter.
    #[must_use]
    pub fn is_verdict(self) -> bool {
        match self {
            Self::ValidationError | Self::PermanentError => true,
            Self::OutOfFuel
            | Self::Timeout
            | Self::MemoryLimit
            | Self::StackOverflow
            | Self::Trap
            | Self::OutputLimit
            | Self::TokenBudget
            | Self::CapabilityDenied
            | Self::ContractViolation
            | Self::RetryableError
            | Self::NoRoute
            | Self::PluginUnavailable
            | Self::MalformedEvent
            | Self::HostError => false,
        }
    }
}

impl fmt::Display for ErrorType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// One attempt that gave no result.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{error_type}: {message}")]
pub struct Failure {
    /// Its class.
    pub error_type: ErrorType,
    /// What happened, for the plugin's author: short and free of control characters.
    pub message: String,
    /// When the handler asks to be run again.
    pub retry_after: Option<Duration>,
    /// The functions that the guest was in when it was stopped, innermost first. For logs: the
    /// message has the first of them.
    pub frames: Vec<String>,
}

impl Failure {
    /// A failure of a class. The message is cleaned and cut ([`clean`]).
    pub fn new(error_type: ErrorType, message: impl AsRef<str>) -> Self {
        Self {
            error_type,
            message: clean(message.as_ref(), MAX_MESSAGE),
            retry_after: None,
            frames: Vec::new(),
        }
    }
}

/// The text without control characters and ANSI sequences, white space folded, cut to `max`
/// bytes with an ellipsis. Log lines and messages of guests, and what is wrong with an event,
/// reach logs and events only through this. The data of outcomes is left as it is.
#[must_use]
pub fn clean(text: &str, max: usize) -> String {
    const ELLIPSIS: char = '…';
    let mut cleaned = String::with_capacity(text.len().min(max));
    let mut chars = text.chars().peekable();
    let mut gap = false;
    while let Some(next) = chars.next() {
        if next == '\u{1b}' {
            skip_escape(&mut chars);
            continue;
        }
        if next.is_whitespace() {
            gap = !cleaned.is_empty();
            continue;
        }
        if next.is_control() || is_invisible(next) {
            continue;
        }
        let space = usize::from(gap);
        if cleaned.len() + space + next.len_utf8() + ELLIPSIS.len_utf8() > max {
            cleaned.push(ELLIPSIS);
            return cleaned;
        }
        if std::mem::take(&mut gap) {
            cleaned.push(' ');
        }
        cleaned.push(next);
    }
    cleaned
}

/// Consumes the rest of an ANSI sequence: `[…letter` (CSI), `]…BEL` or `]…ESC \` (OSC), or
/// one character.
fn skip_escape(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) {
    match chars.next() {
        Some('[') => {
            let _ = chars.find(|next| ('\u{40}'..='\u{7e}').contains(next));
        }
        Some(']') => {
            while let Some(next) = chars.next() {
                if next == '\u{7}' || (next == '\u{1b}' && chars.next_if_eq(&'\\').is_some()) {
                    return;
                }
            }
        }
        Some(_) | None => {}
    }
}

/// Marks that reorder or hide text on a terminal.
pub(crate) fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{ad}'
            | '\u{61c}'
            | '\u{180e}'
            | '\u{200b}'..='\u{200f}'
            // Line and paragraph separators among them.
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
            // Tags, which spell text that nobody sees.
            | '\u{e0000}'..='\u{e007f}'
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_message_loses_ansi_sequences_and_control_characters() {
        let dirty = "\u{1b}[31mred\u{1b}[0m\0 alert\r\n\tnow\u{1b}]0;title\u{7}!\u{202e}";
        assert_eq!(clean(dirty, 100), "red alert now!");
    }

    #[test]
    fn a_message_loses_marks_that_hide_or_reorder_text() {
        let marks =
            "\u{ad}\u{61c}\u{180e}\u{200b}\u{202e}\u{2060}\u{2069}\u{206a}\u{feff}\u{e0041}";
        assert_eq!(clean(&format!("a{marks}b"), 100), "ab");
        assert_eq!(clean("a\u{2028}b\u{2029}c", 100), "a b c");
        assert!(['\u{2028}', '\u{2029}'].into_iter().all(is_invisible));
    }

    #[test]
    fn the_name_on_the_wire_is_the_name_in_json() {
        for kind in ErrorType::ALL {
            let json = serde_json::to_string(&kind).expect("json");
            assert_eq!(json, format!("\"{kind}\""));
        }
    }

    proptest! {
        #[test]
        fn a_cleaned_message_is_short_and_holds_no_control_character(text: String, max in 8usize..64) {
            let cleaned = clean(&text, max);
            prop_assert!(cleaned.len() <= max);
            prop_assert!(!cleaned.chars().any(char::is_control));
        }
    }
}
