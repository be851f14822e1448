//! What Wasmtime's errors mean. By type, never by text.

use std::char::DecodeUtf16Error;
use std::str::Utf8Error;

use wasmtime::component::ResourceTableError;
use wasmtime::{PoolConcurrencyLimitError, Trap, WasmBacktrace};
use wasmtime_wasi::I32Exit;

use super::limits::Denied;
use super::meter::Exceeded;
use super::{Limits, State};
use crate::failure::{ErrorType, Failure};

/// Frames shown of a trap.
const FRAMES: usize = 3;

/// Classifies the error of a run that did not return.
pub(super) fn classify(error: &wasmtime::Error, state: &State, limits: &Limits) -> Failure {
    if let Some(trap) = error.downcast_ref::<Trap>() {
        return trapped(*trap, error, state, limits);
    }
    if let Some(exit) = error.downcast_ref::<I32Exit>() {
        return died(
            state,
            format!("exited with code {} instead of returning", exit.0),
        );
    }
    if error.is::<PoolConcurrencyLimitError>() {
        return Failure::new(
            ErrorType::HostError,
            "the sandbox has no free instance for now",
        );
    }
    if error.is::<Utf8Error>() || error.is::<DecodeUtf16Error>() {
        return Failure::new(
            ErrorType::ContractViolation,
            format!("a text is not Unicode: {error}"),
        );
    }
    if let Some(exceeded) = error.downcast_ref::<Exceeded>() {
        return over(*exceeded);
    }
    if let Some(misuse) = error.downcast_ref::<ResourceTableError>() {
        return match misuse {
            ResourceTableError::Full => over(Exceeded::Handles(limits.handles)),
            // Wasmtime's type: all others are a handle that is not what the guest says.
            _ => died(state, format!("misused its handles: {error}")),
        };
    }
    // Wasmtime reports a broken value (a pointer out of bounds, an unknown discriminant) as
    // a bare message…
    if error.is::<&'static str>() || error.is::<String>() {
        if let Some(exceeded) = state.meter.handles_used_up() {
            return over(exceeded);
        }
        if let Some(denied) = state.limiter.denied() {
            return memory_limit(denied);
        }
        return Failure::new(
            ErrorType::ContractViolation,
            format!("passed a value that cannot be read: {error:#}"),
        );
    }
    // …and data over `set_hostcall_fuel` as an error of a type that it keeps to itself: the
    // one that is left. In a call to the host it comes with the guest's frames, and none are
    // left where the result is read.
    if error.is::<WasmBacktrace>() {
        return over(state.meter.passed_too_much());
    }
    Failure::new(
        ErrorType::OutputLimit,
        format!(
            "its result has more than {} bytes (`output_bytes`)",
            limits.output_bytes
        ),
    )
}

/// What a guest wanted of the host beyond a limit.
fn over(exceeded: Exceeded) -> Failure {
    let error_type = match exceeded {
        Exceeded::HostCallBytes(_) | Exceeded::HostBytes(_) | Exceeded::RandomBytes(_) => {
            ErrorType::OutputLimit
        }
        Exceeded::Handles(_) => ErrorType::MemoryLimit,
    };
    Failure::new(error_type, exceeded.to_string())
}

fn trapped(trap: Trap, error: &wasmtime::Error, state: &State, limits: &Limits) -> Failure {
    match trap {
        Trap::OutOfFuel => Failure::new(
            ErrorType::OutOfFuel,
            format!(
                "used up its {} units of fuel (`fuel`){}",
                limits.fuel,
                frames(error)
            ),
        ),
        Trap::StackOverflow => Failure::new(
            ErrorType::StackOverflow,
            format!("its stack is full{}", frames(error)),
        ),
        Trap::Interrupt => Failure::new(
            ErrorType::Timeout,
            format!("ran longer than its limit of {:?}", limits.timeout()),
        ),
        // Wasmtime's type, and open to additions: all others are the guest's fault alike.
        other => {
            let said = state.journal.stderr_tail();
            let message = if said.is_empty() {
                format!("{other}{}", frames(error))
            } else {
                format!("{said}{}", frames(error))
            };
            died(state, message)
        }
    }
}

/// A guest that was denied memory dies as its allocator likes: the denial is the cause.
fn died(state: &State, message: String) -> Failure {
    match state.limiter.denied() {
        Some(denied) => memory_limit(denied),
        None => Failure::new(ErrorType::Trap, message),
    }
}

fn memory_limit(denied: Denied) -> Failure {
    Failure::new(ErrorType::MemoryLimit, denied.to_string())
}

/// ` (in a < b < c)`, innermost first, or nothing where no frame has a name.
fn frames(error: &wasmtime::Error) -> String {
    let Some(backtrace) = error.downcast_ref::<WasmBacktrace>() else {
        return String::new();
    };
    let names: Vec<String> = backtrace
        .frames()
        .iter()
        .filter_map(|frame| frame.func_name())
        .take(FRAMES)
        .map(|name| format!("{:#}", rustc_demangle::demangle(name)))
        .collect();
    match names.is_empty() {
        true => String::new(),
        false => format!(" (in {})", names.join(" < ")),
    }
}
