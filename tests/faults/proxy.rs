//! Between one host and Redis: it understands requests and replies, and does to them what a bad
//! network does. One proxy for each host, so that faults hit one of them alone.

mod call;
mod frame;
mod pump;
mod trap;

use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::Duration;

pub(crate) use self::call::Call;
use self::trap::Armed;
pub(crate) use self::trap::{Act, Side, Trap};

/// How bytes go in one direction, on all connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flow {
    Free,
    /// Nothing comes through. What was sent meanwhile comes when the flow is free again.
    Stopped,
    /// One byte, then this pause.
    Trickle(Duration),
    /// Every frame comes later by this much.
    Late(Duration),
}

/// What all connections of a proxy look at.
#[derive(Debug)]
struct Rules {
    upstream: watch::Sender<u16>,
    requests: watch::Sender<Flow>,
    replies: watch::Sender<Flow>,
    /// Changes when every connection is to break.
    cuts: watch::Sender<u64>,
    traps: Mutex<Vec<Armed>>,
}

impl Rules {
    /// The trap that the call falls into, if any.
    fn spring(&self, call: Call, side: Side, frame: &[u8]) -> Option<Armed> {
        let mut traps = self.traps.lock().expect("the traps");
        let at = traps
            .iter()
            .position(|trap| trap.takes(call, side, frame))?;
        match traps[at].pass {
            0 => Some(traps.swap_remove(at)),
            _ => {
                traps[at].pass -= 1;
                None
            }
        }
    }
}

/// Listens until it is dropped; its connections end with it.
#[derive(Debug)]
pub(crate) struct Proxy {
    port: u16,
    rules: Arc<Rules>,
    listening: JoinHandle<()>,
}

impl Proxy {
    /// To the server on a port of this machine.
    pub(crate) async fn to(upstream: u16) -> Self {
        Self::start(upstream, pump::connection).await
    }

    /// The same for what is not RESP in both directions, such as a replica's link: flows can be
    /// stopped, traps catch nothing.
    pub(crate) async fn of_bytes_to(upstream: u16) -> Self {
        Self::start(upstream, pump::connection_of_bytes).await
    }

    async fn start<F>(
        upstream: u16,
        serve: impl Fn(tokio::net::TcpStream, Arc<Rules>) -> F + Send + 'static,
    ) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
        let listener = listener.expect("a port for the proxy");
        let port = listener.local_addr().expect("its address").port();
        let rules = Arc::new(Rules {
            upstream: watch::Sender::new(upstream),
            requests: watch::Sender::new(Flow::Free),
            replies: watch::Sender::new(Flow::Free),
            cuts: watch::Sender::new(0),
            traps: Mutex::default(),
        });
        let shared = Arc::clone(&rules);
        let listening = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                tokio::select! {
                    accepted = listener.accept() => {
                        let (client, _) = accepted.expect("accept a connection");
                        connections.spawn(serve(client, Arc::clone(&shared)));
                    }
                    Some(ended) = connections.join_next() => ended.expect("a connection's task"),
                }
            }
        });
        Self {
            port,
            rules,
            listening,
        }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// New connections go to another server; the old ones break.
    pub(crate) fn repoint(&self, upstream: u16) {
        self.rules.upstream.send_replace(upstream);
        self.cut();
    }

    /// Breaks every connection.
    pub(crate) fn cut(&self) {
        self.rules.cuts.send_modify(|cuts| *cuts += 1);
    }

    pub(crate) fn requests(&self, flow: Flow) {
        self.rules.requests.send_replace(flow);
    }

    pub(crate) fn replies(&self, flow: Flow) {
        self.rules.replies.send_replace(flow);
    }

    /// Both directions at once.
    pub(crate) fn flow(&self, flow: Flow) {
        self.requests(flow);
        self.replies(flow);
    }

    /// Catches the next call of a kind; with `pass`, the one after so many.
    pub(crate) fn trap(&self, call: Call, side: Side, pass: u64, act: Act) -> Trap {
        let (trap, armed) = Trap::new(call, side, pass, act);
        self.rules.traps.lock().expect("the traps").push(armed);
        trap
    }

    /// Takes the traps away that caught nothing.
    pub(crate) fn disarm(&self) {
        self.rules.traps.lock().expect("the traps").clear();
    }

    /// Fails where one of its tasks did.
    pub(crate) fn assert_works(&self) {
        assert!(!self.listening.is_finished(), "the proxy's task panicked");
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.listening.abort();
    }
}
