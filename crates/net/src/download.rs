//! Large files: resumed where they were cut off, checked, and visible only when whole.

use std::path::Path;

use http::StatusCode;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, HeaderMap};
use tokio::time::Instant;

use crate::error::{host_of, shown};
use crate::fetch::welcome;
use crate::partial::{Partial, version};
use crate::{Answer, Call, Checksum, Client, Error, Redirects, Request};

/// An attempt that brought this much does not count as failed, so that a bad line gets a large file through. It also
/// bounds the attempts: by the file's size.
const PROGRESS_MIN: u64 = 1024 * 1024;

/// A file to be fetched.
#[derive(Debug)]
pub struct Download<'a> {
    /// Where it comes from. Redirects are followed; [`Request::within`] bounds the whole download, which may otherwise take
    /// as long as bytes arrive.
    pub request: &'a Request,
    /// Where it goes. Until it is whole it is called `<to>.incomplete`.
    pub to: &'a Path,
    /// What is known of it.
    pub promise: Promise<'a>,
}

/// What is known of a file before it comes.
#[derive(Debug, Clone, Copy)]
pub enum Promise<'a> {
    /// All of it. Not one byte more is written, and what an earlier call left is gone on from.
    Exactly {
        /// Its length in bytes.
        size: u64,
        /// Its checksum.
        checksum: &'a Checksum,
    },
    /// That it may have so many bytes. A cut is resumed if the host names versions of its files, so that two of them are
    /// never mixed; what an earlier call left is thrown away.
    AtMost(u64),
}

/// A file that has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Downloaded {
    /// Its length in bytes.
    pub length: u64,
    /// Its checksum: of the promised kind, or a SHA-256.
    pub checksum: Checksum,
    /// What the host says it is.
    pub content_type: Option<String>,
}

impl Client {
    /// Fetches a file into its place.
    ///
    /// Of a file that was promised exactly, `<to>.incomplete` stays behind when it fails on the way. The file appears at
    /// `to` only when it is whole, checked and on the disk. `progress` is told the bytes that are there. Only one download at a time may have the same `to`;
    /// the caller locks.
    ///
    /// # Errors
    /// What [`send`](Self::send) gives, [`Error::Status`], [`Error::TooLarge`], [`Error::Checksum`],
    /// [`Error::Compressed`], and [`Error::File`] or [`Error::DiskFull`] for the disk.
    pub async fn download(
        &self,
        download: &Download<'_>,
        progress: &mut (dyn FnMut(u64) + Send),
    ) -> Result<Downloaded, Error> {
        let deadline = download.request.timeout.map(|timeout| Instant::now() + timeout);
        let mut partial = Partial::open(download.to, download.promise).await?;
        // What an earlier call left may be damaged: then the whole file gets a second chance.
        let mut inherited = partial.length > 0;
        let mut failures = 0;
        let mut furthest = partial.length;
        loop {
            progress(partial.length);
            if let Err(error) = self.transfer(download, &mut partial, deadline, progress).await {
                // A host that makes us begin anew, again and again, earns no patience.
                let gained = partial.length >= furthest.saturating_add(PROGRESS_MIN);
                if gained && !partial.restarted {
                    furthest = partial.length;
                    failures = 0;
                }
                if matches!(error, Error::TooLarge { .. }) {
                    partial.discard();
                }
                if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                    return Err(error);
                }
                self.pause_after(error, &mut failures).await?;
                continue;
            }
            let actual = partial.checksum();
            let expected = match download.promise {
                Promise::Exactly { checksum, .. } if *checksum != actual => checksum,
                Promise::Exactly { .. } | Promise::AtMost(_) => {
                    return partial.publish(download.to).await;
                }
            };
            if inherited {
                inherited = false;
                partial.restart()?;
                continue;
            }
            partial.discard();
            return Err(Error::Checksum {
                address: shown(&download.request.url),
                expected: expected.digits().to_owned(),
                actual: actual.digits().to_owned(),
            });
        }
    }

    /// One attempt to get the missing bytes.
    async fn transfer(
        &self,
        download: &Download<'_>,
        partial: &mut Partial,
        deadline: Option<Instant>,
        progress: &mut (dyn FnMut(u64) + Send),
    ) -> Result<(), Error> {
        if partial.is_whole() {
            return Ok(());
        }
        if partial.length > 0 && !partial.is_resumable() {
            partial.restart_by_host()?;
        }
        let url = &download.request.url;
        let mut request = download.request.clone();
        request.headers.extend(partial.range_headers());
        let call = Call::get(request).redirects(Redirects::Follow);
        let answer = self.send_until(call, deadline).await?;
        let mut answer = begin(download, partial, answer)?;
        loop {
            if partial.is_whole() {
                return Ok(());
            }
            let Some(chunk) = answer.chunk().await? else {
                return partial.end_of_answer().ok_or_else(|| broken(download));
            };
            let room = partial.room();
            if chunk.len() as u64 > room {
                let limit = partial.length + room;
                return Err(Error::TooLarge { address: shown(url), limit });
            }
            partial.append(&chunk)?;
            progress(partial.length);
        }
    }
}

/// Takes the head of an answer: whether its bytes follow those that are here, or begin anew.
fn begin(download: &Download<'_>, partial: &mut Partial, answer: Answer) -> Result<Answer, Error> {
    if answer.status() == StatusCode::RANGE_NOT_SATISFIABLE {
        // The host does not have the bytes that we asked for: what we have is not a beginning of its file.
        partial.restart_by_host()?;
        return Err(broken(download));
    }
    let answer = welcome(download.request, answer)?;
    let address = || shown(&download.request.url);
    if answer.status().is_redirection() {
        let status = answer.status().as_u16();
        return Err(Error::Status { address: address(), status, retry_after: None });
    }
    let headers = answer.headers();
    if headers.get(CONTENT_ENCODING).is_some_and(|encoding| encoding != "identity") {
        return Err(Error::Compressed { address: address() });
    }
    let total = if answer.status() == StatusCode::PARTIAL_CONTENT {
        let (start, total) = range(headers).unwrap_or((u64::MAX, None));
        if start != partial.length || !partial.is_of(version(headers).as_ref(), total) {
            partial.restart_by_host()?;
            return Err(broken(download));
        }
        total
    } else {
        if partial.length > 0 {
            partial.restart_by_host()?;
        }
        headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok())
    };
    partial.version = version(headers);
    partial.content_type =
        headers.get(CONTENT_TYPE).and_then(|kind| Some(kind.to_str().ok()?.to_owned()));
    if !partial.expect(total) {
        return Err(Error::TooLarge { address: address(), limit: partial.limit });
    }
    Ok(answer)
}

fn broken(download: &Download<'_>) -> Error {
    Error::Broken { host: host_of(&download.request.url), source: None }
}

/// Where the bytes of a partial answer begin, and the length of the whole: `bytes 200-1000/67589` says 200 and 67589.
fn range(headers: &HeaderMap) -> Option<(u64, Option<u64>)> {
    let range = headers.get(CONTENT_RANGE)?.to_str().ok()?.strip_prefix("bytes ")?;
    let (range, total) = range.split_once('/').unwrap_or((range, ""));
    let start = range.split('-').next()?.trim().parse().ok()?;
    Some((start, total.trim().parse().ok()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_start_and_the_whole_of_a_range_are_read() {
        let read = |value: &'static str| {
            range(&HeaderMap::from_iter([(CONTENT_RANGE, value.parse().unwrap())]))
        };

        assert_eq!(read("bytes 200-1000/67589"), Some((200, Some(67589))));
        assert_eq!(read("bytes 200-1000/*"), Some((200, None)));
        assert_eq!(read("bytes */67589"), None);
        assert_eq!(read("lines 1-2/3"), None);
    }
}
