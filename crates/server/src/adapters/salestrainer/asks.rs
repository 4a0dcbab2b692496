//! What the plugin asks for, read as the original's Pydantic model read it.

use serde_json::Value;
use url::Url;
use utoipa::ToSchema;

use crate::adapters::fastapi::{
    EMPTY, Members, NO_BOOLEAN, NO_URL, OTHER_SCHEME, TOO_LONG, integer, text as any_text,
};
use crate::problem::Problem;

/// Bytes of the key of an S3 object, as S3 has them.
const KEY_BYTES_MAX: usize = 1_024;

/// Bytes of a session's id, and of an address.
const TEXT_BYTES_MAX: usize = 2_048;

/// The body of `/process-s3`, for the document. Other members do no harm.
#[derive(ToSchema)]
#[schema(as = SalesTrainerProcess)]
#[expect(dead_code, reason = "described, never built")]
pub(super) struct ProcessBody {
    /// The key of the object in the configured bucket.
    object_key: String,
    #[schema(inline)]
    #[serde(flatten)]
    more: MoreBody,
}

/// The body of `/transcribe`, for the document. Other members do no harm.
#[derive(ToSchema)]
#[schema(as = SalesTrainerTranscribe)]
#[expect(dead_code, reason = "described, never built")]
pub(super) struct TranscribeBody {
    /// The key of the object in the configured bucket.
    s3_key: String,
    #[schema(inline)]
    #[serde(flatten)]
    more: MoreBody,
}

/// What else a request may hold.
#[derive(ToSchema)]
#[expect(dead_code, reason = "described, never built")]
struct MoreBody {
    /// The shared secret; it may stand in `X-Sidecar-Secret` instead.
    secret: Option<String>,
    /// Comes back with the result.
    session_id: Option<String>,
    /// Comes back with the result.
    scenario_id: Option<i64>,
    /// Taken, and not needed: the file's own bytes tell what it is.
    mime_type: Option<String>,
    /// Where the result goes; the configured address if it is left out.
    #[schema(format = "uri")]
    callback_url: Option<String>,
    /// Whether the answer waits for the result, for a bounded time; `true` if it is left out.
    wait: Option<bool>,
}

/// What a request asks for. The secret is no part of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Asked {
    /// The object in the configured bucket.
    pub(super) object_key: String,
    pub(super) session_id: Option<String>,
    pub(super) scenario_id: Option<i64>,
    /// Where the result goes, if not where the operator says.
    pub(super) callback_url: Option<String>,
    /// Whether the answer waits for the result.
    pub(super) waits: bool,
}

impl Asked {
    /// What defines the work, as one text: equal requests have equal texts, whatever release reads them. How long the caller
    /// waits is no part of it.
    pub(super) fn canonical(&self) -> String {
        let Self { object_key, session_id, scenario_id, callback_url, waits: _ } = self;
        serde_json::json!([object_key, session_id, scenario_id, callback_url]).to_string()
    }
}

/// Reads a body, in which the key of the object is called `key_name`. Members that nobody knows do no harm.
///
/// # Errors
/// All members that are missing or of another type, in one problem.
pub(super) fn read(body: Value, key_name: &str) -> Result<Asked, Problem> {
    let mut body = Members::of_body(body)?;
    let object_key = body.required(key_name, object_key);
    let session_id = body.optional("session_id", |value| text(value, TEXT_BYTES_MAX));
    let scenario_id = body.optional("scenario_id", integer);
    // It tells the original what to call the file; here the file's own bytes do.
    body.optional("mime_type", |value| text(value, TEXT_BYTES_MAX));
    let callback_url = body.optional("callback_url", address).flatten();
    let waits = body.optional("wait", |value| value.as_bool().ok_or(NO_BOOLEAN)).unwrap_or(true);
    body.finish()?;
    let object_key = object_key.unwrap_or_default();
    Ok(Asked { object_key, session_id, scenario_id, callback_url, waits })
}

/// A text of so many bytes without control characters.
fn text(value: Value, bytes_max: usize) -> Result<String, &'static str> {
    let text = any_text(value)?;
    if text.len() > bytes_max { Err(TOO_LONG) } else { Ok(text) }
}

fn object_key(value: Value) -> Result<String, &'static str> {
    let key = text(value, KEY_BYTES_MAX)?;
    if key.is_empty() { Err(EMPTY) } else { Ok(key) }
}

/// An address of the web; an empty text is none.
///
/// Whether it may be reached is decided when it is: the worker looks at what its name resolves to.
fn address(value: Value) -> Result<Option<String>, &'static str> {
    let text = text(value, TEXT_BYTES_MAX)?;
    if text.is_empty() {
        return Ok(None);
    }
    let url = Url::parse(&text).map_err(|_| NO_URL)?;
    // Names and passwords would be kept and shown.
    let is_plain = url.has_host() && url.username().is_empty() && url.password().is_none();
    match url.scheme() {
        "http" | "https" if is_plain => Ok(Some(text)),
        "http" | "https" => Err(NO_URL),
        _ => Err(OTHER_SCHEME),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::adapters::fastapi::{
        FRACTION, NO_INTEGER, NO_OBJECT, NO_STRING, UNPARSED_INTEGER, UNUSABLE,
    };
    use crate::problem::FieldProblem;

    #[test]
    fn a_key_is_all_that_is_needed() {
        let expected = Asked {
            object_key: "a/b.webm".to_owned(),
            session_id: None,
            scenario_id: None,
            callback_url: None,
            waits: true,
        };
        let nothing = json!({
            "object_key": "a/b.webm", "session_id": null, "scenario_id": null, "mime_type": null,
            "callback_url": "", "secret": "s", "wait": null, "flavour": 1,
        });

        assert_eq!(read(json!({"object_key": "a/b.webm"}), "object_key").unwrap(), expected);
        assert_eq!(read(nothing, "object_key").unwrap(), expected);
        assert_eq!(read(json!({"s3_key": "a/b.webm"}), "s3_key").unwrap(), expected);
    }

    #[test]
    fn everything_is_read() {
        let body = json!({
            "object_key": "k", "session_id": "s-1", "scenario_id": "12", "mime_type": "audio/webm",
            "callback_url": "https://shop.example/hook", "wait": false,
        });

        let asked = read(body, "object_key").unwrap();

        assert_eq!(asked.session_id.as_deref(), Some("s-1"));
        assert_eq!(asked.scenario_id, Some(12));
        assert_eq!(asked.callback_url.as_deref(), Some("https://shop.example/hook"));
        assert!(!asked.waits);
        let whole = read(json!({"object_key": "k", "scenario_id": 7.0}), "object_key").unwrap();
        assert_eq!(whole.scenario_id, Some(7));
    }

    #[test]
    fn every_member_that_is_wrong_is_named() {
        let wrong = |body: Value| -> Vec<(String, String)> {
            let problem = read(body, "object_key").unwrap_err();
            let pair = |field: &FieldProblem| (field.pointer.clone(), field.detail.clone());
            problem.field_problems().iter().map(pair).collect()
        };
        let named = |name: &str, message: &str| (format!("/{name}"), message.to_owned());

        let all = json!({
            "session_id": 7, "scenario_id": [], "mime_type": [], "callback_url": "nowhere", "wait": "no",
        });
        let expected = [
            ("/object_key".to_owned(), "needed".to_owned()),
            named("session_id", NO_STRING),
            named("scenario_id", NO_INTEGER),
            named("mime_type", NO_STRING),
            named("callback_url", NO_URL),
            named("wait", NO_BOOLEAN),
        ];
        assert_eq!(wrong(all), expected);
        let key = |key: Value| wrong(json!({ "object_key": key }));
        assert_eq!(key(json!(null)), [named("object_key", NO_STRING)]);
        assert_eq!(key(json!("")), [named("object_key", EMPTY)]);
        assert_eq!(key(json!("a\u{0}")), [named("object_key", UNUSABLE)]);
        assert_eq!(key(json!("k".repeat(1025))), [named("object_key", TOO_LONG)]);
        let scenario = |id: Value| wrong(json!({ "object_key": "k", "scenario_id": id }));
        assert_eq!(scenario(json!(1.5)), [named("scenario_id", FRACTION)]);
        assert_eq!(scenario(json!("")), [named("scenario_id", UNPARSED_INTEGER)]);
        let url = |url: &str| wrong(json!({ "object_key": "k", "callback_url": url }));
        assert_eq!(url("file:///etc/passwd"), [named("callback_url", OTHER_SCHEME)]);
        assert_eq!(url("https://user:secret@shop.example/"), [named("callback_url", NO_URL)]);
        assert_eq!(wrong(json!([])), [(String::new(), NO_OBJECT.to_owned())]);
    }
}
