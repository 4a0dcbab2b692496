//! Media at an address that a caller named.

use futures_util::TryStreamExt;
use hansard_domain::problem::ProblemCode;
use hansard_net::{Download, Error as NetError, Promise, Request, Trust, Url};
use hansard_store::recordings::StoredMedia;
use tokio_util::io::ReaderStream;

use crate::acquire::{Sources, keep, too_large};
use crate::attempt::Attempt;
use crate::error::ActivityError;
use crate::scratch::Scratch;

/// Bytes that are copied at a time.
const PIECE_BYTES: usize = 256 << 10;

/// Downloads `address` into the media store: over https, from the public internet, and not more than the limit.
pub(super) async fn fetch(
    attempt: &Attempt,
    sources: &Sources,
    scratch: &Scratch,
    address: &str,
) -> Result<StoredMedia, ActivityError> {
    let url = Url::parse(address).map_err(|_| {
        let detail = "the source's address cannot be read";
        ActivityError::permanent(ProblemCode::SourceForbidden, detail)
    })?;
    let request = Request::new(url.clone(), Trust::Caller).https_only();
    download(attempt, sources, scratch, &url, &request).await
}

/// The same for a request that was judged.
///
/// A cut download is resumed, which a media store cannot do: so the bytes go through a file.
async fn download(
    attempt: &Attempt,
    sources: &Sources,
    scratch: &Scratch,
    url: &Url,
    request: &Request,
) -> Result<StoredMedia, ActivityError> {
    let folder = scratch.folder()?;
    let to = folder.path().join("download");
    let promise = Promise::AtMost(sources.bytes_max);
    let download = Download { request, to: &to, promise };
    sources.client.download(&download, &mut |_| {}).await.map_err(refused)?;
    let file = tokio::fs::File::open(&to).await.map_err(Scratch::failed)?;
    let bytes = ReaderStream::with_capacity(file, PIECE_BYTES).map_err(Scratch::failed);
    let file_name = url.path_segments().and_then(|mut segments| segments.next_back());
    keep(attempt, bytes, sources.bytes_max, file_name).await
}

/// What a failed download means for the job. The messages name hosts and addresses without their query.
fn refused(error: NetError) -> ActivityError {
    let detail = error.to_string();
    if error.is_passing() {
        let (code, after) = (ProblemCode::SourceUnavailable, error.retry_after());
        return ActivityError::Retry { code, detail, after, source: Some(error.into()) };
    }
    let code = match &error {
        NetError::Url { .. } | NetError::Forbidden { .. } => ProblemCode::SourceForbidden,
        NetError::TooLarge { limit, .. } => return too_large(*limit),
        NetError::Status { status: 401 | 403, .. } => ProblemCode::SourceDenied,
        NetError::Status { status: 404 | 410, .. } => ProblemCode::SourceNotFound,
        NetError::DiskFull { .. } | NetError::File { .. } => {
            let detail = "a working file cannot be written";
            return ActivityError::retry(ProblemCode::Internal, detail, error);
        }
        _ => ProblemCode::SourceUnavailable,
    };
    ActivityError::Permanent { code, detail, source: Some(error.into()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(status: u16) -> ActivityError {
        let address = "https://a.example/talk.mp3".to_owned();
        refused(NetError::Status { address, status, retry_after: None })
    }

    #[test]
    fn an_answer_that_will_not_change_ends_the_job() {
        for (answer, expected) in [
            (403, ProblemCode::SourceDenied),
            (404, ProblemCode::SourceNotFound),
            (410, ProblemCode::SourceNotFound),
            (418, ProblemCode::SourceUnavailable),
        ] {
            let ActivityError::Permanent { code, .. } = status(answer) else {
                panic!("{answer} may pass");
            };
            assert_eq!(code, expected);
        }
    }

    #[test]
    fn a_busy_host_is_asked_again() {
        assert!(matches!(status(503), ActivityError::Retry { .. }));
    }
}
