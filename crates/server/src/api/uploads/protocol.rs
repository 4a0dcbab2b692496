//! What tus 1.0 says in headers.

use std::collections::HashSet;
use std::time::{Duration, UNIX_EPOCH};

use axum::extract::FromRequestParts;
use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hansard_domain::problem::ProblemCode;
use hansard_store::uploads::{Checksum, Upload};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use crate::App;
use crate::problem::Problem;

/// The version that is spoken.
const VERSION: &str = "1.0.0";

/// What is offered besides the core of the protocol.
const EXTENSIONS: &str =
    "creation,creation-with-upload,creation-defer-length,termination,expiration,checksum";

/// What pieces may be checked with.
const ALGORITHMS: &str = "sha1,sha256";

/// Bytes of `Upload-Metadata`.
const METADATA_BYTES_MAX: usize = 4 << 10;

/// The key of `Upload-Metadata` under which clients give the name of the file.
const FILE_NAME_KEY: &str = "filename";

const TUS_RESUMABLE: HeaderName = HeaderName::from_static("tus-resumable");
const TUS_VERSION: HeaderName = HeaderName::from_static("tus-version");
const TUS_EXTENSION: HeaderName = HeaderName::from_static("tus-extension");
const TUS_MAX_SIZE: HeaderName = HeaderName::from_static("tus-max-size");
const TUS_CHECKSUM_ALGORITHM: HeaderName = HeaderName::from_static("tus-checksum-algorithm");
const UPLOAD_OFFSET: HeaderName = HeaderName::from_static("upload-offset");
const UPLOAD_LENGTH: HeaderName = HeaderName::from_static("upload-length");
const UPLOAD_DEFER_LENGTH: HeaderName = HeaderName::from_static("upload-defer-length");
const UPLOAD_METADATA: HeaderName = HeaderName::from_static("upload-metadata");
const UPLOAD_CHECKSUM: HeaderName = HeaderName::from_static("upload-checksum");
const UPLOAD_EXPIRES: HeaderName = HeaderName::from_static("upload-expires");
const METHOD_OVERRIDE: HeaderName = HeaderName::from_static("x-http-method-override");

/// A request in the version of the protocol that is spoken here. As an argument of a handler it refuses every other.
pub(crate) struct Tus;

impl FromRequestParts<App> for Tus {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, Problem> {
        if parts.headers.get(TUS_RESUMABLE).is_some_and(|version| version == VERSION) {
            return Ok(Self);
        }
        let detail = format!("expected Tus-Resumable: {VERSION}");
        Err(Problem::new(ProblemCode::UnsupportedVersion).detail(detail))
    }
}

/// Adds to an answer what every answer of the protocol says, problems included.
pub(super) fn greet(mut answer: Response) -> Response {
    let is_of_version = answer.status() == StatusCode::PRECONDITION_FAILED;
    let headers = answer.headers_mut();
    headers.insert(TUS_RESUMABLE, HeaderValue::from_static(VERSION));
    if is_of_version {
        headers.insert(TUS_VERSION, HeaderValue::from_static(VERSION));
    }
    answer
}

/// What a server says about itself that takes uploads of `bytes_max`.
pub(super) fn abilities(bytes_max: u64) -> [(HeaderName, HeaderValue); 4] {
    [
        (TUS_VERSION, HeaderValue::from_static(VERSION)),
        (TUS_EXTENSION, HeaderValue::from_static(EXTENSIONS)),
        (TUS_MAX_SIZE, HeaderValue::from(bytes_max)),
        (TUS_CHECKSUM_ALGORITHM, HeaderValue::from_static(ALGORITHMS)),
    ]
}

/// How far an upload is, and when it is given up.
pub(super) fn progress(upload: &Upload) -> [(HeaderName, String); 2] {
    let since_1970 = u64::try_from(upload.expires_at.as_micros()).unwrap_or_default();
    let expires = httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_micros(since_1970));
    [(UPLOAD_OFFSET, upload.offset.to_string()), (UPLOAD_EXPIRES, expires)]
}

/// What was said about an upload when it was created.
pub(super) fn plan(upload: &Upload) -> HeaderMap {
    let length = match upload.length {
        Some(length) => (UPLOAD_LENGTH, HeaderValue::from(length)),
        None => (UPLOAD_DEFER_LENGTH, HeaderValue::from(1)),
    };
    let metadata = HeaderValue::from_str(&upload.metadata).ok().filter(|text| !text.is_empty());
    [length].into_iter().chain(metadata.map(|text| (UPLOAD_METADATA, text))).collect()
}

/// Where a piece begins.
pub(super) fn offset(headers: &HeaderMap) -> Result<u64, Problem> {
    number(headers, &UPLOAD_OFFSET)?.ok_or_else(|| refused("Upload-Offset", "needed"))
}

/// The length that is stated, if one is.
pub(super) fn length(headers: &HeaderMap) -> Result<Option<u64>, Problem> {
    number(headers, &UPLOAD_LENGTH)
}

/// The length of an upload that is to begin; `None` if it is told later.
pub(super) fn length_of_new(headers: &HeaderMap) -> Result<Option<u64>, Problem> {
    match (length(headers)?, one(headers, &UPLOAD_DEFER_LENGTH)?) {
        (Some(length), None) => Ok(Some(length)),
        (None, Some("1")) => Ok(None),
        _ => Err(refused("Upload-Length", "needed, or else Upload-Defer-Length: 1")),
    }
}

/// What is said about an upload that is to begin: pairs of a key and a value in base64, as they were given.
pub(super) fn metadata(headers: &HeaderMap) -> Result<&str, Problem> {
    let Some(text) = one(headers, &UPLOAD_METADATA)? else { return Ok("") };
    let mut keys = HashSet::new();
    let is_pair = |(key, value): (&str, &str)| {
        let is_key = !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_graphic());
        is_key && keys.insert(key.to_owned()) && STANDARD.decode(value).is_ok()
    };
    if text.len() > METADATA_BYTES_MAX || (!text.is_empty() && !pairs(text).all(is_pair)) {
        let detail = format!(
            "expected up to {METADATA_BYTES_MAX} bytes of `key base64(value)` with different keys, parted by commas"
        );
        return Err(refused("Upload-Metadata", &detail));
    }
    Ok(text)
}

/// The file's name in the metadata of an upload, as the client gave it.
pub(crate) fn file_name(metadata: &str) -> Option<String> {
    let (_, value) = pairs(metadata).find(|(key, _)| *key == FILE_NAME_KEY)?;
    String::from_utf8(STANDARD.decode(value).ok()?).ok()
}

/// What a piece must hash to, if that is stated.
pub(super) fn checksum(headers: &HeaderMap) -> Result<Option<Checksum>, Problem> {
    let Some(text) = one(headers, &UPLOAD_CHECKSUM)? else { return Ok(None) };
    let (algorithm, value) = text.split_once(' ').unwrap_or_default();
    match (algorithm, STANDARD.decode(value)) {
        ("sha1", Ok(hash)) if hash.len() == 20 => Ok(Some(Checksum::Sha1(hash))),
        ("sha256", Ok(hash)) if hash.len() == 32 => Ok(Some(Checksum::Sha256(hash))),
        _ => Err(refused("Upload-Checksum", "expected sha1 or sha256, and the checksum in base64")),
    }
}

/// The method that is meant in place of that of the request.
pub(super) fn method_override(headers: &HeaderMap) -> Result<Option<&str>, Problem> {
    one(headers, &METHOD_OVERRIDE)
}

/// A header that cannot be as it is.
pub(super) fn refused(header: &str, detail: &str) -> Problem {
    Problem::new(ProblemCode::InvalidHeader).detail(format!("{header}: {detail}"))
}

/// Keys and encoded values of `Upload-Metadata`; a key may stand alone.
fn pairs(metadata: &str) -> impl Iterator<Item = (&str, &str)> {
    let pairs = metadata.split(',').map(str::trim);
    pairs.map(|pair| pair.split_once(' ').unwrap_or((pair, "")))
}

fn number(headers: &HeaderMap, name: &HeaderName) -> Result<Option<u64>, Problem> {
    let Some(text) = one(headers, name)? else { return Ok(None) };
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit());
    match text.parse() {
        Ok(number) if is_plain => Ok(Some(number)),
        _ => Err(refused(name.as_str(), "expected a number of bytes")),
    }
}

/// The value of a header that stands in a request at most once.
fn one<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, Problem> {
    let mut values = headers.get_all(name).into_iter();
    match (values.next().map(HeaderValue::to_str), values.next()) {
        (None, _) => Ok(None),
        (Some(Ok(text)), None) => Ok(Some(text)),
        _ => Err(refused(name.as_str(), "expected one value in ASCII")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(name: &HeaderName, values: &[&str]) -> HeaderMap {
        values.iter().map(|value| (name.clone(), value.parse().unwrap())).collect()
    }

    #[test]
    fn metadata_are_pairs_with_different_keys() {
        for right in ["", "filename dGFsay53YXY=", "a, b Yg==,c ", "is_confidential"] {
            let headers = with(&UPLOAD_METADATA, &[right]);
            assert_eq!(metadata(&headers).unwrap(), right);
        }
        let long = "k".repeat(METADATA_BYTES_MAX + 1);
        for wrong in [",", "a Yg==,", "a Yg==,a Yg==", "a b c", "a ~", &long] {
            assert!(metadata(&with(&UPLOAD_METADATA, &[wrong])).is_err(), "{wrong:?}");
        }
        assert_eq!(file_name("a,filename dGFsay53YXY=").as_deref(), Some("talk.wav"));
        assert_eq!(file_name("filename /w=="), None, "not UTF-8");
        assert_eq!(file_name(""), None);
    }

    #[test]
    fn lengths_are_numbers_stated_once() {
        assert_eq!(
            length(&with(&UPLOAD_LENGTH, &["18446744073709551615"])).unwrap(),
            Some(u64::MAX)
        );
        assert_eq!(length(&HeaderMap::new()).unwrap(), None);
        for wrong in [&["-1"][..], &["+1"], &["1.0"], &[""], &["18446744073709551616"], &["1", "1"]]
        {
            assert!(length(&with(&UPLOAD_LENGTH, wrong)).is_err(), "{wrong:?}");
        }
        assert_eq!(length_of_new(&with(&UPLOAD_DEFER_LENGTH, &["1"])).unwrap(), None);
        assert!(length_of_new(&with(&UPLOAD_DEFER_LENGTH, &["0"])).is_err());
        assert!(length_of_new(&HeaderMap::new()).is_err());
    }

    #[test]
    fn a_checksum_has_a_known_algorithm_and_its_length() {
        let read = |text: &str| checksum(&with(&UPLOAD_CHECKSUM, &[text]));
        let sha1 = STANDARD.encode([7; 20]);

        assert_eq!(read(&format!("sha1 {sha1}")).unwrap(), Some(Checksum::Sha1(vec![7; 20])));
        for wrong in [&format!("md5 {sha1}"), &format!("sha256 {sha1}"), "sha1", "sha1 ~", ""] {
            assert!(read(wrong).is_err(), "{wrong:?}");
        }
    }
}
