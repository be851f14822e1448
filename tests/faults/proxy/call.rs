//! Which call of a host a request is.

use std::collections::HashMap;
use std::sync::Mutex;

use super::frame::arguments;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Call {
    Fetch,
    Commit,
    Heartbeat,
    Recover,
    /// The blocking read for new entries.
    Wait,
    Other,
}

/// The calls of the scripts that went through any proxy of this process, by SHA. What a SHA
/// stands for never changes, so one table does for all servers.
static SCRIPTS: Mutex<Option<HashMap<Vec<u8>, Call>>> = Mutex::new(None);

impl Call {
    /// Scripts are known by their first line, which names them, when they are loaded, and after
    /// that by their SHA.
    pub(crate) fn of(request: &[u8]) -> Self {
        let arguments = arguments(request);
        let mut words = arguments.iter();
        let command = words.next().copied().unwrap_or_default();
        match command.to_ascii_uppercase().as_slice() {
            b"XREAD" => Self::Wait,
            b"EVALSHA" => {
                let scripts = SCRIPTS.lock().expect("the table of scripts");
                let sha = words.next().copied().unwrap_or_default();
                let known = scripts.as_ref().and_then(|scripts| scripts.get(sha));
                known.copied().unwrap_or(Self::Other)
            }
            b"SCRIPT" => {
                if let Some(text) = words.nth(1).and_then(|text| std::str::from_utf8(text).ok()) {
                    let sha = redis::Script::new(text).get_hash().as_bytes().to_vec();
                    let mut scripts = SCRIPTS.lock().expect("the table of scripts");
                    let scripts = scripts.get_or_insert_default();
                    scripts.insert(sha, Self::of_script(text));
                }
                Self::Other
            }
            _ => Self::Other,
        }
    }

    fn of_script(text: &str) -> Self {
        match text.lines().next().unwrap_or_default() {
            "-- hothouse: fetch.lua" => Self::Fetch,
            "-- hothouse: commit.lua" => Self::Commit,
            "-- hothouse: heartbeat.lua" => Self::Heartbeat,
            "-- hothouse: recover.lua" => Self::Recover,
            _ => Self::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(words: &[&str]) -> Vec<u8> {
        let words = words
            .iter()
            .map(|word| format!("${}\r\n{word}\r\n", word.len()));
        format!("*{}\r\n{}", words.len(), words.collect::<String>()).into_bytes()
    }

    #[test]
    fn a_script_is_known_by_its_sha_once_it_was_loaded() {
        let text = "-- hothouse: commit.lua\nreturn 'this test alone has it'";
        let sha = redis::Script::new(text).get_hash().to_owned();
        assert_eq!(Call::of(&request(&["EVALSHA", &sha, "0"])), Call::Other);
        assert_eq!(Call::of(&request(&["SCRIPT", "LOAD", text])), Call::Other);
        assert_eq!(Call::of(&request(&["EVALSHA", &sha, "0"])), Call::Commit);
        assert_eq!(
            Call::of(&request(&["xread", "COUNT", "1"])),
            Call::Wait,
            "in any case"
        );
    }
}
