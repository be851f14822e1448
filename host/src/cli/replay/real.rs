//! Replays for real: begun, resumed, listed.

use std::process::ExitCode;

use anyhow::{Context as _, anyhow};
use chrono::{DateTime, Utc};
use serde::Serialize;

use super::progress::Progress;
use super::{Args, events, request};
use crate::bus::{Bus, BusError, ReplayRun};
use crate::cli::ask::Ask;
use crate::cli::output::table;
use crate::cli::{Global, Usage, serve};
use crate::event::{EventType, Id};
use crate::replay::{Pace, ReplayError, Request, append, count};
use crate::telemetry;

/// A run, as verbs show it.
#[derive(Serialize)]
struct Shown {
    run: Id,
    stream: String,
    group: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<String>,
    end: String,
    cursor: String,
    selected: u64,
    appended: u64,
    finished: bool,
    begun_at: DateTime<Utc>,
    moved_at: DateTime<Utc>,
}

/// No run was begun: there was nothing to replay, or the answer was no.
#[derive(Serialize)]
struct Nothing {
    run: Option<Id>,
    selected: u64,
    unreadable: u64,
    appended: u64,
}

pub(super) async fn begin(args: &Args, global: &Global) -> anyhow::Result<ExitCode> {
    telemetry::init(global.json, Some("warn"));
    let ask = Ask {
        yes: args.yes,
        dry_run: false,
    };
    ask.check()?;
    let config = serve::load(global)?;
    let subscription = request::subscription(args, &config)?;
    let bus = global.shared_bus(&config.bus)?;
    let end = bus.last_id(subscription.stream).await?;
    let selection = request::selection(args, &subscription, end)?;
    if let Some(to) = &args.to {
        request::check_target(to, &selection.types, &config)?;
    }
    let counted = count(&*bus, subscription.stream, &selection, args.limit).await?;
    let request = Request {
        selection,
        limit: args.limit,
        to: args.to.clone(),
        selected: counted.selected,
    };
    let unreadable = match counted.unreadable {
        0 => String::new(),
        n => format!(" ({n} more are no events of the contract and are left out)"),
    };
    let nothing = Nothing {
        run: None,
        selected: counted.selected,
        unreadable: counted.unreadable,
        appended: 0,
    };
    if counted.selected == 0 {
        let text = || format!("there is nothing to replay{unreadable}");
        global.output().answer(text, &nothing)?;
        return Ok(ExitCode::SUCCESS);
    }
    let preview = format!(
        "{} of {} on {}{unreadable}{}",
        events(counted.selected),
        subscription.group,
        subscription.stream,
        match &request.to {
            Some(to) => format!(", for {to}"),
            None => String::new(),
        },
    );
    if !ask.confirmed(&preview, "Append them again, as new events?")? {
        let text = || "nothing was appended".to_owned();
        global.output().answer(text, &nothing)?;
        return Ok(ExitCode::FAILURE);
    }
    let id = Id::random();
    let kept = serde_json::to_string(&request)?;
    let begun = bus
        .replay_begin(subscription.stream, id, &kept, end)
        .await?;
    go_on(&*bus, begun, &request, args.rate, global).await
}

pub(super) async fn resume(id: Id, rate: f64, global: &Global) -> anyhow::Result<ExitCode> {
    telemetry::init(global.json, Some("warn"));
    let bus = global.shared_bus(&global.bus_url()?)?;
    let runs = runs(&*bus).await?;
    let run = runs.into_iter().find(|run| run.run == id);
    let run = run.ok_or_else(|| {
        Usage(format!(
            "there is no replay {id} on this bus: `hothouse replay --list` shows those of the \
             last 30 days"
        ))
    })?;
    let request = read(&run)?;
    go_on(&*bus, run, &request, rate, global).await
}

pub(super) async fn list(global: &Global) -> anyhow::Result<ExitCode> {
    let bus = global.shared_bus(&global.bus_url()?)?;
    let runs = runs(&*bus).await?;
    let shown = runs.iter().map(|run| Ok(shown(run, &read(run)?)));
    let shown = shown.collect::<anyhow::Result<Vec<Shown>>>()?;
    global.output().answer(|| listed(&shown), &shown)?;
    Ok(ExitCode::SUCCESS)
}

/// Appends until the run is finished or the process is told to stop.
async fn go_on(
    bus: &dyn Bus,
    run: ReplayRun,
    request: &Request,
    rate: f64,
    global: &Global,
) -> anyhow::Result<ExitCode> {
    let id = run.run;
    let how = format!("`hothouse replay --resume {id}` goes on");
    let all = request.selected;
    if !global.json && !run.finished {
        eprintln!(
            "run {id}: {} of {} done; {how} where it is interrupted",
            run.appended,
            events(all)
        );
    }
    let stop = serve::stop_on_signal()?;
    let mut progress = Progress::new(all, global.json);
    let tell = |run: &ReplayRun| progress.at(run.appended);
    let ended = append(bus, run, request, Pace::per_second(rate), stop, tell).await;
    progress.end();
    let ended = match ended {
        Ok(ended) => ended,
        Err(ReplayError::Bus(error)) => return Err(interrupted(error, &how)),
        Err(error @ ReplayError::Unknown(_)) => return Err(error.into()),
    };
    let shown = shown(&ended, request);
    let text = || match ended.finished {
        true => format!("run {id}: {} replayed", events(ended.appended)),
        false => format!(
            "run {id} stopped after {} of {}: {how}",
            ended.appended,
            events(all)
        ),
    };
    global.output().answer(text, &shown)?;
    Ok(match ended.finished {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

fn interrupted(error: BusError, how: &str) -> anyhow::Error {
    anyhow::Error::from(error).context(format!("the run was interrupted, and {how}"))
}

/// The runs of every stream.
async fn runs(bus: &dyn Bus) -> Result<Vec<ReplayRun>, BusError> {
    let mut runs = Vec::new();
    for stream in EventType::STREAMS {
        runs.extend(bus.replay_runs(stream).await?);
    }
    Ok(runs)
}

fn read(run: &ReplayRun) -> anyhow::Result<Request> {
    serde_json::from_str(&run.request)
        .with_context(|| anyhow!("the record of run {} cannot be read", run.run))
}

fn shown(run: &ReplayRun, request: &Request) -> Shown {
    Shown {
        run: run.run,
        stream: run.stream.clone(),
        group: request.selection.group.clone(),
        to: request.to.as_ref().map(ToString::to_string),
        end: run.end.to_string(),
        cursor: run.cursor.to_string(),
        selected: request.selected,
        appended: run.appended,
        finished: run.finished,
        begun_at: run.begun_at,
        moved_at: run.moved_at,
    }
}

fn listed(runs: &[Shown]) -> String {
    if runs.is_empty() {
        return "no replay has been run for real in the last 30 days".to_owned();
    }
    let titles = ["run", "group", "stream", "state", "events", "last step"];
    let mut rows = vec![titles.map(str::to_owned).to_vec()];
    for run in runs {
        rows.push(vec![
            run.run.to_string(),
            run.group.clone(),
            run.stream.clone(),
            match run.finished {
                true => "finished".to_owned(),
                false => "not finished".to_owned(),
            },
            format!("{} of {}", run.appended, run.selected),
            run.moved_at.format("%Y-%m-%dT%H:%M:%SZ").to_string(),
        ]);
    }
    table(&rows)
}
