//! The scripts: one for each step that must be atomic.

use redis::Script;

/// Every script of the bus. Those on a group's books stand behind the prelude and a first line
/// that names them to whoever looks at the traffic.
pub(super) struct Scripts {
    pub(super) join: Script,
    pub(super) fetch: Script,
    pub(super) commit: Script,
    pub(super) heartbeat: Script,
    pub(super) recover: Script,
    pub(super) alone: Script,
    pub(super) lanes: Script,
    pub(super) lane: Script,
    pub(super) page: Script,
    pub(super) requeue: Script,
    pub(super) purge: Script,
    pub(super) trim: Script,
    pub(super) replay_begin: Script,
    pub(super) replay_append: Script,
    pub(super) outbox: Script,
    pub(super) relay: Script,
}

impl Scripts {
    pub(super) fn new() -> Self {
        macro_rules! script {
            ($file:literal) => {
                load(concat!(
                    concat!("-- hothouse: ", $file, "\n"),
                    include_str!("entries.lua"),
                    include_str!("prelude.lua"),
                    include_str!($file)
                ))
            };
        }
        Self {
            join: script!("join.lua"),
            fetch: script!("fetch.lua"),
            commit: script!("commit.lua"),
            heartbeat: script!("heartbeat.lua"),
            recover: script!("recover.lua"),
            alone: script!("alone.lua"),
            lanes: script!("lanes.lua"),
            lane: script!("lane.lua"),
            page: script!("page.lua"),
            requeue: script!("requeue.lua"),
            purge: script!("purge.lua"),
            trim: load(concat!(
                "-- hothouse: trim.lua\n",
                include_str!("entries.lua"),
                include_str!("trim.lua")
            )),
            replay_begin: Script::new(include_str!("replay_begin.lua")),
            replay_append: Script::new(include_str!("replay_append.lua")),
            outbox: Script::new(include_str!("outbox.lua")),
            relay: Script::new(include_str!("relay.lua")),
        }
    }
}

#[cfg(not(feature = "mutations"))]
fn load(text: &str) -> Script {
    Script::new(text)
}

#[cfg(feature = "mutations")]
fn load(text: &str) -> Script {
    Script::new(&super::mutation::mutated(text))
}
