//! The text as it comes about: server-sent events, one for each window that is committed.
//!
//! The events are read from the store, where the worker puts windows, so that it does not matter which process works.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::time::Duration;

use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use hansard_domain::id::TranscriptId;
use hansard_domain::problem::ProblemCode;
use hansard_store::jobs::Job;
use hansard_store::transcripts::{WINDOWS_PER_PAGE_MAX, Window};
use http::HeaderName;
use serde::Serialize;

use super::answers::Usage;
use super::audio::pending;
use super::errors::ErrorBody;
use crate::App;
use crate::adapters::waiting::{Waited, Watch, failure_of, transcript_of};
use crate::place::Place;
use crate::problem::Problem;

/// Proxies close connections on which nothing happens, most of them after a minute.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// Tells nginx to pass events on as they come.
const ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// What ends a stream that is complete.
const END: &str = "[DONE]";

#[derive(Debug, Serialize)]
#[serde(tag = "type")]
enum TextEvent {
    #[serde(rename = "transcript.text.delta")]
    Delta { delta: String },
    #[serde(rename = "transcript.text.done")]
    Done { text: String, usage: Usage },
}

/// The events of `job` from its first window to its end.
pub(super) fn stream(app: &App, job: Job, place: &Place) -> Response {
    let live = Live {
        app: app.clone(),
        watch: Watch::new(app, &job, app.settings().openai_wait, place),
        job,
        transcript: None,
        next_window: 0,
        has_text: false,
        ready: VecDeque::new(),
        has_ended: false,
    };
    let events = stream::unfold(live, Live::next);
    let events = Sse::new(events).keep_alive(KeepAlive::new().interval(HEARTBEAT));
    ([(ACCEL_BUFFERING, "no")], events).into_response()
}

/// A job that somebody follows.
struct Live {
    app: App,
    watch: Watch,
    job: Job,
    /// The transcript that the events so far are of.
    transcript: Option<TranscriptId>,
    /// The number of its first window that was not sent.
    next_window: i64,
    /// Whether something was sent; the white space before that is not.
    has_text: bool,
    ready: VecDeque<Event>,
    has_ended: bool,
}

impl Live {
    async fn next(mut self) -> Option<(Result<Event, Infallible>, Self)> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Some((Ok(event), self));
            }
            if self.has_ended {
                return None;
            }
            if let Err(problem) = self.advance().await {
                // The head has said that all is well; from here on a failure is an event.
                self.push(&ErrorBody::of(&problem));
                self.has_ended = true;
            }
        }
    }

    /// Reads what was committed meanwhile, or waits a little.
    async fn advance(&mut self) -> Result<(), Problem> {
        if let Some(job) = self.watch.look().await? {
            if self.read_windows(&job).await? {
                self.watch.hurry();
                return Ok(());
            }
            if job.state.is_final() {
                return self.end(&job).await;
            }
        }
        match self.watch.pause().await {
            None => Ok(()),
            Some(Waited::Stopping) => Err(Problem::new(ProblemCode::ShuttingDown)),
            Some(Waited::Pending | Waited::Ended(_)) => Err(pending(&self.job)),
        }
    }

    /// Makes events of the windows that were not sent; whether there were any.
    async fn read_windows(&mut self, job: &Job) -> Result<bool, Problem> {
        let Some(transcript) = &job.transcript else { return Ok(false) };
        // A transcript that another model has begun anew cannot be told to those who have read the old one's beginning. They
        // get the whole text at the end.
        if self.transcript.get_or_insert_with(|| transcript.clone()) != transcript {
            return Ok(false);
        }
        let windows =
            self.app.store().windows(transcript, self.next_window, WINDOWS_PER_PAGE_MAX).await?;
        self.next_window += windows.len() as i64;
        for window in &windows {
            self.push_delta(window);
        }
        Ok(!windows.is_empty())
    }

    fn push_delta(&mut self, window: &Window) {
        let text: String = window.segments.iter().map(|segment| segment.text.as_str()).collect();
        let delta = if self.has_text { text.as_str() } else { text.trim_start() };
        if !delta.is_empty() {
            self.has_text = true;
            self.push(&TextEvent::Delta { delta: delta.to_owned() });
        }
    }

    async fn end(&mut self, job: &Job) -> Result<(), Problem> {
        if let Some(problem) = failure_of(job) {
            return Err(problem);
        }
        let transcript = transcript_of(&self.app, job).await?;
        let (text, usage) = (transcript.text(), Usage::of(&transcript));
        self.push(&TextEvent::Done { text, usage });
        self.ready.push_back(Event::default().data(END));
        self.has_ended = true;
        Ok(())
    }

    fn push(&mut self, event: &impl Serialize) {
        let text = serde_json::to_string(event).expect("an event has text keys");
        self.ready.push_back(Event::default().data(text));
    }
}
