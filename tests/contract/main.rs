//! The event contract: golden files, outcomes to the field, and the codec under any bytes.

mod codec;
mod golden;
mod outcomes;
mod readme;
