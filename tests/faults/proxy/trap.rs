//! One call of a host that is to go wrong.

use tokio::sync::oneshot;
use tokio::time::Duration;

use super::call::Call;
use super::frame::hands_out;
use crate::harness::DEADLINE;

/// On which side of the server a call goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    /// Before the server has it.
    Request,
    /// After the server did it.
    Reply,
}

/// What becomes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Act {
    /// It is lost, and the connection breaks.
    Lose,
    /// It is lost, and nothing more comes on this connection: half open.
    Hang,
    /// It waits until the trap says what becomes of it.
    Hold,
    /// It comes later by this much.
    Delay(Duration),
}

/// What a trap says in the end of what it held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Word {
    Pass,
    Lose,
}

/// A trap as the proxy has it.
#[derive(Debug)]
pub(super) struct Armed {
    pub(super) call: Call,
    pub(super) side: Side,
    /// Calls that pass before one is caught.
    pub(super) pass: u64,
    pub(super) act: Act,
    pub(super) caught: oneshot::Sender<()>,
    pub(super) word: oneshot::Receiver<Word>,
}

impl Armed {
    /// Whether the call counts. A fetch that finds nothing is of no interest.
    pub(super) fn takes(&self, call: Call, side: Side, frame: &[u8]) -> bool {
        let empty = call == Call::Fetch && side == Side::Reply && !hands_out(frame);
        self.call == call && self.side == side && !empty
    }
}

/// A trap as the test has it. Dropped, it loses what it holds.
#[derive(Debug)]
pub(crate) struct Trap {
    what: String,
    caught: oneshot::Receiver<()>,
    word: oneshot::Sender<Word>,
}

impl Trap {
    pub(super) fn new(call: Call, side: Side, pass: u64, act: Act) -> (Self, Armed) {
        let (caught, was_caught) = oneshot::channel();
        let (word, its_word) = oneshot::channel();
        let trap = Self {
            what: format!("{call:?} {side:?}"),
            caught: was_caught,
            word,
        };
        let armed = Armed {
            call,
            side,
            pass,
            act,
            caught,
            word: its_word,
        };
        (trap, armed)
    }

    /// Waits until a call was caught.
    pub(crate) async fn sprung(&mut self) {
        self.sprung_within(DEADLINE).await;
    }

    /// The same; false where none came in time.
    pub(crate) async fn sprung_soon(&mut self, within: Duration) -> bool {
        tokio::time::timeout(within, &mut self.caught).await.is_ok()
    }

    async fn sprung_within(&mut self, deadline: Duration) {
        let caught = self.sprung_soon(deadline).await;
        assert!(caught, "no {} came through the proxy", self.what);
    }

    /// Lets what is held go on.
    pub(crate) fn release(self) {
        // It fails where the connection has ended meanwhile, which is as well.
        let _ = self.word.send(Word::Pass);
    }
}
