//! Returns `output_data` that is not UTF-8.
//!
//! World `agent`. Must fail as `contract_violation`.

use hothouse_sdk::serde_json::Value;
use hothouse_sdk::{Agent, Execution, HandlerError};
use serde::{Serialize, Serializer};

struct InvalidUtf8;

/// An object with a text of bytes that no UTF-8 has.
#[derive(Serialize)]
struct Output {
    text: NotText,
}

struct NotText;

impl Serialize for NotText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let bytes = std::hint::black_box([0xff_u8, 0xfe, 0xff]);
        // SAFETY: there is none: the promise of `str` is broken on purpose. serde_json only
        // copies the bytes, and the host is who has to notice.
        let text = unsafe { str::from_utf8_unchecked(&bytes) };
        serializer.serialize_str(text)
    }
}

impl Agent for InvalidUtf8 {
    type Input = Value;
    type Output = Output;

    fn execute(_: Execution<Value>) -> Result<Output, HandlerError> {
        Ok(Output { text: NotText })
    }
}

hothouse_sdk::export!(InvalidUtf8: Agent);
