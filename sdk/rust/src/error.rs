//! Why a plugin gives no result.

use std::fmt;
use std::io;
use std::time::Duration;

use crate::bindings::agent::hothouse::agent::types as wit;

/// Why a plugin gives no result. The host turns it into the `error_type` of the failed
/// event, cuts the message to 1 KiB and removes its control characters.
///
/// `?` turns a [`serde_json::Error`] into [`Validation`](Self::Validation), since the JSON
/// that a plugin decodes is nearly always its input, and an [`io::Error`] into
/// [`Permanent`](Self::Permanent), or into [`Retryable`](Self::Retryable) where its kind
/// says that it may pass. For any other error name the variant:
///
/// ```
/// use hothouse_sdk::HandlerError;
///
/// fn limit(text: &str) -> Result<u32, HandlerError> {
///     text.parse().map_err(HandlerError::validation)
/// }
/// # assert!(limit("ten").is_err());
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HandlerError {
    /// The input is wrong, and a retry would not mend it: `validation_error`.
    Validation(String),
    /// It failed for good for any other reason: `permanent_error`.
    Permanent(String),
    /// It may work later. `retryable_error`, once the retries are used up.
    Retryable {
        /// What went wrong.
        message: String,
        /// When to run again. The host caps it, and uses its own schedule where it is
        /// `None`. Counted in milliseconds: what is finer is dropped.
        delay: Option<Duration>,
    },
}

impl HandlerError {
    /// The input is wrong. Not retried.
    pub fn validation(message: impl fmt::Display) -> Self {
        Self::Validation(message.to_string())
    }

    /// It failed for good. Not retried.
    pub fn permanent(message: impl fmt::Display) -> Self {
        Self::Permanent(message.to_string())
    }

    /// It may work later. Retried on the host's schedule.
    pub fn retryable(message: impl fmt::Display) -> Self {
        Self::Retryable {
            message: message.to_string(),
            delay: None,
        }
    }

    /// It may work after `delay`, which the host caps (5 minutes, unless configured
    /// otherwise).
    pub fn retryable_after(message: impl fmt::Display, delay: Duration) -> Self {
        Self::Retryable {
            message: message.to_string(),
            delay: Some(delay),
        }
    }

    /// What went wrong, in words.
    pub fn message(&self) -> &str {
        match self {
            Self::Validation(message)
            | Self::Permanent(message)
            | Self::Retryable { message, .. } => message,
        }
    }
}

impl fmt::Display for HandlerError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.message())
    }
}

impl std::error::Error for HandlerError {}

impl From<serde_json::Error> for HandlerError {
    fn from(error: serde_json::Error) -> Self {
        Self::validation(error)
    }
}

impl From<io::Error> for HandlerError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::Interrupted
            | io::ErrorKind::TimedOut
            | io::ErrorKind::WouldBlock
            | io::ErrorKind::ResourceBusy => Self::retryable(error),
            // Not our type, and it grows: what isn't known to pass is for good.
            _ => Self::permanent(error),
        }
    }
}

impl From<HandlerError> for wit::HandlerError {
    fn from(error: HandlerError) -> Self {
        match error {
            HandlerError::Validation(message) => Self::Validation(message),
            HandlerError::Permanent(message) => Self::Permanent(message),
            HandlerError::Retryable { message, delay } => Self::Retryable(wit::Retry {
                message,
                delay_ms: delay.map(|delay| u64::try_from(delay.as_millis()).unwrap_or(u64::MAX)),
            }),
        }
    }
}

impl From<wit::HandlerError> for HandlerError {
    fn from(error: wit::HandlerError) -> Self {
        match error {
            wit::HandlerError::Validation(message) => Self::Validation(message),
            wit::HandlerError::Permanent(message) => Self::Permanent(message),
            wit::HandlerError::Retryable(retry) => Self::Retryable {
                message: retry.message,
                delay: retry.delay_ms.map(Duration::from_millis),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_json_error_is_the_inputs_fault() {
        let error = serde_json::from_str::<u32>("\"ten\"").expect_err("a string is no u32");

        assert!(matches!(
            HandlerError::from(error),
            HandlerError::Validation(_)
        ));
    }

    #[test]
    fn an_io_error_is_permanent_unless_its_kind_says_that_it_may_pass() {
        assert_eq!(
            HandlerError::from(io::Error::new(io::ErrorKind::NotFound, "no such file")),
            HandlerError::permanent("no such file")
        );
        assert_eq!(
            HandlerError::from(io::Error::new(io::ErrorKind::TimedOut, "too slow")),
            HandlerError::retryable("too slow")
        );
    }

    #[test]
    fn every_variant_crosses_the_contract_and_comes_back_the_same() {
        for error in [
            HandlerError::validation("wrong"),
            HandlerError::permanent("broken"),
            HandlerError::retryable("busy"),
            HandlerError::retryable_after("busy", Duration::from_millis(1500)),
        ] {
            assert_eq!(
                HandlerError::from(wit::HandlerError::from(error.clone())),
                error
            );
        }
    }
}
