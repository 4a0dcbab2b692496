//! Leases: how workers take jobs, keep them, and give them back.
//!
//! A worker claims a job for a time and extends the lease while it works. Each claim raises the job's fence; every write
//! of a worker names the fence that it claimed with, so one that lost its lease cannot overwrite the work of the next.

use std::time::Duration;

use hansard_domain::event::EventKind;
use hansard_domain::id::{Id, JobId, RecordingId, WorkerId, WorkspaceId};
use hansard_domain::job::{JobState, Stage};
use hansard_domain::problem::ProblemCode;
use hansard_domain::time::Timestamp;

use crate::backend::{Conn, run, statements};
use crate::jobs::row::job_columns;
use crate::jobs::{self, Job, JobError, JobRow};
use crate::recordings::StoredMedia;
use crate::{Clock, Error, Store, events, media, text};

/// A job that loses this many workers in a row without any progress is given up: it takes them down.
pub const WORKERS_LOST_MAX: u32 = 20;

/// Jobs of lost workers that one claim puts back into the queue.
const RECLAIMED_MAX: i64 = 100;

/// How long a job rests whose row this version of Hansard cannot read. One that can may take it then.
const UNREADABLE_PAUSE: Duration = Duration::from_secs(60 * 60);

statements! {
    /// Jobs whose worker is gone wait again, where they were in the queue, and the lost worker is no attempt of theirs. A
    /// worker's own leases may have run out while its machine slept: those it extends, and does not take from itself.
    RECLAIM = sqlite "UPDATE jobs SET state = 'queued', lease_owner = NULL, lease_until_us = NULL, fence = fence + 1, \
        attempts = attempts - 1, workers_lost = workers_lost + 1, updated_at_us = $1 \
        WHERE id IN (SELECT id FROM jobs WHERE state = 'running' AND lease_until_us < $1 AND lease_owner <> $2 \
            ORDER BY lease_until_us LIMIT $3) \
        RETURNING " (job_columns),
        postgres "UPDATE jobs SET state = 'queued', lease_owner = NULL, lease_until_us = NULL, fence = fence + 1, \
        attempts = attempts - 1, workers_lost = workers_lost + 1, updated_at_us = $1 \
        WHERE id = ANY(ARRAY(SELECT id FROM jobs WHERE state = 'running' AND lease_until_us < $1 AND lease_owner <> $2 \
            ORDER BY lease_until_us LIMIT $3 FOR UPDATE SKIP LOCKED)) \
        RETURNING " (job_columns);
    /// An array is made once; `IN` with a limit may be asked again for each row and give more than the limit.
    CLAIM = sqlite "UPDATE jobs SET state = 'running', lease_owner = $1, lease_until_us = $2, fence = fence + 1, \
        attempts = attempts + 1, started_at_us = COALESCE(started_at_us, $3), updated_at_us = $3 \
        WHERE id IN (SELECT id FROM jobs WHERE state = 'queued' AND run_at_us <= $3 \
            ORDER BY priority DESC, turn, serial LIMIT $4) \
        RETURNING " (job_columns),
        postgres "UPDATE jobs SET state = 'running', lease_owner = $1, lease_until_us = $2, fence = fence + 1, \
        attempts = attempts + 1, started_at_us = COALESCE(started_at_us, $3), updated_at_us = $3 \
        WHERE id = ANY(ARRAY(SELECT id FROM jobs WHERE state = 'queued' AND run_at_us <= $3 \
            ORDER BY priority DESC, turn, serial LIMIT $4 FOR UPDATE SKIP LOCKED)) \
        RETURNING " (job_columns);
    /// As if it had not been claimed, until `$2`.
    PUT_OFF = "UPDATE jobs SET state = 'queued', lease_owner = NULL, lease_until_us = NULL, fence = fence + 1, \
        attempts = attempts - 1, run_at_us = $2 WHERE serial = $1";
    EXTEND = "UPDATE jobs SET lease_until_us = $2 WHERE lease_owner = $1 AND state = 'running'";
    HELD = "SELECT workspace_id, id, recording_id, fence FROM jobs WHERE lease_owner = $1 AND state = 'running'";
    LOCK = sqlite "SELECT " (job_columns) " FROM jobs WHERE id = $1 AND fence = $2 AND state = 'running'",
        postgres "SELECT " (job_columns) " FROM jobs WHERE id = $1 AND fence = $2 AND state = 'running' FOR UPDATE";
    RETURN = "UPDATE jobs SET state = 'queued', lease_owner = NULL, lease_until_us = NULL, fence = fence + 1, \
        attempts = $2, run_at_us = $3, error_code = $4, error_detail = $5, updated_at_us = $6 WHERE id = $1";
    ACQUIRED = "UPDATE recordings SET media_key = $2, media_type = $3, size_bytes = $4, sha256 = $5, updated_at_us = $6 \
        WHERE id = $1";
    ADVANCE = "UPDATE jobs SET stage = $2, attempts = 1, workers_lost = 0, updated_at_us = $3 WHERE id = $1";
    FINISHED_STAGE = "INSERT INTO job_stages (job_id, stage, attempts, started_at_us, finished_at_us) \
        VALUES ($1, $2, $3, $4, $5) ON CONFLICT (job_id, stage) DO UPDATE SET attempts = EXCLUDED.attempts, \
        started_at_us = EXCLUDED.started_at_us, finished_at_us = EXCLUDED.finished_at_us";
}

/// A job that a worker holds.
#[derive(Debug, Clone, PartialEq)]
pub struct Claimed {
    /// The job, as it was when it was claimed.
    pub job: Job,
    /// What its worker proves itself with.
    pub lease: Lease,
}

/// The proof that a worker holds a job.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Lease {
    /// Whose job it is.
    pub workspace: WorkspaceId,
    /// The job.
    pub job: JobId,
    /// What it works on.
    pub recording: RecordingId,
    /// Its fence at the time of the claim.
    pub fence: i64,
}

/// What came of something that only the holder of a lease may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Held<T> {
    /// It was done.
    Yes(T),
    /// The lease is lost: the job was cancelled, deleted, or given to another worker. Nothing was written.
    Lost,
}

/// Puts the jobs of workers that are gone back into the queue, where `worker` or another one finds them.
async fn reclaim(
    conn: &mut Conn<'_>,
    clock: &Clock,
    worker: &WorkerId,
    now: Timestamp,
) -> Result<(), Error> {
    let (worker, micros) = (worker.as_str(), now.as_micros());
    let rows = run!(conn, fetch_all::<JobRow>, RECLAIM, micros, worker, RECLAIMED_MAX)?;
    for row in rows {
        let is_given_up = row.workers_lost >= i64::from(WORKERS_LOST_MAX);
        // The claim deals with a row that cannot be read.
        let Ok(job) = row.read() else { continue };
        if is_given_up {
            let detail = format!("{WORKERS_LOST_MAX} workers were lost on it without progress");
            let error = JobError { code: ProblemCode::WorkersLost, detail };
            jobs::end(conn, clock, job, JobState::Failed, Some(error)).await?;
        } else {
            jobs::tell(conn, clock, now, &job, EventKind::JobQueued).await?;
        }
    }
    Ok(())
}

/// The job under `lease`, locked until the transaction ends; `None` if the lease is lost.
pub(crate) async fn lock(conn: &mut Conn<'_>, lease: &Lease) -> Result<Option<Job>, Error> {
    let row = run!(conn, fetch_optional::<JobRow>, LOCK, lease.job.as_str(), lease.fence)?;
    row.map(JobRow::read).transpose()
}

/// Notes that `stage` of `job` ended with its result.
pub(crate) async fn stage_finished(
    conn: &mut Conn<'_>,
    job: &Job,
    stage: Stage,
    started_at: Timestamp,
    now: Timestamp,
) -> Result<(), Error> {
    run!(
        conn,
        execute,
        FINISHED_STAGE,
        job.id.as_str(),
        stage.name(),
        i64::from(job.attempts),
        started_at.as_micros(),
        now.as_micros()
    )
    .map(drop)
}

impl Store {
    /// Takes up to `count` waiting jobs for `worker`, the most urgent first, until `lease` from now.
    ///
    /// Jobs whose own worker let its lease run out come back to the queue first. One that has lost
    /// [`WORKERS_LOST_MAX`] workers without progress fails instead of being handed out again.
    ///
    /// # Errors
    /// Where the database cannot be written.
    pub async fn claim_jobs(
        &self,
        worker: &WorkerId,
        count: u32,
        lease: Duration,
    ) -> Result<Vec<Claimed>, Error> {
        let (clock, worker) = (self.clock().clone(), worker.clone());
        self.write(move |conn| {
            Box::pin(async move {
                let now = clock.now();
                reclaim(conn, &clock, &worker, now).await?;
                let until = now.after(lease).as_micros();
                let mut rows = run!(
                    conn,
                    fetch_all::<JobRow>,
                    CLAIM,
                    worker.as_str(),
                    until,
                    now.as_micros(),
                    i64::from(count)
                )?;
                // RETURNING has no order of its own.
                rows.sort_by_key(|row| (std::cmp::Reverse(row.priority), row.turn, row.serial));
                let mut claimed = Vec::with_capacity(rows.len());
                for row in rows {
                    let (serial, fence) = (row.serial, row.fence);
                    let job = match row.read() {
                        Ok(job) => job,
                        // It must not hold up those behind it.
                        Err(error) => {
                            tracing::error!(error = %error, "a job is put off");
                            let later = now.after(UNREADABLE_PAUSE).as_micros();
                            run!(conn, execute, PUT_OFF, serial, later)?;
                            continue;
                        }
                    };
                    let lease = Lease {
                        workspace: job.workspace.clone(),
                        job: job.id.clone(),
                        recording: job.recording.clone(),
                        fence,
                    };
                    claimed.push(Claimed { job, lease });
                }
                let started = claimed.iter().map(|one| one.job.event(EventKind::JobStarted));
                let started: Vec<_> = started.collect();
                events::append_all(conn, &clock, now, &started).await?;
                Ok(claimed)
            })
        })
        .await
    }

    /// Extends every lease that `worker` holds to `lease` from now.
    ///
    /// # Errors
    /// Where the database cannot be written.
    pub async fn extend_leases(&self, worker: &WorkerId, lease: Duration) -> Result<(), Error> {
        let (until, worker) = (self.clock().now().after(lease), worker.clone());
        self.write_apart(move |conn| {
            Box::pin(async move {
                run!(conn, execute, EXTEND, worker.as_str(), until.as_micros()).map(drop)
            })
        })
        .await
    }

    /// The leases that `worker` holds. One that it thinks it has and that is not here is lost.
    ///
    /// # Errors
    /// Where the database cannot be read.
    pub async fn held_leases(&self, worker: &WorkerId) -> Result<Vec<Lease>, Error> {
        let mut reader = self.reader().await?;
        type Row = (String, String, String, i64);
        let rows = run!(&mut reader.conn(), fetch_all::<Row>, HELD, worker.as_str())?;
        let leases = rows.into_iter().filter_map(|(workspace, job, recording, fence)| {
            Some(Lease {
                workspace: WorkspaceId::parse(&workspace).ok()?,
                job: JobId::parse(&job).ok()?,
                recording: RecordingId::parse(&recording).ok()?,
                fence,
            })
        });
        Ok(leases.collect())
    }

    /// Ends the acquire stage: the recording's media are stored. The lease stays, for the next stage.
    ///
    /// # Errors
    /// [`Error::MediaSwept`] if the object was swept in the meantime, or where the database cannot be written.
    pub async fn finish_acquire(
        &self,
        lease: &Lease,
        started_at: Timestamp,
        media: StoredMedia,
    ) -> Result<Held<()>, Error> {
        let (clock, lease) = (self.clock().clone(), lease.clone());
        self.write(move |conn| {
            Box::pin(async move {
                let Some(mut job) = lock(conn, &lease).await? else { return Ok(Held::Lost) };
                let now = clock.now();
                let size = i64::try_from(media.size).unwrap_or(i64::MAX);
                run!(
                    conn,
                    execute,
                    ACQUIRED,
                    job.recording.as_str(),
                    &media.key,
                    &media.media_type,
                    size,
                    &media.sha256,
                    now.as_micros()
                )?;
                media::keep(conn, &media.key, &job.recording, now).await?;
                stage_finished(conn, &job, Stage::Acquire, started_at, now).await?;
                let next = Stage::Transcribe.name();
                run!(conn, execute, ADVANCE, job.id.as_str(), next, now.as_micros())?;
                job.stage = Stage::Acquire;
                jobs::tell(conn, &clock, now, &job, EventKind::JobStageFinished).await?;
                Ok(Held::Yes(()))
            })
        })
        .await
    }

    /// Gives a job back to be run again, not before `run_at`. With an `error` it was an attempt that failed; without one, as
    /// when the worker shuts down, the attempt does not count.
    ///
    /// # Errors
    /// Where the database cannot be written.
    pub async fn return_job(
        &self,
        lease: &Lease,
        run_at: Timestamp,
        error: Option<JobError>,
    ) -> Result<Held<()>, Error> {
        let (clock, lease) = (self.clock().clone(), lease.clone());
        self.write(move |conn| {
            Box::pin(async move {
                let Some(mut job) = lock(conn, &lease).await? else { return Ok(Held::Lost) };
                let now = clock.now();
                let attempts = if error.is_some() { job.attempts } else { job.attempts - 1 };
                run!(
                    conn,
                    execute,
                    RETURN,
                    job.id.as_str(),
                    i64::from(attempts),
                    run_at.as_micros(),
                    error.as_ref().map(|error| error.code.name()),
                    error.as_ref().map(|error| text::without_nul(&error.detail)),
                    now.as_micros()
                )?;
                job.error = error;
                jobs::tell(conn, &clock, now, &job, EventKind::JobQueued).await?;
                Ok(Held::Yes(()))
            })
        })
        .await
    }

    /// Ends a job with an error that trying again cannot help. What its stages committed is kept.
    ///
    /// # Errors
    /// Where the database cannot be written.
    pub async fn fail_job(&self, lease: &Lease, error: JobError) -> Result<Held<()>, Error> {
        let (clock, lease) = (self.clock().clone(), lease.clone());
        self.write(move |conn| {
            Box::pin(async move {
                let Some(job) = lock(conn, &lease).await? else { return Ok(Held::Lost) };
                jobs::end(conn, &clock, job, JobState::Failed, Some(error)).await?;
                Ok(Held::Yes(()))
            })
        })
        .await
    }
}
