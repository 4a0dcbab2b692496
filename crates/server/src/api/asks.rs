//! What callers may ask for, read from the fields of a request.

use std::time::Duration;

use axum::extract::Request;
use axum::response::Response;
use hansard_domain::id::{Id, UploadId};
use hansard_domain::job::{Priority, TranscribeOptions, Visibility};
use hansard_domain::problem::ProblemCode;
use hansard_domain::source::{Callback, CallbackFormat, Source};
use hansard_domain::transcript::Task;
use hansard_store::{NewJob, RequestKey};
use http::{HeaderMap, HeaderName, HeaderValue};
use ring::digest::{Context, SHA256};
use serde_json::{Map, Value};
use url::Url;

use crate::App;
use crate::extract::{JSON_BYTES_MAX, idempotency_key, is_json, media_type, parse_json, read_body};
use crate::fields::Fields;
use crate::problem::Problem;
use crate::ticket::hex;

/// Characters of a title.
pub(crate) const TITLE_MAX: usize = 500;

/// Characters of what another system calls something.
pub(crate) const EXTERNAL_ID_MAX: usize = 200;

/// Characters of a prompt; models look at some hundred at most.
pub(crate) const PROMPT_MAX: usize = 4_000;

/// Characters of the name of a language or model.
pub(crate) const NAME_MAX: usize = 200;

/// Bytes of metadata as JSON.
pub(crate) const METADATA_BYTES_MAX: usize = 64 << 10;

/// Who may see a recording unless its caller says so.
pub(crate) const VISIBILITY_DEFAULT: Visibility = Visibility::Workspace;

/// Bytes of an address.
const URL_MAX: usize = 2_048;

/// Bytes of the key of an S3 object, and of a bucket's name, as S3 has them.
const S3_KEY_MAX: usize = 1_024;
const S3_BUCKET_MAX: usize = 255;

/// Set where an idempotency key was known and nothing was done.
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// The fields of a JSON body, or none where there is no body at all.
pub(crate) async fn optional_fields(app: &App, request: Request) -> Result<Fields, Problem> {
    let has_type = media_type(request.headers()).is_some();
    if has_type && !is_json(request.headers()) {
        let detail = "expected application/json, or no body";
        return Err(Problem::new(ProblemCode::UnsupportedContentType).detail(detail));
    }
    let bytes = read_body(request.into_body(), JSON_BYTES_MAX).await?;
    if bytes.is_empty() {
        return Fields::of_json(Value::Object(Map::new()));
    }
    Fields::of_json(parse_json(&bytes, app.settings().json_depth_max)?)
}

/// What is said about a recording besides where it comes from.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct About {
    pub(crate) title: Option<String>,
    pub(crate) external_id: Option<String>,
    pub(crate) visibility: Visibility,
    pub(crate) metadata: String,
}

/// Reads what is said about a recording.
pub(crate) fn about(fields: &mut Fields) -> About {
    About {
        title: fields.text("title", TITLE_MAX),
        external_id: fields.text("external_id", EXTERNAL_ID_MAX),
        visibility: fields
            .choice("visibility", Visibility::ALL, Visibility::name)
            .unwrap_or(VISIBILITY_DEFAULT),
        metadata: fields.object("metadata", METADATA_BYTES_MAX).unwrap_or_else(|| "{}".to_owned()),
    }
}

/// Reads what is to be done with a recording, as `creator` wishes.
pub(crate) fn job(creator: Option<String>, fields: &mut Fields) -> NewJob {
    let options = TranscribeOptions {
        language: language(fields),
        task: fields.choice("task", Task::ALL, Task::name).unwrap_or_default(),
        model: fields.text("model", NAME_MAX),
        prompt: fields.text("prompt", PROMPT_MAX),
        words: fields.flag("words"),
        channels_apart: fields.flag("channels_apart"),
        temperature: fields.number("temperature", 0.0, 1.0).map(|number| number as f32),
    };
    NewJob {
        priority: fields
            .choice("priority", Priority::ALL, Priority::name)
            .unwrap_or(Priority::Normal),
        again: fields.flag("again"),
        callback: callback(fields),
        created_by: creator,
        ..NewJob::of(options)
    }
}

/// The code of the language; `auto` and nothing at all mean that it is to be found out.
pub(crate) fn language(fields: &mut Fields) -> Option<String> {
    let given = fields.text("language", NAME_MAX)?;
    if given.eq_ignore_ascii_case("auto") {
        return None;
    }
    let code = hansard_domain::language::code_of(&given);
    if code.is_none() {
        fields.refuse("language", "expected a code as `pt`, a name as `Portuguese`, or `auto`");
    }
    code.map(str::to_owned)
}

fn callback(fields: &mut Fields) -> Option<Callback> {
    let url = web_address(fields, "callback_url")?;
    Some(Callback { url, is_configured: false, on_failure: true, format: CallbackFormat::Event })
}

/// An address that something may be sent to.
pub(crate) fn web_address(fields: &mut Fields, name: &str) -> Option<String> {
    let url = fields.text(name, URL_MAX)?;
    if let Err(detail) = check_url(&url, &["https", "http"]) {
        fields.refuse(name, detail);
        return None;
    }
    Some(url)
}

/// Refuses what is no address with one of these schemes, and what holds a password.
///
/// Whether the address may be reached is decided when it is: the worker looks at what its name resolves to.
fn check_url(text: &str, schemes: &[&str]) -> Result<(), String> {
    let url = Url::parse(text).ok().filter(|url| schemes.contains(&url.scheme()) && url.has_host());
    match url {
        None => Err(format!("expected an address that begins with {}://", schemes.join(":// or "))),
        Some(url) if !url.username().is_empty() || url.password().is_some() => {
            Err("an address with a user or password is not taken: it would be kept and shown"
                .to_owned())
        }
        Some(_) => Ok(()),
    }
}

/// Where a recording is to come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Origin {
    /// A worker fetches it.
    Fetched(Source),
    /// A resumable upload has brought it.
    Uploaded(UploadId),
}

/// Reads where a recording is to come from: `{"s3": {"bucket"?, "key"}}`, `{"upload"}` or `{"url"}`.
pub(crate) fn origin(fields: &mut Fields, default_bucket: Option<&str>) -> Option<Origin> {
    const EXPECTED: &str = "expected an object with one member: s3, upload or url";
    let Some(value) = fields.take("source") else {
        fields.refuse("source", "needed");
        return None;
    };
    let Some((kind, value)) = only_member(value) else {
        fields.refuse("source", EXPECTED);
        return None;
    };
    let read = match (kind.as_str(), value) {
        ("s3", value) => s3(value, default_bucket).map(Origin::Fetched),
        ("upload", Value::String(id)) => {
            UploadId::parse(&id).map(Origin::Uploaded).map_err(|error| error.to_string())
        }
        ("upload", _) => Err("expected the id of an upload".to_owned()),
        ("url", Value::String(url)) if url.len() <= URL_MAX => {
            check_url(&url, &["https"]).map(|()| Origin::Fetched(Source::Url { url }))
        }
        ("url", _) => Err(format!("expected an address of at most {URL_MAX} bytes")),
        _ => {
            fields.refuse("source", EXPECTED);
            return None;
        }
    };
    read.map_err(|detail| fields.refuse_at(&format!("/source/{kind}"), detail)).ok()
}

fn only_member(value: Value) -> Option<(String, Value)> {
    let Value::Object(members) = value else { return None };
    let mut members = members.into_iter();
    let first = members.next()?;
    members.next().is_none().then_some(first)
}

fn s3(value: Value, default_bucket: Option<&str>) -> Result<Source, String> {
    let Value::Object(mut members) = value else {
        return Err(
            "expected an object with key, and bucket if it is not the configured one".to_owned()
        );
    };
    let mut text = |name: &str, bytes_max: usize| match members.remove(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text))
            if (1..=bytes_max).contains(&text.len()) && !text.contains(char::is_control) =>
        {
            Ok(Some(text))
        }
        Some(_) => Err(format!("{name}: expected a text of 1 to {bytes_max} bytes")),
    };
    let bucket = text("bucket", S3_BUCKET_MAX)?;
    let key = text("key", S3_KEY_MAX)?.ok_or("key: needed")?;
    let bucket = bucket.or(default_bucket.map(str::to_owned));
    let bucket = bucket.ok_or("bucket: needed, as none is configured (s3.bucket)")?;
    match members.keys().next() {
        Some(name) => Err(format!("{name}: there is no such field")),
        None => Ok(Source::S3 { bucket, key }),
    }
}

/// The caller's name for a request that asks for `parts` of `route`, if it has one. Each `owner` has names of its own: by
/// guessing a colleague's, nobody gets at what it made.
///
/// # Errors
/// As [`idempotency_key`].
pub(crate) fn request_key(
    owner: Option<&str>,
    headers: &HeaderMap,
    route: &str,
    parts: &[&str],
) -> Result<Option<RequestKey>, Problem> {
    let key = idempotency_key(headers)?;
    let request_hash = hash_of(route, parts);
    Ok(key.map(|key| RequestKey { key: named(owner, &key), request_hash }))
}

/// A name for a request whose caller has none, for routes where equal requests are meant to be the same one.
pub(crate) fn unnamed_request(owner: Option<&str>, route: &str, parts: &[&str]) -> RequestKey {
    let request_hash = hash_of(route, parts);
    RequestKey { key: named(owner, &format!("{route}:{request_hash}")), request_hash }
}

/// `name`, as `owner` has it.
fn named(owner: Option<&str>, name: &str) -> String {
    owner.map_or_else(|| name.to_owned(), |owner| format!("{owner}:{name}"))
}

fn hash_of(route: &str, parts: &[&str]) -> String {
    let mut hash = Context::new(&SHA256);
    for part in [route].iter().chain(parts) {
        // With their lengths, so that no two lists of parts are the same bytes.
        hash.update(&(part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    hex(hash.finish().as_ref())
}

/// Says in `response` if its request's key was known and nothing was done.
pub(crate) fn mark_repeated(response: &mut Response, is_repeated: bool) {
    if is_repeated {
        response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    }
}

/// The wait as whole seconds, rounded up.
pub(crate) fn whole_seconds(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn origin_of(json: Value) -> Result<Origin, Problem> {
        let mut fields = Fields::of_json(json!({ "source": json })).unwrap();
        let origin = origin(&mut fields, Some("uploads"));
        fields.finish().map(|()| origin.unwrap())
    }

    #[test]
    fn sources_are_read() {
        let s3 = |bucket: &str| {
            Origin::Fetched(Source::S3 { bucket: bucket.to_owned(), key: "a b/c.webm".to_owned() })
        };
        assert_eq!(origin_of(json!({"s3": {"key": "a b/c.webm"}})).unwrap(), s3("uploads"));
        assert_eq!(
            origin_of(json!({"s3": {"key": "a b/c.webm", "bucket": "own"}})).unwrap(),
            s3("own")
        );
        let url = "https://example.org/talk.mp3?token=1".to_owned();
        assert_eq!(
            origin_of(json!({ "url": &url })).unwrap(),
            Origin::Fetched(Source::Url { url })
        );
        let id = "upl_01KAJ2Z1GQ8C3T0V7M5N9XQ4RS";
        let uploaded = Origin::Uploaded(UploadId::parse(id).unwrap());
        assert_eq!(origin_of(json!({ "upload": id })).unwrap(), uploaded);
    }

    #[test]
    fn other_sources_are_refused() {
        for wrong in [
            json!(null),
            json!("https://example.org"),
            json!({}),
            json!({"url": "https://example.org", "s3": {"key": "k"}}),
            json!({"ftp": "x"}),
            json!({"url": "http://example.org/talk.mp3"}),
            json!({"url": "file:///etc/passwd"}),
            json!({"url": "https://user:secret@example.org/"}),
            json!({"url": "https://"}),
            json!({"url": 7}),
            json!({"upload": 7}),
            json!({"upload": "rec_01KAJ2Z1GQ8C3T0V7M5N9XQ4RS"}),
            json!({"s3": "key"}),
            json!({"s3": {}}),
            json!({"s3": {"key": ""}}),
            json!({"s3": {"key": "a\u{0}b"}}),
            json!({"s3": {"key": "k", "region": "eu"}}),
        ] {
            assert!(origin_of(wrong.clone()).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_same_request_has_the_same_hash_and_another_has_not() {
        let mut headers = HeaderMap::new();
        headers.insert("idempotency-key", "k".parse().unwrap());
        let hash = |route, parts: &[&str]| {
            request_key(None, &headers, route, parts).unwrap().unwrap().request_hash
        };

        assert_eq!(hash("r", &["ab", "c"]), hash("r", &["ab", "c"]));
        assert_ne!(hash("r", &["ab", "c"]), hash("r", &["a", "bc"]));
        assert_ne!(hash("r", &["a"]), hash("s", &["a"]));
    }
}
