//! The transcribe stage: what the holder of a lease writes on the way from media to a transcript.

use hansard_domain::id::{Id, TranscriptId};
use hansard_domain::job::JobState;
use hansard_domain::time::Timestamp;

use crate::backend::{Conn, run, statements};
use crate::jobs::{self, Job};
use crate::leases::{self, Held, Lease};
use crate::transcripts::{self, Content, Progress, Window};
use crate::{Error, Store, documents};

/// Speeds are halved with the next job when they stand for so many, so that they follow a change of machine or load.
const SPEED_JOBS_MAX: i64 = 50;

/// Adds a measurement to those of its model, and halves the sums when they stand for `$4` jobs.
macro_rules! add_speed {
    () => {
        "ON CONFLICT (model) DO UPDATE SET \
         audio_s = (engine_speeds.audio_s + EXCLUDED.audio_s) / CASE WHEN engine_speeds.jobs < $4 THEN 1 ELSE 2 END, \
         wall_s = (engine_speeds.wall_s + EXCLUDED.wall_s) / CASE WHEN engine_speeds.jobs < $4 THEN 1 ELSE 2 END, \
         jobs = (engine_speeds.jobs + 1) / CASE WHEN engine_speeds.jobs < $4 THEN 1 ELSE 2 END"
    };
}

statements! {
    DETACH = "UPDATE jobs SET transcript_id = NULL, done_s = 0.0, updated_at_us = $2 WHERE id = $1";
    BEGIN = sqlite "INSERT INTO transcripts (id, workspace_id, recording_id, job_id, model, options, options_hash, sha256, \
        windows, created_at_us) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0, $9); \
        UPDATE jobs SET transcript_id = $1, done_s = 0.0, updated_at_us = $9 WHERE id = $4",
        postgres "WITH begun AS (INSERT INTO transcripts (id, workspace_id, recording_id, job_id, model, options, options_hash, \
        sha256, windows, created_at_us) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0, $9)) \
        UPDATE jobs SET transcript_id = $1, done_s = 0.0, updated_at_us = $9 WHERE id = $4";
    APPEND = sqlite "INSERT INTO transcript_windows (transcript_id, ordinal, document) VALUES ($1, $2, $3); \
        UPDATE jobs SET done_s = $5, duration_s = COALESCE($6, duration_s), attempts = 1, workers_lost = 0, \
        error_code = NULL, error_detail = NULL, updated_at_us = $7 WHERE id = $4",
        postgres "WITH appended AS (INSERT INTO transcript_windows (transcript_id, ordinal, document) VALUES ($1, $2, $3)) \
        UPDATE jobs SET done_s = $5, duration_s = COALESCE($6, duration_s), attempts = 1, workers_lost = 0, \
        error_code = NULL, error_detail = NULL, updated_at_us = $7 WHERE id = $4";
    /// The recording shows the transcript, the stage has ended, and the job has come to the end of the audio.
    CLOSE = sqlite "UPDATE recordings SET current_transcript_id = $3, duration_s = $4, updated_at_us = $7 WHERE id = $2; \
        INSERT INTO job_stages (job_id, stage, attempts, started_at_us, finished_at_us) VALUES ($1, 'transcribe', $5, $6, $7) \
        ON CONFLICT (job_id, stage) DO UPDATE SET attempts = EXCLUDED.attempts, started_at_us = EXCLUDED.started_at_us, \
        finished_at_us = EXCLUDED.finished_at_us; \
        UPDATE jobs SET done_s = COALESCE($4, 0.0), duration_s = COALESCE($4, 0.0), stage = 'transcribe' WHERE id = $1",
        postgres "WITH shown AS (UPDATE recordings SET current_transcript_id = $3, duration_s = $4, updated_at_us = $7 \
        WHERE id = $2), \
        ended AS (INSERT INTO job_stages (job_id, stage, attempts, started_at_us, finished_at_us) \
        VALUES ($1, 'transcribe', $5, $6, $7) ON CONFLICT (job_id, stage) DO UPDATE SET attempts = EXCLUDED.attempts, \
        started_at_us = EXCLUDED.started_at_us, finished_at_us = EXCLUDED.finished_at_us) \
        UPDATE jobs SET done_s = COALESCE($4, 0.0), duration_s = COALESCE($4, 0.0), stage = 'transcribe' WHERE id = $1";
    SHOWN_LENGTH = "SELECT duration_s FROM transcripts WHERE id = $1";
    /// Looked for from the recordings with the content: there are few, and many jobs of the workspace that have ended.
    BUSY_TWIN = "SELECT COUNT(*) FROM jobs WHERE state = 'running' AND stage = 'transcribe' AND transcript_id IS NOT NULL \
        AND id <> $1 AND options_hash = $4 \
        AND recording_id IN (SELECT id FROM recordings WHERE workspace_id = $2 AND sha256 = $3)";
    /// Of jobs with the same content one looks for its twin after the other, or neither would see the other's transcript. Asked
    /// of PostgreSQL alone: SQLite has one writer.
    ONE_BY_ONE = sqlite "SELECT 1 WHERE $1 IS NOT NULL",
        postgres "SELECT 1::BIGINT FROM pg_advisory_xact_lock(hashtextextended($1, 0))";
    /// One row that every job changes: on PostgreSQL each would wait for the commit of the one before it. A measurement that
    /// would have to wait is left out instead; of many jobs a sample says the same.
    MEASURE = sqlite "INSERT INTO engine_speeds (model, audio_s, wall_s, jobs) VALUES ($1, $2, $3, 1) " (add_speed),
        postgres "INSERT INTO engine_speeds (model, audio_s, wall_s, jobs) \
        SELECT CAST($1 AS TEXT), CAST($2 AS DOUBLE PRECISION), CAST($3 AS DOUBLE PRECISION), 1 \
        WHERE pg_try_advisory_xact_lock(hashtextextended($1, 1)) " (add_speed);
}

/// How a transcription begins.
#[derive(Debug, Clone, PartialEq)]
pub enum Begin {
    /// Transcribe, from the start or from a checkpoint.
    Go {
        /// The transcript to write to.
        transcript: TranscriptId,
        /// The number of its next window.
        ordinal: i64,
        /// Where an earlier attempt stopped.
        checkpoint: Option<String>,
    },
    /// The same audio had been transcribed with the same options: that text was copied and the job has succeeded.
    Copied,
    /// Another job is transcribing the same audio with the same options. Come back later.
    Wait,
}

/// What is known at the end of a transcription.
#[derive(Debug, Clone, PartialEq)]
pub struct Finished {
    /// The language, if anything was said.
    pub language: Option<String>,
    /// Its probability when it was detected.
    pub language_probability: Option<f32>,
    /// Length of the recording in seconds.
    pub duration: f64,
    /// Seconds of audio that this attempt transcribed.
    pub heard: f64,
    /// Seconds that it took.
    pub took: f64,
    /// When this attempt began.
    pub started_at: Timestamp,
}

impl Store {
    /// Begins the transcribe stage with the engine and model called `model`.
    ///
    /// # Errors
    /// Where the database cannot be written.
    pub async fn begin_transcript(
        &self,
        lease: &Lease,
        sha256: &str,
        model: &str,
    ) -> Result<Held<Begin>, Error> {
        let (store, lease) = (self.clone(), lease.clone());
        let (sha256, model) = (sha256.to_owned(), model.to_owned());
        self.write(move |conn| {
            Box::pin(async move {
                let Some(job) = leases::lock(conn, &lease).await? else { return Ok(Held::Lost) };
                let content = Content { sha256: &sha256, options: &job.options, model: &model };
                if let Some(begin) = go_on(conn, &store, &job, &content).await? {
                    return Ok(Held::Yes(begin));
                }
                if !job.again {
                    let text = format!("{}/{sha256}", job.workspace);
                    if let Conn::Postgres(_) = conn {
                        run!(conn, fetch_all::<(i64,)>, ONE_BY_ONE, text)?;
                    }
                    if let Some(twin) = transcripts::twin(conn, &job.workspace, &content).await? {
                        take_copy(conn, &store, &job, &twin).await?;
                        return Ok(Held::Yes(Begin::Copied));
                    }
                    if has_busy_twin(conn, &job, &sha256).await? {
                        return Ok(Held::Yes(Begin::Wait));
                    }
                }
                let (id, now): (TranscriptId, _) = (store.clock().id(), store.clock().now());
                run!(
                    conn,
                    execute,
                    BEGIN,
                    id.as_str(),
                    job.workspace.as_str(),
                    job.recording.as_str(),
                    job.id.as_str(),
                    content.model,
                    documents::write(content.options),
                    documents::options_hash(content.options),
                    content.sha256,
                    now.as_micros()
                )?;
                Ok(Held::Yes(Begin::Go { transcript: id, ordinal: 0, checkpoint: None }))
            })
        })
        .await
    }

    /// Commits window `ordinal` of `transcript` with the checkpoint after it. Refused as lost if it is not the next one.
    ///
    /// # Errors
    /// Where the database cannot be written.
    pub async fn commit_window(
        &self,
        lease: &Lease,
        transcript: &TranscriptId,
        ordinal: i64,
        window: Window,
        progress: Progress,
    ) -> Result<Held<()>, Error> {
        let (store, lease, transcript) = (self.clone(), lease.clone(), transcript.clone());
        self.write(move |conn| {
            Box::pin(async move {
                let Some(job) = leases::lock(conn, &lease).await? else { return Ok(Held::Lost) };
                if job.transcript.as_ref() != Some(&transcript) {
                    return Ok(Held::Lost);
                }
                if !transcripts::advance(conn, &transcript, ordinal, &progress).await? {
                    return Ok(Held::Lost);
                }
                run!(
                    conn,
                    execute,
                    APPEND,
                    transcript.as_str(),
                    ordinal,
                    documents::write(&window),
                    job.id.as_str(),
                    progress.done,
                    progress.duration,
                    store.clock().now().as_micros()
                )?;
                transcripts::tell_window(conn, &store, &job, &transcript, ordinal, progress.done)
                    .await?;
                Ok(Held::Yes(()))
            })
        })
        .await
    }

    /// Ends the transcribe stage and with it the job: the transcript is complete and becomes the recording's current one, and
    /// whoever asked is told through the outbox.
    ///
    /// # Errors
    /// Where the database cannot be written.
    pub async fn finish_transcript(
        &self,
        lease: &Lease,
        transcript: &TranscriptId,
        model: &str,
        finished: Finished,
    ) -> Result<Held<()>, Error> {
        let (store, lease, transcript) = (self.clone(), lease.clone(), transcript.clone());
        let model = model.to_owned();
        self.write(move |conn| {
            Box::pin(async move {
                let Some(job) = leases::lock(conn, &lease).await? else { return Ok(Held::Lost) };
                if job.transcript.as_ref() != Some(&transcript) {
                    return Ok(Held::Lost);
                }
                let now = store.clock().now();
                let Finished { language, language_probability, duration, heard, took, started_at } =
                    finished;
                let language = language.as_deref();
                transcripts::complete(
                    conn,
                    &transcript,
                    language,
                    language_probability,
                    duration,
                    now,
                )
                .await?;
                run!(conn, execute, MEASURE, &model, heard, took, SPEED_JOBS_MAX)?;
                succeed(conn, &store, job, transcript, Some(duration), started_at).await?;
                Ok(Held::Yes(()))
            })
        })
        .await
    }
}

/// Goes on with the transcript that an earlier attempt of `job` left, unless another model made it, or
/// from other media, as when the source was fetched anew.
async fn go_on(
    conn: &mut Conn<'_>,
    store: &Store,
    job: &Job,
    content: &Content<'_>,
) -> Result<Option<Begin>, Error> {
    let Some(id) = &job.transcript else { return Ok(None) };
    let Some(left) = transcripts::unfinished(conn, id).await? else { return Ok(None) };
    if left.model != content.model || left.sha256 != content.sha256 {
        transcripts::discard(conn, id).await?;
        let now = store.clock().now().as_micros();
        run!(conn, execute, DETACH, job.id.as_str(), now)?;
        return Ok(None);
    }
    let (ordinal, checkpoint) = (left.windows, left.checkpoint);
    Ok(Some(Begin::Go { transcript: id.clone(), ordinal, checkpoint }))
}

async fn has_busy_twin(conn: &mut Conn<'_>, job: &Job, sha256: &str) -> Result<bool, Error> {
    let (workspace, hash) = (job.workspace.as_str(), documents::options_hash(&job.options));
    let (busy,) =
        run!(conn, fetch_one::<(i64,)>, BUSY_TWIN, job.id.as_str(), workspace, sha256, hash)?;
    Ok(busy > 0)
}

async fn take_copy(conn: &mut Conn<'_>, store: &Store, job: &Job, twin: &str) -> Result<(), Error> {
    let (id, now): (TranscriptId, _) = (store.clock().id(), store.clock().now());
    transcripts::copy(conn, twin, &id, &job.recording, &job.id, now).await?;
    let (duration,) = run!(conn, fetch_one::<(Option<f64>,)>, SHOWN_LENGTH, id.as_str())?;
    succeed(conn, store, job.clone(), id, duration, now).await
}

/// Ends the stage, which began at `started_at`, and the job with it.
async fn succeed(
    conn: &mut Conn<'_>,
    store: &Store,
    job: Job,
    transcript: TranscriptId,
    duration: Option<f64>,
    started_at: Timestamp,
) -> Result<(), Error> {
    run!(
        conn,
        execute,
        CLOSE,
        job.id.as_str(),
        job.recording.as_str(),
        transcript.as_str(),
        duration,
        i64::from(job.attempts),
        started_at.as_micros(),
        store.clock().now().as_micros()
    )?;
    jobs::end(conn, store.clock(), job, JobState::Succeeded, Some(transcript), None).await
}
