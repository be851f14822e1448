//! Does what its input asks for with files, and tells what worked:
//! `{"link": [["TARGET", "AT"], ...], "hard_link": [["FROM", "TO"], ...],
//! "rename": [["FROM", "TO"], ...], "read": ["PATH", ...], "write": ["PATH", ...],
//! "list": ["PATH", ...]}`, in this order.
//!
//! World `agent`. Completes with the steps that were not refused, as `["read /repo/a", ...]`.

use std::ffi::{CString, c_char, c_int};
use std::fs;

use hothouse_sdk::serde_json::{Value, json};
use hothouse_sdk::{Agent, Execution, HandlerError};
use serde::Deserialize;

unsafe extern "C" {
    // The standard library's own is unstable on this target.
    fn symlink(target: *const c_char, at: *const c_char) -> c_int;
}

#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
#[derive(Default)]
struct Input {
    link: Vec<(String, String)>,
    hard_link: Vec<(String, String)>,
    rename: Vec<(String, String)>,
    read: Vec<String>,
    write: Vec<String>,
    list: Vec<String>,
}

struct EscapesMounts;

impl Agent for EscapesMounts {
    type Input = Input;
    type Output = Value;

    fn execute(execution: Execution<Input>) -> Result<Value, HandlerError> {
        let input = execution.input;
        let mut worked = Vec::new();
        for (target, at) in &input.link {
            if links(target, at) {
                worked.push(format!("link {at}"));
            }
        }
        for (from, to) in &input.hard_link {
            if fs::hard_link(from, to).is_ok() {
                worked.push(format!("hard_link {from}"));
            }
        }
        for (from, to) in &input.rename {
            if fs::rename(from, to).is_ok() {
                worked.push(format!("rename {from}"));
            }
        }
        for path in &input.read {
            if fs::read(path).is_ok() {
                worked.push(format!("read {path}"));
            }
        }
        for path in &input.write {
            if fs::write(path, "written by a guest").is_ok() {
                worked.push(format!("write {path}"));
            }
        }
        for path in &input.list {
            if fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_some()) {
                worked.push(format!("list {path}"));
            }
        }
        Ok(json!({ "worked": worked }))
    }
}

fn links(target: &str, at: &str) -> bool {
    let (Ok(target), Ok(at)) = (CString::new(target), CString::new(at)) else {
        return false;
    };
    // SAFETY: both are C strings that live until it returns.
    unsafe { symlink(target.as_ptr(), at.as_ptr()) == 0 }
}

hothouse_sdk::export!(EscapesMounts: Agent);
