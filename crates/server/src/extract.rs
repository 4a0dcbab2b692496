//! What handlers take from a request, read and checked; what cannot be read is a problem, never plain text.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use futures_util::StreamExt;
use hansard_domain::access::Kind;
use hansard_domain::id::{
    CollectionId, DeliveryId, EndpointId, Id, JobId, RecordingId, SessionId, TokenId, TopicId,
    TranscriptId, UploadId, UserId, WorkspaceId,
};
use hansard_domain::problem::ProblemCode;
use http::HeaderName;
use http::header::{CONTENT_TYPE, HeaderMap};
use http::request::Parts;
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use crate::App;
use crate::problem::{Problem, too_large};
use crate::routes::not_found;

/// Bytes of a JSON body.
pub(crate) const JSON_BYTES_MAX: usize = 1 << 20;

/// How long a small body may take as a whole: somebody who sends a byte now and then must not hold a place for long.
pub(crate) const SMALL_BODY_MAX: Duration = Duration::from_secs(30);

/// Bytes of an idempotency key.
const REQUEST_KEY_BYTES_MAX: usize = 255;

/// What is said of a parameter of a path that is to be a number, and is none.
pub(crate) const NO_NUMBER: &str = "expected a whole number";

/// Where a caller names a request.
pub(crate) const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// An id in a path, and what it names.
pub(crate) trait PathId: Id {
    /// The kind of what has such ids.
    const KIND: Kind;
}

macro_rules! path_ids {
    ($($id:ident: $kind:ident)+) => {
        $(impl PathId for $id {
            const KIND: Kind = Kind::$kind;
        })+
    };
}

path_ids! {
    RecordingId: Recording
    JobId: Job
    TranscriptId: Transcript
    UploadId: Upload
    EndpointId: Endpoint
    DeliveryId: Delivery
    SessionId: Session
    TokenId: Token
    UserId: User
    WorkspaceId: Workspace
    TopicId: Topic
    CollectionId: Collection
}

/// The id in the path, or both of them. What cannot be an id names nothing: it is not found, whatever bytes it holds.
pub(crate) struct ApiPath<I>(pub(crate) I);

impl<I: PathId + Send> FromRequestParts<App> for ApiPath<I> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let text = Path::<String>::from_request_parts(parts, app).await;
        let id = text.ok().and_then(|Path(text)| I::parse(&text).ok());
        id.map(Self).ok_or(Problem::new(not_found(I::KIND)))
    }
}

impl<I: PathId + Send, J: PathId + Send> FromRequestParts<App> for ApiPath<(I, J)> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let texts = Path::<(String, String)>::from_request_parts(parts, app).await;
        let (first, second) = texts.map(|Path(texts)| texts).unwrap_or_default();
        let missing = |kind| move |_| Problem::new(not_found(kind));
        let first = I::parse(&first).map_err(missing(I::KIND))?;
        Ok(Self((first, J::parse(&second).map_err(missing(J::KIND))?)))
    }
}

/// The one text in the path; `None` if it is no text.
pub(crate) struct ApiText(pub(crate) Option<String>);

impl FromRequestParts<App> for ApiText {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Infallible> {
        let text = Path::<String>::from_request_parts(parts, app).await;
        Ok(Self(text.ok().map(|Path(text)| text)))
    }
}

/// The parameters after the question mark.
pub(crate) struct ApiQuery<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequestParts<App> for ApiQuery<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        match Query::<T>::from_request_parts(parts, app).await {
            Ok(Query(query)) => Ok(Self(query)),
            Err(rejection) => {
                Err(Problem::new(ProblemCode::InvalidRequest).detail(rejection.body_text()))
            }
        }
    }
}

/// A JSON body.
pub(crate) struct ApiJson<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequest<App> for ApiJson<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &App) -> Result<Self, Problem> {
        if !is_json(request.headers()) {
            let detail = "expected application/json";
            return Err(Problem::new(ProblemCode::UnsupportedContentType).detail(detail));
        }
        let bytes = read_body(request.into_body(), JSON_BYTES_MAX).await?;
        parse_json(&bytes, app.settings().json_depth_max).map(Self)
    }
}

/// Whether a body says that it is JSON.
pub(crate) fn is_json(headers: &HeaderMap) -> bool {
    let media_type = media_type(headers).unwrap_or_default();
    media_type == "application/json" || media_type.ends_with("+json")
}

/// The content type of a request, in lower case and without parameters.
pub(crate) fn media_type(headers: &HeaderMap) -> Option<String> {
    let text = headers.get(CONTENT_TYPE)?.to_str().ok()?;
    Some(text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase())
}

/// The whole of a small body, which may not take longer than [`SMALL_BODY_MAX`].
pub(crate) async fn read_body(body: Body, bytes_max: usize) -> Result<Vec<u8>, Problem> {
    timeout(SMALL_BODY_MAX, collect(body, bytes_max)).await.unwrap_or_else(|_| Err(too_slow()))
}

/// A small body, or what comes before the file in a form, that took too long.
pub(crate) fn too_slow() -> Problem {
    let detail = format!("the body took more than {} s", SMALL_BODY_MAX.as_secs());
    Problem::new(ProblemCode::RequestTimeout).detail(detail)
}

async fn collect(body: Body, bytes_max: usize) -> Result<Vec<u8>, Problem> {
    let mut bytes = Vec::new();
    let mut pieces = body.into_data_stream();
    while let Some(piece) = pieces.next().await {
        let piece = piece.map_err(Problem::of_body)?;
        if bytes.len() + piece.len() > bytes_max {
            return Err(too_large(bytes_max as u64));
        }
        bytes.extend_from_slice(&piece);
    }
    Ok(bytes)
}

/// Reads JSON that nests at most `depth_max` deep.
pub(crate) fn parse_json<T: DeserializeOwned>(
    bytes: &[u8],
    depth_max: usize,
) -> Result<T, Problem> {
    let malformed = |detail: String| Problem::new(ProblemCode::MalformedBody).detail(detail);
    if nests_deeper(bytes, depth_max) {
        return Err(malformed(format!("the JSON nests deeper than {depth_max} levels")));
    }
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let pointer = pointer(error.path());
        let error = error.into_inner();
        match error.classify() {
            serde_json::error::Category::Data => Problem::field(pointer, without_place(&error)),
            _ => malformed(format!("the body is not JSON: {error}")),
        }
    })?;
    json.end().map_err(|_| malformed("something follows the JSON".to_owned()))?;
    Ok(value)
}

/// Whether the brackets of `json` nest deeper than `depth_max`, without building anything.
fn nests_deeper(json: &[u8], depth_max: usize) -> bool {
    let (mut depth, mut in_text, mut escaped) = (0_usize, false, false);
    for byte in json {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            b'[' | b'{' if !in_text => {
                depth += 1;
                if depth > depth_max {
                    return true;
                }
            }
            b']' | b'}' if !in_text => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    false
}

/// A path as a JSON pointer (RFC 6901).
fn pointer(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    let mut pointer = String::new();
    for segment in path {
        match segment {
            Segment::Seq { index } => pointer.push_str(&format!("/{index}")),
            Segment::Map { key } | Segment::Enum { variant: key } => {
                pointer.push_str(&format!("/{}", key.replace('~', "~0").replace('/', "~1")));
            }
            Segment::Unknown => {}
        }
    }
    pointer
}

/// The message without the line and column, which mean nothing beside a pointer.
fn without_place(error: &serde_json::Error) -> String {
    let message = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    message.strip_suffix(&place).unwrap_or(&message).to_owned()
}

/// The caller's name for a request, if there is one.
///
/// # Errors
/// [`ProblemCode::InvalidRequest`] for one that is empty, too long, given twice or not printable ASCII.
pub(crate) fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let mut values = headers.get_all(IDEMPOTENCY_KEY).into_iter();
    let Some(value) = values.next() else { return Ok(None) };
    let is_printable = |key: &&str| key.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ');
    let key = value.to_str().ok().map(str::trim).filter(is_printable);
    match key {
        Some(key)
            if (1..=REQUEST_KEY_BYTES_MAX).contains(&key.len()) && values.next().is_none() =>
        {
            Ok(Some(key.to_owned()))
        }
        _ => {
            let detail = format!(
                "Idempotency-Key: expected one value of 1 to {REQUEST_KEY_BYTES_MAX} printable ASCII characters"
            );
            Err(Problem::new(ProblemCode::InvalidRequest).detail(detail))
        }
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn depth_is_counted_outside_of_text() {
        assert!(!nests_deeper(br#"{"a":[1]}"#, 2));
        assert!(nests_deeper(br#"{"a":[[1]]}"#, 2));
        assert!(!nests_deeper(br#"{"a":"[[[[\"{{{{"}"#, 1));
        assert!(nests_deeper(&vec![b'['; 100_000], 32));
    }

    #[test]
    fn what_is_wrong_in_json_is_pointed_at() {
        #[derive(Debug, serde::Deserialize)]
        struct Wanted {
            #[expect(dead_code, reason = "read to see what happens")]
            items: Vec<u8>,
        }
        let problem = parse_json::<Wanted>(br#"{"items":[1,"two"]}"#, 8).unwrap_err();

        assert_eq!(problem.code(), ProblemCode::InvalidRequest);
        assert_eq!(problem.message(), r#"items/1: invalid type: string "two", expected u8"#);
    }

    #[test]
    fn what_is_no_json_is_malformed() {
        for text in ["", "{", "{} {}", "\u{0}", "{\"a\":1,}", "NaN"] {
            let problem = parse_json::<Value>(text.as_bytes(), 8).unwrap_err();
            assert_eq!(problem.code(), ProblemCode::MalformedBody, "{text:?}");
        }
        assert_eq!(parse_json::<Value>(b" {} ", 8).unwrap(), json!({}));
    }

    #[test]
    fn a_request_has_one_name_or_none() {
        let mut headers = HeaderMap::new();
        assert_eq!(idempotency_key(&headers).unwrap(), None);
        headers.insert(IDEMPOTENCY_KEY, HeaderValue::from_static("order 7"));
        assert_eq!(idempotency_key(&headers).unwrap(), Some("order 7".to_owned()));
        headers.append(IDEMPOTENCY_KEY, HeaderValue::from_static("order 8"));
        assert!(idempotency_key(&headers).is_err());
        for wrong in ["", "   ", &"x".repeat(256), "\u{e9}"] {
            headers.insert(IDEMPOTENCY_KEY, HeaderValue::from_bytes(wrong.as_bytes()).unwrap());
            assert!(idempotency_key(&headers).is_err(), "{wrong:?}");
        }
    }
}
