//! The acquire stage: from a recording's source to stored media.
//!
//! It may be run again at any time: what an attempt wrote stays only if its stage was finished with it.

mod s3;
mod url;

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use bytes::Bytes;
use futures_util::Stream;
use hansard_domain::problem::ProblemCode;
use hansard_domain::source::Source;
use hansard_net::Client;
use hansard_store::leases::Held;
use hansard_store::recordings::{Recording, StoredMedia};
use hansard_store::s3::S3;
use hansard_store::{WriteError, Written};

use crate::attempt::Attempt;
use crate::error::{ActivityError, chain};
use crate::media_type::media_type;
use crate::scratch::Scratch;

/// What the stage needs besides the store.
#[derive(Debug, Clone)]
pub struct Sources {
    /// The way to addresses that callers name.
    pub client: Client,
    /// The operator's S3 account, if there is one.
    pub s3: Option<S3>,
    /// Larger media are refused.
    pub bytes_max: u64,
}

/// Brings the media of `recording` into the media store. The job's next stage has begun when this returns. What comes from S3
/// is counted in `s3_bytes` as it comes.
pub(crate) async fn acquire(
    attempt: &Arc<Attempt>,
    sources: &Sources,
    scratch: &Scratch,
    recording: &Recording,
    s3_bytes: &AtomicU64,
) -> Result<StoredMedia, ActivityError> {
    let (store, lease) = (attempt.store(), attempt.lease());
    let started_at = store.clock().now();
    let media = match &recording.source {
        // The bytes came with the request: there is nowhere else to get them from.
        Source::Upload { .. } => recording.media.clone().ok_or_else(|| {
            let detail = "the recording's media are not stored";
            ActivityError::permanent(ProblemCode::MediaNotFound, detail)
        })?,
        Source::Url { url } => {
            let fetch = url::fetch(attempt, sources, scratch, url);
            attempt.switch().unless_thrown(fetch).await?
        }
        Source::S3 { bucket, key } => {
            let fetch = s3::fetch(attempt, sources, bucket, key, s3_bytes);
            attempt.switch().unless_thrown(fetch).await?
        }
    };
    let finished = store.finish_acquire(lease, started_at, media.clone()).await;
    if let Ok(Held::Yes(())) = finished {
        attempt.made_progress();
        return Ok(media);
    }
    // Nobody knows of these bytes. Where the commit was made and only its answer was lost, they are kept and stay.
    if let Err(error) = store.abandon_media(&media.key).await {
        tracing::warn!(error = %chain(&error), "media that were acquired in vain could not be given up");
    }
    finished?;
    Err(ActivityError::Lost)
}

/// Writes `bytes`, which may be as many as the limit, into the media store. `file_name` helps to tell what they are.
async fn keep(
    attempt: &Attempt,
    bytes: impl Stream<Item = Result<Bytes, ActivityError>> + Unpin + Send,
    bytes_max: u64,
    file_name: Option<&str>,
) -> Result<StoredMedia, ActivityError> {
    let workspace = &attempt.job().workspace;
    match attempt.store().write_media(workspace, bytes, bytes_max).await {
        Ok(Written { key, size: 0, .. }) => {
            attempt.store().abandon_media(&key).await?;
            Err(ActivityError::permanent(ProblemCode::UnreadableMedia, "the source is empty"))
        }
        Ok(Written { key, size, sha256, head }) => {
            let media_type = media_type(&head, file_name).to_owned();
            Ok(StoredMedia { key, media_type, size, sha256 })
        }
        Err(WriteError::TooLarge { limit }) => Err(too_large(limit)),
        // The stream is ours and says why it ended.
        Err(WriteError::Source(error)) => Err(match error.downcast::<ActivityError>() {
            Ok(error) => *error,
            Err(error) => {
                let detail = "the source's bytes could not be read to their end";
                ActivityError::retry(ProblemCode::SourceUnavailable, detail, error)
            }
        }),
        Err(WriteError::Store(error)) => Err(error.into()),
    }
}

fn too_large(limit: u64) -> ActivityError {
    let detail = format!("the source has more than {limit} bytes");
    ActivityError::permanent(ProblemCode::SourceTooLarge, detail)
}
