//! `hothouse publish`: events from files to their streams.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use serde::Serialize;
use serde_json::value::RawValue;

use super::{Global, Usage};
use crate::event::{Event, EventType, decode_json, encode};

/// Entries, and bytes of data, that go to the bus at once: no more than it takes well within
/// the time that an answer may take. One event goes whatever its size.
const BATCH: (usize, usize) = (256, 4 << 20);

/// Checks events against the contract and appends them to their streams
///
/// Reads one JSON object or several, one behind the other or one a line. Nothing is appended
/// unless every event is right.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  hothouse publish event.json
  hothouse publish demo/events/*.json
  producer | hothouse publish - --bus redis://127.0.0.1:6379")]
pub(super) struct Args {
    /// Files with events; `-` reads standard input.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
}

#[derive(Serialize)]
struct Published {
    event_id: String,
    #[serde(rename = "type")]
    event_type: EventType,
    stream: &'static str,
    entry_id: String,
}

/// What is wrong with the input, a line each.
#[derive(Serialize)]
struct Refused {
    refused: Vec<String>,
}

pub(super) async fn run(args: Args, global: &Global) -> anyhow::Result<ExitCode> {
    let bus_url = global.bus_url()?;
    let bus = global.shared_bus(&bus_url)?;
    let mut events = Vec::new();
    let mut refused = Vec::new();
    for file in &args.files {
        let bytes = read(file)?;
        let name = match file.to_str() {
            Some("-") => "standard input".to_owned(),
            _ => file.display().to_string(),
        };
        parse(&name, &bytes, &mut events, &mut refused);
    }
    if !refused.is_empty() {
        let text = || {
            let lines = refused.join("\n");
            format!("{lines}\nnothing was published: correct the input and publish again")
        };
        let answer = Refused {
            refused: refused.clone(),
        };
        global.output().answer(text, &answer)?;
        return Ok(ExitCode::FAILURE);
    }
    let mut published: Vec<Published> = Vec::new();
    while published.len() < events.len() {
        let batch = next_batch(&events[published.len()..]);
        let entries = batch
            .iter()
            .map(|event| encode(&event.envelope, &event.data))
            .collect();
        let ids = bus.publish(stream(&batch[0]), entries).await;
        let ids = ids.with_context(|| {
            format!(
                "the bus acknowledged {} of {} events; publish the same again: an event that is \
                 there twice is handled once",
                published.len(),
                events.len()
            )
        })?;
        published.extend(batch.iter().zip(ids).map(|(event, id)| Published {
            event_id: event.envelope.event_id.to_string(),
            event_type: event.envelope.event_type,
            stream: stream(event),
            entry_id: id.to_string(),
        }));
    }
    let text = || {
        let lines: Vec<String> = published
            .iter()
            .map(|p| {
                format!(
                    "{} {} {} {}",
                    p.stream, p.entry_id, p.event_type, p.event_id
                )
            })
            .collect();
        match lines.is_empty() {
            true => "there was no event in the input".to_owned(),
            false => lines.join("\n"),
        }
    };
    global.output().answer(text, &published)?;
    Ok(ExitCode::SUCCESS)
}

fn stream(event: &Event) -> &'static str {
    event.envelope.event_type.stream()
}

/// The events at the front that go together: of one stream, and no larger than [`BATCH`].
fn next_batch(events: &[Event]) -> &[Event] {
    let mut bytes = 0;
    let fits = events.iter().take(BATCH.0).take_while(|event| {
        bytes += event.data.len();
        stream(event) == stream(&events[0]) && bytes <= BATCH.1
    });
    &events[..fits.count().max(1)]
}

/// The bytes of a file, or of standard input for `-`.
pub(super) fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    if path.as_os_str() == "-" {
        let mut bytes = Vec::new();
        std::io::stdin()
            .read_to_end(&mut bytes)
            .context("cannot read standard input")?;
        return Ok(bytes);
    }
    let bytes = std::fs::read(path)
        .map_err(|error| Usage(format!("cannot read {}: {error}", path.display())))?;
    Ok(bytes)
}

/// Adds the input's events to `events`, and what is wrong with it, by line, to `refused`.
fn parse(name: &str, bytes: &[u8], events: &mut Vec<Event>, refused: &mut Vec<String>) {
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            let line = 1 + newlines(&bytes[..error.valid_up_to()]);
            refused.push(format!("{name}, line {line}: not UTF-8"));
            return;
        }
    };
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<&RawValue>();
    let (mut line, mut counted) = (1, 0);
    loop {
        // The offset is where the last value ended: the next begins after white space.
        let ended = values.byte_offset();
        let Some(value) = values.next() else { break };
        let gap = text[ended..].len() - text[ended..].trim_start().len();
        line += newlines(&bytes[counted..ended + gap]);
        counted = ended + gap;
        match value {
            Ok(value) => match decode_json(value.get()) {
                Ok(event) => events.push(event),
                Err(error) => refused.push(format!("{name}, line {line}: {error}")),
            },
            Err(error) => {
                refused.push(format!("{name}, line {}: {error}", error.line()));
                break;
            }
        }
    }
}

fn newlines(bytes: &[u8]) -> usize {
    bytes.iter().filter(|byte| **byte == b'\n').count()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MERGED: &str = r#"{"event_id":"3fa85f64-5717-4562-b3fc-2c963f66afa6","type":"pr.merged",
        "timestamp":"2024-01-16T20:01:00Z","data":{"merge_commit_sha":"abc123",
        "pull_request_id":"3fa85f64-5717-4562-b3fc-2c963f66afa6",
        "merged_by":"3fa85f64-5717-4562-b3fc-2c963f66afa6"}}"#;

    fn parsed(text: &[u8]) -> (usize, Vec<String>) {
        let (mut events, mut refused) = (Vec::new(), Vec::new());
        parse("f", text, &mut events, &mut refused);
        (events.len(), refused)
    }

    #[test]
    fn one_object_and_lines_of_objects_are_both_read() {
        assert_eq!(parsed(MERGED.as_bytes()), (1, vec![]));
        let lines = format!("{0}\n{0}\n\n{0}", MERGED.replace('\n', ""));
        assert_eq!(parsed(lines.as_bytes()), (3, vec![]));
        assert_eq!(parsed(b""), (0, vec![]));
    }

    #[test]
    fn every_wrong_line_is_named() {
        let good = MERGED.replace('\n', "");
        let wrong = good.replace("abc123\"", "abc123\",\"merged_by\":7");
        let text = format!("{good}\n\n{wrong}\n{{\"type\":1}}\n{good}\n{{");
        let (events, refused) = parsed(text.as_bytes());
        assert_eq!(events, 2);
        let starts = ["f, line 3: data", "f, line 4: ", "f, line 6: "];
        assert_eq!(refused.len(), 3, "{refused:#?}");
        for (line, start) in refused.iter().zip(starts) {
            assert!(line.starts_with(start), "{refused:#?}");
        }
    }

    #[test]
    fn a_batch_is_of_one_stream_and_not_too_large() {
        let event = |bytes: usize| {
            let mut event = decode_json(MERGED).expect("event");
            event.data = "x".repeat(bytes);
            event
        };
        let mut other = event(1);
        other.envelope.event_type = EventType::RepoConnected;
        let half = BATCH.1 / 2;
        assert_eq!(next_batch(&[event(1), event(1), other]).len(), 2);
        assert_eq!(next_batch(&[event(half), event(half), event(1)]).len(), 2);
        assert_eq!(next_batch(&[event(BATCH.1 + 1), event(1)]).len(), 1);
        assert_eq!(next_batch(&vec![event(1); 300]).len(), BATCH.0);
    }

    #[test]
    fn invalid_utf8_is_named_with_its_line() {
        let (_, refused) = parsed(b"{}\n\xff");
        assert_eq!(refused, ["f, line 2: not UTF-8"]);
    }
}
