//! The faults of the plan, each a value: scenarios name theirs, chaos draws them from a seed.

use tokio::time::{Duration, sleep};

use crate::proxy::{Act, Call, Flow, Side};
use crate::rng::Rng;
use crate::stage::{Fsync, LEASE, Remedy, Stage};

/// How long a call that is to be caught may not come at all: nothing was there to do.
const NO_SUCH_CALL: Duration = Duration::from_secs(10);

/// When in its work a host dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moment {
    BeforeFetchReply,
    AfterFetchReply,
    MidHandler,
    BeforeCommit,
    AfterCommit,
}

/// What a host's connections suffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Line {
    /// Requests arrive, replies don't.
    HalfOpen,
    BlackHole,
    /// Replies come with one byte a second.
    ByteASecond,
    /// Every frame takes 50 ms.
    Slow,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    KillHost(Moment),
    /// All of them at once.
    KillAllHosts,
    /// SIGSTOP, then SIGCONT.
    FreezeHost(Duration),
    HostJoins,
    HostLeaves,
    /// A trap for the call after so many.
    Catch(Call, Side, Act, u64),
    Line(Line, Duration),
    /// Every host's connections break.
    CutAll,
    KillRedis(Duration),
    TearAof(u64, Remedy),
    StopRedis(Duration),
    FillRedis(Duration),
    ReadOnlyRedis(Duration),
    /// It cannot save, and refuses writes for that.
    FailDisk(Duration),
    FlushScripts,
    DestroyGroup,
    FailOver(Duration),
}

impl Fault {
    /// One that this stage can take.
    pub(crate) fn draw(rng: &mut Rng, stage: &Stage) -> Self {
        let ms = |rng: &mut Rng, from: u64, to: u64| Duration::from_millis(rng.among(from..to));
        loop {
            let fault = match rng.among(0..18) {
                0..3 => Self::KillHost(moment(rng)),
                3 => Self::FreezeHost(ms(rng, 100, 4_000)),
                4 => Self::HostJoins,
                5 => Self::HostLeaves,
                6..9 => caught(rng),
                9 => Self::Line(line(rng), ms(rng, 300, 4_000)),
                10 => Self::CutAll,
                11 => Self::KillRedis(ms(rng, 0, 2_500)),
                12 => Self::StopRedis(ms(rng, 300, 5_000)),
                13 => match rng.among(0..3) {
                    0 => Self::FillRedis(ms(rng, 300, 3_000)),
                    1 => Self::ReadOnlyRedis(ms(rng, 300, 3_000)),
                    _ => Self::FailDisk(ms(rng, 300, 3_000)),
                },
                14 => Self::FlushScripts,
                15 => Self::DestroyGroup,
                16 => Self::KillAllHosts,
                _ => match (stage.setup.fsync, stage.has_replica()) {
                    (_, true) => Self::FailOver(ms(rng, 0, 1_000)),
                    (Fsync::EverySec, false) => Self::TearAof(rng.among(1..3_000), remedy(rng)),
                    (Fsync::Always, false) => continue,
                },
            };
            let possible = match fault {
                Self::HostJoins => stage.hosts.len() < 5,
                Self::HostLeaves => stage.hosts.len() > 2,
                _ => true,
            };
            if possible {
                return fault;
            }
        }
    }

    /// Lets it happen, and puts right what a fault leaves broken. False where the call that it
    /// waits for never came, and it did nothing or something else.
    pub(crate) async fn inflict(self, stage: &mut Stage) -> bool {
        let took_place = self.happens(stage).await;
        stage.inflicted += usize::from(took_place);
        if !took_place {
            stage.tell(format!("{self:?} found nothing to disturb"));
        }
        took_place
    }

    async fn happens(self, stage: &mut Stage) -> bool {
        let mut took_place = true;
        let at = stage.any_host();
        let number = stage.hosts[at].number;
        stage.tell(format!("host {number} or Redis: {self:?}"));
        match self {
            Self::KillHost(moment) => {
                took_place = kill_host(stage, at, moment).await;
                stage.replace_host(at).await;
            }
            Self::KillAllHosts => {
                for at in 0..stage.hosts.len() {
                    stage.kill_host(at);
                }
                for at in 0..stage.hosts.len() {
                    stage.replace_host(at).await;
                }
            }
            Self::FreezeHost(during) => {
                stage.hosts[at].process.signal("STOP");
                stage.troubled(during).await;
                stage.hosts[at].process.signal("CONT");
            }
            Self::HostJoins => {
                stage.join().await;
            }
            Self::HostLeaves => stage.dismiss(at).await,
            Self::Catch(call, side, act, pass) => {
                let mut trap = stage.hosts[at].proxy.trap(call, side, pass, act);
                took_place = trap.sprung_soon(NO_SUCH_CALL).await;
                if took_place {
                    stage.tell("caught");
                    // What hangs is found out by the host's own time-out.
                    match act {
                        Act::Hang => stage.troubled(Duration::from_secs(5)).await,
                        Act::Lose => {}
                        Act::Delay(during) => stage.troubled(during).await,
                        Act::Hold => {
                            stage.troubled(LEASE * 2).await;
                            trap.release();
                        }
                    }
                }
                stage.hosts[at].proxy.disarm();
            }
            Self::Line(line, during) => {
                let proxy = &stage.hosts[at].proxy;
                match line {
                    Line::HalfOpen => proxy.replies(Flow::Stopped),
                    Line::BlackHole => proxy.flow(Flow::Stopped),
                    Line::ByteASecond => proxy.replies(Flow::Trickle(Duration::from_secs(1))),
                    Line::Slow => proxy.flow(Flow::Late(Duration::from_millis(50))),
                }
                stage.troubled(during).await;
                stage.hosts[at].proxy.flow(Flow::Free);
            }
            Self::CutAll => {
                for member in &stage.hosts {
                    member.proxy.cut();
                }
            }
            Self::KillRedis(away) => {
                stage.kill_redis(away);
                stage.flows(3).await;
                stage.kill_redis(Duration::ZERO);
            }
            Self::TearAof(bytes, remedy) => {
                stage.tear_aof(bytes, remedy).await;
                stage.flows(3).await;
                stage.kill_redis(Duration::ZERO);
            }
            Self::StopRedis(during) => stage.stop_redis(during).await,
            Self::FillRedis(during) => stage.fill_redis(during).await,
            Self::ReadOnlyRedis(during) => stage.make_redis_read_only(during).await,
            Self::FailDisk(during) => stage.fail_disk(during).await,
            Self::FlushScripts => stage.flush_scripts().await,
            Self::DestroyGroup => stage.destroy_group().await,
            Self::FailOver(lag) => stage.fail_over(lag).await,
        }
        took_place
    }
}

fn moment(rng: &mut Rng) -> Moment {
    match rng.among(0..5) {
        0 => Moment::BeforeFetchReply,
        1 => Moment::AfterFetchReply,
        2 => Moment::MidHandler,
        3 => Moment::BeforeCommit,
        _ => Moment::AfterCommit,
    }
}

fn caught(rng: &mut Rng) -> Fault {
    let call = match rng.among(0..4) {
        0 => Call::Fetch,
        1 | 2 => Call::Commit,
        _ => Call::Heartbeat,
    };
    let side = match rng.one_in(2) {
        true => Side::Request,
        false => Side::Reply,
    };
    let act = match rng.among(0..6) {
        0..3 => Act::Lose,
        3 => Act::Hang,
        4 => Act::Hold,
        _ => Act::Delay(Duration::from_millis(rng.among(10..2_000))),
    };
    Fault::Catch(call, side, act, rng.among(0..5))
}

fn line(rng: &mut Rng) -> Line {
    match rng.among(0..4) {
        0 => Line::HalfOpen,
        1 => Line::BlackHole,
        2 => Line::ByteASecond,
        _ => Line::Slow,
    }
}

fn remedy(rng: &mut Rng) -> Remedy {
    match rng.one_in(2) {
        true => Remedy::Fix,
        false => Remedy::Rewrite,
    }
}

/// Kills a host at a moment of its work; at any, where the moment does not come: then false.
async fn kill_host(stage: &mut Stage, at: usize, moment: Moment) -> bool {
    let trap = |call, side, act| stage.hosts[at].proxy.trap(call, side, 0, act);
    let mut trap = match moment {
        Moment::BeforeFetchReply => trap(Call::Fetch, Side::Reply, Act::Hold),
        Moment::AfterFetchReply => trap(Call::Fetch, Side::Reply, Act::Delay(Duration::ZERO)),
        Moment::BeforeCommit => trap(Call::Commit, Side::Request, Act::Hold),
        Moment::AfterCommit => trap(Call::Commit, Side::Reply, Act::Hold),
        Moment::MidHandler => {
            let came = stage.mid_run(at, NO_SUCH_CALL).await;
            stage.kill_host(at);
            return came;
        }
    };
    let came = trap.sprung_soon(NO_SUCH_CALL).await;
    stage.kill_host(at);
    came
}

/// Longest time between two faults.
pub(crate) async fn pause(rng: &mut Rng) {
    sleep(Duration::from_millis(rng.among(100..1_200))).await;
}
