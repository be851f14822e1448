//! Arguments of the scripts and their replies, as values.

use std::time::Duration;

use redis::{ScriptInvocation, Value};

use super::millis;
use crate::bus::{
    Attempt, Beat, Commit, Committed, Delivery, Entry, EntryId, Fetched, HeldBack, Lane, Lease,
    Requeued, Trimmed, Verdict, mark_given_back,
};
use crate::event::Fields;

/// Keys that a commit has before the places of outputs.
const KEYS_BEFORE_STREAMS: usize = 2;

type Parsed<T> = Result<T, String>;

pub(super) fn push_commit(
    call: &mut ScriptInvocation<'_>,
    commit: &Commit,
) -> Result<(), serde_json::Error> {
    call.arg(commit.lease.lane.as_str())
        .arg(commit.lease.entry.to_string())
        .arg(commit.lease.fence)
        .arg(commit.event_id.map(|id| id.to_string()).unwrap_or_default());
    match &commit.verdict {
        Verdict::Done {
            outputs,
            dead_letter,
            stops_lane,
        } => {
            let dead_letter = match dead_letter {
                Some(dead_letter) => serde_json::to_string(dead_letter)?,
                None => String::new(),
            };
            call.arg("done").arg(dead_letter).arg(*stops_lane);
            call.arg(outputs.len());
            for output in outputs {
                // Lua counts from 1.
                call.arg(KEYS_BEFORE_STREAMS + 1 + output.event_type.stream_index())
                    .arg(output.fields.0.len());
                for (name, value) in &output.fields.0 {
                    call.arg(name.as_slice()).arg(value.as_slice());
                }
            }
        }
        Verdict::Retry {
            after,
            aside,
            history,
        } => {
            call.arg("retry")
                .arg(millis(*after))
                .arg(*aside)
                .arg(serde_json::to_string(history)?);
        }
        Verdict::Release => {
            call.arg("release");
        }
    }
    Ok(())
}

pub(super) fn count(value: &Value) -> Parsed<usize> {
    match value {
        Value::Int(number) => usize::try_from(*number).map_err(|e| e.to_string()),
        other => Err(format!("expected a number, found {other:?}")),
    }
}

pub(super) fn beat(value: Value) -> Parsed<Beat> {
    let [freed, waiting, next_end] = array(value)?;
    Ok(Beat {
        freed: count(&freed)?,
        waiting: count(&waiting)? > 0,
        next_end: Duration::from_millis(count(&next_end)? as u64),
    })
}

pub(super) fn fetched(value: Value) -> Parsed<Fetched> {
    let [found, next_due, more, full, cursor] = array(value)?;
    let next_due = match next_due {
        Value::Int(ms) => u64::try_from(ms).ok().map(Duration::from_millis),
        other => return Err(format!("expected a time, found {other:?}")),
    };
    Ok(Fetched {
        deliveries: deliveries(found)?,
        next_due,
        more: count(&more)? == 1,
        full: count(&full)? == 1,
        cursor: entry_id(cursor)?,
    })
}

pub(super) fn deliveries(value: Value) -> Parsed<Vec<Delivery>> {
    list(value)?.into_iter().map(delivery).collect()
}

pub(super) fn committed(value: Value) -> Parsed<Vec<Committed>> {
    list(value)?
        .into_iter()
        .map(|reply| {
            let [kind, next] = array(reply)?;
            let kind = bytes(kind)?;
            if kind == b"refused" {
                return Ok(Committed::Refused(text(next)?));
            }
            let next = match next {
                Value::Nil => None,
                next => Some(Box::new(delivery(next)?)),
            };
            match kind.as_slice() {
                b"applied" => Ok(Committed::Applied(next)),
                b"duplicate" => Ok(Committed::Duplicate(next)),
                b"superseded" => Ok(Committed::Superseded),
                other => Err(format!("unknown answer {other:?} to a commit")),
            }
        })
        .collect()
}

pub(super) fn requeued(value: Value) -> Parsed<Vec<Requeued>> {
    list(value)?
        .into_iter()
        .map(|reply| {
            let [kind, what, generation] = array(reply)?;
            match bytes(kind)?.as_slice() {
                b"appended" => Ok(Requeued::Appended {
                    entry: entry_id(what)?,
                    generation: u32::try_from(count(&generation)?).map_err(|e| e.to_string())?,
                }),
                b"gone" => Ok(Requeued::Gone),
                b"refused" => Ok(Requeued::Refused(text(what)?)),
                other => Err(format!("unknown answer {other:?} to a requeue")),
            }
        })
        .collect()
}

/// One step of a trim.
pub(super) struct TrimStep {
    pub(super) trimmed: Trimmed,
    /// Whether the step ended because it was long enough.
    pub(super) more: bool,
}

pub(super) fn trimmed(value: Value) -> Parsed<TrimStep> {
    let [removed, last, held, name, more] = array(value)?;
    let held_back_by = match text(held)?.as_str() {
        "" => None,
        "group" => Some(HeldBack::Group(text(name)?)),
        "missing" => Some(HeldBack::Missing(text(name)?)),
        "nogroup" => Some(HeldBack::NoGroup),
        other => return Err(format!("unknown answer {other:?} to a trim")),
    };
    let last = text(last)?;
    let up_to = match last.as_str() {
        "" => None,
        id => Some(EntryId::parse(id).ok_or_else(|| format!("{id:?} is no entry id"))?),
    };
    Ok(TrimStep {
        trimmed: Trimmed {
            removed: count(&removed)? as u64,
            up_to,
            held_back_by,
        },
        more: count(&more)? == 1,
    })
}

/// The routes that the group's hosts have, where they are others than the newcomer's.
pub(super) fn joined(value: Value) -> Parsed<Option<String>> {
    match value {
        Value::Nil => Ok(None),
        theirs => text(theirs).map(Some),
    }
}

pub(super) fn entries(value: Value) -> Parsed<Vec<Entry>> {
    list(value)?
        .into_iter()
        .map(|entry| {
            let [id, fields] = array(entry)?;
            Ok(Entry {
                id: entry_id(id)?,
                fields: pairs(fields)?,
            })
        })
        .collect()
}

/// The heads of outboxes: number, whether there is more, outputs.
pub(super) fn outboxes(value: Value) -> Parsed<Vec<(usize, bool, Vec<Entry>)>> {
    list(value)?
        .into_iter()
        .map(|outbox| {
            let [number, more, outputs] = array(outbox)?;
            Ok((count(&number)?, count(&more)? == 1, entries(outputs)?))
        })
        .collect()
}

pub(super) fn delivery(value: Value) -> Parsed<Delivery> {
    let [id, lane, fence, attempt, history, lost, fields] = array(value)?;
    let history = runs(history, lost)?;
    Ok(Delivery {
        lease: Lease {
            entry: entry_id(id)?,
            lane: Lane(text(lane)?),
            fence: count(&fence)? as u64,
        },
        fields: pairs(fields)?,
        attempt: u32::try_from(count(&attempt)?).map_err(|e| e.to_string())?,
        history,
    })
}

/// A history, and the fences of the lost runs in it that count.
pub(super) fn runs(history: Value, lost: Value) -> Parsed<Vec<Attempt>> {
    let history = bytes(history)?;
    if history.is_empty() {
        return Ok(Vec::new());
    }
    let mut history: Vec<Attempt> =
        serde_json::from_slice(&history).map_err(|e| format!("history of attempts: {e}"))?;
    mark_given_back(&mut history, &text(lost)?);
    Ok(history)
}

fn pairs(value: Value) -> Parsed<Fields> {
    let mut values = list(value)?.into_iter();
    let mut fields = Fields::default();
    while let (Some(name), Some(value)) = (values.next(), values.next()) {
        fields.0.push((bytes(name)?, bytes(value)?));
    }
    Ok(fields)
}

pub(super) fn entry_id(value: Value) -> Parsed<EntryId> {
    let id = text(value)?;
    EntryId::parse(&id).ok_or_else(|| format!("{id:?} is no entry id"))
}

pub(super) fn text(value: Value) -> Parsed<String> {
    String::from_utf8(bytes(value)?).map_err(|e| e.to_string())
}

fn bytes(value: Value) -> Parsed<Vec<u8>> {
    match value {
        Value::BulkString(bytes) => Ok(bytes),
        Value::SimpleString(text) => Ok(text.into_bytes()),
        other => Err(format!("expected bytes, found {other:?}")),
    }
}

pub(super) fn list(value: Value) -> Parsed<Vec<Value>> {
    match value {
        Value::Array(values) => Ok(values),
        Value::Nil => Ok(Vec::new()),
        other => Err(format!("expected a list, found {other:?}")),
    }
}

pub(super) fn array<const N: usize>(value: Value) -> Parsed<[Value; N]> {
    <[Value; N]>::try_from(list(value)?)
        .map_err(|found| format!("expected {N} values, found {}", found.len()))
}
