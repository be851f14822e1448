//! What one run may use.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use wasmtime::ResourceLimiter;

/// Declares every limit once: its default, the most that a plugin can ask for where the
/// operator sets nothing else, and what it bounds.
macro_rules! limits {
    ($( $(#[$doc:meta])* $name:ident: $unit:ty = $default:expr, at most $most:expr; )*) => {
        /// The limits of one plugin. Defaults and maxima stand in `sandbox/limits.rs` alone.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
        pub struct Limits { $( $(#[$doc])* pub $name: $unit, )* }

        impl Limits {
            /// What a plugin gets that asks for nothing.
            pub const DEFAULT: Self = Self { $( $name: $default, )* };

            /// The most that a plugin can ask for, where the operator sets nothing else.
            pub const MAXIMUM: Self = Self { $( $name: $most, )* };

            /// These limits with the values that `patch` sets.
            #[must_use]
            pub fn with(self, patch: &LimitsPatch) -> Self {
                Self { $( $name: patch.$name.unwrap_or(self.$name), )* }
            }

            /// The smaller of each.
            #[must_use]
            pub fn at_most(self, most: &Self) -> Self {
                Self { $( $name: self.$name.min(most.$name), )* }
            }
        }

        /// Limits as a manifest or the configuration sets them: some or none.
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(deny_unknown_fields)]
        pub struct LimitsPatch { $( $(#[$doc])* pub $name: Option<$unit>, )* }
    };
}

limits! {
    /// About one unit for each WebAssembly instruction, and what the host's work costs.
    fuel: u64 = 1_000_000_000, at most 100_000_000_000;
    /// Wall-clock time in milliseconds, also while the guest waits for the host.
    timeout_ms: u64 = 30_000, at most 3_600_000;
    /// Linear memory and tables, summed, in bytes.
    memory_bytes: usize = 64 << 20, at most 1 << 30;
    /// The result, in bytes.
    output_bytes: usize = 1 << 20, at most 16 << 20;
    /// Log text, in bytes. More is dropped and counted.
    log_bytes: usize = 64 << 10, at most 1 << 20;
    /// Log lines. More are dropped and counted.
    log_lines: u64 = 1_000, at most 100_000;
    /// What the guest passes to the host in one call, in bytes.
    host_call_bytes: usize = 1 << 20, at most 16 << 20;
    /// What the guest passes to the host in all its calls, in bytes.
    host_bytes: usize = 64 << 20, at most 1 << 30;
    /// Resource handles held at once. One that is lent to the host counts once more while the
    /// call lasts.
    handles: usize = 256, at most 10_000;
    /// Random bytes.
    random_bytes: u64 = 1 << 20, at most 64 << 20;
    /// Requests over HTTP.
    http_requests: u32 = 32, at most 10_000;
    /// The response to one request, head and body, in bytes.
    http_response_bytes: u64 = 8 << 20, at most 256 << 20;
    /// One request, from its lookup to the last byte of its response, in milliseconds.
    http_timeout_ms: u64 = 10_000, at most 600_000;
    /// Runs of the plugin at a time, in one host.
    concurrent_runs: u32 = 16, at most 10_000;
    /// Size of the component, in bytes.
    component_bytes: usize = 64 << 20, at most 256 << 20;
    /// Time to compile the component, in milliseconds.
    compile_ms: u64 = 120_000, at most 600_000;
    /// Address space to compile the component in, in bytes.
    compile_memory_bytes: u64 = 4 << 30, at most 16 << 30;
    /// What the component compiles to, in bytes.
    artifact_bytes: usize = 256 << 20, at most 1 << 30;
}

impl Limits {
    /// [`Limits::timeout_ms`].
    #[must_use]
    pub fn timeout(&self) -> Duration {
        Duration::from_millis(self.timeout_ms)
    }

    /// [`Limits::http_timeout_ms`].
    #[must_use]
    pub fn http_timeout(&self) -> Duration {
        Duration::from_millis(self.http_timeout_ms)
    }
}

/// Bytes that the host holds for one element of a table.
const TABLE_ELEMENT: usize = size_of::<usize>();

/// Elements that one table can have: as many as its place in the pool.
pub(super) const TABLE_ELEMENTS: usize = 20_000;

/// What a guest did not get.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Denied {
    #[error("asked for more than its {0} bytes of memory (`memory_bytes`)")]
    Memory(usize),
    #[error("asked for a table of more than {TABLE_ELEMENTS} elements")]
    Table,
}

/// Sums and bounds what the memories and tables of one run hold.
pub(super) struct Limiter {
    limit: usize,
    held: usize,
    peak: usize,
    denied: Option<Denied>,
}

impl Limiter {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            limit: limits.memory_bytes,
            held: 0,
            peak: 0,
            denied: None,
        }
    }

    /// Most bytes held at once.
    pub(super) fn peak(&self) -> usize {
        self.peak
    }

    /// The last growth that was denied. The guest only sees that it failed, and traps or goes on
    /// as it likes: a trap after a denial is the denial's.
    pub(super) fn denied(&self) -> Option<Denied> {
        self.denied
    }

    fn grow(&mut self, bytes: usize) -> bool {
        let held = self.held.saturating_add(bytes);
        if held > self.limit {
            self.denied = Some(Denied::Memory(self.limit));
            return false;
        }
        self.held = held;
        self.peak = self.peak.max(held);
        true
    }
}

/// Wasmtime refuses such a growth itself, and only after it was asked about here: nothing is held
/// for it.
fn is_over(desired: usize, maximum: Option<usize>) -> bool {
    maximum.is_some_and(|most| desired > most)
}

impl ResourceLimiter for Limiter {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        if is_over(desired, maximum) {
            return Ok(false);
        }
        Ok(self.grow(desired.saturating_sub(current)))
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        // First: where a table declares no maximum, Wasmtime's is that of the pool.
        if desired > TABLE_ELEMENTS {
            self.denied = Some(Denied::Table);
            return Ok(false);
        }
        if is_over(desired, maximum) {
            return Ok(false);
        }
        let elements = desired.saturating_sub(current);
        Ok(self.grow(elements.saturating_mul(TABLE_ELEMENT)))
    }
}
