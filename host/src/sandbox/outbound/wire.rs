//! A connection that gives no more bytes than its limit.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// More bytes came than the limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the response has more than {0} bytes")]
pub(super) struct TooLarge(pub(super) u64);

/// Counts what is read: head, body and whatever frames them.
pub(super) struct Bounded<S> {
    inner: S,
    limit: u64,
    read: u64,
}

impl<S> Bounded<S> {
    pub(super) fn new(inner: S, limit: u64) -> Self {
        Self {
            inner,
            limit,
            read: 0,
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Bounded<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.inner).poll_read(cx, buffer);
        self.read += (buffer.filled().len() - before) as u64;
        if self.read > self.limit {
            // Who gets an error gets no bytes.
            buffer.set_filled(before);
            return Poll::Ready(Err(io::Error::other(TooLarge(self.limit))));
        }
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Bounded<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt as _;

    use super::*;

    #[tokio::test]
    async fn as_many_bytes_as_the_limit_are_read_and_not_one_more() {
        let mut read = Vec::new();
        let mut bounded = Bounded::new(&b"12345"[..], 5);
        bounded.read_to_end(&mut read).await.expect("five bytes");
        assert_eq!(read, b"12345");

        let error = Bounded::new(&b"12345"[..], 4)
            .read_to_end(&mut Vec::new())
            .await
            .expect_err("too many");
        let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
        assert_eq!(inner, Some(&TooLarge(4)));
    }
}
