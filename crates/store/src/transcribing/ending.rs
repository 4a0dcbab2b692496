//! The end of the transcribe stage, and of the job with it.

use hansard_domain::event::EventKind;
use hansard_domain::id::{EventId, Id, TranscriptId};
use hansard_domain::job::Stage;
use hansard_domain::time::Timestamp;

use crate::backend::{Conn, run, statements};
use crate::deliveries::{self, Outgoing};
use crate::events::{EventData, epoch};
use crate::leases::{Held, Lease};
use crate::{Clock, Error, Store, documents};

/// Speeds are halved with the next job when they stand for so many, so that they follow a change of machine or load.
const SPEED_JOBS_MAX: i64 = 50;

/// Adds a measurement to those of its model, and halves the sums when they stand for `$16` jobs.
macro_rules! add_speed {
    () => {
        "ON CONFLICT (model) DO UPDATE SET \
         audio_s = (engine_speeds.audio_s + EXCLUDED.audio_s) / CASE WHEN engine_speeds.jobs < $16 THEN 1 ELSE 2 END, \
         wall_s = (engine_speeds.wall_s + EXCLUDED.wall_s) / CASE WHEN engine_speeds.jobs < $16 THEN 1 ELSE 2 END, \
         jobs = (engine_speeds.jobs + 1) / CASE WHEN engine_speeds.jobs < $16 THEN 1 ELSE 2 END"
    };
}

statements! {
    /// Changes nothing if the lease is lost or the transcript is not the job's. Otherwise job and stage have ended, the recording
    /// shows the transcript, which is complete, and the log says so; the callback is given. Unless `$17`, nothing changes
    /// either if there is a callback or an endpoint that may have to be told, or if PostgreSQL would have to wait for the job: what
    /// it knows of the endpoints would be old by then.
    ///
    /// The measurement is one row that every job changes: on PostgreSQL each would wait for the commit of the one before it.
    /// One that would have to wait is left out instead; of many jobs a sample says the same.
    CLOSE = sqlite "UPDATE jobs SET done_s = $4, duration_s = $4, stage = 'transcribe', state = 'succeeded', \
        error_code = NULL, error_detail = NULL, lease_owner = NULL, lease_until_us = NULL, fence = fence + 1, \
        finished_at_us = $6, updated_at_us = $6 WHERE id = $1 AND fence = $9 AND state = 'running' AND transcript_id = $3 \
        AND ($17 OR (callback IS NULL \
        AND NOT EXISTS (SELECT 1 FROM endpoints WHERE endpoints.workspace_id = jobs.workspace_id AND disabled_at_us IS NULL))) \
        RETURNING callback; \
        UPDATE recordings SET current_transcript_id = $3, duration_s = $4, updated_at_us = $6 WHERE id = $2 AND changes() = 1; \
        UPDATE transcripts SET completed_at_us = $6, language = $7, language_probability = $8, duration_s = $4, \
        checkpoint = NULL WHERE id = $3 AND changes() = 1; \
        INSERT INTO job_stages (job_id, stage, attempts, started_at_us, finished_at_us) \
        SELECT id, stage, attempts, $5, $6 FROM jobs WHERE id = $1 AND changes() = 1 \
        ON CONFLICT (job_id, stage) DO UPDATE SET attempts = EXCLUDED.attempts, \
        started_at_us = EXCLUDED.started_at_us, finished_at_us = EXCLUDED.finished_at_us; \
        INSERT INTO events (id, workspace_id, kind, subject_id, data, created_at_us) \
        SELECT $10, workspace_id, $11, id, $12, $6 FROM jobs WHERE id = $1 AND changes() = 1; \
        INSERT INTO engine_speeds (model, audio_s, wall_s, jobs) SELECT $13, $14, $15, 1 WHERE changes() = 1 AND $15 > 0.0 "
        (add_speed),
        postgres "WITH held AS (UPDATE jobs SET done_s = $4, duration_s = $4, stage = 'transcribe', state = 'succeeded', \
        error_code = NULL, error_detail = NULL, lease_owner = NULL, lease_until_us = NULL, fence = fence + 1, \
        finished_at_us = $6, updated_at_us = $6 WHERE id = CASE WHEN $17 THEN $1 \
        ELSE (SELECT id FROM jobs WHERE id = $1 FOR UPDATE SKIP LOCKED) END AND fence = $9 AND state = 'running' AND transcript_id = $3 \
        AND ($17 OR (callback IS NULL \
        AND NOT EXISTS (SELECT 1 FROM endpoints WHERE endpoints.workspace_id = jobs.workspace_id AND disabled_at_us IS NULL))) \
        RETURNING id, workspace_id, stage, attempts, callback), \
        shown AS (UPDATE recordings SET current_transcript_id = $3, duration_s = $4, updated_at_us = $6 \
        FROM held WHERE recordings.id = $2), \
        completed AS (UPDATE transcripts SET completed_at_us = $6, language = $7, language_probability = $8, duration_s = $4, \
        checkpoint = NULL FROM held WHERE transcripts.id = $3), \
        ended AS (INSERT INTO job_stages (job_id, stage, attempts, started_at_us, finished_at_us) \
        SELECT id, stage, attempts, $5, $6 FROM held \
        ON CONFLICT (job_id, stage) DO UPDATE SET attempts = EXCLUDED.attempts, \
        started_at_us = EXCLUDED.started_at_us, finished_at_us = EXCLUDED.finished_at_us), \
        told AS (INSERT INTO events (epoch, id, workspace_id, kind, subject_id, data, created_at_us) \
        SELECT " (epoch) ", \
        $10, workspace_id, $11, id, $12, $6 FROM held), \
        measured AS (INSERT INTO engine_speeds (model, audio_s, wall_s, jobs) SELECT $13, $14, CAST($15 AS DOUBLE PRECISION), 1 FROM held \
        WHERE $15 > 0.0 AND pg_try_advisory_xact_lock(hashtextextended($13, 1)) " (add_speed) ") \
        SELECT callback FROM held";
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
        let (lease, transcript) = (lease.clone(), transcript.clone());
        let end = End { lease, transcript, model: model.to_owned(), finished };
        let (quiet, clock) = (end.clone(), self.clock().clone());
        // Nearly always nobody has to be told: then the end is one statement.
        let ended = self.write_apart(move |conn| {
            Box::pin(async move { close(conn, &clock, &quiet, Telling::Nobody).await })
        });
        let (job, clock) = (end.lease.job.clone(), self.clock().clone());
        let held = match ended.await? {
            Some(_) => Held::Yes(()),
            None => {
                let told = self
                    .write(move |conn| Box::pin(async move { succeed(conn, &clock, &end).await }));
                told.await?
            }
        };
        if held == Held::Yes(()) {
            self.wake_twins(job).await;
        }
        Ok(held)
    }
}

/// A job that has come to its end.
#[derive(Clone)]
pub(super) struct End {
    pub(super) lease: Lease,
    pub(super) transcript: TranscriptId,
    /// What made the transcript.
    pub(super) model: String,
    pub(super) finished: Finished,
}

/// Who is told that a job has ended, besides the log.
#[derive(Clone, Copy, PartialEq)]
enum Telling {
    /// Nobody. A job of which somebody would have to be told stays as it is.
    Nobody,
    /// The callback and the endpoints.
    All,
}

/// The event of a job that was ended.
struct Closed {
    event: EventId,
    now: Timestamp,
    data: String,
    callback: Option<String>,
}

/// See [`CLOSE`].
async fn close(
    conn: &mut Conn<'_>,
    clock: &Clock,
    end: &End,
    telling: Telling,
) -> Result<Option<Closed>, Error> {
    let End { lease, transcript, model, finished } = end;
    let (event, now): (EventId, _) = (clock.id(), clock.now());
    let data = EventData {
        recording_id: Some(lease.recording.as_str()),
        job_id: Some(lease.job.as_str()),
        transcript_id: Some(transcript.as_str()),
        stage: Some(Stage::Transcribe.name()),
        ..EventData::default()
    };
    let data = data.text();
    let rows = run!(
        conn,
        fetch_all::<(Option<String>,)>,
        CLOSE,
        lease.job.as_str(),
        lease.recording.as_str(),
        transcript.as_str(),
        finished.duration,
        finished.started_at.as_micros(),
        now.as_micros(),
        finished.language.as_deref(),
        finished.language_probability.map(f64::from),
        lease.fence,
        event.as_str(),
        EventKind::JobSucceeded.name(),
        &data,
        model,
        finished.heard,
        finished.took,
        SPEED_JOBS_MAX,
        telling == Telling::All
    )?;
    Ok(rows.into_iter().next().map(|(callback,)| Closed { event, now, data, callback }))
}

/// Ends the stage, and with it the job, and tells.
pub(super) async fn succeed(
    conn: &mut Conn<'_>,
    clock: &Clock,
    end: &End,
) -> Result<Held<()>, Error> {
    let Some(closed) = close(conn, clock, end, Telling::All).await? else { return Ok(Held::Lost) };
    let job = end.lease.job.as_str();
    let read = |text: &str| documents::read("jobs", job, text);
    let callback = closed.callback.as_deref().map(read).transpose()?;
    let outgoing = Outgoing {
        workspace: &end.lease.workspace,
        event: &closed.event,
        kind: EventKind::JobSucceeded,
        subject: job,
        data: &closed.data,
        callback: callback.as_ref(),
    };
    deliveries::enqueue(conn, clock, closed.now, &outgoing).await?;
    Ok(Held::Yes(()))
}
