//! Servers, good and bad.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// A listener on 127.0.0.1 that reads one request from each connection, and then does with it
/// what the test says. Ends with the test.
pub(super) struct Server {
    address: SocketAddr,
    books: Arc<Books>,
    _connections: JoinSet<()>,
}

#[derive(Default)]
struct Books {
    seen: Mutex<Vec<String>>,
    open: AtomicUsize,
    most_open: AtomicUsize,
}

impl Server {
    pub(super) async fn start<Serve, Done>(serve: Serve) -> Self
    where
        Serve: Fn(TcpStream) -> Done + Send + Sync + 'static,
        Done: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("address");
        let books = Arc::new(Books::default());
        let serve = Arc::new(serve);
        let mut connections = JoinSet::new();
        let accepted = Arc::clone(&books);
        connections.spawn(async move {
            let mut tasks = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (books, serve) = (Arc::clone(&accepted), Arc::clone(&serve));
                tasks.spawn(async move { books.connection(stream, &*serve).await });
            }
        });
        Self {
            address,
            books,
            _connections: connections,
        }
    }

    pub(super) fn port(&self) -> u16 {
        self.address.port()
    }

    pub(super) fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The requests that were read, each with its body.
    pub(super) fn seen(&self) -> Vec<String> {
        self.books.seen.lock().expect("books").clone()
    }

    /// Most connections that were open at once.
    pub(super) fn most_open(&self) -> usize {
        self.books.most_open.load(Ordering::SeqCst)
    }

    /// Waits until as many connections are open as the test expects.
    pub(super) async fn until_open(&self, expected: usize) {
        let seen = async {
            while self.books.open.load(Ordering::SeqCst) != expected {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let waited = tokio::time::timeout(Duration::from_secs(30), seen).await;
        let open = self.books.open.load(Ordering::SeqCst);
        waited.unwrap_or_else(|_| panic!("{open} connections are open, not {expected}"));
    }
}

impl Books {
    async fn connection<Serve, Done>(&self, mut stream: TcpStream, serve: &Serve)
    where
        Serve: Fn(TcpStream) -> Done,
        Done: Future<Output = ()>,
    {
        let open = self.open.fetch_add(1, Ordering::SeqCst) + 1;
        self.most_open.fetch_max(open, Ordering::SeqCst);
        if let Some(request) = read_request(&mut stream).await {
            self.seen.lock().expect("books").push(request);
            serve(stream).await;
        }
        self.open.fetch_sub(1, Ordering::SeqCst);
    }
}

async fn read_request(stream: &mut TcpStream) -> Option<String> {
    let mut text = String::new();
    let mut part = vec![0; 64 * 1024];
    loop {
        let read = stream.read(&mut part).await.ok()?;
        text.push_str(std::str::from_utf8(&part[..read]).ok()?);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length: "));
            let length: usize = length.map_or(0, |length| length.parse().expect("a length"));
            if body.len() >= length {
                return Some(text);
            }
        }
        if read == 0 {
            return None;
        }
    }
}

/// What a server does after a request, in the end: nothing, until the other side is gone.
async fn hang(mut stream: TcpStream) {
    let mut part = [0; 1024];
    while stream.read(&mut part).await.is_ok_and(|read| read > 0) {}
}

/// Sends this, and closes.
pub(super) fn answer(
    bytes: impl AsRef<[u8]>,
) -> impl Fn(TcpStream) -> std::pin::Pin<Box<dyn Future<Output = ()> + Send>> {
    let bytes: Arc<[u8]> = bytes.as_ref().into();
    move |mut stream| {
        let bytes = Arc::clone(&bytes);
        Box::pin(async move {
            // Who is gone has no use for the rest.
            let _ = stream.write_all(&bytes).await;
            let _ = stream.shutdown().await;
        })
    }
}

/// Sends the first, and then the second again and again, with a pause before each.
pub(super) fn repeat(
    first: &'static str,
    again: &'static [u8],
    pause: Duration,
) -> impl Fn(TcpStream) -> std::pin::Pin<Box<dyn Future<Output = ()> + Send>> {
    move |mut stream| {
        Box::pin(async move {
            let mut sent = stream.write_all(first.as_bytes()).await;
            while sent.is_ok() {
                match pause.is_zero() {
                    true => tokio::task::yield_now().await,
                    false => tokio::time::sleep(pause).await,
                }
                sent = stream.write_all(again).await;
            }
        })
    }
}

/// Sends this, and then nothing, without an end.
pub(super) fn stall(
    first: &'static str,
) -> impl Fn(TcpStream) -> std::pin::Pin<Box<dyn Future<Output = ()> + Send>> {
    move |mut stream| {
        Box::pin(async move {
            if stream.write_all(first.as_bytes()).await.is_ok() {
                hang(stream).await;
            }
        })
    }
}
