//! Traps with half a line on standard output, half a line on standard error, and half a file in
//! `/data`, where that is mounted.
//!
//! World `agent`. Must fail as `trap`. The half file stays: a mount is no transaction.

use std::fs::File;
use std::io::{Write, stderr, stdout};

use hothouse_sdk::serde_json::Value;
use hothouse_sdk::{Agent, Execution, HandlerError};

struct DiesWhileWriting;

impl Agent for DiesWhileWriting {
    type Input = Value;
    type Output = Value;

    fn execute(_: Execution<Value>) -> Result<Value, HandlerError> {
        write!(stdout(), "half a line, and then")?;
        stdout().flush()?;
        write!(stderr(), "half a reason, and then")?;
        if let Ok(mut file) = File::create("/data/half") {
            file.write_all(b"half a file, and then")?;
        }
        std::process::abort()
    }
}

hothouse_sdk::export!(DiesWhileWriting: Agent);
