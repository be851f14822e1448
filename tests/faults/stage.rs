//! Where a scenario plays: a Redis, some hosts each behind a proxy of its own, a producer, and
//! the books of what they did.

mod checks;
mod hosts;
mod operator;
mod servers;
mod setup;

use std::sync::Arc;

use tempfile::TempDir;
use tokio::sync::{Semaphore, SemaphorePermit, watch};
use tokio::time::{Duration, Instant, sleep};

pub(crate) use self::hosts::Member;
use self::operator::{Duty, Operator};
pub(crate) use self::servers::Remedy;
use self::servers::Replica;
pub(crate) use self::setup::{Fsync, Setup};
use crate::archive::{Archive, Archivist};
use crate::harness::{DEADLINE, RedisServer};
use crate::journal::{Journal, Kind, Poisoned};
use crate::load::{self, Event, Load, Plan};
use crate::redis_side::connect;
use crate::rng::Rng;
use crate::snapshot::{AUDIT, GROUP, Snapshot};
use crate::story::Story;

/// The lease of every host here.
pub(crate) const LEASE: Duration = Duration::from_millis(1_500);

/// A look reads everything, so there is some time between two.
const BETWEEN_LOOKS: Duration = Duration::from_millis(50);

/// Each scenario has some processes: no more of them at a time than two cores carry.
static PLACES: Semaphore = Semaphore::const_new(2);

pub(crate) struct Stage {
    pub(crate) setup: Setup,
    pub(crate) redis: RedisServer,
    pub(crate) hosts: Vec<Member>,
    pub(crate) journal: Arc<Journal>,
    pub(crate) story: Arc<Story>,
    /// For what the scenario chooses.
    pub(crate) rng: Rng,
    /// Faults that took place.
    pub(crate) inflicted: usize,
    replica: Option<Replica>,
    recoveries: Vec<Duration>,
    requeuer: Option<Operator>,
    releaser: Option<Operator>,
    archive: Option<(Arc<Archive>, Archivist)>,
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
            requeuer: None,
            releaser: None,
            archive: None,
            inflicted: 0,
            folder: TempDir::new().expect("a folder"),
            setup,
            _place: place,
        };
        stage.setup.configure(stage.folder.path());
        stage.journal.poisoned(stage.setup.poisoned);
        if stage.setup.poisoned == Poisoned::Park {
            stage.releaser = Some(stage.operator(Duty::Release));
        }
        if stage.setup.trims {
            let archive = Arc::new(Archive::open(stage.port()).await);
            let archivist = Archivist::start(Arc::clone(&archive), stage.primary.subscribe());
            stage.archive = Some((archive, archivist));
        }
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
        if self.setup.requeues {
            self.requeuer = Some(self.operator(Duty::Requeue));
        }
    }

    fn operator(&self, duty: Duty) -> Operator {
        let folder = self.folder.path().to_owned();
        let journal = Arc::clone(&self.journal);
        Operator::start(duty, folder, self.primary.subscribe(), journal)
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
        let snapshot = self.look_at(GROUP).await;
        for outcome in &snapshot.outcomes {
            self.journal.saw(&outcome.event_id, outcome.entry);
        }
        snapshot
    }

    /// The same for the second group.
    async fn look_at_audit(&self) -> Snapshot {
        let snapshot = self.look_at(AUDIT).await;
        for outcome in &snapshot.outcomes {
            self.journal.saw_audited(&outcome.event_id, outcome.entry);
        }
        snapshot
    }

    async fn look_at(&self, group: &str) -> Snapshot {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let archive = self.archive.as_ref().map(|(archive, _)| archive.as_ref());
            if let Some(snapshot) = Snapshot::take(self.port(), group, archive).await {
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

    /// Whether a host that is there now logged it.
    pub(crate) fn logged(&self, text: &str) -> bool {
        let mut hosts = self.hosts.iter();
        hosts.any(|host| host.process.log().contains(text))
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
