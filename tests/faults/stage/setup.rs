//! What is played, and the configuration of the hosts for it.

use std::fs;
use std::path::{Path, PathBuf};

use tokio::time::Duration;

use crate::harness::guests;
use crate::journal::Poisoned;
use crate::runs::AUDITOR;
use crate::snapshot::AUDIT;
use crate::stage::LEASE;

/// How Redis writes its AOF.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fsync {
    Always,
    EverySec,
}

/// What is played.
#[derive(Debug, Clone)]
pub(crate) struct Setup {
    pub(crate) seed: u64,
    pub(crate) hosts: usize,
    pub(crate) lease: Duration,
    pub(crate) fsync: Fsync,
    pub(crate) replica: bool,
    /// Redis answers while it loads its data, and takes its time over that.
    pub(crate) slow_to_load: bool,
    /// A build of the binary and the mutation that it is to have.
    pub(crate) mutant: Option<(PathBuf, &'static str)>,
    /// Hosts trim what is finished; only where Redis loses nothing.
    pub(crate) trims: bool,
    /// A second group answers every event of the stream.
    pub(crate) audits: bool,
    /// What an event that asks for a retry does to the later ones of its lane.
    pub(crate) poisoned: Poisoned,
    /// An operator requeues dead letters all the time.
    pub(crate) requeues: bool,
    /// How it is run again.
    pub(crate) rerun: String,
}

impl Setup {
    /// Three hosts on a Redis that loses nothing.
    pub(crate) fn new(scenario: &str) -> Self {
        Self {
            seed: 1,
            hosts: 3,
            lease: LEASE,
            fsync: Fsync::Always,
            replica: false,
            slow_to_load: false,
            mutant: None,
            trims: false,
            audits: false,
            poisoned: Poisoned::Block,
            requeues: false,
            rerun: format!("cargo xtask test -- -p hothouse --test faults -- {scenario}"),
        }
    }

    /// Writes the configuration of the hosts, and their plugins.
    pub(super) fn configure(&self, folder: &Path) {
        let mut config = format!(
            "bus = \"redis://127.0.0.1:1\"\n[host]\nlease_ms = {}\nslots = 8\nin_flight = 8\n",
            self.lease.as_millis()
        );
        if self.trims {
            config += "[trim]\nkeep = 50\nevery_s = 1\n";
        }
        for guest in ["slow-echo-agent", "asks-for-retry", "loop-forever"] {
            let more = match guest {
                "loop-forever" => "[limits]\nfuel = 2_000_000\n",
                _ => "",
            };
            config += &plugin(folder, guest, guest, more);
            config += &route(guest, guest);
            if guest == "asks-for-retry" {
                config += &format!("poisoned_lane = \"{}\"\n", self.poisoned.name());
            }
        }
        if self.audits {
            config += &plugin(folder, AUDITOR, "slow-echo-agent", "");
            config += &route("*", AUDITOR);
            config += &format!("group = \"{AUDIT}\"\n");
        }
        let path = folder.join("hothouse.toml");
        fs::write(path, config).expect("write the configuration");
    }
}

/// A plugin of a guest's component; gives its part of the configuration.
fn plugin(folder: &Path, name: &str, guest: &str, more: &str) -> String {
    let folder = folder.join("plugins").join(name);
    fs::create_dir_all(&folder).expect("make the plugin's folder");
    let manifest = format!("name = \"{name}\"\nversion = \"1.2.3\"\nworld = \"agent\"\n{more}");
    fs::write(folder.join("plugin.toml"), manifest).expect("write the manifest");
    let component = folder.join(format!("{name}.wasm"));
    fs::write(component, guests::read_guest(guest)).expect("write the component");
    format!("[plugins.{name}]\npath = \"plugins/{name}\"\n")
}

fn route(agent_type: &str, plugin: &str) -> String {
    format!(
        "[[routes]]\ntype = \"agent.execution.started\"\nagent_type = \"{agent_type}\"\n\
         plugin = \"{plugin}\"\nretry_delays_ms = [100, 100, 100]\n"
    )
}
