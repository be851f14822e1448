//! What a guest says: log lines, standard output and standard error, cleaned and bounded.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};

use super::bindings::logging::{Host, Level};
use super::{Limits, State};
use crate::event::Envelope;
use crate::failure::clean;

/// Longest line; the rest of it is cut.
const MAX_LINE: usize = 4096;

/// How much of the end of standard error is kept for the message of a trap.
const MAX_TAIL: usize = 1024;

/// Bytes that a stream takes at a time.
const CHUNK: usize = 64 * 1024;

/// The log of one run. Clones are the same log: WASI's streams want owners of their own.
#[derive(Clone)]
pub(super) struct Journal(Arc<Mutex<Lines>>);

struct Lines {
    plugin: String,
    event_id: String,
    correlation_id: String,
    bytes_left: usize,
    lines_left: u64,
    dropped: u64,
    /// Lines of the streams that have no end yet.
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    tail: String,
}

impl Journal {
    pub(super) fn new(plugin: &str, envelope: &Envelope, limits: &Limits) -> Self {
        let event_id = envelope.event_id;
        Self(Arc::new(Mutex::new(Lines {
            plugin: plugin.to_owned(),
            event_id: event_id.to_string(),
            correlation_id: envelope.correlation_id.unwrap_or(event_id).to_string(),
            bytes_left: limits.log_bytes,
            lines_left: limits.log_lines,
            dropped: 0,
            stdout: Vec::new(),
            stderr: Vec::new(),
            tail: String::new(),
        })))
    }

    /// Lines over the limits.
    pub(super) fn dropped(&self) -> u64 {
        self.lines().dropped
    }

    /// The end of standard error, where a panic says what happened.
    pub(super) fn stderr_tail(&self) -> String {
        let mut lines = self.lines();
        lines.flush();
        lines.tail.clone()
    }

    /// Writes the lines that have no end.
    pub(super) fn finish(&mut self) {
        self.lines().flush();
    }

    pub(super) fn stdout(&self) -> Pipe {
        Pipe {
            journal: self.clone(),
            stream: Stream::Out,
        }
    }

    pub(super) fn stderr(&self) -> Pipe {
        Pipe {
            journal: self.clone(),
            stream: Stream::Err,
        }
    }

    fn lines(&self) -> MutexGuard<'_, Lines> {
        // A panic between two lines leaves the log as it was.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lines {
    fn line(&mut self, level: Level, text: &str) {
        let text = clean(text, MAX_LINE);
        if self.lines_left == 0 || text.len() > self.bytes_left {
            self.dropped += 1;
            return;
        }
        self.lines_left -= 1;
        self.bytes_left -= text.len();
        macro_rules! emit {
            ($level:ident) => {
                tracing::event!(target: "guest", tracing::Level::$level,
                    plugin = self.plugin, event_id = self.event_id,
                    correlation_id = self.correlation_id, "{text}")
            };
        }
        match level {
            Level::Trace => emit!(TRACE),
            Level::Debug => emit!(DEBUG),
            Level::Info => emit!(INFO),
            Level::Warn => emit!(WARN),
            Level::Error => emit!(ERROR),
        }
    }

    fn write(&mut self, stream: Stream, bytes: &[u8]) {
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            let open = self.open_line(stream);
            let room = MAX_LINE.saturating_sub(open.len());
            open.extend_from_slice(&part[..part.len().min(room)]);
            if part.ends_with(b"\n") {
                self.close_line(stream);
            }
        }
    }

    fn open_line(&mut self, stream: Stream) -> &mut Vec<u8> {
        match stream {
            Stream::Out => &mut self.stdout,
            Stream::Err => &mut self.stderr,
        }
    }

    fn close_line(&mut self, stream: Stream) {
        let line = std::mem::take(self.open_line(stream));
        let text = clean(&String::from_utf8_lossy(&line), MAX_LINE);
        if text.is_empty() {
            return;
        }
        let level = match stream {
            Stream::Out => Level::Info,
            Stream::Err => {
                self.keep_tail(&text);
                Level::Warn
            }
        };
        self.line(level, &text);
    }

    fn keep_tail(&mut self, text: &str) {
        if !self.tail.is_empty() {
            self.tail.push(' ');
        }
        self.tail.push_str(text);
        let mut cut = self.tail.len().saturating_sub(MAX_TAIL);
        while !self.tail.is_char_boundary(cut) {
            cut += 1;
        }
        self.tail.drain(..cut);
    }

    fn flush(&mut self) {
        self.close_line(Stream::Out);
        self.close_line(Stream::Err);
    }
}

impl Host for State {
    fn log(&mut self, level: Level, message: String) {
        self.meter.took(message.len());
        self.journal.lines().line(level, &message);
    }
}

#[derive(Clone, Copy)]
enum Stream {
    Out,
    Err,
}

/// Standard output or standard error. Takes everything: a full pipe would make a guest's
/// `println!` panic.
pub(super) struct Pipe {
    journal: Journal,
    stream: Stream,
}

impl IsTerminal for Pipe {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Pipe {
    fn async_stream(&self) -> Box<dyn tokio::io::AsyncWrite + Send + Sync> {
        // Asked for by WASI 0.3 alone, which is not linked.
        Box::new(tokio::io::sink())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(Self {
            journal: self.journal.clone(),
            stream: self.stream,
        })
    }
}

impl OutputStream for Pipe {
    fn write(&mut self, bytes: bytes::Bytes) -> StreamResult<()> {
        self.journal.lines().write(self.stream, &bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(CHUNK)
    }
}

#[async_trait::async_trait]
impl Pollable for Pipe {
    async fn ready(&mut self) {}
}
