//! The transcribe stage: what the holder of a lease writes on the way from media to a transcript.

pub(crate) mod ending;

use hansard_domain::event::EventKind;
use hansard_domain::id::{EventId, Id, TranscriptId};

use crate::backend::{Conn, run, statements};
use crate::events::{EventData, epoch};
use crate::jobs::Job;
use crate::jobs::row::{JobRow, job_columns};
use crate::leases::{Held, Lease};
use crate::transcripts::{self, Content, Progress, Window};
use crate::twins::is_at_work;
use crate::{Error, Store, documents};
pub use ending::Finished;
use ending::{End, succeed};

/// A complete transcript of the same audio, unless it must not be taken (`$10`): found in the order of the index over the
/// content, for by `serial` alone the whole workspace would be gone through.
macro_rules! complete_twin {
    () => {
        "SELECT id FROM transcripts WHERE NOT $10 AND workspace_id = $2 AND sha256 = $8 AND options_hash = $7 AND model = $5 \
         AND completed_at_us IS NOT NULL ORDER BY completed_at_us DESC, serial DESC LIMIT 1"
    };
}

/// Other jobs that make such a transcript: found from the recordings with the content, which are few. Many jobs of the
/// workspace have ended.
macro_rules! busy_twins {
    () => {
        concat!(
            "SELECT id FROM jobs WHERE NOT $10 AND ",
            is_at_work!(),
            " AND id <> $4 AND options_hash = $7 \
             AND recording_id IN (SELECT id FROM recordings WHERE workspace_id = $2 AND sha256 = $8)"
        )
    };
}

statements! {
    /// The job under a lease. Of jobs with the same content one looks for its twin after the other, or neither would see the
    /// other's transcript: SQLite has one writer, and `$3` is only there to be bound; on PostgreSQL they wait here, before they
    /// have locked anything.
    LOCK = sqlite "SELECT " (job_columns) " FROM jobs WHERE id = $1 AND fence = $2 AND state = 'running' AND $3 <> ''",
        postgres "SELECT " (job_columns) " FROM (SELECT *, pg_advisory_xact_lock(hashtextextended(workspace_id || '/' || $3, 0)) \
        FROM jobs WHERE id = $1 AND fence = $2 AND state = 'running' FOR UPDATE) AS held";
    ATTACH = "UPDATE jobs SET transcript_id = $2, done_s = 0.0, updated_at_us = $3 WHERE id = $1";
    /// Begins a transcript unless it has a twin, and gives the twin that is complete or one job that is at it. The complete one
    /// is locked, so that it is not deleted while it is copied.
    BEGIN = sqlite "INSERT INTO transcripts (id, workspace_id, recording_id, job_id, model, options, options_hash, sha256, \
        windows, created_at_us) SELECT $1, $2, $3, $4, $5, $6, $7, $8, 0, $9 \
        WHERE NOT EXISTS (" (complete_twin) ") AND NOT EXISTS (" (busy_twins) "); \
        UPDATE jobs SET transcript_id = $1, done_s = 0.0, updated_at_us = $9 WHERE id = $4 AND changes() = 1; \
        SELECT (" (complete_twin) "), (" (busy_twins) " LIMIT 1)",
        postgres "WITH twin AS (" (complete_twin) " FOR SHARE), busy AS (" (busy_twins) " LIMIT 1), \
        begun AS (INSERT INTO transcripts (id, workspace_id, recording_id, job_id, model, options, options_hash, sha256, windows, \
        created_at_us) SELECT $1, $2, $3, $4, $5, $6, $7, $8, 0, $9 \
        WHERE NOT EXISTS (SELECT 1 FROM twin) AND NOT EXISTS (SELECT 1 FROM busy) RETURNING id), \
        attached AS (UPDATE jobs SET transcript_id = $1, done_s = 0.0, updated_at_us = $9 WHERE id = $4 \
        AND EXISTS (SELECT 1 FROM begun)) \
        SELECT (SELECT id FROM twin), (SELECT id FROM busy)";
    /// Changes nothing if the lease is lost, or the transcript is not the job's, has the window already or lacks the one before
    /// it. It comes with its event.
    APPEND = sqlite "UPDATE jobs SET done_s = $5, duration_s = COALESCE($6, duration_s), attempts = 1, workers_lost = 0, \
        error_code = NULL, error_detail = NULL, updated_at_us = $7 \
        WHERE id = $4 AND fence = $11 AND state = 'running' AND transcript_id = $1 \
        AND EXISTS (SELECT 1 FROM transcripts WHERE id = $1 AND windows = $2); \
        UPDATE transcripts SET windows = windows + 1, checkpoint = $8, language = $9, language_probability = $10, \
        segments = segments + $15, log_probability_sum = log_probability_sum + $16 \
        WHERE id = $1 AND windows = $2 AND changes() = 1; \
        INSERT INTO transcript_windows (transcript_id, ordinal, document) SELECT $1, $2, $3 WHERE changes() = 1; \
        INSERT INTO events (id, workspace_id, kind, subject_id, data, created_at_us) \
        SELECT $12, workspace_id, $13, $1, $14, $7 FROM jobs WHERE id = $4 AND changes() = 1",
        postgres "WITH held AS (UPDATE jobs SET done_s = $5, duration_s = COALESCE($6, duration_s), attempts = 1, \
        workers_lost = 0, error_code = NULL, error_detail = NULL, updated_at_us = $7 \
        WHERE id = $4 AND fence = $11 AND state = 'running' AND transcript_id = $1 \
        AND EXISTS (SELECT 1 FROM transcripts WHERE id = $1 AND windows = $2) RETURNING workspace_id), \
        advanced AS (UPDATE transcripts SET windows = windows + 1, checkpoint = $8, language = $9, language_probability = $10, \
        segments = segments + $15, log_probability_sum = log_probability_sum + $16 \
        FROM held WHERE transcripts.id = $1 AND windows = $2 RETURNING held.workspace_id), \
        appended AS (INSERT INTO transcript_windows (transcript_id, ordinal, document) SELECT $1, $2, $3 FROM advanced) \
        INSERT INTO events (epoch, id, workspace_id, kind, subject_id, data, created_at_us) \
        SELECT " (epoch) ", \
        $12, workspace_id, $13, $1, $14, $7 FROM advanced";
    COPIED = "SELECT duration_s, language, language_probability FROM transcripts WHERE id = $1";
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
        let (store, job) = (self.clone(), lease.job.clone());
        let (lease, sha256, model) = (lease.clone(), sha256.to_owned(), model.to_owned());
        let begun = self.write(move |conn| {
            Box::pin(async move {
                let (id, fence) = (lease.job.as_str(), lease.fence);
                let row = run!(conn, fetch_optional::<JobRow>, LOCK, id, fence, &sha256)?;
                let Some(job) = row.map(JobRow::read).transpose()? else { return Ok(Held::Lost) };
                let content = Content { sha256: &sha256, options: &job.options, model: &model };
                if let Some(begun) = go_on(conn, &store, &job, &content).await? {
                    return Ok(Held::Yes(begun));
                }
                let (transcript, now): (TranscriptId, _) =
                    (store.clock().id(), store.clock().now());
                let rows = run!(
                    conn,
                    fetch_all::<(Option<String>, Option<String>)>,
                    BEGIN,
                    transcript.as_str(),
                    job.workspace.as_str(),
                    job.recording.as_str(),
                    job.id.as_str(),
                    content.model,
                    documents::write(content.options),
                    documents::options_hash(content.options),
                    content.sha256,
                    now.as_micros(),
                    job.again
                )?;
                match rows.into_iter().next() {
                    Some((Some(twin), _)) => take_copy(conn, &store, &lease, &twin).await,
                    Some((None, Some(_))) => Ok(Held::Yes(Begin::Wait)),
                    _ => Ok(Held::Yes(Begin::Go { transcript, ordinal: 0, checkpoint: None })),
                }
            })
        });
        let begun = begun.await?;
        if begun == Held::Yes(Begin::Copied) {
            self.wake_twins(job).await;
        }
        Ok(begun)
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
        let (clock, lease, transcript) = (self.clock().clone(), lease.clone(), transcript.clone());
        self.write_apart(move |conn| {
            Box::pin(async move {
                let event: EventId = clock.id();
                let data = EventData {
                    recording_id: Some(lease.recording.as_str()),
                    job_id: Some(lease.job.as_str()),
                    transcript_id: Some(transcript.as_str()),
                    ordinal: Some(ordinal),
                    done_s: Some(progress.done),
                    ..EventData::default()
                };
                let appended = run!(
                    conn,
                    execute,
                    APPEND,
                    transcript.as_str(),
                    ordinal,
                    documents::write(&window),
                    lease.job.as_str(),
                    progress.done,
                    progress.duration,
                    clock.now().as_micros(),
                    &progress.checkpoint,
                    progress.language.as_deref(),
                    progress.language_probability.map(f64::from),
                    lease.fence,
                    event.as_str(),
                    EventKind::TranscriptWindow.name(),
                    data.text(),
                    window.segments.len() as i64,
                    window.log_probability_sum()
                )?;
                Ok(if appended == 0 { Held::Lost } else { Held::Yes(()) })
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
        run!(conn, execute, ATTACH, job.id.as_str(), None::<&str>, now)?;
        return Ok(None);
    }
    let (ordinal, checkpoint) = (left.windows, left.checkpoint);
    Ok(Some(Begin::Go { transcript: id.clone(), ordinal, checkpoint }))
}

/// Ends the job under `lease` with a copy of `twin`.
async fn take_copy(
    conn: &mut Conn<'_>,
    store: &Store,
    lease: &Lease,
    twin: &str,
) -> Result<Held<Begin>, Error> {
    let (id, now): (TranscriptId, _) = (store.clock().id(), store.clock().now());
    transcripts::copy(conn, twin, &id, &lease.recording, &lease.job, now).await?;
    run!(conn, execute, ATTACH, lease.job.as_str(), Some(id.as_str()), now.as_micros())?;
    type Row = (Option<f64>, Option<String>, Option<f64>);
    let (duration, language, probability) = run!(conn, fetch_one::<Row>, COPIED, id.as_str())?;
    let copied = Finished {
        language,
        language_probability: probability.map(|probability| probability as f32),
        duration: duration.unwrap_or_default(),
        heard: 0.0,
        took: 0.0,
        started_at: now,
    };
    let end = End { lease: lease.clone(), transcript: id, model: String::new(), finished: copied };
    Ok(match succeed(conn, store.clock(), &end).await? {
        Held::Yes(()) => Held::Yes(Begin::Copied),
        Held::Lost => Held::Lost,
    })
}
