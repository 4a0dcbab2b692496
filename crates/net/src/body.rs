//! What a call sends.

use std::error::Error as StdError;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{self, Stream, StreamExt};
use http_body::{Frame, SizeHint};
use tokio::time::Instant;

use crate::Form;

/// Bytes handed to the connection at a time, so that a long body shows how it gets on.
const PIECE: usize = 64 * 1024;

/// The body of a call. Sent once: it is not kept for another attempt.
pub struct Body(Source);

enum Source {
    Bytes(Bytes),
    Stream { length: u64, bytes: reqwest::Body },
    Form(Form),
}

impl Body {
    /// Nothing.
    pub fn empty() -> Self {
        Self::bytes(Bytes::new())
    }

    /// These bytes.
    pub fn bytes(bytes: impl Into<Bytes>) -> Self {
        Self(Source::Bytes(bytes.into()))
    }

    /// What `stream` gives, which must be `length` bytes: with fewer the call fails, further ones are not sent.
    pub fn stream(
        length: u64,
        stream: impl Stream<Item = io::Result<Bytes>> + Send + 'static,
    ) -> Self {
        Self(Source::Stream { length, bytes: reqwest::Body::wrap_stream(stream) })
    }

    /// A form, whose content type the call states.
    pub fn form(form: Form) -> Self {
        Self(Source::Form(form))
    }

    /// The content type that the body itself determines.
    pub(crate) fn content_type(&self) -> Option<String> {
        match &self.0 {
            Source::Form(form) => Some(form.content_type()),
            Source::Bytes(_) | Source::Stream { .. } => None,
        }
    }

    /// The body for the connection, which moves `pulse` with every piece.
    pub(crate) fn watched(self, pulse: &Pulse) -> reqwest::Body {
        let (length, inner) = match self.0 {
            Source::Bytes(bytes) if bytes.is_empty() => return bytes.into(),
            Source::Bytes(bytes) => (bytes.len() as u64, reqwest::Body::wrap_stream(pieces(bytes))),
            Source::Stream { length, bytes } => (length, bytes),
            Source::Form(form) => form.into_parts(),
        };
        reqwest::Body::wrap(Watched { inner, length: Some(length), pulse: pulse.clone() })
    }
}

impl std::fmt::Debug for Body {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.0 {
            Source::Bytes(bytes) => write!(formatter, "Body({} bytes)", bytes.len()),
            Source::Stream { length, .. } => write!(formatter, "Body(stream of {length} bytes)"),
            Source::Form(_) => formatter.write_str("Body(form)"),
        }
    }
}

/// `bytes`, cut up without copying.
pub(crate) fn pieces(bytes: Bytes) -> impl Stream<Item = io::Result<Bytes>> + Send {
    let cut = stream::unfold(bytes, |mut rest| async move {
        if rest.is_empty() {
            return None;
        }
        let piece = rest.split_to(PIECE.min(rest.len()));
        Some((piece, rest))
    });
    cut.map(Ok)
}

/// When something last went over a connection.
#[derive(Debug, Clone)]
pub(crate) struct Pulse(Arc<Mutex<Instant>>);

impl Pulse {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Mutex::new(Instant::now())))
    }

    fn beat(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    /// Returns once nothing has moved for so long.
    pub(crate) async fn rests_for(&self, silence: Duration) {
        loop {
            let last = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let until = last + silence;
            if Instant::now() >= until {
                return;
            }
            tokio::time::sleep_until(until).await;
        }
    }
}

/// A body that shows how it gets on: the connection takes a piece only when it has room for it.
pub(crate) struct Watched<B> {
    pub(crate) inner: B,
    /// In bytes, if it is known beforehand.
    pub(crate) length: Option<u64>,
    pub(crate) pulse: Pulse,
}

impl<B> http_body::Body for Watched<B>
where
    B: http_body::Body<Data = Bytes> + Unpin,
    B::Error: Into<Box<dyn StdError + Send + Sync>>,
{
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let polled = Pin::new(&mut self.inner).poll_frame(context);
        if polled.is_ready() {
            self.pulse.beat();
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.length.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}
