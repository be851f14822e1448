//! Returns what it finds of the world around it: environment variables, arguments, standard
//! input, and the directory that it is in.
//!
//! World `agent`. Completes with what it was granted and nothing else.

use std::collections::BTreeMap;
use std::{env, fs, io};

use hothouse_sdk::serde_json::Value;
use hothouse_sdk::{Agent, Execution, HandlerError};
use serde::Serialize;

#[derive(Serialize)]
struct Output {
    variables: BTreeMap<String, String>,
    arguments: Vec<String>,
    stdin: Option<String>,
    files: usize,
}

struct ReadsEnvironment;

impl Agent for ReadsEnvironment {
    type Input = Value;
    type Output = Output;

    fn execute(_: Execution<Value>) -> Result<Output, HandlerError> {
        Ok(Output {
            variables: env::vars().collect(),
            arguments: env::args().collect(),
            stdin: io::read_to_string(io::stdin()).ok(),
            files: fs::read_dir(".").map_or(0, Iterator::count)
                + fs::read_dir("/").map_or(0, Iterator::count),
        })
    }
}

hothouse_sdk::export!(ReadsEnvironment: Agent);
