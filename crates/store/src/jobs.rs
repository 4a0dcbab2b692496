//! Jobs: what waits, runs and has ended.
//!
//! A job moves along `queued -> running -> succeeded | failed | cancelled`; a lease makes the first step
//! ([`crate::leases`]), and a retry leads back to `queued`. Every step writes its event in the same transaction.

pub(crate) mod delete;
pub(crate) mod queue;
pub(crate) mod row;

use hansard_domain::event::EventKind;
use hansard_domain::id::{Id, JobId, RecordingId, TranscriptId, WorkspaceId};
use hansard_domain::job::{JobState, Priority, Stage, TranscribeOptions};
use hansard_domain::problem::ProblemCode;
use hansard_domain::source::{Callback, Source};
use hansard_domain::time::Timestamp;

use crate::backend::{Conn, run, statements};
use crate::events::{self, EventData, NewEvent};
use crate::reach::{Reach, is_its_recording_seen};
use crate::recordings::Recording;
use crate::{Clock, Error, Store, recordings, text, transcripts, twins};

pub(crate) use queue::next_turn;
pub use queue::{Position, QueueStats};
use row::job_columns;
pub(crate) use row::{JobRow, rank};

statements! {
    FIND = "SELECT " (job_columns) " FROM jobs WHERE workspace_id = $1 AND id = $2 AND " (is_its_recording_seen);
    /// Held until the transaction ends: what is decided from its state stays right.
    LOCK = sqlite "SELECT " (job_columns) " FROM jobs WHERE workspace_id = $1 AND id = $2 AND " (is_its_recording_seen),
        postgres "SELECT " (job_columns) " FROM jobs WHERE workspace_id = $1 AND id = $2 AND " (is_its_recording_seen) " FOR UPDATE";
    PAGE = "SELECT " (job_columns) " FROM jobs WHERE workspace_id = $1 AND serial < $2 AND " (is_its_recording_seen) " \
        AND ($4 = '' OR state = $4) AND ($5 = '' OR recording_id = $5) ORDER BY serial DESC LIMIT $6";
    /// The same where a recording is named: SQLite looks for an index before it knows what is bound.
    PAGE_OF_RECORDING = "SELECT " (job_columns) " FROM jobs WHERE workspace_id = $1 AND serial < $2 AND " (is_its_recording_seen) " \
        AND ($4 = '' OR state = $4) AND recording_id = $5 ORDER BY serial DESC LIMIT $6";
    STAGES = "SELECT stage, attempts, started_at_us, finished_at_us FROM job_stages WHERE job_id = $1 \
        ORDER BY finished_at_us, stage";
    END = "UPDATE jobs SET state = $2, error_code = $3, error_detail = $4, lease_owner = NULL, lease_until_us = NULL, \
        fence = fence + 1, finished_at_us = $5, updated_at_us = $5 WHERE id = $1 AND state IN ('queued', 'running')";
    REQUEUE = "UPDATE jobs SET state = 'queued', stage = $5, attempts = 0, workers_lost = 0, run_at_us = 0, \
        error_code = NULL, error_detail = NULL, finished_at_us = NULL, again = (again OR $6), done_s = $7, \
        transcript_id = $8, fence = fence + 1, updated_at_us = $3, turn = " (next_turn) " WHERE id = $4";
    FORGET_STAGES = "DELETE FROM job_stages WHERE job_id = $1 AND (stage = 'transcribe' OR $2)";
}

/// A job.
#[derive(Debug, Clone, PartialEq)]
pub struct Job {
    /// Its number, unique among jobs.
    pub serial: i64,
    /// Its name.
    pub id: JobId,
    /// Whose it is.
    pub workspace: WorkspaceId,
    /// What it works on.
    pub recording: RecordingId,
    /// What another system calls it.
    pub external_id: Option<String>,
    /// Where it stands.
    pub state: JobState,
    /// The stage that runs, is next, or failed.
    pub stage: Stage,
    /// How urgent it is.
    pub priority: Priority,
    /// What was asked.
    pub options: TranscribeOptions,
    /// Whether an earlier transcript of the same audio must not be taken instead.
    pub again: bool,
    /// Who is told when it has ended.
    pub callback: Option<Callback>,
    /// Attempts of its stage since it last made progress.
    pub attempts: u32,
    /// Not to be run before this.
    pub run_at: Timestamp,
    /// Seconds of the recording that are transcribed.
    pub done: f64,
    /// Length of the recording in seconds, once it is known.
    pub duration: Option<f64>,
    /// Its transcript, from the first window on.
    pub transcript: Option<TranscriptId>,
    /// Why it failed, or why its last attempt did.
    pub error: Option<JobError>,
    /// The user or service token that asked for it; `None` where that was nobody in particular.
    pub created_by: Option<String>,
    /// When it was accepted.
    pub created_at: Timestamp,
    /// When a worker first took it.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// When something about it changed last.
    pub updated_at: Timestamp,
}

/// Why a job, or an attempt of it, failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobError {
    /// What is wrong.
    pub code: ProblemCode,
    /// A sentence for people, without secrets and internals.
    pub detail: String,
}

/// A stage that ended with its result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FinishedStage {
    /// Which one.
    pub stage: Stage,
    /// How many attempts it took.
    pub attempts: u32,
    /// When its last attempt began.
    pub started_at: Timestamp,
    /// When it ended.
    pub finished_at: Timestamp,
}

/// Which jobs to list.
#[derive(Debug, Clone, Default)]
pub struct JobFilter {
    /// Only those in this state.
    pub state: Option<JobState>,
    /// Only those of this recording.
    pub recording: Option<RecordingId>,
}

/// A page of a list, newest first.
#[derive(Debug, Clone, PartialEq)]
pub struct Page<T> {
    /// The rows.
    pub items: Vec<T>,
    /// The serial to go on before; `None` on the last page.
    pub next: Option<i64>,
}

impl<T> Page<T> {
    /// The first `limit` of `items`, which may have one more to show that the list goes on.
    pub(crate) fn cut(mut items: Vec<T>, limit: u32, serial: impl Fn(&T) -> i64) -> Self {
        let has_more = items.len() > limit as usize;
        items.truncate(limit as usize);
        let next = if has_more { items.last().map(serial) } else { None };
        Self { items, next }
    }
}

/// What came of an attempt to change a job.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// It was changed, and is now this.
    Done(Box<Job>),
    /// Its state does not allow it.
    Refused(Box<Job>),
    /// There is no such job.
    Missing,
}

/// The job `id` within `reach`.
pub(crate) async fn find(
    conn: &mut Conn<'_>,
    reach: &Reach,
    id: &JobId,
) -> Result<Option<Job>, Error> {
    let (workspace, eyes) = (reach.workspace(), reach.eyes());
    let row = run!(conn, fetch_optional::<JobRow>, FIND, workspace, id.as_str(), eyes)?;
    row.map(JobRow::read).transpose()
}

/// The same, locked until the transaction ends.
async fn lock(conn: &mut Conn<'_>, reach: &Reach, id: &JobId) -> Result<Option<Job>, Error> {
    let (workspace, eyes) = (reach.workspace(), reach.eyes());
    let row = run!(conn, fetch_optional::<JobRow>, LOCK, workspace, id.as_str(), eyes)?;
    row.map(JobRow::read).transpose()
}

/// Writes that `job` is in `kind`'s state now, and tells whoever waits for its end if it ended without a result.
pub(crate) async fn tell(
    conn: &mut Conn<'_>,
    clock: &Clock,
    now: Timestamp,
    job: &Job,
    kind: EventKind,
) -> Result<(), Error> {
    let is_called_back = match kind {
        EventKind::JobFailed | EventKind::JobCancelled => {
            job.callback.as_ref().is_some_and(|callback| callback.on_failure)
        }
        _ => false,
    };
    let callback = job.callback.as_ref().filter(|_| is_called_back);
    events::publish_to(conn, clock, now, &job.event(kind), callback).await
}

impl Job {
    /// The event that it is in `kind`'s state now.
    pub(crate) fn event(&self, kind: EventKind) -> NewEvent<'_> {
        let data = EventData {
            recording_id: Some(self.recording.as_str()),
            job_id: Some(self.id.as_str()),
            transcript_id: self.transcript.as_ref().map(TranscriptId::as_str),
            stage: Some(self.stage.name()),
            error_code: self.error.as_ref().map(|error| error.code.name()),
            ..EventData::default()
        };
        NewEvent { workspace: &self.workspace, kind, subject: self.id.as_str(), data }
    }
}

/// Ends `job`, which is locked, without a result, tells, and wakes those that wait for what it did. Nothing happens to one that
/// has ended already.
pub(crate) async fn end(
    conn: &mut Conn<'_>,
    clock: &Clock,
    mut job: Job,
    state: JobState,
    error: Option<JobError>,
) -> Result<(), Error> {
    let now = clock.now();
    let kind = match state {
        JobState::Cancelled => EventKind::JobCancelled,
        _ => EventKind::JobFailed,
    };
    let ended = run!(
        conn,
        execute,
        END,
        job.id.as_str(),
        state.name(),
        error.as_ref().map(|error| error.code.name()),
        error.as_ref().map(|error| text::without_nul(&error.detail)),
        now.as_micros()
    )?;
    if ended == 0 {
        return Ok(());
    }
    job.error = error;
    // Before the commit: a twin that begins to wait at this moment rests to the end of its time.
    twins::wake(conn, &job.id).await?;
    tell(conn, clock, now, &job, kind).await
}

impl Store {
    /// The job `id` within `reach`, if there is one.
    ///
    /// # Errors
    /// Where the database cannot be read.
    pub async fn find_job(
        &self,
        reach: impl Into<Reach>,
        id: &JobId,
    ) -> Result<Option<Job>, Error> {
        find(&mut self.reader().await?.conn(), &reach.into(), id).await
    }

    /// Jobs within `reach`, newest first, from below the serial `before` on.
    ///
    /// # Errors
    /// Where the database cannot be read.
    pub async fn page_jobs(
        &self,
        reach: impl Into<Reach>,
        filter: &JobFilter,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Page<Job>, Error> {
        let statement = if filter.recording.is_some() { PAGE_OF_RECORDING } else { PAGE };
        let reach = reach.into();
        let mut reader = self.reader().await?;
        let rows = run!(
            &mut reader.conn(),
            fetch_all::<JobRow>,
            statement,
            reach.workspace(),
            before.unwrap_or(i64::MAX),
            reach.eyes(),
            filter.state.map_or("", JobState::name),
            filter.recording.as_ref().map_or("", RecordingId::as_str),
            i64::from(limit) + 1
        )?;
        let jobs = rows.into_iter().map(JobRow::read).collect::<Result<Vec<_>, _>>()?;
        Ok(Page::cut(jobs, limit, |job| job.serial))
    }

    /// The stages of job `id` that ended with a result.
    ///
    /// # Errors
    /// Where the database cannot be read.
    pub async fn finished_stages(&self, id: &JobId) -> Result<Vec<FinishedStage>, Error> {
        let mut reader = self.reader().await?;
        let rows =
            run!(&mut reader.conn(), fetch_all::<(String, i64, i64, i64)>, STAGES, id.as_str())?;
        let stages = rows.into_iter().filter_map(|(stage, attempts, started, finished)| {
            Some(FinishedStage {
                stage: Stage::from_name(&stage)?,
                attempts: u32::try_from(attempts).ok()?,
                started_at: Timestamp::from_micros(started),
                finished_at: Timestamp::from_micros(finished),
            })
        });
        Ok(stages.collect())
    }

    /// Cancels job `id`; its worker notices within a second. Refused for a job that has ended.
    ///
    /// # Errors
    /// Where the database cannot be written.
    pub async fn cancel_job(&self, reach: impl Into<Reach>, id: &JobId) -> Result<Change, Error> {
        let (clock, reach, id) = (self.clock().clone(), reach.into(), id.clone());
        self.write(move |conn| {
            Box::pin(async move {
                let Some(job) = lock(conn, &reach, &id).await? else {
                    return Ok(Change::Missing);
                };
                if job.state.is_final() {
                    return Ok(Change::Refused(Box::new(job)));
                }
                end(conn, &clock, job, JobState::Cancelled, None).await?;
                let job = find(conn, &reach, &id).await?;
                Ok(job.map_or(Change::Missing, |job| Change::Done(Box::new(job))))
            })
        })
        .await
    }

    /// Puts a job that ended back into the queue, from `stage` on, or from the stage that failed. Refused while it waits or
    /// runs. Media that are not stored are acquired first, and those that a caller sent cannot be acquired again. A succeeded
    /// job keeps its transcript as the recording's current one until the new one is complete.
    ///
    /// # Errors
    /// [`Error::QueueFull`], or where the database cannot be written.
    pub async fn retry_job(
        &self,
        reach: impl Into<Reach>,
        id: &JobId,
        stage: Option<Stage>,
    ) -> Result<Change, Error> {
        let (store, reach, id) = (self.clone(), reach.into(), id.clone());
        self.write(move |conn| {
            Box::pin(async move {
                let Some(job) = lock(conn, &reach, &id).await? else {
                    return Ok(Change::Missing);
                };
                if !job.state.is_final() {
                    return Ok(Change::Refused(Box::new(job)));
                }
                store.admit(conn).await?;
                let now = store.clock().now();
                requeue(conn, &job, stage, now).await?;
                let Some(job) = find(conn, &reach, &id).await? else {
                    return Ok(Change::Missing);
                };
                tell(conn, store.clock(), now, &job, EventKind::JobQueued).await?;
                Ok(Change::Done(Box::new(job)))
            })
        })
        .await
    }
}

async fn requeue(
    conn: &mut Conn<'_>,
    job: &Job,
    stage: Option<Stage>,
    now: Timestamp,
) -> Result<(), Error> {
    let succeeded = job.state == JobState::Succeeded;
    let stage = stage.unwrap_or(if succeeded { Stage::Transcribe } else { job.stage });
    let recording = recordings::find(conn, &(&job.workspace).into(), &job.recording).await?;
    let stage = match recording {
        Some(recording) if recording.media.is_none() => Stage::Acquire,
        Some(Recording { source: Source::Upload { .. }, .. }) => Stage::Transcribe,
        _ => stage,
    };
    // Windows that a failed transcription committed are kept and gone on from; asking for the stage again after it succeeded
    // means a new transcript.
    let keeps_windows = !succeeded && job.stage == Stage::Transcribe && stage == Stage::Transcribe;
    if let Some(transcript) = &job.transcript
        && !keeps_windows
        && transcripts::unfinished(conn, transcript).await?.is_some()
    {
        transcripts::discard(conn, transcript).await?;
    }
    run!(conn, execute, FORGET_STAGES, job.id.as_str(), stage == Stage::Acquire)?;
    run!(
        conn,
        execute,
        REQUEUE,
        job.workspace.as_str(),
        rank(job.priority),
        now.as_micros(),
        job.id.as_str(),
        stage.name(),
        succeeded,
        if keeps_windows { job.done } else { 0.0 },
        job.transcript.as_ref().filter(|_| keeps_windows).map(TranscriptId::as_str)
    )
    .map(drop)
}
