//! One connection through the proxy.

use std::net::Ipv4Addr;
use std::sync::Arc;

use tokio::io::{AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{mpsc, watch};
use tokio::time::sleep;

use super::call::Call;
use super::frame::Frames;
use super::trap::{Act, Side, Word};
use super::{Flow, Rules};

/// Requests that may wait for their replies on one connection: more than any host has.
const MOST_OUTSTANDING: usize = 10_000;

/// The end of a connection.
struct Ended;

pub(super) async fn connection(client: TcpStream, rules: Arc<Rules>) {
    let Some((client, server)) = connect(client, &rules).await else {
        return;
    };
    let ((from_client, to_client), (from_server, to_server)) = (client, server);
    let (asked, answers) = mpsc::channel(MOST_OUTSTANDING);
    let mut cuts = rules.cuts.subscribe();
    tokio::select! {
        _ = requests(from_client, to_server, &rules, asked) => {}
        _ = replies(from_server, to_client, &rules, answers) => {}
        _ = cuts.changed() => {}
    }
}

pub(super) async fn connection_of_bytes(client: TcpStream, rules: Arc<Rules>) {
    let Some((client, server)) = connect(client, &rules).await else {
        return;
    };
    let mut cuts = rules.cuts.subscribe();
    tokio::select! {
        _ = bytes(client.0, server.1, rules.requests.subscribe()) => {}
        _ = bytes(server.0, client.1, rules.replies.subscribe()) => {}
        _ = cuts.changed() => {}
    }
}

type Halves = (OwnedReadHalf, OwnedWriteHalf);

async fn connect(client: TcpStream, rules: &Rules) -> Option<(Halves, Halves)> {
    let upstream = *rules.upstream.borrow();
    // Where nothing listens, the client's connection ends at once.
    let server = TcpStream::connect((Ipv4Addr::LOCALHOST, upstream)).await;
    let server = server.ok()?;
    for stream in [&client, &server] {
        stream.set_nodelay(true).ok()?;
    }
    Some((client.into_split(), server.into_split()))
}

async fn requests(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    rules: &Rules,
    asked: mpsc::Sender<Call>,
) -> Result<(), Ended> {
    let mut flow = rules.requests.subscribe();
    let mut frames = Frames::default();
    loop {
        let frame = frames.read(&mut from).await.ok_or(Ended)?;
        let call = Call::of(&frame);
        caught(rules, call, Side::Request, &frame).await?;
        asked.send(call).await.map_err(|_| Ended)?;
        write(&mut to, &frame, &mut flow).await?;
    }
}

async fn replies(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    rules: &Rules,
    mut answers: mpsc::Receiver<Call>,
) -> Result<(), Ended> {
    let mut flow = rules.replies.subscribe();
    let mut frames = Frames::default();
    loop {
        let frame = frames.read(&mut from).await.ok_or(Ended)?;
        let call = answers.recv().await.ok_or(Ended)?;
        caught(rules, call, Side::Reply, &frame).await?;
        write(&mut to, &frame, &mut flow).await?;
    }
}

async fn bytes(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut flow: watch::Receiver<Flow>,
) -> Result<(), Ended> {
    let mut chunk = vec![0; 16 << 10];
    loop {
        let read = from.read(&mut chunk).await.unwrap_or(0);
        if read == 0 {
            return Err(Ended);
        }
        write(&mut to, &chunk[..read], &mut flow).await?;
    }
}

/// What a trap does to a call; nothing where it falls into none.
async fn caught(rules: &Rules, call: Call, side: Side, frame: &[u8]) -> Result<(), Ended> {
    let Some(trap) = rules.spring(call, side, frame) else {
        return Ok(());
    };
    // It fails where the test does not wait for it.
    let _ = trap.caught.send(());
    match trap.act {
        Act::Lose => Err(Ended),
        Act::Hang => std::future::pending().await,
        Act::Delay(delay) => {
            sleep(delay).await;
            Ok(())
        }
        Act::Hold => match trap.word.await.unwrap_or(Word::Lose) {
            Word::Pass => Ok(()),
            Word::Lose => Err(Ended),
        },
    }
}

/// Writes a frame as the flow lets it, which may change meanwhile.
async fn write(
    to: &mut (impl AsyncWrite + Unpin),
    frame: &[u8],
    flow: &mut watch::Receiver<Flow>,
) -> Result<(), Ended> {
    let mut rest = frame;
    while !rest.is_empty() {
        let now = *flow.borrow_and_update();
        match now {
            Flow::Free => {
                to.write_all(rest).await.map_err(|_| Ended)?;
                return Ok(());
            }
            Flow::Late(by) => {
                sleep(by).await;
                to.write_all(rest).await.map_err(|_| Ended)?;
                return Ok(());
            }
            Flow::Stopped => flow.changed().await.map_err(|_| Ended)?,
            Flow::Trickle(pause) => {
                let (byte, behind) = rest.split_at(1);
                to.write_all(byte).await.map_err(|_| Ended)?;
                rest = behind;
                tokio::select! {
                    changed = flow.changed() => changed.map_err(|_| Ended)?,
                    () = sleep(pause) => {}
                }
            }
        }
    }
    Ok(())
}
