//! What Wasmtime's errors mean: the only place that says so. By type, never by text.
//!
//! Wasmtime 48 gives three things no type of their own. Broken values at the component boundary
//! (a pointer out of bounds, an unknown discriminant, a handle that is none, handles over
//! `set_max_component_handles`) are bare messages, all alike: the meter knows whether it is the
//! handles, the rest is one class here. A component whose exports have other types than its world
//! says is found when it is instantiated.
//! `HostcallFuelExhausted`, for data over `set_hostcall_fuel`, is private: it is known by being
//! none of the types that are named. A denied `memory.grow` is no error at all: the limiter
//! remembers it.

use std::char::DecodeUtf16Error;
use std::str::Utf8Error;

use wasmtime::component::ResourceTableError;
use wasmtime::error::OutOfMemory;
use wasmtime::{PoolConcurrencyLimitError, Trap, WasmBacktrace, WasmtimeBug};
use wasmtime_wasi::I32Exit;
use wasmtime_wasi_http::FieldMapError;

use super::limits::Denied;
use super::meter::Exceeded;
use super::outbound;
use super::{Limits, State, frames};
use crate::failure::{ErrorType, Failure};

/// Frames shown in the message; the log has all that were captured.
const FRAMES: usize = 3;

/// Marks errors of a component that is being instantiated.
#[derive(Debug, Clone, Copy)]
pub(super) struct Instantiation;

impl std::fmt::Display for Instantiation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("it cannot be instantiated")
    }
}

/// Classifies the error of a run that did not return.
pub(super) fn classify(error: &wasmtime::Error, state: &State, limits: &Limits) -> Failure {
    let backtrace = error.downcast_ref::<WasmBacktrace>();
    let stack = backtrace.map(frames::names).unwrap_or_default();
    let failure = class(error, state, limits, &stack);
    Failure {
        frames: stack,
        ..failure
    }
}

fn class(error: &wasmtime::Error, state: &State, limits: &Limits, stack: &[String]) -> Failure {
    if let Some(trap) = error.downcast_ref::<Trap>() {
        return trapped(*trap, state, limits, stack);
    }
    if let Some(exit) = error.downcast_ref::<I32Exit>() {
        let message = format!("exited with code {} instead of returning", exit.0);
        let message = match state.journal.stderr_tail() {
            tail if tail.is_empty() => message,
            tail => format!("{message}: {tail}"),
        };
        return died(state, message + &at(stack));
    }
    if let Some(denied) = error.downcast_ref::<outbound::Denied>() {
        return Failure::new(ErrorType::CapabilityDenied, denied.to_string());
    }
    if error.is::<FieldMapError>() {
        return Failure::new(
            ErrorType::OutputLimit,
            format!(
                "a request has more than {} bytes of header fields",
                outbound::MAX_FIELDS
            ),
        );
    }
    if error.is::<PoolConcurrencyLimitError>() {
        return Failure::new(
            ErrorType::HostError,
            "the sandbox has no free instance for now",
        );
    }
    if error.is::<WasmtimeBug>() || error.is::<OutOfMemory>() || error.is::<std::io::Error>() {
        return Failure::new(ErrorType::HostError, format!("the host failed: {error:#}"));
    }
    if error.is::<Utf8Error>() || error.is::<DecodeUtf16Error>() {
        return Failure::new(
            ErrorType::ContractViolation,
            format!("a text is not Unicode: {}{}", error.root_cause(), at(stack)),
        );
    }
    if let Some(exceeded) = error.downcast_ref::<Exceeded>() {
        return over(*exceeded, stack);
    }
    if let Some(misuse) = error.downcast_ref::<ResourceTableError>() {
        return match misuse {
            ResourceTableError::Full => over(Exceeded::Handles(limits.handles), stack),
            // Wasmtime's type: all others are a handle that is not what the guest says.
            other => died(state, format!("misused its handles: {other}{}", at(stack))),
        };
    }
    if error.is::<&'static str>() || error.is::<String>() {
        if let Some(exceeded) = state.meter.handles_used_up() {
            return over(exceeded, stack);
        }
        if let Some(denied) = state.limiter.denied() {
            return memory_limit(denied);
        }
        let cause = error.root_cause();
        if error.is::<Instantiation>() && stack.is_empty() {
            let message = format!("its exports are not those of its world: {cause}");
            return Failure::new(ErrorType::ContractViolation, message);
        }
        return Failure::new(
            ErrorType::ContractViolation,
            format!("passed the host what it cannot read: {cause}{}", at(stack)),
        );
    }
    // Data over `set_hostcall_fuel`. In a call to the host it comes with the guest's frames, and
    // none are left where the result is read.
    if !stack.is_empty() {
        return over(state.meter.passed_too_much(), stack);
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
fn over(exceeded: Exceeded, stack: &[String]) -> Failure {
    let error_type = match exceeded {
        Exceeded::HostCallBytes(_)
        | Exceeded::HostBytes(_)
        | Exceeded::RandomBytes(_)
        | Exceeded::HttpRequests(_) => ErrorType::OutputLimit,
        Exceeded::Handles(_) => ErrorType::MemoryLimit,
    };
    Failure::new(error_type, format!("{exceeded}{}", at(stack)))
}

fn trapped(trap: Trap, state: &State, limits: &Limits, stack: &[String]) -> Failure {
    match trap {
        Trap::OutOfFuel => Failure::new(
            ErrorType::OutOfFuel,
            format!(
                "used up its {} units of fuel (`fuel`){}",
                limits.fuel,
                at(stack)
            ),
        ),
        Trap::StackOverflow => Failure::new(
            ErrorType::StackOverflow,
            format!("its stack is full{}", at(stack)),
        ),
        Trap::Interrupt => late(limits),
        // Wasmtime's type, and open to additions: all others are the guest's fault alike.
        other => {
            let message = match state.journal.stderr_tail() {
                tail if tail.is_empty() => other.to_string(),
                // Where a panic says what happened.
                tail => tail,
            };
            died(state, message + &at(stack))
        }
    }
}

/// A run that did not end in time.
pub(super) fn late(limits: &Limits) -> Failure {
    Failure::new(
        ErrorType::Timeout,
        format!("ran longer than its limit of {:?}", limits.timeout()),
    )
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

/// ` (in a < b < c)`, innermost first, or nothing where there is no frame.
fn at(stack: &[String]) -> String {
    let own = frames::own(stack);
    match own.is_empty() {
        true => String::new(),
        false => format!(" (in {})", own[..FRAMES.min(own.len())].join(" < ")),
    }
}

#[cfg(test)]
mod tests;
