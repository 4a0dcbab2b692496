//! A connection that cannot be held by doing nothing, and that ends so that its last answer arrives.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Sleep, sleep};

/// How long a client that is still sending is listened to after the last answer.
const LINGER_MAX: Duration = Duration::from_secs(2);

/// Bytes that are thrown away at a time.
const DISCARD_BYTES: usize = 16 << 10;

/// A TCP connection with bounds.
///
/// A write that makes no progress for a time fails. At the end, the write half is closed first and what still arrives is
/// thrown away for a while: closing a socket with unread bytes resets the connection, and the client of a refused
/// upload would see that in place of the answer.
pub(crate) struct Wire {
    stream: TcpStream,
    stall_max: Duration,
    /// Runs while a write waits.
    stall: Option<Pin<Box<Sleep>>>,
    /// Runs from the moment at which the write half is closed.
    linger: Option<Pin<Box<Sleep>>>,
}

impl Wire {
    /// `stream`, whose client has `stall_max` to take something of what is sent to it.
    pub(crate) fn new(stream: TcpStream, stall_max: Duration) -> Self {
        Self { stream, stall_max, stall: None, linger: None }
    }

    /// Passes on what a write came to, or fails it if it has waited for too long.
    fn bound<T>(
        &mut self,
        context: &mut Context<'_>,
        polled: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if polled.is_ready() {
            self.stall = None;
            return polled;
        }
        let stall_max = self.stall_max;
        let timer = self.stall.get_or_insert_with(|| Box::pin(sleep(stall_max)));
        ready!(timer.as_mut().poll(context));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client takes no bytes")))
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.bound(context, polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.bound(context, polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.linger.is_none() {
            ready!(Pin::new(&mut this.stream).poll_shutdown(context))?;
        }
        let timer = this.linger.get_or_insert_with(|| Box::pin(sleep(LINGER_MAX)));
        let mut discarded = [0; DISCARD_BYTES];
        loop {
            if timer.as_mut().poll(context).is_ready() {
                return Poll::Ready(Ok(()));
            }
            let mut buffer = ReadBuf::new(&mut discarded);
            match ready!(Pin::new(&mut this.stream).poll_read(context, &mut buffer)) {
                Ok(()) if !buffer.filled().is_empty() => {}
                // The client has closed its half too, or is gone.
                Ok(()) | Err(_) => return Poll::Ready(Ok(())),
            }
        }
    }
}
