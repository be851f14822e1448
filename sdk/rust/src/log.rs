//! Lines in the host's log, marked with the plugin and the event.
//!
//! ```
//! use hothouse_sdk::log;
//!
//! log::info!("read {} files", 12);
//! ```
//!
//! The host limits bytes and lines for each event; what goes over is dropped and counted.
//! A call never fails. Outside a host, in a plugin's own tests, lines go to stderr.

use std::fmt;

#[doc(inline)]
pub use crate::{
    __log_debug as debug, __log_error as error, __log_info as info, __log_trace as trace,
    __log_warn as warn,
};

/// How much a line matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// Step by step.
    Trace,
    /// For whoever writes the plugin.
    Debug,
    /// For whoever runs it.
    Info,
    /// Something to look at.
    Warn,
    /// Something went wrong.
    Error,
}

/// Writes one line. The macros [`trace!`], [`debug!`], [`info!`], [`warn!`] and [`error!`]
/// are shorter.
#[cfg(target_arch = "wasm32")]
pub fn write(level: Level, message: fmt::Arguments<'_>) {
    use crate::bindings::agent::hothouse::agent::logging as wit;

    let level = match level {
        Level::Trace => wit::Level::Trace,
        Level::Debug => wit::Level::Debug,
        Level::Info => wit::Level::Info,
        Level::Warn => wit::Level::Warn,
        Level::Error => wit::Level::Error,
    };
    wit::log(level, &message.to_string());
}

/// Writes one line. The macros [`trace!`], [`debug!`], [`info!`], [`warn!`] and [`error!`]
/// are shorter.
#[cfg(not(target_arch = "wasm32"))]
pub fn write(level: Level, message: fmt::Arguments<'_>) {
    eprintln!("{level:?}: {message}");
}

/// Logs at level trace. Takes what [`format!`] takes.
#[doc(hidden)]
#[macro_export]
macro_rules! __log_trace {
    ($($argument:tt)+) => {
        $crate::log::write($crate::log::Level::Trace, ::core::format_args!($($argument)+))
    };
}

/// Logs at level debug. Takes what [`format!`] takes.
#[doc(hidden)]
#[macro_export]
macro_rules! __log_debug {
    ($($argument:tt)+) => {
        $crate::log::write($crate::log::Level::Debug, ::core::format_args!($($argument)+))
    };
}

/// Logs at level info. Takes what [`format!`] takes.
#[doc(hidden)]
#[macro_export]
macro_rules! __log_info {
    ($($argument:tt)+) => {
        $crate::log::write($crate::log::Level::Info, ::core::format_args!($($argument)+))
    };
}

/// Logs at level warn. Takes what [`format!`] takes.
#[doc(hidden)]
#[macro_export]
macro_rules! __log_warn {
    ($($argument:tt)+) => {
        $crate::log::write($crate::log::Level::Warn, ::core::format_args!($($argument)+))
    };
}

/// Logs at level error. Takes what [`format!`] takes.
#[doc(hidden)]
#[macro_export]
macro_rules! __log_error {
    ($($argument:tt)+) => {
        $crate::log::write($crate::log::Level::Error, ::core::format_args!($($argument)+))
    };
}
