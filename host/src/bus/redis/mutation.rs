//! Scripts that are broken on purpose, to see that the fault suite notices. In no build but the
//! suite's own: the feature `mutations` is for it alone.

use std::env;

/// Names the mutation of this process. Without it the scripts stay whole.
const VARIABLE: &str = "HOTHOUSE_MUTATION";

/// The value that leaves every guard in place.
const NONE: &str = "none";

/// A guard of the scripts and what stands in its place while it is off.
struct Mutation {
    name: &'static str,
    anchor: &'static str,
    instead: &'static str,
    /// The scripts that must have the anchor, by a part of their first line.
    scripts: &'static [&'static str],
}

const MUTATIONS: [Mutation; 6] = [
    Mutation {
        name: "no_fence",
        anchor: "local mine = held_by == consumer and held_id == id and held_fence == fence",
        instead: "local mine = true",
        scripts: &["commit.lua"],
    },
    Mutation {
        name: "no_padding",
        anchor: "return string.rep('0', 20 - #ms) .. ms .. '-' .. string.rep('0', 20 - #seq) .. seq",
        instead: "return id",
        scripts: &["fetch.lua", "commit.lua", "heartbeat.lua"],
    },
    Mutation {
        name: "no_reaper",
        anchor: "if held_by and not alive[held_by] then",
        instead: "if false then",
        scripts: &["heartbeat.lua"],
    },
    Mutation {
        name: "no_done_check",
        anchor: "local record = redis.call('HGET', DONE, event_id) or redis.call('HGET', DONE_BEFORE, event_id)",
        instead: "local record = false",
        scripts: &["fetch.lua", "commit.lua"],
    },
    Mutation {
        name: "no_recover",
        anchor: "if held_by == consumer and not known[fence]",
        instead: "if false and not known[fence]",
        scripts: &["recover.lua"],
    },
    Mutation {
        name: "no_hold",
        anchor: "if padded > group.read or (group.first and padded >= group.first) then",
        instead: "if padded > group.read then",
        scripts: &["trim.lua"],
    },
];

/// The script's text with the guard off that the environment names.
///
/// # Panics
/// When the environment names no mutation that there is, or a script has not the text that is
/// to be replaced: the scripts have changed, and the mutation must follow.
pub(super) fn mutated(text: &str) -> String {
    let asked = match env::var(VARIABLE) {
        Ok(asked) => asked,
        Err(_) => {
            tracing::warn!("built with the feature `mutations`: a build for tests alone");
            return text.to_owned();
        }
    };
    if asked == NONE {
        return text.to_owned();
    }
    let mutation = MUTATIONS.iter().find(|mutation| mutation.name == asked);
    let Some(mutation) = mutation else {
        panic!("{VARIABLE}={asked}: there is no such mutation");
    };
    let first_line = text.lines().next().unwrap_or_default();
    if !mutation
        .scripts
        .iter()
        .any(|name| first_line.contains(name))
    {
        return text.to_owned();
    }
    assert!(
        text.matches(mutation.anchor).count() == 1,
        "{VARIABLE}={asked}: `{first_line}` has not exactly one `{}`",
        mutation.anchor
    );
    tracing::warn!("{VARIABLE}={asked}: `{first_line}` is broken on purpose");
    text.replace(mutation.anchor, mutation.instead)
}
