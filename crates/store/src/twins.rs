//! Twins: jobs for the same audio with the same options. One transcribes, the others wait and then copy.
//!
//! A job that found its twin at work rests, and is due as soon as the twin has succeeded. Both commit what they did before they
//! look at the other: whichever looks last sees the other. A process that dies between the two leaves the other one to the end
//! of its rest.

use hansard_domain::id::{Id, JobId};
use hansard_domain::time::Timestamp;

use crate::backend::{Conn, run, statements};
use crate::leases::{Held, Lease};
use crate::{Error, Store};

/// Jobs that wait for job `$1`. They are found from the recordings with its audio, which are few; many jobs have its options.
macro_rules! waiting {
    () => {
        "SELECT twin.id FROM jobs AS twin \
         WHERE twin.recording_id IN (SELECT twins.id FROM jobs AS ended JOIN recordings AS its ON its.id = ended.recording_id \
             JOIN recordings AS twins ON twins.workspace_id = its.workspace_id AND twins.sha256 = its.sha256 WHERE ended.id = $1) \
         AND twin.options_hash = (SELECT options_hash FROM jobs WHERE id = $1) \
         AND twin.state = 'queued' AND twin.run_at_us > 0 AND twin.error_code IS NULL"
    };
}

/// A job that makes a transcript of its own just now. The columns are those of the innermost query.
macro_rules! is_at_work {
    () => {
        "state = 'running' AND stage = 'transcribe' AND transcript_id IS NOT NULL"
    };
}

pub(crate) use is_at_work;

statements! {
    /// One that somebody else has locked is left to its own time.
    WAKE = sqlite "UPDATE jobs SET run_at_us = 0 WHERE id IN (" (waiting) ")",
        postgres "UPDATE jobs SET run_at_us = 0 WHERE id = ANY(ARRAY(" (waiting) " FOR UPDATE OF twin SKIP LOCKED))";
    /// Ends the rest of a job whose twin is not at work any more.
    LOOK_AGAIN = "UPDATE jobs SET run_at_us = 0 WHERE id = $1 AND state = 'queued' AND run_at_us > 0 AND error_code IS NULL \
        AND NOT EXISTS (SELECT 1 FROM jobs AS busy WHERE " (is_at_work) " AND busy.id <> jobs.id AND busy.options_hash = jobs.options_hash \
        AND busy.recording_id IN (SELECT twins.id FROM recordings AS its \
            JOIN recordings AS twins ON twins.workspace_id = its.workspace_id AND twins.sha256 = its.sha256 \
            WHERE its.id = jobs.recording_id))";
}

/// Makes those due that wait for `job`, which has ended.
pub(crate) async fn wake(conn: &mut Conn<'_>, job: &JobId) -> Result<(), Error> {
    run!(conn, execute, WAKE, job.as_str()).map(drop)
}

impl Store {
    /// Makes those due that wait for `job`, whose end is committed. Where that fails they wait until they have rested.
    pub(crate) async fn wake_twins(&self, job: JobId) {
        let own = job.clone();
        let woken =
            self.write_apart(move |conn| Box::pin(async move { wake(conn, &own).await })).await;
        if let Err(error) = woken {
            tracing::warn!(job.id = %job, error = %error, "jobs that wait for job {job} were not woken");
        }
    }

    /// Gives a job back whose twin is at work, as if it had not been tried. It is due again when that one ends, and at `until` in
    /// any case.
    ///
    /// # Errors
    /// Where the database cannot be written.
    pub async fn wait_for_twin(&self, lease: &Lease, until: Timestamp) -> Result<Held<()>, Error> {
        let given_back = self.return_job(lease, until, None).await?;
        if given_back == Held::Yes(()) {
            let job = lease.job.clone();
            let looked = self.write_apart(move |conn| {
                Box::pin(async move { run!(conn, execute, LOOK_AGAIN, job.as_str()).map(drop) })
            });
            // It rests then, and that is committed.
            if let Err(error) = looked.await {
                let job = &lease.job;
                tracing::warn!(job.id = %job, error = %error, "job {job} rests without another look");
            }
        }
        Ok(given_back)
    }
}
