//! Pages of other origins (CORS): which may call, and what their browsers are told.
//!
//! An origin is scheme, host and port, as browsers write them, and is compared as a whole: no patterns, no `null`. A listed
//! one may call with the cookies of a login, so the list holds whom the operator trusts as much as the service itself.

use axum::response::{IntoResponse, Response};
use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
    ACCESS_CONTROL_REQUEST_METHOD, HeaderMap, HeaderValue, ORIGIN, VARY,
};
use http::{Method, StatusCode};
use url::Url;

/// Methods that a listed origin's pages may use.
const METHODS: &str = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";

/// Headers that they may send. One by one: `*` does not count for requests with credentials.
const SENT: &str = "authorization, content-type, accept, x-api-key, x-csrf-token, x-workspace, \
    idempotency-key, if-match, if-none-match, range, last-event-id, tus-resumable, upload-offset, \
    upload-length, upload-metadata, upload-defer-length, upload-checksum, upload-concat";

/// Headers of answers that they may read.
const EXPOSED: &str = "x-csrf-token, x-request-id, location, retry-after, ratelimit-limit, \
    ratelimit-remaining, ratelimit-reset, ratelimit-policy, etag, content-range, \
    content-disposition, upload-offset, upload-length, upload-expires, tus-resumable, tus-version, \
    tus-extension, tus-max-size, tus-checksum-algorithm, idempotency-replayed";

/// For how many seconds a browser need not ask again.
const PREFLIGHT_LASTS: &str = "3600";

/// Origins whose pages may call.
#[derive(Debug, Clone, Default)]
pub(crate) struct Origins(Vec<String>);

impl Origins {
    /// The origins of these addresses, whatever their paths.
    pub(crate) fn of<'a>(addresses: impl IntoIterator<Item = &'a Url>) -> Self {
        Self(addresses.into_iter().map(origin_of).collect())
    }

    /// Whether the list holds `origin`, as a browser has sent it.
    pub(crate) fn contains(&self, origin: &HeaderValue) -> bool {
        self.0.iter().any(|listed| listed.as_bytes() == origin.as_bytes())
    }

    /// The one origin of a request, if it is listed. Browsers send one; who sends two is none.
    fn of_request<'a>(&self, headers: &'a HeaderMap) -> Option<&'a HeaderValue> {
        let mut origins = headers.get_all(ORIGIN).into_iter();
        let origin = origins.next().filter(|origin| self.contains(origin))?;
        origins.next().is_none().then_some(origin)
    }
}

/// The origin of an address in browsers' words: lower case, and without the port that the scheme has anyway.
pub(crate) fn origin_of(address: &Url) -> String {
    address.origin().ascii_serialization()
}

/// The answer to a browser that asks whether a page may call; `None` for any other request.
///
/// It comes before everything that looks at credentials, since browsers ask without any. Whoever is not listed learns
/// nothing, and its browser makes of that a refusal.
pub(crate) fn preflight(
    method: &Method,
    headers: &HeaderMap,
    listed: &Origins,
) -> Option<Response> {
    let asks = headers.contains_key(ORIGIN) && headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD);
    if *method != Method::OPTIONS || !asks {
        return None;
    }
    let mut response = StatusCode::NO_CONTENT.into_response();
    let answer = response.headers_mut();
    answer.insert(VARY, HeaderValue::from_static("origin"));
    if let Some(origin) = listed.of_request(headers) {
        welcome(answer, origin);
        for (name, value) in [
            (ACCESS_CONTROL_ALLOW_METHODS, METHODS),
            (ACCESS_CONTROL_ALLOW_HEADERS, SENT),
            (ACCESS_CONTROL_MAX_AGE, PREFLIGHT_LASTS),
        ] {
            answer.insert(name, HeaderValue::from_static(value));
        }
    }
    Some(response)
}

/// Lets the page that has sent `headers` read the answer with `answer`, if its origin is listed. Errors as well.
pub(crate) fn admit(headers: &HeaderMap, answer: &mut HeaderMap, listed: &Origins) {
    // Also without an origin: a cache must not give this answer to a page that asks later.
    answer.append(VARY, HeaderValue::from_static("origin"));
    if let Some(origin) = listed.of_request(headers) {
        welcome(answer, origin);
        answer.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSED));
    }
}

fn welcome(answer: &mut HeaderMap, origin: &HeaderValue) {
    answer.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
    answer.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
}

#[cfg(test)]
mod tests {
    use http::header::ACCESS_CONTROL_REQUEST_HEADERS;

    use super::*;

    const APP: &str = "https://app.example";

    fn listed() -> Origins {
        let addresses = ["https://App.example:443/hansard/", "http://localhost:5173"]
            .map(|url| Url::parse(url).unwrap());
        Origins::of(&addresses)
    }

    fn asked(origins: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for origin in origins {
            headers.append(ORIGIN, HeaderValue::from_str(origin).unwrap());
        }
        headers
    }

    /// The origin that an answer to a page of `origins` allows.
    fn allowed(origins: &[&str]) -> Option<String> {
        let mut answer = HeaderMap::new();
        admit(&asked(origins), &mut answer, &listed());
        assert_eq!(answer[VARY], "origin");
        let is_welcome = answer.contains_key(ACCESS_CONTROL_ALLOW_ORIGIN);
        assert_eq!(answer.contains_key(ACCESS_CONTROL_ALLOW_CREDENTIALS), is_welcome);
        assert_eq!(answer.contains_key(ACCESS_CONTROL_EXPOSE_HEADERS), is_welcome);
        answer.get(ACCESS_CONTROL_ALLOW_ORIGIN).map(|origin| origin.to_str().unwrap().to_owned())
    }

    #[test]
    fn a_listed_origin_is_let_in_by_its_whole_name() {
        assert_eq!(allowed(&[APP]).as_deref(), Some(APP));
        assert_eq!(allowed(&["http://localhost:5173"]).as_deref(), Some("http://localhost:5173"));
    }

    #[test]
    fn what_only_looks_like_a_listed_origin_is_not_let_in() {
        for wrong in [
            "null",
            "*",
            "",
            "https://app.example/",
            "https://app.example:443",
            "https://app.example:8443",
            "https://APP.example",
            "http://app.example",
            "https://evil.app.example",
            "https://app.example.evil",
            "https://evilapp.example",
            "https://app.example@evil.example",
            "https://app.example https://evil.example",
            "http://localhost",
            "http://127.0.0.1:5173",
        ] {
            assert_eq!(allowed(&[wrong]), None, "{wrong:?}");
        }
        assert_eq!(allowed(&[]), None);
        assert_eq!(allowed(&[APP, "https://evil.example"]), None);
        assert_eq!(allowed(&[APP, APP]), None);
    }

    #[test]
    fn nobody_is_let_in_where_nobody_is_listed() {
        let mut answer = HeaderMap::new();
        admit(&asked(&[APP]), &mut answer, &Origins::default());
        assert!(!answer.contains_key(ACCESS_CONTROL_ALLOW_ORIGIN));
    }

    #[test]
    fn what_an_answer_varies_by_already_stays() {
        let mut answer = HeaderMap::new();
        answer.insert(VARY, HeaderValue::from_static("accept"));
        admit(&asked(&[APP]), &mut answer, &listed());
        assert_eq!(answer.get_all(VARY).iter().collect::<Vec<_>>(), ["accept", "origin"]);
    }

    #[test]
    fn a_preflight_is_answered_and_nothing_else_is() {
        let mut headers = asked(&[APP]);
        assert!(preflight(&Method::OPTIONS, &headers, &listed()).is_none(), "tus asks so");
        headers.insert(ACCESS_CONTROL_REQUEST_METHOD, HeaderValue::from_static("PATCH"));
        headers.insert(ACCESS_CONTROL_REQUEST_HEADERS, HeaderValue::from_static("x-csrf-token"));
        assert!(preflight(&Method::POST, &headers, &listed()).is_none());

        let answer = preflight(&Method::OPTIONS, &headers, &listed()).unwrap();
        assert_eq!(answer.status(), StatusCode::NO_CONTENT);
        let told = answer.headers();
        assert_eq!(told[ACCESS_CONTROL_ALLOW_ORIGIN], APP);
        assert_eq!(told[ACCESS_CONTROL_ALLOW_CREDENTIALS], "true");
        assert!(told[ACCESS_CONTROL_ALLOW_METHODS].to_str().unwrap().contains("PATCH"));
        assert!(told[ACCESS_CONTROL_ALLOW_HEADERS].to_str().unwrap().contains("x-csrf-token"));
        assert_eq!(told[ACCESS_CONTROL_MAX_AGE], "3600");
        assert_eq!(told[VARY], "origin");

        headers.insert(ORIGIN, HeaderValue::from_static("https://evil.example"));
        let stranger = preflight(&Method::OPTIONS, &headers, &listed()).unwrap();
        assert_eq!(stranger.status(), StatusCode::NO_CONTENT);
        assert_eq!(stranger.headers().len(), 1, "only what it varies by");
    }

    #[test]
    fn header_lists_hold_names_that_headers_can_have() {
        for name in SENT.split(", ").chain(EXPOSED.split(", ")) {
            assert!(http::HeaderName::from_lowercase(name.as_bytes()).is_ok(), "{name:?}");
        }
    }
}
