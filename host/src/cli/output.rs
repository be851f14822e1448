//! What verbs print: text for people or JSON for programs.

use std::io::{self, Write as _};

use serde::Serialize;

use crate::event::Fields;
use crate::failure::is_invisible;

/// Where a verb's answer goes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Output {
    pub(super) json: bool,
}

impl Output {
    /// Prints the answer in the form that was asked for. A reader that has gone, as behind
    /// `| head`, is no error.
    pub(super) fn answer(
        self,
        text: impl FnOnce() -> String,
        json: &impl Serialize,
    ) -> anyhow::Result<()> {
        let answer = match self.json {
            true => serde_json::to_string_pretty(json)?,
            false => printable(&text()),
        };
        match writeln!(io::stdout().lock(), "{}", answer.trim_end()) {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
            Ok(()) | Err(_) => Ok(()),
        }
    }
}

/// Prints what stopped a verb to standard error: a line for people, or `{"error": …}`.
pub fn report(error: &anyhow::Error, json: bool) {
    let text = format!("{error:#}");
    match json {
        true => eprintln!("{}", serde_json::json!({ "error": text })),
        false => eprintln!("error: {}", printable(&text)),
    }
}

/// The text without what could command a terminal or hide text on it: what plugins, events
/// and files say is in it. Lines stay lines.
pub(super) fn printable(text: &str) -> String {
    let shown = |c: &char| *c == '\n' || !(c.is_control() || is_invisible(*c));
    text.chars().filter(shown).collect()
}

/// An encoded event as one JSON object, in the contract's form.
pub(super) fn event_json(fields: &Fields) -> serde_json::Value {
    let mut object = serde_json::Map::new();
    for (name, value) in &fields.0 {
        let name = String::from_utf8_lossy(name).into_owned();
        let text = String::from_utf8_lossy(value);
        let value = match name.as_str() {
            "data" | "event" | "hothouse" => serde_json::from_str(&text).unwrap_or(text.into()),
            _ => text.into(),
        };
        object.insert(name, value);
    }
    object.into()
}

/// Columns of equal width, two spaces apart; the last one as long as it is.
pub(super) fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns)
        .map(|column| {
            let cells = rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        })
        .collect();
    let lines = rows.iter().map(|row| {
        let cells = row.iter().zip(&widths);
        let line: String = cells
            .map(|(cell, width)| format!("{cell:<width$}  ", width = *width))
            .collect();
        line.trim_end().to_owned()
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// A number with commas: 1,234,567.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_by_thousands() {
        assert_eq!(grouped(7), "7");
        assert_eq!(grouped(1234), "1,234");
        assert_eq!(grouped(50_000_000), "50,000,000");
    }

    #[test]
    fn a_table_lines_up_its_columns() {
        let rows = [
            vec!["a".into(), "bb".into()],
            vec!["ccc".into(), "d".into()],
        ];
        assert_eq!(table(&rows), "a    bb\nccc  d");
    }
}
