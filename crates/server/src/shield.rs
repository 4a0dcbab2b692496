//! Headers that keep browsers from doing more with an answer than was meant.

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderMap, HeaderName, HeaderValue, REFERRER_POLICY,
    STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};

use crate::App;

/// What every answer says that does not say otherwise itself.
const USUAL: [(HeaderName, &str); 7] = [
    // Nothing is a script or a page because its bytes look like one.
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    // Addresses hold ids, which are nobody else's business.
    (REFERRER_POLICY, "no-referrer"),
    // For browsers that do not know `frame-ancestors`.
    (X_FRAME_OPTIONS, "DENY"),
    // What is opened as a page, although it is data, loads nothing and runs nothing. Pages bring a policy of their own.
    (CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    // Other sites cannot embed an answer; what a page may read is for CORS to say.
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    // A transcript does not belong onto the disk of a shared computer, nor into a proxy.
    (CACHE_CONTROL, "no-store"),
];

/// Tells browsers to come over HTTPS only, for a year.
const HTTPS_ONLY: &str = "max-age=31536000";

/// Puts the headers onto every answer.
pub(crate) async fn shield(State(app): State<App>, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    // Only what others reach over HTTPS may bind them to it; the settings say so, never a header of the request.
    let public_url = app.settings().public_url.as_deref();
    let is_https = public_url.is_some_and(|url| url.starts_with("https://"));
    cover(response.headers_mut(), is_https);
    response
}

/// Adds what is missing. What a handler has set stays.
fn cover(headers: &mut HeaderMap, is_https: bool) {
    let usual = USUAL.into_iter();
    let https = is_https.then_some((STRICT_TRANSPORT_SECURITY, HTTPS_ONLY));
    for (name, value) in usual.chain(https) {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_handler_says_stays() {
        let mut headers = HeaderMap::new();
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));

        cover(&mut headers, false);

        assert_eq!(headers[CACHE_CONTROL], "private, no-cache");
        assert_eq!(headers[X_CONTENT_TYPE_OPTIONS], "nosniff");
        assert_eq!(headers.len(), USUAL.len());
    }

    #[test]
    fn browsers_are_bound_to_https_only_where_it_is_spoken() {
        let covered = |is_https| {
            let mut headers = HeaderMap::new();
            cover(&mut headers, is_https);
            headers
        };
        assert!(!covered(false).contains_key(STRICT_TRANSPORT_SECURITY));
        assert_eq!(covered(true)[STRICT_TRANSPORT_SECURITY], HTTPS_ONLY);
    }
}
