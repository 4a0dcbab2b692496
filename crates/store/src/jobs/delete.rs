//! Deleting a job.

use hansard_domain::event::EventKind;
use hansard_domain::id::{Id, JobId, RecordingId};
use hansard_domain::job::JobState;

use super::{end, lock};
use crate::backend::{Conn, run, statements};
use crate::reach::Reach;
use crate::{Clock, Error, Store, deliveries, recordings, transcripts};

statements! {
    /// A job that was tried again may have one from before.
    TRANSCRIPTS = "SELECT id FROM transcripts WHERE recording_id = $1 AND job_id = $2 ORDER BY serial";
    /// In place of a transcript that is gone, the last complete one.
    SHOW_ANOTHER = "UPDATE recordings SET updated_at_us = CASE WHEN updated_at_us < $2 THEN $2 ELSE updated_at_us + 1 END, \
        current_transcript_id = (SELECT id FROM transcripts WHERE recording_id = $1 AND completed_at_us IS NOT NULL \
            ORDER BY completed_at_us DESC, serial DESC LIMIT 1) \
        WHERE id = $1 AND current_transcript_id IS NOT NULL \
        AND NOT EXISTS (SELECT 1 FROM transcripts WHERE transcripts.id = recordings.current_transcript_id)";
    DELETE_STAGES = "DELETE FROM job_stages WHERE job_id = $1";
    DELETE_KEYS = "DELETE FROM idempotency_keys WHERE subject_id = $1";
    DELETE = "DELETE FROM jobs WHERE id = $1";
}

/// Removes the row of job `id`, and those that belong to it alone.
pub(crate) async fn remove(conn: &mut Conn<'_>, id: &str) -> Result<(), Error> {
    for statement in [DELETE_STAGES, DELETE_KEYS, DELETE] {
        run!(conn, execute, statement, id)?;
    }
    Ok(())
}

impl Store {
    /// Deletes job `id` with its transcripts and what was to be delivered about it; its recording stays, and shows the last
    /// transcript that it has from another job. One that has not ended is cancelled first: its worker loses the lease, and
    /// whoever waits for its end is told. `false` if there is no such job.
    ///
    /// # Errors
    /// Where the database cannot be written.
    pub async fn delete_job(&self, reach: impl Into<Reach>, id: &JobId) -> Result<bool, Error> {
        let (clock, reach, id) = (self.clock().clone(), reach.into(), id.clone());
        self.write(move |conn| {
            Box::pin(async move {
                let Some(job) = lock(conn, &reach, &id).await? else { return Ok(false) };
                deliveries::delete_about(conn, &job.workspace, id.as_str()).await?;
                let recording = job.recording.clone();
                if !job.state.is_final() {
                    end(conn, &clock, job, JobState::Cancelled, None).await?;
                }
                delete_transcripts(conn, &recording, &id).await?;
                remove(conn, id.as_str()).await?;
                show_another(conn, &clock, &reach, &recording).await?;
                Ok(true)
            })
        })
        .await
    }
}

async fn delete_transcripts(
    conn: &mut Conn<'_>,
    recording: &RecordingId,
    job: &JobId,
) -> Result<(), Error> {
    let (recording, job) = (recording.as_str(), job.as_str());
    let found = run!(conn, fetch_all::<(String,)>, TRANSCRIPTS, recording, job)?;
    for (id,) in found {
        transcripts::discard(conn, &transcripts::read_id(id)?).await?;
    }
    Ok(())
}

/// Lets `recording` show another transcript, if the one that it showed is gone, and tells.
async fn show_another(
    conn: &mut Conn<'_>,
    clock: &Clock,
    reach: &Reach,
    recording: &RecordingId,
) -> Result<(), Error> {
    let now = clock.now().as_micros();
    if run!(conn, execute, SHOW_ANOTHER, recording.as_str(), now)? == 0 {
        return Ok(());
    }
    match recordings::find(conn, reach, recording).await? {
        Some(recording) => {
            recordings::tell(conn, clock, &recording, EventKind::RecordingUpdated).await
        }
        None => Ok(()),
    }
}
