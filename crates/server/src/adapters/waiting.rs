//! Calls that stay open until the job behind them has ended, as the originals' did.
//!
//! Nothing depends on the caller's staying: the job goes on without, and whoever asks again finds it.

use std::time::Duration;

use hansard_domain::id::{JobId, TranscriptId, WorkspaceId};
use hansard_domain::job::JobState;
use hansard_domain::problem::ProblemCode;
use hansard_domain::transcript::{Segment, Transcript};
use hansard_store::jobs::Job;
use hansard_store::transcripts::WINDOWS_PER_PAGE_MAX;
use tokio::time::{Instant, sleep_until};

use crate::App;
use crate::place::Place;
use crate::problem::Problem;

/// The first pause between two looks at a job; it doubles.
const PAUSE_FIRST: Duration = Duration::from_millis(20);

/// The longest pause between two looks: hundreds of callers wait without loading the database.
const PAUSE_MAX: Duration = Duration::from_millis(500);

/// How a wait ended.
#[derive(Debug)]
pub(crate) enum Waited {
    /// The job has ended, one way or another.
    Ended(Box<Job>),
    /// It has not, and the caller has waited long enough.
    Pending,
    /// It has not, and the service is about to stop.
    Stopping,
}

/// Looks at a job again and again, with growing pauses, for a bounded time.
pub(crate) struct Watch {
    app: App,
    workspace: WorkspaceId,
    job: JobId,
    deadline: Instant,
    pause: Duration,
}

impl Watch {
    /// A watch on `job` for `wait_max` from now on. The request leaves its `place` to others.
    pub(crate) fn new(app: &App, job: &Job, wait_max: Duration, place: &Place) -> Self {
        place.leave();
        Self {
            app: app.clone(),
            workspace: job.workspace.clone(),
            job: job.id.clone(),
            deadline: Instant::now() + wait_max,
            pause: PAUSE_FIRST,
        }
    }

    /// The job as it is now; `None` while the database is out of reach, which passes.
    ///
    /// # Errors
    /// [`ProblemCode::JobNotFound`] if it was deleted.
    pub(crate) async fn look(&self) -> Result<Option<Job>, Problem> {
        match self.app.store().find_job(&self.workspace, &self.job).await {
            Ok(Some(job)) => Ok(Some(job)),
            Ok(None) => Err(Problem::new(ProblemCode::JobNotFound)),
            Err(error) if error.is_unavailable() => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Pauses until it is time to look again; says so if there is no time left.
    pub(crate) async fn pause(&mut self) -> Option<Waited> {
        let now = Instant::now();
        if now >= self.deadline {
            return Some(Waited::Pending);
        }
        let until = self.deadline.min(now + self.pause);
        self.pause = PAUSE_MAX.min(self.pause * 2);
        tokio::select! {
            () = sleep_until(until) => None,
            () = self.app.shutdown().cancelled() => Some(Waited::Stopping),
        }
    }

    /// Something happened: the next look may be soon.
    pub(crate) fn hurry(&mut self) {
        self.pause = PAUSE_FIRST;
    }

    /// Waits until the job has ended.
    ///
    /// # Errors
    /// As [`Watch::look`].
    pub(crate) async fn end(mut self) -> Result<Waited, Problem> {
        loop {
            match self.look().await? {
                Some(job) if job.state.is_final() => return Ok(Waited::Ended(Box::new(job))),
                Some(_) | None => {}
            }
            if let Some(waited) = self.pause().await {
                return Ok(waited);
            }
        }
    }
}

/// Why an ended job has no result; `None` for one that has.
pub(crate) fn failure_of(job: &Job) -> Option<Problem> {
    match job.state {
        JobState::Succeeded => None,
        JobState::Cancelled => {
            Some(Problem::new(ProblemCode::JobStateConflict).detail("the job was cancelled"))
        }
        JobState::Failed | JobState::Queued | JobState::Running => Some(match &job.error {
            Some(error) => Problem::new(error.code).detail(&error.detail),
            None => Problem::new(ProblemCode::Internal),
        }),
    }
}

/// The whole transcript of a job that has succeeded.
///
/// # Errors
/// [`ProblemCode::TranscriptNotFound`] if it was deleted meanwhile, or where the database cannot be read.
pub(crate) async fn transcript_of(app: &App, job: &Job) -> Result<Transcript, Problem> {
    let missing = || Problem::new(ProblemCode::TranscriptNotFound);
    let id = job.transcript.as_ref().ok_or_else(missing)?;
    let head = app.store().find_transcript(&job.workspace, id).await?.ok_or_else(missing)?;
    Ok(Transcript {
        model: head.model,
        language: head.language,
        language_probability: head.language_probability.map(|probability| probability as f32),
        task: head.options.task,
        duration: head.duration.unwrap_or_default(),
        segments: segments_of(app, id).await?,
        dropped: Vec::new(),
    })
}

async fn segments_of(app: &App, id: &TranscriptId) -> Result<Vec<Segment>, Problem> {
    let mut segments = Vec::new();
    let mut next = 0;
    loop {
        let windows = app.store().windows(id, next, WINDOWS_PER_PAGE_MAX).await?;
        if windows.is_empty() {
            return Ok(segments);
        }
        next += windows.len() as i64;
        segments.extend(windows.into_iter().flat_map(|window| window.segments));
    }
}
