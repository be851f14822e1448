//! Where a scenario plays: a Redis, some hosts each behind a proxy of its own, a producer, and
//! the books of what they did.

mod hosts;
mod servers;

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use tempfile::TempDir;
use tokio::sync::{Semaphore, SemaphorePermit, watch};
use tokio::time::{Duration, Instant, sleep};

pub(crate) use self::hosts::Member;
pub(crate) use self::servers::Remedy;
use self::servers::Replica;
use crate::checker::{self, Violation};
use crate::harness::{DEADLINE, RedisServer, guests};
use crate::journal::{Journal, Kind};
use crate::load::{self, Event, Load, Plan};
use crate::redis_side::connect;
use crate::rng::Rng;
use crate::runs;
use crate::snapshot::Snapshot;
use crate::story::Story;

/// The lease of every host here.
pub(crate) const LEASE: Duration = Duration::from_millis(1_500);

/// A look reads everything, so there is some time between two.
const BETWEEN_LOOKS: Duration = Duration::from_millis(50);

/// Each scenario has some processes: no more of them at a time than two cores carry.
static PLACES: Semaphore = Semaphore::const_new(2);

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
    pub(crate) fsync: Fsync,
    pub(crate) replica: bool,
    /// Redis answers while it loads its data, and takes its time over that.
    pub(crate) slow_to_load: bool,
    /// A build of the binary and the mutation that it is to have.
    pub(crate) mutant: Option<(PathBuf, &'static str)>,
    /// How it is run again.
    pub(crate) rerun: String,
}

impl Setup {
    /// Three hosts on a Redis that loses nothing.
    pub(crate) fn new(scenario: &str) -> Self {
        Self {
            seed: 1,
            hosts: 3,
            fsync: Fsync::Always,
            replica: false,
            slow_to_load: false,
            mutant: None,
            rerun: format!("cargo xtask test -- -p hothouse --test faults -- {scenario}"),
        }
    }
}

pub(crate) struct Stage {
    pub(crate) setup: Setup,
    pub(crate) redis: RedisServer,
    pub(crate) hosts: Vec<Member>,
    pub(crate) journal: Arc<Journal>,
    pub(crate) story: Arc<Story>,
    /// For what the scenario chooses.
    pub(crate) rng: Rng,
    replica: Option<Replica>,
    recoveries: Vec<Duration>,
    /// The port of the server that counts.
    primary: watch::Sender<u16>,
    load: Option<Load>,
    folder: TempDir,
    _place: SemaphorePermit<'static>,
}

impl Stage {
    pub(crate) async fn open(setup: Setup) -> Self {
        let place = PLACES.acquire().await.expect("it is never closed");
        let fsync = match setup.fsync {
            Fsync::Always => "always",
            Fsync::EverySec => "everysec",
        };
        let mut args = vec!["--appendonly", "yes", "--appendfsync", fsync];
        if setup.slow_to_load {
            // Microseconds for each command.
            args.extend(["--key-load-delay", "300"]);
        }
        let redis = RedisServer::start_with(&args);
        let mut stage = Self {
            primary: watch::Sender::new(redis.port()),
            redis,
            hosts: Vec::new(),
            journal: Arc::default(),
            story: Arc::default(),
            rng: Rng::new(setup.seed),
            replica: None,
            recoveries: Vec::new(),
            load: None,
            folder: TempDir::new().expect("a folder"),
            setup,
            _place: place,
        };
        stage.configure();
        if stage.setup.slow_to_load {
            stage.burden().await;
        }
        if stage.setup.replica {
            stage.follow().await;
        }
        for _ in 0..stage.setup.hosts {
            stage.join().await;
        }
        stage
    }

    fn configure(&self) {
        let mut config = format!(
            "bus = \"redis://127.0.0.1:1\"\n[host]\nlease_ms = {}\nslots = 8\nin_flight = 8\n",
            LEASE.as_millis()
        );
        for (name, more) in [
            ("slow-echo-agent", ""),
            ("asks-for-retry", ""),
            ("loop-forever", "[limits]\nfuel = 2_000_000\n"),
        ] {
            let folder = self.folder.path().join("plugins").join(name);
            fs::create_dir_all(&folder).expect("make the plugin's folder");
            let manifest =
                format!("name = \"{name}\"\nversion = \"1.2.3\"\nworld = \"agent\"\n{more}");
            fs::write(folder.join("plugin.toml"), manifest).expect("write the manifest");
            let component = folder.join(format!("{name}.wasm"));
            fs::write(component, guests::read_guest(name)).expect("write the component");
            config += &format!(
                "[plugins.{name}]\npath = \"plugins/{name}\"\n[[routes]]\n\
                 type = \"agent.execution.started\"\nagent_type = \"{name}\"\n\
                 plugin = \"{name}\"\nretry_delays_ms = [100, 100, 100]\n"
            );
        }
        let path = self.folder.path().join("hothouse.toml");
        fs::write(path, config).expect("write the configuration");
    }

    /// The port of the server that counts, beside the proxies.
    pub(crate) fn port(&self) -> u16 {
        *self.primary.borrow()
    }

    pub(crate) fn tell(&self, what: impl Into<String>) {
        self.story.tell(what);
    }

    /// Starts the producer.
    pub(crate) fn produce(&mut self, plan: Plan) {
        self.tell(format!("the producer starts: {plan:?}"));
        let journal = Arc::clone(&self.journal);
        let rng = self.rng.fork();
        self.load = Some(Load::start(plan, rng, journal, self.primary.subscribe()));
    }

    /// Appends echoes of one lane that run for so long each; gives their event_ids.
    pub(crate) async fn publish(&mut self, runs: &[Duration]) -> Vec<String> {
        let lane = self.rng.uuid();
        let events: Vec<Event> = runs
            .iter()
            .zip(1..)
            .map(|(run, seq)| {
                let (rng, journal) = (&mut self.rng, &self.journal);
                Event::new(rng, journal, &lane, seq, Kind::Echo, *run)
            })
            .collect();
        let mut connection = connect(self.port()).await.expect("the server answers");
        let entries = load::append(&mut connection, &events).await;
        for (event, entry) in events.iter().zip(entries.expect("the events are appended")) {
            self.journal.acknowledged(&event.event_id, entry);
        }
        events.into_iter().map(|event| event.event_id).collect()
    }

    /// A look at everything, once the server answers. What it shows is thereby seen.
    pub(crate) async fn look(&self) -> Snapshot {
        let deadline = Instant::now() + DEADLINE;
        loop {
            if let Some(snapshot) = Snapshot::take(self.port()).await {
                for outcome in &snapshot.outcomes {
                    self.journal.saw(&outcome.event_id);
                }
                return snapshot;
            }
            assert!(
                Instant::now() < deadline,
                "the server does not answer, or the group is gone for good"
            );
            sleep(BETWEEN_LOOKS).await;
        }
    }

    /// Waits for so many more outcomes.
    pub(crate) async fn flows(&self, more: usize) {
        let before = self.look().await.outcomes.len();
        let deadline = Instant::now() + DEADLINE;
        while self.look().await.outcomes.len() < before + more {
            assert!(Instant::now() < deadline, "nothing comes out any more");
            sleep(BETWEEN_LOOKS).await;
        }
    }

    /// The fault is over: waits until every event that was waiting then is finished, checks what
    /// must hold, and tells how long it took.
    pub(crate) async fn recovers(&mut self, from: &str) -> Duration {
        let begin = Instant::now();
        let waiting: Vec<String> = self.look().await.unfinished().map(String::from).collect();
        loop {
            let snapshot = self.look().await;
            let open = snapshot
                .unfinished()
                .filter(|event_id| waiting.iter().any(|waiting| waiting == event_id))
                .count();
            if open == 0 {
                break;
            }
            assert!(
                begin.elapsed() < DEADLINE,
                "after {from}, {open} of {} events are still waiting",
                waiting.len()
            );
            sleep(BETWEEN_LOOKS).await;
        }
        let took = begin.elapsed();
        self.recoveries.push(took);
        self.tell(format!("recovered from {from} in {took:.1?}"));
        self.assert_holds().await;
        took
    }

    /// Checks what must hold at any time.
    pub(crate) async fn assert_holds(&self) {
        let book = self.journal.read();
        let snapshot = self.look().await;
        self.assert_none(checker::running(&book, &snapshot, &self.logs()));
    }

    /// Stops the producer, waits until nothing is left to do, and checks everything.
    pub(crate) async fn assert_rests(&mut self) {
        let violations = self.rest(DEADLINE).await;
        self.assert_none(violations);
        for member in &self.hosts {
            member.proxy.assert_works();
        }
        eprintln!("{}: {}", self.setup.rerun, self.summary().await);
    }

    /// The same, and gives what does not hold; `patience` is how long nothing may happen before
    /// nothing is expected any more.
    pub(crate) async fn rest(&mut self, patience: Duration) -> Vec<Violation> {
        if let Some(load) = self.load.take() {
            load.stop().await;
            self.tell("the producer stopped");
        }
        let mut last = (0, 0);
        let mut since = Instant::now();
        loop {
            let book = self.journal.read();
            let snapshot = self.look().await;
            let state = (snapshot.outcomes.len(), snapshot.pending.len());
            if state != last {
                (last, since) = (state, Instant::now());
            }
            if snapshot.is_quiet() || since.elapsed() > patience {
                return checker::at_rest(&book, &snapshot, &self.logs());
            }
            sleep(BETWEEN_LOOKS).await;
        }
    }

    async fn summary(&self) -> String {
        let snapshot = self.look().await;
        format!(
            "{} faults, the slowest recovery {:.1?}; {} inputs, {} outcomes, {} dead letters",
            self.recoveries.len(),
            self.recoveries.iter().max().copied().unwrap_or_default(),
            snapshot.inputs.len(),
            snapshot.outcomes.len(),
            snapshot.dead_letters.len()
        )
    }

    fn assert_none(&self, violations: Vec<Violation>) {
        let shown: Vec<String> = violations
            .iter()
            .take(10)
            .map(|violation| format!("  {:?}: {}", violation.rule, violation.what))
            .collect();
        assert!(
            violations.is_empty(),
            "{} things do not hold:\n{}",
            violations.len(),
            shown.join("\n")
        );
    }

    /// Whether a host that is there now logged it.
    pub(crate) fn logged(&self, text: &str) -> bool {
        let mut hosts = self.hosts.iter();
        hosts.any(|host| host.process.log().contains(text))
    }

    /// What all hosts logged, by file.
    fn logs(&self) -> BTreeMap<String, runs::Log> {
        let files = fs::read_dir(self.folder.path()).expect("the folder");
        files
            .map(|file| file.expect("a file").path())
            .filter(|path| path.extension().is_some_and(|extension| extension == "log"))
            .map(|path| {
                let name = path.file_name().unwrap_or_default();
                (name.to_string_lossy().into_owned(), runs::read(&path))
            })
            .collect()
    }
}

impl Drop for Stage {
    /// A scenario that fails says how to run it again and what happened.
    fn drop(&mut self) {
        if std::thread::panicking() {
            let text = self.story.text();
            eprintln!(
                "to run it again: {}\nwhat happened:\n{text}",
                self.setup.rerun
            );
            if let Ok(kept) = std::env::var("HOTHOUSE_FAULTS_KEEP") {
                hosts::keep_logs(self.folder.path(), std::path::Path::new(&kept));
            }
        }
    }
}
