//! Hosts that join, die, freeze and leave.

use std::fs;
use std::path::{Path, PathBuf};

use tokio::time::{Duration, Instant, sleep};

use crate::harness::eventually;
use crate::harness::process::{Host, binary};
use crate::proxy::Proxy;
use crate::runs;
use crate::stage::{LEASE, Stage};

/// A host behind its proxy.
pub(crate) struct Member {
    /// Counts the hosts of a stage; its name in the story.
    pub(crate) number: usize,
    pub(crate) proxy: Proxy,
    pub(crate) process: Host,
}

impl Stage {
    /// One more host; gives its place in the list.
    pub(crate) async fn join(&mut self) -> usize {
        let proxy = Proxy::to(self.port()).await;
        let number = self.started();
        let process = self.start(number, &proxy).await;
        self.hosts.push(Member {
            number,
            proxy,
            process,
        });
        self.hosts.len() - 1
    }

    async fn start(&self, number: usize, proxy: &Proxy) -> Host {
        self.tell(format!("host {number} starts"));
        let folder = self.folder.path();
        let mut hothouse = match &self.setup.mutant {
            None => binary(Path::new(env!("CARGO_BIN_EXE_hothouse")), folder),
            Some((path, _)) => binary(path, folder),
        };
        if let Some((_, mutation)) = &self.setup.mutant {
            hothouse.env("HOTHOUSE_MUTATION", mutation);
        }
        let log = self.log_of(number);
        let args = ["serve", "--json", "--bus", &proxy.url()];
        let mut host = Host::start_as(hothouse, &args, log);
        host.logs(&["\"serving\""]).await;
        host
    }

    /// One of the hosts.
    pub(crate) fn any_host(&mut self) -> usize {
        self.rng.index(self.hosts.len())
    }

    /// Waits until a host is in the middle of a run; false where that does not come.
    pub(crate) async fn mid_run(&self, at: usize, within: Duration) -> bool {
        let log = self.log_of(self.hosts[at].number);
        let deadline = Instant::now() + within;
        // A run that was dropped before has no end either.
        let before = runs::read(&log).runs.len();
        while Instant::now() < deadline {
            let runs = runs::read(&log).runs;
            if runs[before..].iter().any(|run| run.end.is_none()) {
                return true;
            }
            sleep(Duration::from_millis(5)).await;
        }
        false
    }

    /// The host that runs an event in the given attempt, once there is one.
    pub(crate) async fn runs(&self, event_id: &str, attempt: u64) -> usize {
        let attempt = format!("\"attempt\":{attempt}");
        eventually(&format!("{event_id} runs, {attempt}"), async || {
            self.hosts.iter().position(|host| {
                let log = host.process.log();
                let mut lines = log.lines();
                lines.any(|line| {
                    line.contains("run begins")
                        && line.contains(event_id)
                        && line.contains(&attempt)
                })
            })
        })
        .await
    }

    /// For so long, leases may run out and use up attempts.
    pub(crate) async fn troubled(&self, during: Duration) {
        let end = Instant::now() + during;
        while Instant::now() < end {
            self.journal.crashed();
            sleep((end - Instant::now()).min(LEASE / 2)).await;
        }
        self.journal.crashed();
    }

    fn log_of(&self, number: usize) -> PathBuf {
        self.folder.path().join(format!("host-{number}.log"))
    }

    /// Host processes so far.
    fn started(&self) -> usize {
        let files = fs::read_dir(self.folder.path()).expect("the folder");
        let names = files.map(|file| file.expect("a file").file_name());
        names
            .filter(|name| name.to_string_lossy().ends_with(".log"))
            .count()
    }

    /// `kill -9`.
    pub(crate) fn kill_host(&mut self, at: usize) {
        self.tell(format!("host {} is killed", self.hosts[at].number));
        self.journal.crashed();
        self.hosts[at].process.kill();
    }

    /// A new process in a killed host's place.
    pub(crate) async fn replace_host(&mut self, at: usize) {
        self.hosts[at].proxy.disarm();
        let number = self.started();
        let process = self.start(number, &self.hosts[at].proxy).await;
        self.hosts[at].number = number;
        self.hosts[at].process = process;
    }

    /// SIGTERM, and waits for its end.
    pub(crate) async fn dismiss(&mut self, at: usize) {
        let mut member = self.hosts.swap_remove(at);
        self.tell(format!("host {} is to leave", member.number));
        member.process.terminate();
        let code = member.process.exit_code().await;
        assert_eq!(code, Some(0), "{}", member.process.log());
        self.tell(format!("host {} left", member.number));
    }
}

/// Copies the hosts' logs to a folder, for a closer look after the test.
pub(super) fn keep_logs(from: &Path, to: &Path) {
    let copied = fs::create_dir_all(to).and_then(|()| {
        for file in fs::read_dir(from)? {
            let file = file?;
            if file.file_name().to_string_lossy().ends_with(".log") {
                fs::copy(file.path(), to.join(file.file_name()))?;
            }
        }
        Ok(())
    });
    if let Err(error) = copied {
        eprintln!("the logs are not kept: {error}");
    }
}
