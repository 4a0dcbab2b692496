//! Request bodies that may be slow, and not silent.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use tokio::time::{Instant, Sleep, sleep};

/// The client sent nothing for too long.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("nothing of the body arrived for {} s", .0.as_secs_f64())]
pub(crate) struct IdleError(Duration);

/// A body that fails with [`IdleError`] when its next piece takes longer than a time.
pub(crate) struct Hurried {
    body: Body,
    idle_max: Duration,
    /// Runs while somebody waits for the next piece.
    timer: Option<Pin<Box<Sleep>>>,
}

impl Hurried {
    /// `body`, each piece of which has `idle_max` to arrive.
    pub(crate) fn new(body: Body, idle_max: Duration) -> Self {
        Self { body, idle_max, timer: None }
    }
}

impl HttpBody for Hurried {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = &mut *self;
        if let Poll::Ready(frame) = Pin::new(&mut this.body).poll_frame(context) {
            this.timer = None;
            return Poll::Ready(frame);
        }
        let idle_max = this.idle_max;
        let timer = this.timer.get_or_insert_with(|| Box::pin(sleep(idle_max)));
        ready!(timer.as_mut().poll(context));
        // Whoever asks again after the error gets it again, at once.
        timer.as_mut().reset(Instant::now());
        Poll::Ready(Some(Err(axum::Error::new(IdleError(idle_max)))))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
