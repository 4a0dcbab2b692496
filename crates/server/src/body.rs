//! Request bodies that may be slow, and not silent; long, and not all in memory.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use tokio::time::{Instant, Sleep, sleep};

/// Why the rest of a body is not waited for.
#[derive(Debug, Clone, Copy, thiserror::Error)]
pub(crate) enum BodyError {
    /// The client sent nothing for too long.
    #[error("nothing of the body arrived for {} s", .0.as_secs_f64())]
    Idle(Duration),
    /// What comes before the file in a form took too long.
    #[error("what comes before the file took more than {} s", .0.as_secs_f64())]
    Slow(Duration),
    /// The body goes on and on without a part of a form.
    #[error("the form has no boundary, or the head of a part no end, within {0} bytes")]
    Formless(usize),
}

/// A body that fails with [`BodyError::Idle`] when its next piece takes longer than a time.
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
        Poll::Ready(Some(Err(axum::Error::new(BodyError::Idle(idle_max)))))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Bytes that the reader of a form may ask for before it finds something: the head of a part has some hundred.
const FRUITLESS_BYTES_MAX: usize = 16 << 10;

/// What the reader of a [`Metered`] body tells it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Meter(Arc<Read>);

#[derive(Debug, Default)]
struct Read {
    /// Bytes that were handed out since the reader found something.
    fruitless: AtomicUsize,
    has_file: AtomicBool,
}

impl Meter {
    /// The reader has found something in what it was given.
    pub(crate) fn found(&self) {
        self.0.fruitless.store(0, Ordering::Relaxed);
    }

    /// The file begins, which may take its time.
    pub(crate) fn found_file(&self) {
        self.0.has_file.store(true, Ordering::Relaxed);
    }
}

/// The body of a form, for a reader that keeps all that it gets until it has found a boundary.
///
/// After each piece it pauses, so that the reader looks at it before it asks for more; it fails when the reader has found
/// nothing in [`FRUITLESS_BYTES_MAX`], and when the file has not begun after a time.
pub(crate) struct Metered {
    body: Body,
    meter: Meter,
    before_file_max: Duration,
    timer: Pin<Box<Sleep>>,
    has_paused: bool,
}

impl Metered {
    /// `body`, whose file has to begin within `before_file_max`.
    pub(crate) fn new(body: Body, meter: Meter, before_file_max: Duration) -> Self {
        let timer = Box::pin(sleep(before_file_max));
        Self { body, meter, before_file_max, timer, has_paused: true }
    }
}

impl HttpBody for Metered {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let fail = |error: BodyError| Poll::Ready(Some(Err(axum::Error::new(error))));
        let this = &mut *self;
        let read = &this.meter.0;
        if !std::mem::replace(&mut this.has_paused, true) {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        if read.fruitless.load(Ordering::Relaxed) > FRUITLESS_BYTES_MAX {
            return fail(BodyError::Formless(FRUITLESS_BYTES_MAX));
        }
        let is_late =
            !read.has_file.load(Ordering::Relaxed) && this.timer.as_mut().poll(context).is_ready();
        if is_late {
            this.timer.as_mut().reset(Instant::now());
            return fail(BodyError::Slow(this.before_file_max));
        }
        let frame = ready!(Pin::new(&mut this.body).poll_frame(context));
        if let Some(Ok(frame)) = &frame {
            let bytes = frame.data_ref().map_or(0, Bytes::len);
            read.fruitless.fetch_add(bytes, Ordering::Relaxed);
            this.has_paused = false;
        }
        Poll::Ready(frame)
    }
}
