//! What a call gets back.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};

use bytes::{Bytes, BytesMut};
use http::header::CONTENT_LENGTH;
use http::{HeaderMap, StatusCode};
use http_body::{Body as _, Frame, SizeHint};
use reqwest::Url;
use tokio::time::{Instant, Sleep};

use crate::Error;
use crate::error::{host_of, shown};
use crate::retry::retry_after;

/// An answer with any status. Its body is still on its way, and comes as it was sent: never decompressed.
#[derive(Debug)]
pub struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    retry_after: Option<Duration>,
    body: AnswerBody,
}

impl Answer {
    pub(crate) fn new(response: http::Response<AnswerBody>) -> Self {
        let (head, body) = response.into_parts();
        let retry_after = retry_after(&head.headers, SystemTime::now()).map(Duration::from_secs);
        Self { status: head.status, headers: head.headers, retry_after, body }
    }

    /// The status, of whatever kind.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The headers.
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// The value of header `name` if there is one and it is visible ASCII.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// How long the host wants to be left alone, counted from the arrival of the answer. Not bounded: the host says it.
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    /// Bytes of the body as the host states them. A promise only.
    pub fn length(&self) -> Option<u64> {
        self.header(CONTENT_LENGTH.as_str())?.parse().ok()
    }

    /// The next bytes of the body, or `None` at its end.
    ///
    /// # Errors
    /// [`Error::Timeout`] or [`Error::Broken`].
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, Error> {
        loop {
            let body = &mut self.body;
            let frame = std::future::poll_fn(|context| Pin::new(&mut *body).poll_frame(context));
            match frame.await.transpose()?.map(Frame::into_data) {
                None => return Ok(None),
                Some(Ok(bytes)) if !bytes.is_empty() => return Ok(Some(bytes)),
                // Trailers and empty pieces say nothing.
                Some(_) => {}
            }
        }
    }

    /// The whole body, which may have `limit` bytes.
    ///
    /// # Errors
    /// [`Error::TooLarge`] as soon as it is known to have more; [`Error::Timeout`] or [`Error::Broken`].
    pub async fn bytes(mut self, limit: usize) -> Result<Bytes, Error> {
        let too_large = Error::TooLarge { address: shown(&self.body.url), limit: limit as u64 };
        if self.length().is_some_and(|length| length > limit as u64) {
            return Err(too_large);
        }
        let mut body = BytesMut::new();
        while let Some(chunk) = self.chunk().await? {
            if chunk.len() > limit - body.len() {
                return Err(too_large);
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body.freeze())
    }

    /// The first bytes of the body, at most `limit`; the rest is not waited for. What is cut off counts as its end: this is
    /// for a look at what a host has to say.
    pub async fn beginning(mut self, limit: usize) -> Bytes {
        let mut body = BytesMut::new();
        while body.len() < limit {
            let Ok(Some(chunk)) = self.chunk().await else { break };
            body.extend_from_slice(&chunk[..chunk.len().min(limit - body.len())]);
        }
        body.freeze()
    }
}

/// A body on its way to us. Fails when it is silent for too long.
#[derive(Debug)]
pub struct AnswerBody {
    inner: reqwest::Body,
    url: Url,
    idle_timeout: Duration,
    /// The whole call ends here.
    deadline: Option<Instant>,
    /// Runs while nothing comes.
    silence: Option<Pin<Box<Sleep>>>,
}

impl AnswerBody {
    pub(crate) fn new(
        inner: reqwest::Body,
        url: Url,
        idle_timeout: Duration,
        deadline: Option<Instant>,
    ) -> Self {
        Self { inner, url, idle_timeout, deadline, silence: None }
    }

    fn timeout(&self) -> Error {
        Error::Timeout { host: host_of(&self.url) }
    }
}

impl http_body::Body for AnswerBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        if self.deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            return Poll::Ready(Some(Err(self.timeout())));
        }
        if let Poll::Ready(frame) = Pin::new(&mut self.inner).poll_frame(context) {
            self.silence = None;
            let frame = frame.map(|frame| frame.map_err(|error| Error::of_call(&self.url, error)));
            return Poll::Ready(frame);
        }
        let (idle_timeout, deadline) = (self.idle_timeout, self.deadline);
        let silence = self.silence.get_or_insert_with(|| {
            let until = Instant::now() + idle_timeout;
            let until = deadline.map_or(until, |deadline| deadline.min(until));
            Box::pin(tokio::time::sleep_until(until))
        });
        match silence.as_mut().poll(context) {
            Poll::Ready(()) => Poll::Ready(Some(Err(self.timeout()))),
            Poll::Pending => Poll::Pending,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
