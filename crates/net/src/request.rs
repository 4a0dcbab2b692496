//! What is asked for, of whom, and in whose name.

use std::net::IpAddr;
use std::time::Duration;

use http::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use http::{Method, StatusCode};
use reqwest::Url;

use crate::error::host_of;
use crate::{Body, Error, Guard};

/// A bearer token. Never shown, not even by `Debug`.
#[derive(Clone)]
pub struct Token(HeaderValue);

impl Token {
    /// A token that HTTP can carry: visible ASCII.
    pub fn new(token: &str) -> Result<Self, Error> {
        if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(Error::Token);
        }
        let mut value =
            HeaderValue::from_str(&format!("Bearer {token}")).map_err(|_| Error::Token)?;
        value.set_sensitive(true);
        Ok(Self(value))
    }

    /// Whether `text`, which somebody sent us, holds this token and must not be shown.
    pub fn is_in(&self, text: &str) -> bool {
        let token = self.0.to_str().unwrap_or_default();
        text.contains(token.strip_prefix("Bearer ").unwrap_or(token))
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Token(hidden)")
    }
}

/// Who chose a destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trust {
    /// The operator, in the configuration. It may be anywhere, and the configured proxy leads there.
    Operator,
    /// Whoever calls us. It must be on the public internet or within [`Guard::allowed`], on every hop, and is connected to
    /// directly: a proxy would look its name up again, out of our sight.
    Caller,
}

/// What becomes of a redirect. One from HTTPS to HTTP is always an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Redirects {
    /// It is the answer.
    #[default]
    Refuse,
    /// It is followed within the host that was asked; one to another host is the answer.
    WithinHost,
    /// It is followed, at most ten times in a row. Another host sees no header of ours that could be a secret.
    Follow,
}

/// A destination, what it is to see of us, and how long we wait for it.
#[derive(Debug, Clone)]
pub struct Request {
    pub(crate) url: Url,
    pub(crate) trust: Trust,
    pub(crate) headers: HeaderMap,
    pub(crate) https_only: bool,
    pub(crate) timeout: Option<Duration>,
    pub(crate) idle_timeout: Option<Duration>,
}

impl Request {
    /// Asks for `url`, which was chosen by the operator or by a caller.
    pub fn new(url: Url, trust: Trust) -> Self {
        Self {
            url,
            trust,
            headers: HeaderMap::new(),
            https_only: false,
            timeout: None,
            idle_timeout: None,
        }
    }

    /// In the name of this token's owner.
    pub fn bearer(self, Token(value): &Token) -> Self {
        self.header(AUTHORIZATION, value.clone())
    }

    /// With this header. Marked as sensitive, its value is not shown by `Debug`.
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }

    /// Over HTTPS or not at all, on every hop.
    pub fn https_only(mut self) -> Self {
        self.https_only = true;
        self
    }

    /// The whole call, body included, may take this long instead of [`Settings::answer_timeout`].
    ///
    /// [`Settings::answer_timeout`]: crate::Settings::answer_timeout
    pub fn within(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Silence may last this long instead of [`Settings::idle_timeout`].
    ///
    /// [`Settings::idle_timeout`]: crate::Settings::idle_timeout
    pub fn patient_for(mut self, silence: Duration) -> Self {
        self.idle_timeout = Some(silence);
        self
    }
}

/// One exchange: method, destination and body.
#[derive(Debug)]
pub struct Call {
    pub(crate) method: Method,
    pub(crate) request: Request,
    pub(crate) body: Body,
    pub(crate) redirects: Redirects,
}

impl Call {
    /// A call with any method and body.
    pub fn new(method: Method, request: Request, body: Body) -> Self {
        Self { method, request, body, redirects: Redirects::default() }
    }

    /// Gets.
    pub fn get(request: Request) -> Self {
        Self::new(Method::GET, request, Body::empty())
    }

    /// Posts.
    pub fn post(request: Request, body: Body) -> Self {
        Self::new(Method::POST, request, body)
    }

    /// With this treatment of redirects. Only GET and HEAD are ever redirected: a body is sent once.
    pub fn redirects(mut self, redirects: Redirects) -> Self {
        self.redirects = redirects;
        self
    }
}

/// Refuses a destination that is out of bounds by its looks alone. Names are judged when they are resolved.
pub(crate) fn check(url: &Url, trust: Trust, https_only: bool, guard: &Guard) -> Result<(), Error> {
    let refuse = |reason| Err(Error::Url { reason });
    match url.scheme() {
        "https" => {}
        "http" if https_only => return refuse("https is required"),
        "http" => {}
        _ => return refuse("only http and https are spoken"),
    }
    if trust == Trust::Operator {
        return Ok(());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return refuse("a user or password is not allowed in it");
    }
    // Parsing has brought every spelling of an address (decimal, hexadecimal, octal, short) into the usual one.
    let host = url.host_str().unwrap_or_default();
    let literal = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    if literal.is_ok_and(|address| !guard.permits(address)) {
        return Err(Error::Forbidden { host: host_of(url) });
    }
    Ok(())
}

/// Where an answer sends us on to, if it does and we go.
pub(crate) fn next_hop(
    from: &Url,
    redirects: Redirects,
    method: &Method,
    status: StatusCode,
    location: Option<&HeaderValue>,
) -> Result<Option<Url>, Error> {
    let moved = matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308);
    if !moved || redirects == Redirects::Refuse || !matches!(*method, Method::GET | Method::HEAD) {
        return Ok(None);
    }
    let location = location.and_then(|location| location.to_str().ok());
    let Some(to) = location.and_then(|location| from.join(location).ok()) else { return Ok(None) };
    if redirects == Redirects::WithinHost && to.origin() != from.origin() {
        return Ok(None);
    }
    if from.scheme() == "https" && to.scheme() != "https" {
        return Err(Error::Redirect { host: host_of(from) });
    }
    Ok(Some(to))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(url: &str) -> Url {
        Url::parse(url).unwrap()
    }

    #[test]
    fn a_token_is_never_shown() {
        let token = Token::new("hf_secret").unwrap();
        let request = Request::new(url("https://hub.example/"), Trust::Operator).bearer(&token);

        assert!(!format!("{token:?} {request:?}").contains("secret"));
        assert!(token.is_in("no such key: hf_secret") && !token.is_in("no such key: hf_s***t"));
    }

    #[test]
    fn a_token_that_would_break_the_header_is_refused() {
        for token in ["", "two words", "line\nbreak", "ümlaut"] {
            assert!(matches!(Token::new(token), Err(Error::Token)), "{token:?}");
        }
    }

    #[test]
    fn a_literal_address_is_judged_however_it_is_written() {
        for host in [
            "127.0.0.1",
            "127.0.0.1.",
            "2130706433",
            "0x7f000001",
            "0x7f.1",
            "0177.0.0.1",
            "017700000001",
            "127.1",
            "0",
            "１２７.0.0.1",
            "%31%32%37.0.0.1",
            "[::1]",
            "[::ffff:127.0.0.1]",
            "[::ffff:7f00:1]",
            "[0:0:0:0:0:ffff:a9fe:a9fe]",
        ] {
            let url = url(&format!("http://{host}:8080/"));
            let judged = check(&url, Trust::Caller, false, &Guard::default());
            assert!(matches!(judged, Err(Error::Forbidden { .. })), "{host}: {judged:?}");
            assert!(check(&url, Trust::Operator, false, &Guard::default()).is_ok(), "{host}");
        }
        let public = url("http://134744072/");
        assert!(check(&public, Trust::Caller, false, &Guard::default()).is_ok());
    }

    #[test]
    fn a_caller_names_plain_web_addresses_only() {
        let judge = |address, https| check(&url(address), Trust::Caller, https, &Guard::default());
        for wrong in
            ["ftp://a.example/", "file:///etc/passwd", "https://ana:pw@a.example/", "data:,a"]
        {
            assert!(matches!(judge(wrong, false), Err(Error::Url { .. })), "{wrong}");
        }
        assert!(judge("http://a.example/", false).is_ok());
        assert!(matches!(judge("http://a.example/", true), Err(Error::Url { .. })));
        assert!(judge("https://a.example/", true).is_ok());
    }

    #[test]
    fn encryption_is_never_given_up_on_the_way() {
        let location = HeaderValue::from_static("http://b.example/");
        let hop = |redirects| {
            let from = url("https://a.example/");
            next_hop(&from, redirects, &Method::GET, StatusCode::FOUND, Some(&location))
        };

        assert!(matches!(hop(Redirects::Follow), Err(Error::Redirect { .. })));
        assert!(matches!(hop(Redirects::Refuse), Ok(None)));
        assert!(matches!(hop(Redirects::WithinHost), Ok(None)));
    }

    #[test]
    fn what_has_a_body_is_sent_once() {
        let location = HeaderValue::from_static("/other");
        let from = url("https://a.example/");
        for status in [StatusCode::FOUND, StatusCode::TEMPORARY_REDIRECT] {
            let hop = next_hop(&from, Redirects::Follow, &Method::POST, status, Some(&location));
            assert!(matches!(hop, Ok(None)));
        }
    }
}
