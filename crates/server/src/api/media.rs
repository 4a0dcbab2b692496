//! The media of a recording, whole or in part (RFC 9110, section 14).

use std::ops::Range;

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use hansard_domain::id::{Id, RecordingId};
use hansard_domain::problem::ProblemCode;
use http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE,
    ETAG, HeaderMap, IF_NONE_MATCH, IF_RANGE, RANGE,
};
use http::{HeaderName, HeaderValue, Method, StatusCode};

use crate::App;
use crate::audit::note_exported;
use crate::caller::Caller;
use crate::extract::ApiPath;
use crate::problem::Problem;

/// Keeps browsers from taking a stranger's file for a page of this service.
const NOSNIFF: (HeaderName, &str) = (http::header::X_CONTENT_TYPE_OPTIONS, "nosniff");

/// The caller may keep the bytes, and asks whether they are still the same; nobody in between may.
const KEEP: &str = "private, no-cache";

/// What a `Range` header asks for, of an object of a known size.
#[derive(Debug, PartialEq, Eq)]
enum Asked {
    /// Everything: no range, one in another unit, several at once, or one that cannot be read. All of these may be ignored.
    Whole,
    /// These bytes.
    Part(Range<u64>),
    /// Bytes that are not there.
    Nothing,
}

/// The bytes of a recording.
#[utoipa::path(
    get, path = "/api/v1/recordings/{id}/media", tag = "recordings",
    params(("id" = String, Path, description = "Its id"), ("Range" = Option<String>, Header, description = "A part, as `bytes=0-1023`")),
    responses(
        (status = 200, description = "All bytes", content_type = "audio/*"),
        (status = 206, description = "The part that was asked for", content_type = "audio/*"),
        (status = 304, description = "What the caller has is what there is"),
    ),
)]
pub(crate) async fn get_media(
    State(app): State<App>,
    caller: Caller,
    ApiPath(id): ApiPath<RecordingId>,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let recording = app.store().find_recording(caller.reach(), &id).await?;
    let recording = recording.ok_or(Problem::new(ProblemCode::RecordingNotFound))?;
    let media = recording.media.ok_or(Problem::new(ProblemCode::MediaNotFound))?;
    // The checksum names the bytes, and nothing else.
    let etag = format!("\"{}\"", media.sha256);
    let known = headers.get_all(IF_NONE_MATCH).into_iter().filter_map(|tags| tags.to_str().ok());
    if known.into_iter().any(|tags| names(tags, &etag)) {
        let head = [(ETAG, etag), (CACHE_CONTROL, KEEP.to_owned())];
        return Ok((StatusCode::NOT_MODIFIED, head).into_response());
    }
    // A part of another version would not fit to what the client has.
    let is_same = header(&headers, IF_RANGE).is_none_or(|tag| tag == etag);
    let range = header(&headers, RANGE).filter(|_| is_same && method == Method::GET);
    let (status, range) = match range.map_or(Asked::Whole, |range| asked(range, media.size)) {
        Asked::Whole => (StatusCode::OK, 0..media.size),
        Asked::Part(range) => (StatusCode::PARTIAL_CONTENT, range),
        Asked::Nothing => {
            let mut response = Problem::new(ProblemCode::RangeNotSatisfiable).into_response();
            let size = HeaderValue::from_str(&format!("bytes */{}", media.size));
            response.headers_mut().extend(size.ok().map(|size| (CONTENT_RANGE, size)));
            return Ok(response);
        }
    };
    let body = if method == Method::HEAD || range.is_empty() {
        Body::empty()
    } else {
        // Players ask for one part after the other: who begins takes it away, wherever that is.
        let begins = app.door().throttle.begins(&app, &caller, id.as_str());
        if begins || range.start == 0 {
            note_exported(&app, &caller, &id, "media").await?;
        }
        Body::from_stream(app.store().media().read(&media.key, range.clone()).await?)
    };
    let head = [
        (CONTENT_TYPE, media.media_type),
        (CONTENT_LENGTH, (range.end - range.start).to_string()),
        (ACCEPT_RANGES, "bytes".to_owned()),
        (ETAG, etag),
        (CACHE_CONTROL, KEEP.to_owned()),
        (CONTENT_DISPOSITION, format!("inline; filename=\"{id}\"")),
        (NOSNIFF.0, NOSNIFF.1.to_owned()),
    ];
    let mut response = (status, head, body).into_response();
    if status == StatusCode::PARTIAL_CONTENT {
        let text = format!("bytes {}-{}/{}", range.start, range.end - 1, media.size);
        let value = HeaderValue::from_str(&text);
        response.headers_mut().extend(value.ok().map(|value| (CONTENT_RANGE, value)));
    }
    Ok(response)
}

fn header(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

/// Whether a list of entity tags holds `etag`, compared weakly.
fn names(tags: &str, etag: &str) -> bool {
    let mut tags = tags.split(',').map(|tag| tag.trim().trim_start_matches("W/"));
    tags.any(|tag| tag == "*" || tag == etag)
}

/// What `header` asks for of an object of `size` bytes.
fn asked(header: &str, size: u64) -> Asked {
    let Some(range) = header.trim().strip_prefix("bytes=") else { return Asked::Whole };
    let Some((first, last)) = range.split_once('-') else { return Asked::Whole };
    let number = |text: &str| {
        let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then(|| text.parse().unwrap_or(u64::MAX))
    };
    let (first, last) = (first.trim(), last.trim());
    let range = match (number(first), number(last)) {
        (Some(first), None) if last.is_empty() => first..size,
        (Some(first), Some(last)) if first <= last => first..last.saturating_add(1).min(size),
        (None, Some(suffix)) if first.is_empty() => size.saturating_sub(suffix)..size,
        _ => return Asked::Whole,
    };
    if range.is_empty() { Asked::Nothing } else { Asked::Part(range) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read() {
        for (header, wanted) in [
            ("bytes=0-9", Asked::Part(0..10)),
            ("bytes=90-", Asked::Part(90..100)),
            ("bytes=-10", Asked::Part(90..100)),
            ("bytes=-1000", Asked::Part(0..100)),
            ("bytes=90-1000", Asked::Part(90..100)),
            ("bytes=0-99999999999999999999999", Asked::Part(0..100)),
            ("bytes=100-", Asked::Nothing),
            ("bytes=99999999999999999999999-", Asked::Nothing),
            ("bytes=-0", Asked::Nothing),
            ("bytes=9-1", Asked::Whole),
            ("bytes=0-1,5-6", Asked::Whole),
            ("bytes=-", Asked::Whole),
            ("bytes=a-b", Asked::Whole),
            ("bytes=+1-2", Asked::Whole),
            ("lines=0-9", Asked::Whole),
        ] {
            assert_eq!(asked(header, 100), wanted, "{header}");
        }
        assert_eq!(asked("bytes=0-", 0), Asked::Nothing);
    }
}
