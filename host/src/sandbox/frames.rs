//! The guest's stack, as people read it. The names in it are the guest's word: they are bounded
//! and cleaned as all that it says.

use std::fmt::{self, Write};

use wasmtime::{FrameInfo, WasmBacktrace};

use crate::failure::clean;

/// Longest name of a function that is shown, in bytes.
const MAX_NAME: usize = 120;

/// Longest symbol that is demangled, and longest name that comes of it.
const MAX_SYMBOL: usize = 1024;

/// Names of the functions on the stack, innermost first, as many as the engine captured.
pub(super) fn names(backtrace: &WasmBacktrace) -> Vec<String> {
    backtrace.frames().iter().map(name).collect()
}

/// How functions of Rust's own runtime are named, in which a panic ends.
const RUNTIME: [&str; 9] = [
    "__rust", "rust_", "std::", "core::", "alloc::", "<std::", "<core::", "<alloc::", "abort",
];

/// The stack from where the guest's own code is, if any of it is on it.
pub(super) fn own(stack: &[String]) -> &[String] {
    let is_own = |name: &String| !RUNTIME.iter().any(|runtime| name.starts_with(runtime));
    match stack.iter().position(is_own) {
        Some(first) => &stack[first..],
        None => stack,
    }
}

/// The function's name, or its number where it has none.
fn name(frame: &FrameInfo) -> String {
    let named = frame.func_name().map(readable);
    named
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| format!("function {}", frame.func_index()))
}

fn readable(symbol: &str) -> String {
    if symbol.len() > MAX_SYMBOL {
        return clean(symbol, MAX_NAME);
    }
    let mut name = Bounded(String::new());
    // A short symbol can stand for a name without end: what is over the bound is left out.
    let _ = write!(name, "{:#}", rustc_demangle::demangle(symbol));
    clean(&name.0, MAX_NAME)
}

/// Text up to a bound, where writing ends.
struct Bounded(String);

impl Write for Bounded {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = MAX_SYMBOL - self.0.len();
        let fits = text.floor_char_boundary(room);
        self.0.push_str(&text[..fits]);
        match fits == text.len() {
            true => Ok(()),
            false => Err(fmt::Error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn symbols_of_rust_are_demangled_and_others_shown_as_they_are() {
        let legacy = "_ZN7backend4plan17h0123456789abcdefE";
        assert_eq!(readable(legacy), "backend::plan");
        assert_eq!(readable("_RNvC6_123foo3bar"), "123foo::bar");
        assert_eq!(readable("memcpy"), "memcpy");
    }

    #[test]
    fn a_name_is_bounded_and_commands_no_terminal() {
        assert_eq!(readable("a\u{1b}[31mb\r\n\u{202e}c"), "ab c");
        for long in [1000, 100_000] {
            let name = readable(&"x".repeat(long));
            assert!(name.len() <= MAX_NAME && name.ends_with('…'), "{name}");
        }
    }

    #[test]
    fn the_runtime_in_which_a_panic_ends_is_left_out_where_there_is_more() {
        let stack = [
            "abort",
            "std::process::abort",
            "plan::parse",
            "core::ops::call",
        ];
        let stack = stack.map(str::to_owned);
        assert_eq!(own(&stack), &stack[2..]);
        assert_eq!(own(&stack[..2]), &stack[..2]);
        assert!(own(&[]).is_empty());
    }

    #[test]
    fn what_is_written_over_the_bound_is_left_out() {
        let mut name = Bounded(String::new());
        assert!(name.write_str("x").is_ok());
        assert!(name.write_str(&"é".repeat(MAX_SYMBOL)).is_err());
        assert_eq!(name.0.len(), MAX_SYMBOL - 1);
        assert!(name.write_str("yz").is_err());
        assert_eq!(name.0.len(), MAX_SYMBOL);
    }
}
