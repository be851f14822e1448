//! The body of a response, with the time it may take.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::time::{Instant, Sleep};
use wasmtime_wasi_http::Error;

use super::exchange::translate;

/// Ends with an error at its deadline, and where no byte comes for as long as the guest would
/// wait for one.
pub(super) struct Timed {
    incoming: Incoming,
    deadline: Instant,
    pause: Option<Duration>,
    sleep: Pin<Box<Sleep>>,
}

impl Timed {
    pub(super) fn new(incoming: Incoming, deadline: Instant, pause: Option<Duration>) -> Self {
        Self {
            incoming,
            deadline,
            pause,
            sleep: Box::pin(tokio::time::sleep_until(next(deadline, pause))),
        }
    }
}

/// When the guest no longer waits for the next byte.
fn next(deadline: Instant, pause: Option<Duration>) -> Instant {
    let pause = pause.and_then(|pause| Instant::now().checked_add(pause));
    pause.map_or(deadline, |pause| pause.min(deadline))
}

impl Body for Timed {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let polled = Pin::new(&mut self.incoming).poll_frame(cx);
        // The connection is closed at the deadline, and a body that is cut off in this way seems
        // to be whole: what ends after the deadline has not ended well.
        if Instant::now() >= self.deadline {
            return Poll::Ready(Some(Err(Error::HttpResponseTimeout)));
        }
        match polled {
            Poll::Ready(Some(Ok(frame))) => {
                let next = next(self.deadline, self.pause);
                self.sleep.as_mut().reset(next);
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => Poll::Ready(Some(Err(translate(&error)))),
            Poll::Ready(None) => Poll::Ready(None),
            Poll::Pending => self.sleep.as_mut().poll(cx).map(|()| {
                Some(Err(match Instant::now() >= self.deadline {
                    true => Error::HttpResponseTimeout,
                    false => Error::ConnectionReadTimeout,
                }))
            }),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}
