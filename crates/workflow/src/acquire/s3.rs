//! Media in a bucket of the operator's S3 account.

use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use futures_util::TryStreamExt;
use hansard_domain::problem::ProblemCode;
use hansard_store::recordings::StoredMedia;
use hansard_store::s3::S3Error;

use crate::acquire::{Sources, keep, too_large};
use crate::attempt::Attempt;
use crate::error::ActivityError;

/// Copies object `key` of `bucket` into the media store, and not more than the limit. Adds what arrives to `arrived`.
pub(super) async fn fetch(
    attempt: &Attempt,
    sources: &Sources,
    bucket: &str,
    key: &str,
    arrived: &AtomicU64,
) -> Result<StoredMedia, ActivityError> {
    let Some(s3) = &sources.s3 else {
        let detail = "no S3 account is configured";
        return Err(ActivityError::permanent(ProblemCode::NotConfigured, detail));
    };
    let object = s3.open(bucket, key).await.map_err(refused)?;
    if object.size > sources.bytes_max {
        return Err(too_large(sources.bytes_max));
    }
    let count = |piece: &Bytes| _ = arrived.fetch_add(piece.len() as u64, Ordering::Relaxed);
    let bytes = object.into_stream().inspect_ok(count).map_err(refused);
    let file_name = key.rsplit('/').next();
    keep(attempt, bytes, sources.bytes_max, file_name).await
}

/// What a refusal means for the job. The messages name neither keys nor buckets.
fn refused(error: S3Error) -> ActivityError {
    let detail = error.to_string();
    let code = match &error {
        S3Error::Settings { .. } => ProblemCode::NotConfigured,
        S3Error::Key | S3Error::NotFound => ProblemCode::SourceNotFound,
        S3Error::BucketNotFound => ProblemCode::SourceBucketNotFound,
        S3Error::Credentials { .. } | S3Error::Denied => ProblemCode::SourceDenied,
        _ => ProblemCode::SourceUnavailable,
    };
    if error.is_passing() {
        ActivityError::retry(code, detail, error)
    } else {
        ActivityError::Permanent { code, detail, source: Some(error.into()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_told_apart() {
        for (error, expected) in [
            (S3Error::NotFound, ProblemCode::SourceNotFound),
            (S3Error::Key, ProblemCode::SourceNotFound),
            (S3Error::BucketNotFound, ProblemCode::SourceBucketNotFound),
            (S3Error::Denied, ProblemCode::SourceDenied),
            (S3Error::Credentials { code: "ExpiredToken".to_owned() }, ProblemCode::SourceDenied),
        ] {
            let ActivityError::Permanent { code, .. } = refused(error) else {
                panic!("this does not pass by itself");
            };
            assert_eq!(code, expected);
        }
        for error in [S3Error::Throttled, S3Error::Changed] {
            assert!(matches!(
                refused(error),
                ActivityError::Retry { code: ProblemCode::SourceUnavailable, .. }
            ));
        }
    }
}
