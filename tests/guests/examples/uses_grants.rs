//! Uses what it was granted, as its input says: `{"show": ["NAME", ...], "append": ["PATH",
//! "TEXT"], "read": "PATH"}`, in this order.
//!
//! World `agent`. Completes with the length of every environment variable's value, the values
//! of those to show, and what it read; fails as `permanent_error` where a file is refused.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::{env, io};

use hothouse_sdk::{Agent, Execution, HandlerError};
use serde::{Deserialize, Serialize};

struct UsesGrants;

#[derive(Deserialize)]
struct Input {
    #[serde(default)]
    show: Vec<String>,
    append: Option<(String, String)>,
    read: Option<String>,
}

#[derive(Serialize)]
struct Output {
    lengths: BTreeMap<String, usize>,
    shown: BTreeMap<String, Option<String>>,
    read: Option<String>,
}

impl Agent for UsesGrants {
    type Input = Input;
    type Output = Output;

    fn execute(execution: Execution<Input>) -> Result<Output, HandlerError> {
        let Input { show, append, read } = execution.input;
        if let Some((path, text)) = append {
            refused(&path, append_to(&path, &text))?;
        }
        let read = read.map(|path| refused(&path, fs::read_to_string(&path)));
        Ok(Output {
            lengths: env::vars()
                .map(|(name, value)| (name, value.len()))
                .collect(),
            shown: show
                .into_iter()
                .map(|name| (name.clone(), env::var(name).ok()))
                .collect(),
            read: read.transpose()?,
        })
    }
}

fn append_to(path: &str, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().append(true).create(true).open(path)?;
    file.write_all(text.as_bytes())
}

fn refused<T>(path: &str, result: io::Result<T>) -> Result<T, HandlerError> {
    result.map_err(|error| HandlerError::permanent(format_args!("{path}: {error}")))
}

hothouse_sdk::export!(UsesGrants: Agent);
