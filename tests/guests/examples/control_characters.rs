//! Logs, prints, and fails with a text that would take over a terminal or break a log: ANSI
//! escapes, a NUL, a newline, and more than the 1 KiB that is kept of a message.
//!
//! World `agent`. Must fail as `permanent_error`, with a short message that is clean.

use hothouse_sdk::serde_json::Value;
use hothouse_sdk::{Agent, Execution, HandlerError, log};

/// Clears the screen, colours what follows, sets the window's title, and ends a line twice.
const ATTACK: &str = "\u{1b}[2J\u{1b}[31mred\u{1b}]0;title\u{7}\0nul\u{9b}31m\nnew line\rover it ";

struct ControlCharacters;

impl Agent for ControlCharacters {
    type Input = Value;
    type Output = Value;

    #[expect(
        clippy::print_stdout,
        reason = "standard output is one of the ways to a terminal"
    )]
    fn execute(_: Execution<Value>) -> Result<Value, HandlerError> {
        log::error!("{ATTACK}");
        println!("{ATTACK}");
        eprintln!("{ATTACK}");
        let message = format!("{ATTACK}{}", "x".repeat(5000));
        Err(HandlerError::permanent(message))
    }
}

hothouse_sdk::export!(ControlCharacters: Agent);
