//! Recordings that a caller has somewhere on the web.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use hansard_net::{Checksum, Download, Downloaded, Error, Hasher, Promise, Request, Trust};
use tempfile::TempDir;

use crate::host::{Act, Host, Names, answer, client, head};

/// A recording of three and a half megabytes.
fn recording() -> Vec<u8> {
    (0..3_500_000_u32).map(|number| (number.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

fn sha256(bytes: &[u8]) -> Checksum {
    let mut hasher = Hasher::sha256();
    hasher.update(bytes);
    Checksum::Sha256(hasher.finish())
}

struct Desk {
    host: Host,
    folder: TempDir,
}

impl Desk {
    fn with(script: Vec<Vec<Act>>) -> Self {
        Self { host: Host::start(script), folder: tempfile::tempdir().unwrap() }
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("recording")
    }

    fn request(&self) -> Request {
        Request::new(self.host.url("/talk.mp3?sig=secret"), Trust::Caller)
    }

    async fn download(&self, request: &Request, limit: u64) -> Result<Downloaded, Error> {
        let to = self.file();
        let download = Download { request, to: &to, promise: Promise::AtMost(limit) };
        client(&Arc::new(Names::default())).download(&download, &mut |_| {}).await
    }

    fn is_empty(&self) -> bool {
        std::fs::read_dir(self.folder.path()).unwrap().next().is_none()
    }

    fn ranges(&self) -> Vec<(Option<String>, Option<String>)> {
        let header = |seen: &crate::host::Seen, name| seen.headers.get(name).cloned();
        self.host
            .seen()
            .iter()
            .map(|seen| (header(seen, "range"), header(seen, "if-range")))
            .collect()
    }
}

/// The first `count` bytes of an answer that promises all.
fn cut(version: &str, bytes: &[u8], count: usize) -> Vec<Act> {
    let length = bytes.len().to_string();
    let mut acts = head("200 OK", &[("content-length", &length), ("etag", version)]);
    acts.push(Act::Send(bytes[..count].to_vec()));
    acts
}

/// The rest from `start` on.
fn rest(version: &str, bytes: &[u8], start: usize) -> Vec<Act> {
    let range = format!("bytes {start}-{}/{}", bytes.len() - 1, bytes.len());
    let headers = [("content-range", range.as_str()), ("etag", version)];
    answer("206 Partial Content", &headers, &bytes[start..])
}

#[tokio::test]
async fn a_recording_comes_with_its_checksum_and_type() {
    let bytes = recording();
    let desk = Desk::with(vec![answer("200 OK", &[("content-type", "audio/mpeg")], &bytes)]);

    let done = desk.download(&desk.request(), 10_000_000).await.unwrap();

    assert_eq!(done.length, bytes.len() as u64);
    assert_eq!(done.checksum, sha256(&bytes));
    assert_eq!(done.content_type.as_deref(), Some("audio/mpeg"));
    assert_eq!(std::fs::read(desk.file()).unwrap(), bytes);
}

#[tokio::test]
async fn a_cut_is_resumed_from_the_same_version() {
    let bytes = recording();
    let desk =
        Desk::with(vec![cut("\"v1\"", &bytes, 1_200_000), rest("\"v1\"", &bytes, 1_200_000)]);

    let done = desk.download(&desk.request(), 10_000_000).await.unwrap();

    assert_eq!(done.checksum, sha256(&bytes));
    let resumed = (Some("bytes=1200000-".to_owned()), Some("\"v1\"".to_owned()));
    assert_eq!(desk.ranges(), [(None, None), resumed]);
}

#[tokio::test]
async fn two_versions_are_never_mixed() {
    let (old, new) = (recording(), vec![7; 2_000_000]);
    // A host that honours If-Range sends all of the new version; one that does not is found out.
    for second in [answer("200 OK", &[("etag", "\"v2\"")], &new), rest("\"v2\"", &new, 1_000_000)] {
        let whole = answer("200 OK", &[("etag", "\"v2\"")], &new);
        let desk = Desk::with(vec![cut("\"v1\"", &old, 1_000_000), second, whole]);

        let done = desk.download(&desk.request(), 10_000_000).await.unwrap();

        assert_eq!(done.checksum, sha256(&new));
    }
}

#[tokio::test]
async fn without_a_version_a_cut_begins_anew() {
    let bytes = recording();
    let desk =
        Desk::with(vec![cut("W/\"weak\"", &bytes, 1_200_000), answer("200 OK", &[], &bytes)]);

    assert_eq!(desk.download(&desk.request(), 10_000_000).await.unwrap().checksum, sha256(&bytes));

    assert_eq!(desk.ranges(), [(None, None), (None, None)]);
}

#[tokio::test]
async fn a_host_that_begins_anew_for_ever_is_given_up() {
    let bytes = recording();
    let versions = (0..10).map(|n| cut(&format!("\"v{n}\""), &bytes, 300_000 * n));
    let desk = Desk::with(versions.collect());

    let outcome = desk.download(&desk.request(), 10_000_000).await;

    assert!(matches!(outcome, Err(Error::Broken { .. })), "{outcome:?}");
    assert!(desk.host.seen().len() <= 5, "{}", desk.host.seen().len());
}

#[tokio::test]
async fn more_than_is_allowed_is_refused() {
    let bytes = recording();
    let mut endless = head("200 OK", &[]);
    endless.push(Act::Forever(vec![7; 100_000]));
    for script in [answer("200 OK", &[], &bytes), endless] {
        let desk = Desk::with(vec![script]);

        let outcome = desk.download(&desk.request(), 1_000_000).await;

        assert!(matches!(outcome, Err(Error::TooLarge { limit: 1_000_000, .. })), "{outcome:?}");
        assert!(desk.is_empty());
        assert_eq!(desk.host.seen().len(), 1);
    }
}

#[tokio::test]
async fn more_than_was_promised_is_refused() {
    let bytes = recording();
    let mut liar = head(
        "206 Partial Content",
        &[("content-range", "bytes 1200000-1200009/1200010"), ("etag", "\"v1\"")],
    );
    liar.push(Act::Forever(vec![7; 100_000]));
    let mut promise = head("200 OK", &[("content-length", "1200010"), ("etag", "\"v1\"")]);
    promise.push(Act::Send(bytes[..1_200_000].to_vec()));
    let desk = Desk::with(vec![promise, liar]);

    let outcome = desk.download(&desk.request(), 10_000_000).await;

    assert!(matches!(outcome, Err(Error::TooLarge { limit: 1_200_010, .. })), "{outcome:?}");
}

#[tokio::test]
async fn a_download_that_fails_leaves_nothing_behind() {
    let mut silent = cut("\"v1\"", &recording(), 1000);
    silent.push(Act::Hang);
    for script in [cut("\"v1\"", &recording(), 1000), silent, answer("404 Not Found", &[], b"")] {
        let desk = Desk::with(vec![script]);
        let request = desk.request().within(Duration::from_millis(500));

        desk.download(&request, 10_000_000).await.unwrap_err();

        assert!(desk.is_empty());
    }
}

#[tokio::test]
async fn a_compressed_recording_is_refused() {
    let desk = Desk::with(vec![answer("200 OK", &[("content-encoding", "gzip")], &[0x1f, 0x8b])]);

    let outcome = desk.download(&desk.request(), 1_000_000).await;

    assert!(matches!(outcome, Err(Error::Compressed { .. })), "{outcome:?}");
}

#[tokio::test]
async fn encryption_can_be_demanded() {
    let desk = Desk::with(vec![answer("200 OK", &[], b"")]);

    let outcome = desk.download(&desk.request().https_only(), 1_000_000).await;

    assert!(matches!(outcome, Err(Error::Url { .. })), "{outcome:?}");
    assert!(desk.host.seen().is_empty());
}

#[tokio::test]
async fn a_download_that_takes_too_long_is_ended() {
    let mut slow = head("200 OK", &[("content-length", "10")]);
    slow.push(Act::Hang);
    let desk = Desk::with(vec![slow]);
    let request = desk.request().within(Duration::from_millis(50));

    let outcome = desk.download(&request, 1_000_000).await;

    assert!(matches!(outcome, Err(Error::Timeout { .. })), "{outcome:?}");
    // It is not tried again.
    assert!(desk.host.seen().len() <= 1);
}

#[tokio::test]
async fn a_refusal_names_no_secret() {
    let desk = Desk::with(vec![answer("403 Forbidden", &[], b"")]);

    let error = desk.download(&desk.request(), 1_000_000).await.unwrap_err();

    assert_eq!(error.status(), Some(403));
    assert!(!format!("{error:?} {error}").contains("secret"), "{error:?}");
}
