//! A replay for real: step by step, so that it can be interrupted at any point.

use std::collections::VecDeque;
use std::time::Duration;

use chrono::Utc;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};

use super::scan::{Scan, Selected};
use super::{Request, derive};
use crate::bus::{Bus, BusError, EntryId, ReplayRun, ReplayStep};
use crate::event::{Fields, Id};
use crate::outcome::millis;

/// Events, and bytes of them, that go to the bus at once. One goes whatever its size.
const STEP: (usize, usize) = (64, 4 << 20);

/// Steps in a second, where a rate leaves the choice: smooth, and few.
const STEPS_A_SECOND: f64 = 10.0;

/// How long a bus may be away before a run gives up; it can be resumed.
const PATIENCE: Duration = Duration::from_secs(30);

/// Between tries while the bus is away.
const BETWEEN_TRIES: Duration = Duration::from_millis(500);

/// A run does not go on.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The bus does not answer or refuses it.
    #[error(transparent)]
    Bus(#[from] BusError),
    /// Its record is gone.
    #[error(
        "there is no replay {0} on the bus: records are kept for 30 days after their last step"
    )]
    Unknown(Id),
}

/// How fast events are appended.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// Events in a second; none for no limit.
    rate: Option<f64>,
}

impl Pace {
    /// At most `rate` events in a second on average; 0 is no limit.
    #[must_use]
    pub fn per_second(rate: f64) -> Self {
        Self {
            rate: (rate > 0.0).then_some(rate),
        }
    }

    fn step(self) -> usize {
        // A float that is too large becomes the largest number.
        let fair = self
            .rate
            .map(|rate| (rate / STEPS_A_SECOND).ceil() as usize);
        fair.map_or(STEP.0, |fair| fair.clamp(1, STEP.0))
    }

    fn pause(self, events: usize) -> Duration {
        let seconds = self.rate.map(|rate| events as f64 / rate);
        let pause = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        pause.unwrap_or_default()
    }
}

/// Appends a run's events from where its record says, until none is left or `stop` turns
/// true. `tell` is told the record after each step.
///
/// Each event is appended once, however often and by however many callers a run is begun,
/// interrupted and resumed: a step is taken only from the cursor that the record still has.
///
/// # Errors
/// [`ReplayError`]; the run can be resumed unless its record is gone. Dropping the future is
/// an interruption too.
pub async fn append(
    bus: &dyn Bus,
    mut run: ReplayRun,
    request: &Request,
    pace: Pace,
    mut stop: watch::Receiver<bool>,
    mut tell: impl FnMut(&ReplayRun),
) -> Result<ReplayRun, ReplayError> {
    let stream = run.stream.clone();
    let mut scan = Scan::new(bus, &stream, &request.selection);
    let mut ready: VecDeque<(EntryId, Fields)> = VecDeque::new();
    let mut next_step = Instant::now();
    while !run.finished {
        let left = request
            .limit
            .map_or(u64::MAX, |limit| limit.saturating_sub(run.appended));
        let size = pace.step().min(usize::try_from(left).unwrap_or(usize::MAX));
        let at_end = insist(&mut stop, async || {
            fill(&mut ready, size, &mut scan, &run, request).await
        })
        .await?;
        tokio::select! {
            () = sleep_until(next_step) => {}
            () = stopped(&mut stop) => {}
        }
        if *stop.borrow() {
            break;
        }
        let step = step(&run, &ready, size, at_end);
        next_step = next_step.max(Instant::now()) + pace.pause(step.events.len());
        // Sent twice, a step is done once.
        let moved = insist(&mut stop, async || bus.replay_append(&step).await).await?;
        run = moved.ok_or(ReplayError::Unknown(run.run))?;
        // Another caller of the same run may have come less far, or farther.
        ready.retain(|(id, _)| *id > run.cursor);
        tell(&run);
    }
    Ok(run)
}

/// Makes the next events ready; tells whether none is left behind them.
async fn fill(
    ready: &mut VecDeque<(EntryId, Fields)>,
    size: usize,
    scan: &mut Scan<'_>,
    run: &ReplayRun,
    request: &Request,
) -> Result<bool, BusError> {
    // One more than a step needs: where there is none, the step is the last one.
    while ready.len() <= size && bytes(ready) <= STEP.1 {
        let Some(Selected { id, fields, event }) = scan.next().await? else {
            return Ok(true);
        };
        if id > run.cursor {
            let group = &request.selection.group;
            let to = request.to.as_ref();
            let derived = derive(run.run, id, &fields, &event, group, to, millis(Utc::now()));
            ready.push_back((id, derived));
        }
    }
    Ok(false)
}

fn bytes(ready: &VecDeque<(EntryId, Fields)>) -> usize {
    ready.iter().map(|(_, fields)| fields.size()).sum()
}

/// The next step: at most `size` of what is ready, and no more bytes than go at once.
fn step(
    run: &ReplayRun,
    ready: &VecDeque<(EntryId, Fields)>,
    size: usize,
    at_end: bool,
) -> ReplayStep {
    let mut bytes = 0;
    let fits = ready.iter().take(size).take_while(|(_, fields)| {
        let first = bytes == 0;
        bytes += fields.size();
        first || bytes <= STEP.1
    });
    let taken: Vec<&(EntryId, Fields)> = fits.collect();
    let limit_reached = size == 0;
    let finishes = limit_reached || (at_end && taken.len() == ready.len());
    let through = match taken.last() {
        Some((id, _)) if !finishes => *id,
        Some(_) | None => run.end,
    };
    ReplayStep {
        stream: run.stream.clone(),
        run: run.run,
        after: run.cursor,
        through,
        events: taken
            .into_iter()
            .map(|(_, fields)| fields.clone())
            .collect(),
        finishes,
    }
}

/// Asks the bus until it answers, or has been away for too long.
async fn insist<T>(
    stop: &mut watch::Receiver<bool>,
    mut ask: impl AsyncFnMut() -> Result<T, BusError>,
) -> Result<T, BusError> {
    let deadline = Instant::now() + PATIENCE;
    let mut warned = false;
    loop {
        match ask().await {
            Err(error @ BusError::Unavailable { .. }) => {
                if *stop.borrow() || Instant::now() >= deadline {
                    return Err(error);
                }
                if !warned {
                    tracing::warn!("{error}; trying again for {PATIENCE:?}");
                }
                warned = true;
            }
            answer => return answer,
        }
        tokio::select! {
            () = sleep(BETWEEN_TRIES) => {}
            () = stopped(stop) => {}
        }
    }
}

/// Ends when the run is to stop, and never where nobody is left who could tell.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    if stop.wait_for(|stop| *stop).await.is_err() {
        std::future::pending::<()>().await;
    }
}
