//! The transcribe stage: what the holder of a lease writes on the way from media to a transcript.

use hansard_domain::event::EventKind;
use hansard_domain::id::{Id, TranscriptId};
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
    /// Changes nothing if the transcript has the window already, or lacks the one before it.
    APPEND = sqlite "UPDATE transcripts SET windows = windows + 1, checkpoint = $8, language = $9, language_probability = $10 \
        WHERE id = $1 AND windows = $2; \
        INSERT INTO transcript_windows (transcript_id, ordinal, document) SELECT $1, $2, $3 WHERE changes() = 1; \
        UPDATE jobs SET done_s = $5, duration_s = COALESCE($6, duration_s), attempts = 1, workers_lost = 0, \
        error_code = NULL, error_detail = NULL, updated_at_us = $7 WHERE id = $4 AND changes() = 1",
        postgres "WITH advanced AS (UPDATE transcripts SET windows = windows + 1, checkpoint = $8, language = $9, \
        language_probability = $10 WHERE id = $1 AND windows = $2 RETURNING id), \
        appended AS (INSERT INTO transcript_windows (transcript_id, ordinal, document) SELECT id, $2, $3 FROM advanced) \
        UPDATE jobs SET done_s = $5, duration_s = COALESCE($6, jobs.duration_s), attempts = 1, workers_lost = 0, \
        error_code = NULL, error_detail = NULL, updated_at_us = $7 FROM advanced WHERE jobs.id = $4";
    /// The transcript is complete unless it was before, the recording shows it, and stage and job have ended.
    CLOSE = sqlite "UPDATE transcripts SET completed_at_us = $7, language = $8, language_probability = $9, \
        duration_s = $4, checkpoint = NULL WHERE id = $3 AND completed_at_us IS NULL; \
        UPDATE recordings SET current_transcript_id = $3, duration_s = $4, updated_at_us = $7 WHERE id = $2; \
        INSERT INTO job_stages (job_id, stage, attempts, started_at_us, finished_at_us) \
        VALUES ($1, 'transcribe', $5, $6, $7) ON CONFLICT (job_id, stage) DO UPDATE SET attempts = EXCLUDED.attempts, \
        started_at_us = EXCLUDED.started_at_us, finished_at_us = EXCLUDED.finished_at_us; \
        UPDATE jobs SET done_s = $4, duration_s = $4, stage = 'transcribe', state = 'succeeded', \
        transcript_id = $3, error_code = NULL, error_detail = NULL, lease_owner = NULL, lease_until_us = NULL, \
        fence = fence + 1, finished_at_us = $7, updated_at_us = $7 WHERE id = $1",
        postgres "WITH completed AS (UPDATE transcripts SET completed_at_us = $7, language = $8, language_probability = $9, \
        duration_s = $4, checkpoint = NULL WHERE id = $3 AND completed_at_us IS NULL), \
        shown AS (UPDATE recordings SET current_transcript_id = $3, duration_s = $4, updated_at_us = $7 WHERE id = $2), \
        ended AS (INSERT INTO job_stages (job_id, stage, attempts, started_at_us, finished_at_us) \
        VALUES ($1, 'transcribe', $5, $6, $7) ON CONFLICT (job_id, stage) DO UPDATE SET attempts = EXCLUDED.attempts, \
        started_at_us = EXCLUDED.started_at_us, finished_at_us = EXCLUDED.finished_at_us) \
        UPDATE jobs SET done_s = $4, duration_s = $4, stage = 'transcribe', state = 'succeeded', \
        transcript_id = $3, error_code = NULL, error_detail = NULL, lease_owner = NULL, lease_until_us = NULL, \
        fence = fence + 1, finished_at_us = $7, updated_at_us = $7 WHERE id = $1";
    SHOWN_LENGTH = "SELECT duration_s FROM transcripts WHERE id = $1";
    /// A complete transcript of the same audio, and the number of other jobs that make one. The transcript is shared, so that it
    /// is not deleted while it is copied, and found in the order of the index over the content: by `serial` alone the whole
    /// workspace would be gone through. The jobs are found from the recordings with the content: there are few, and many jobs of
    /// the workspace that have ended.
    TWINS = sqlite "SELECT (SELECT id FROM transcripts WHERE workspace_id = $1 AND sha256 = $2 AND options_hash = $3 \
        AND model = $4 AND completed_at_us IS NOT NULL ORDER BY completed_at_us DESC, serial DESC LIMIT 1), \
        (SELECT COUNT(*) FROM jobs WHERE state = 'running' AND stage = 'transcribe' AND transcript_id IS NOT NULL \
        AND id <> $5 AND options_hash = $3 \
        AND recording_id IN (SELECT id FROM recordings WHERE workspace_id = $1 AND sha256 = $2))",
        postgres "SELECT (SELECT id FROM transcripts WHERE workspace_id = $1 AND sha256 = $2 AND options_hash = $3 \
        AND model = $4 AND completed_at_us IS NOT NULL ORDER BY completed_at_us DESC, serial DESC LIMIT 1 FOR SHARE), \
        (SELECT COUNT(*) FROM jobs WHERE state = 'running' AND stage = 'transcribe' AND transcript_id IS NOT NULL \
        AND id <> $5 AND options_hash = $3 \
        AND recording_id IN (SELECT id FROM recordings WHERE workspace_id = $1 AND sha256 = $2))";
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
                    let (twin, busy) = twins(conn, &job, &content).await?;
                    if let Some(twin) = twin {
                        take_copy(conn, &store, &job, &twin).await?;
                        return Ok(Held::Yes(Begin::Copied));
                    }
                    if busy > 0 {
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
                let appended = run!(
                    conn,
                    execute,
                    APPEND,
                    transcript.as_str(),
                    ordinal,
                    documents::write(&window),
                    job.id.as_str(),
                    progress.done,
                    progress.duration,
                    store.clock().now().as_micros(),
                    &progress.checkpoint,
                    progress.language.as_deref(),
                    progress.language_probability.map(f64::from)
                )?;
                if appended == 0 {
                    return Ok(Held::Lost);
                }
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
                run!(
                    conn,
                    execute,
                    MEASURE,
                    &model,
                    finished.heard,
                    finished.took,
                    SPEED_JOBS_MAX
                )?;
                succeed(conn, &store, job, transcript, &finished).await?;
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

/// See [`TWINS`].
async fn twins(
    conn: &mut Conn<'_>,
    job: &Job,
    content: &Content<'_>,
) -> Result<(Option<String>, i64), Error> {
    run!(
        conn,
        fetch_one::<(Option<String>, i64)>,
        TWINS,
        job.workspace.as_str(),
        content.sha256,
        documents::options_hash(content.options),
        content.model,
        job.id.as_str()
    )
}

async fn take_copy(conn: &mut Conn<'_>, store: &Store, job: &Job, twin: &str) -> Result<(), Error> {
    let (id, now): (TranscriptId, _) = (store.clock().id(), store.clock().now());
    transcripts::copy(conn, twin, &id, &job.recording, &job.id, now).await?;
    let (duration,) = run!(conn, fetch_one::<(Option<f64>,)>, SHOWN_LENGTH, id.as_str())?;
    // The copy is complete, and keeps what it was told about its language.
    let copied = Finished {
        language: None,
        language_probability: None,
        duration: duration.unwrap_or_default(),
        heard: 0.0,
        took: 0.0,
        started_at: now,
    };
    succeed(conn, store, job.clone(), id, &copied).await
}

/// Ends the stage, and with it `job`, which is locked.
async fn succeed(
    conn: &mut Conn<'_>,
    store: &Store,
    mut job: Job,
    transcript: TranscriptId,
    finished: &Finished,
) -> Result<(), Error> {
    let now = store.clock().now();
    run!(
        conn,
        execute,
        CLOSE,
        job.id.as_str(),
        job.recording.as_str(),
        transcript.as_str(),
        finished.duration,
        i64::from(job.attempts),
        finished.started_at.as_micros(),
        now.as_micros(),
        finished.language.as_deref(),
        finished.language_probability.map(f64::from)
    )?;
    (job.error, job.transcript) = (None, Some(transcript));
    jobs::tell_end(conn, store.clock(), now, &job, EventKind::JobSucceeded).await
}
