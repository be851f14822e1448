//! One table of a TOML file, read key by key, collecting every mistake.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use toml::{Table, Value};

use super::Problem;

/// The table that a TOML text is.
pub(crate) fn parse(text: &str) -> Result<Table, Vec<Problem>> {
    text.parse().map_err(|error: toml::de::Error| {
        vec![Problem {
            at: "syntax".into(),
            message: match error.span() {
                // Never the line itself, which may hold a password.
                Some(span) => format!(
                    "line {}: {}",
                    line(text, span.start),
                    error.message().trim()
                ),
                None => error.message().trim().to_owned(),
            },
        }]
    })
}

/// The line that a byte is in, from 1.
fn line(text: &str, at: usize) -> usize {
    let before = text.bytes().take(at);
    before.filter(|byte| *byte == b'\n').count() + 1
}

/// A table that is being read. What is left when it is [finished](Section::finish) is
/// unknown.
pub(crate) struct Section<'a> {
    path: String,
    table: Table,
    known: Vec<&'static str>,
    problems: &'a mut Vec<Problem>,
}

impl<'a> Section<'a> {
    pub(crate) fn root(table: Table, problems: &'a mut Vec<Problem>) -> Self {
        Self {
            path: String::new(),
            table,
            known: Vec::new(),
            problems,
        }
    }

    /// The value of a key, where it is there and right.
    pub(crate) fn get<T: DeserializeOwned>(&mut self, key: &'static str) -> Option<T> {
        self.known.push(key);
        let value = self.table.remove(key)?;
        match value.try_into() {
            Ok(value) => Some(value),
            Err(error) => {
                let error: toml::de::Error = error;
                self.problem(key, error.message().trim());
                None
            }
        }
    }

    /// As [`get`](Self::get), and a mistake where it is not there.
    pub(crate) fn require<T: DeserializeOwned>(&mut self, key: &'static str) -> Option<T> {
        if !self.table.contains_key(key) {
            self.known.push(key);
            self.problem(key, "is missing");
            return None;
        }
        self.get(key)
    }

    /// Reads the table under a key, if there is one.
    pub(crate) fn section<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&mut Section<'_>) -> T,
    ) -> Option<T> {
        let table: Table = self.get(key)?;
        Some(self.inner(self.at(key), table, read))
    }

    /// Reads the tables in the table under a key, by their names.
    pub(crate) fn each<T>(
        &mut self,
        key: &'static str,
        mut read: impl FnMut(&str, &mut Section<'_>) -> Option<T>,
    ) -> BTreeMap<String, T> {
        let tables: BTreeMap<String, Value> = self.get(key).unwrap_or_default();
        let mut found = BTreeMap::new();
        for (name, value) in tables {
            let path = format!("{}.{name}", self.at(key));
            match value {
                Value::Table(table) => {
                    if let Some(value) = self.inner(path, table, |section| read(&name, section)) {
                        found.insert(name, value);
                    }
                }
                other => self.problems.push(Problem {
                    at: path,
                    message: format!("expected a table, found {}", other.type_str()),
                }),
            }
        }
        found
    }

    /// Reads the tables of the list under a key.
    pub(crate) fn list<T>(
        &mut self,
        key: &'static str,
        mut read: impl FnMut(&mut Section<'_>) -> Option<T>,
    ) -> Vec<T> {
        let tables: Vec<Table> = self.get(key).unwrap_or_default();
        let mut found = Vec::new();
        for (index, table) in tables.into_iter().enumerate() {
            // Counted from 1, as people count.
            let path = format!("{}[{}]", self.at(key), index + 1);
            found.extend(self.inner(path, table, &mut read));
        }
        found
    }

    /// Whether the key, which is not read yet, is missing or an empty list.
    pub(crate) fn is_empty(&self, key: &str) -> bool {
        match self.table.get(key) {
            Some(Value::Array(values)) => values.is_empty(),
            Some(_) => false,
            None => true,
        }
    }

    /// Notes a mistake at a key.
    pub(crate) fn problem(&mut self, key: &str, message: impl std::fmt::Display) {
        self.problems.push(Problem {
            at: self.at(key),
            message: message.to_string(),
        });
    }

    fn inner<T>(
        &mut self,
        path: String,
        table: Table,
        read: impl FnOnce(&mut Section<'_>) -> T,
    ) -> T {
        let mut section = Section {
            path,
            table,
            known: Vec::new(),
            problems: self.problems,
        };
        let value = read(&mut section);
        section.finish();
        value
    }

    fn at(&self, key: &str) -> String {
        match self.path.as_str() {
            "" => key.to_owned(),
            path => format!("{path}.{key}"),
        }
    }

    /// Notes every key that was not asked for.
    pub(crate) fn finish(self) {
        for key in self.table.keys() {
            self.problems.push(Problem {
                at: self.at(key),
                message: format!("unknown key; known are {}", self.known.join(", ")),
            });
        }
    }
}
