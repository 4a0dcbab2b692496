//! From a claimed job to its end, or to its return.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use futures_util::FutureExt;
use hansard_domain::job::Stage;
use hansard_domain::source::Source;
use hansard_store::Error as StoreError;
use hansard_store::jobs::JobError;
use hansard_store::leases::Held;

use crate::acquire::acquire;
use crate::attempt::Attempt;
use crate::backoff::random_fraction;
use crate::error::{ActivityError, chain};
use crate::transcribe::transcribe;
use crate::worker::Shared;

/// How long a job waits that another one does the work for, unless that one ends earlier: then it is due at once.
const TWIN_PAUSE: Duration = Duration::from_secs(60);

/// Runs the stages that the job still needs, and writes what came of it.
pub(super) async fn run(shared: &Shared, attempt: &Arc<Attempt>) {
    let stages = AssertUnwindSafe(Box::pin(stages(shared, attempt))).catch_unwind().await;
    let ended = stages.unwrap_or_else(|_| Err(ActivityError::panicked("an activity")));
    shared.parts.metrics.attempt_ended(outcome(&ended));
    let job = attempt.job();
    let Err(error) = ended else {
        let took = shared.parts.store.clock().now().since(job.started_at.unwrap_or(job.created_at));
        let duration_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        tracing::info!(job.id = %job.id, job.duration_ms = duration_ms, "job {} succeeded", job.id);
        return;
    };
    // Where nothing can be written, the lease runs out, or the next look at the leases finds the job.
    if let Err(unwritten) = settle(shared, attempt, error).await {
        let error = chain(&unwritten);
        tracing::warn!(job.id = %job.id, %error, "job {} could not be given back", job.id);
    }
}

async fn stages(shared: &Shared, attempt: &Arc<Attempt>) -> Result<(), ActivityError> {
    let (job, parts) = (attempt.job(), &shared.parts);
    let recording = parts.store.find_recording(&job.workspace, &job.recording).await?;
    // Deleted between the claim and now, and the job with it.
    let Some(recording) = recording else { return Err(ActivityError::Lost) };
    let media = match (job.stage, recording.media.clone()) {
        (Stage::Transcribe, Some(media)) => media,
        (Stage::Acquire, _) | (Stage::Transcribe, None) => {
            let (sources, s3_bytes) = (&parts.sources, AtomicU64::new(0));
            let acquiring = acquire(attempt, sources, &shared.scratch, &recording, &s3_bytes);
            let media = measured(shared, Stage::Acquire, Box::pin(acquiring)).await;
            if let Source::S3 { .. } = recording.source {
                parts.metrics.s3_download_ended(outcome(&media), s3_bytes.into_inner());
            }
            media?
        }
    };
    let transcribing = transcribe(attempt, &parts.engines, &shared.scratch, &media);
    if let Some(work) = measured(shared, Stage::Transcribe, transcribing).await? {
        parts.metrics.transcribed(work.heard, work.took);
    }
    Ok(())
}

/// The result of a stage, whose duration is counted.
async fn measured<T>(
    shared: &Shared,
    stage: Stage,
    work: impl Future<Output = Result<T, ActivityError>>,
) -> Result<T, ActivityError> {
    let began_at = shared.parts.store.clock().now();
    let result = work.await;
    let took = shared.parts.store.clock().now().since(began_at);
    shared.parts.metrics.stage_ended(stage, outcome(&result), took);
    result
}

/// A word for what came of something.
fn outcome<T>(result: &Result<T, ActivityError>) -> &'static str {
    match result {
        Ok(_) => "succeeded",
        Err(ActivityError::Lost) => "lost",
        Err(ActivityError::Postponed { .. } | ActivityError::Twin) => "postponed",
        Err(ActivityError::Permanent { code, .. } | ActivityError::Retry { code, .. }) => {
            code.name()
        }
    }
}

/// Does what `error` asks for, and says so in the log, once.
async fn settle(
    shared: &Shared,
    attempt: &Attempt,
    error: ActivityError,
) -> Result<(), StoreError> {
    let (store, lease, id) = (&shared.parts.store, attempt.lease(), &attempt.job().id);
    let (number, now) = (attempt.number(), store.clock().now());
    let cause = chain(&error);
    let written = match error {
        ActivityError::Lost => {
            tracing::info!(job.id = %id, "job {id} was cancelled, deleted or lost");
            return Ok(());
        }
        ActivityError::Postponed { by, source } => {
            match source {
                Some(_) => tracing::warn!(job.id = %id, error = %cause, "job {id} was put off"),
                None => tracing::debug!(job.id = %id, "job {id} was given back"),
            }
            store.return_job(lease, now.after(by), None).await?
        }
        ActivityError::Twin => {
            tracing::debug!(job.id = %id, "job {id} waits for another one that does the same work");
            store.wait_for_twin(lease, now.after(TWIN_PAUSE)).await?
        }
        ActivityError::Permanent { code, detail, .. } => {
            tracing::warn!(job.id = %id, job.attempt = number, error = %cause, "job {id} failed");
            store.fail_job(lease, JobError { code, detail }).await?
        }
        ActivityError::Retry { code, detail, after, .. } => {
            let error = JobError { code, detail };
            match shared.parts.settings.retries.pause(number, after, random_fraction()) {
                Some(pause) => {
                    let pause_ms = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX);
                    tracing::warn!(job.id = %id, job.attempt = number, pause_ms, error = %cause, "job {id} will be tried again");
                    store.return_job(lease, now.after(pause), Some(error)).await?
                }
                None => {
                    tracing::warn!(job.id = %id, job.attempt = number, error = %cause, "job {id} failed for the last time");
                    store.fail_job(lease, error).await?
                }
            }
        }
    };
    if written == Held::Lost {
        tracing::info!(job.id = %id, "job {id} was cancelled, deleted or lost");
    }
    Ok(())
}
