//! What one run may use.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use wasmtime::ResourceLimiter;

/// Elements of all tables of one run.
const MAX_TABLE_ELEMENTS: usize = 100_000;

/// The limits of one run. The defaults stand in [`Limits::DEFAULT`] alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Limits {
    /// About one unit for each WebAssembly instruction.
    pub fuel: u64,
    /// Wall-clock time, also while the guest waits for the host.
    #[serde(skip)]
    pub timeout: Duration,
    /// Linear memory, summed over all memories, in bytes.
    pub memory_bytes: usize,
    /// The result, in bytes.
    pub output_bytes: usize,
    /// Log text, in bytes. More is dropped and counted.
    pub log_bytes: usize,
    /// Log lines. More are dropped and counted.
    pub log_lines: u64,
}

impl Limits {
    /// What a plugin gets that asks for nothing.
    pub const DEFAULT: Self = Self {
        fuel: 1_000_000_000,
        timeout: Duration::from_secs(30),
        memory_bytes: 64 << 20,
        output_bytes: 1 << 20,
        log_bytes: 64 << 10,
        log_lines: 1_000,
    };

    /// The most that a plugin can ask for, where the operator sets nothing else.
    pub const MAXIMUM: Self = Self {
        fuel: 100_000_000_000,
        timeout: Duration::from_secs(3600),
        memory_bytes: 1 << 30,
        output_bytes: 16 << 20,
        log_bytes: 1 << 20,
        log_lines: 100_000,
    };

    /// These limits with the values that `patch` sets.
    #[must_use]
    pub fn with(self, patch: &LimitsPatch) -> Self {
        Self {
            fuel: patch.fuel.unwrap_or(self.fuel),
            timeout: patch.timeout_ms.map_or(self.timeout, Duration::from_millis),
            memory_bytes: patch.memory_bytes.unwrap_or(self.memory_bytes),
            output_bytes: patch.output_bytes.unwrap_or(self.output_bytes),
            log_bytes: patch.log_bytes.unwrap_or(self.log_bytes),
            log_lines: patch.log_lines.unwrap_or(self.log_lines),
        }
    }

    /// The smaller of each.
    #[must_use]
    pub fn at_most(self, most: &Self) -> Self {
        Self {
            fuel: self.fuel.min(most.fuel),
            timeout: self.timeout.min(most.timeout),
            memory_bytes: self.memory_bytes.min(most.memory_bytes),
            output_bytes: self.output_bytes.min(most.output_bytes),
            log_bytes: self.log_bytes.min(most.log_bytes),
            log_lines: self.log_lines.min(most.log_lines),
        }
    }
}

/// Limits as a manifest or the configuration sets them: some or none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LimitsPatch {
    /// See [`Limits::fuel`].
    pub fuel: Option<u64>,
    /// See [`Limits::timeout`]; in milliseconds.
    pub timeout_ms: Option<u64>,
    /// See [`Limits::memory_bytes`].
    pub memory_bytes: Option<usize>,
    /// See [`Limits::output_bytes`].
    pub output_bytes: Option<usize>,
    /// See [`Limits::log_bytes`].
    pub log_bytes: Option<usize>,
    /// See [`Limits::log_lines`].
    pub log_lines: Option<u64>,
}

/// Sums and bounds what the memories and tables of one run hold.
pub(super) struct Limiter {
    limit: usize,
    held: usize,
    peak: usize,
    table_elements: usize,
    denied: bool,
}

impl Limiter {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            limit: limits.memory_bytes,
            held: 0,
            peak: 0,
            table_elements: 0,
            denied: false,
        }
    }

    /// Most bytes held at once.
    pub(super) fn peak(&self) -> usize {
        self.peak
    }

    /// Whether a growth was denied. The guest only sees that it failed, and traps or goes on
    /// as it likes: a trap after a denial is the denial's.
    pub(super) fn denied(&self) -> bool {
        self.denied
    }
}

impl ResourceLimiter for Limiter {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let held = self.held.saturating_add(desired.saturating_sub(current));
        if held > self.limit {
            self.denied = true;
            return Ok(false);
        }
        self.held = held;
        self.peak = self.peak.max(held);
        Ok(true)
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let elements = self
            .table_elements
            .saturating_add(desired.saturating_sub(current));
        if elements > MAX_TABLE_ELEMENTS {
            self.denied = true;
            return Ok(false);
        }
        self.table_elements = elements;
        Ok(true)
    }
}
