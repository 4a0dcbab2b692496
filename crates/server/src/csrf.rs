//! Requests that a browser sends because another site's page told it to (CSRF).
//!
//! A browser adds the cookie of a session to whatever it sends here, so the cookie proves nothing about who wants the
//! request. Two things do: the origin, which pages cannot choose, and a token, which pages of other origins cannot read.
//! Only callers who come by cookie are asked for them; keys and tokens are never added by themselves.

use http::Method;
use http::header::{HOST, HeaderMap, HeaderName, HeaderValue, ORIGIN};
use http::uri::Authority;
use url::Url;

use crate::cors::{Origins, origin_of};
use crate::door::local::is_own;
use crate::ticket::Ticket;

/// Where a page shows the token, and an answer gives it.
pub(crate) const TOKEN: HeaderName = HeaderName::from_static("x-csrf-token");

/// Where a browser says which site a request comes from.
pub(crate) const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// What the token is derived from a session's ticket for.
const PURPOSE: &str = "csrf";

/// Why a request of a session is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    /// A token came without the session that it belongs to.
    #[error("the session is missing")]
    NoSession,
    /// The page does not show the token.
    #[error("the header X-CSRF-Token is missing")]
    NoToken,
    /// The token is not that of the session.
    #[error("the header X-CSRF-Token is not that of the session")]
    WrongToken,
    /// The page belongs to somebody else.
    #[error("pages of other origins may not do this")]
    WrongOrigin,
}

/// Which origin is the service's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum OwnOrigin {
    /// The one at which others reach it.
    Public(String),
    /// Any name of this machine with this port: the one that the request names as its host.
    Loopback(u16),
}

impl OwnOrigin {
    /// The origin of a service at `address`.
    pub(crate) fn public(address: &Url) -> Self {
        Self::Public(origin_of(address))
    }

    fn is(&self, origin: &HeaderValue, headers: &HeaderMap) -> bool {
        let Ok(origin) = origin.to_str() else { return false };
        match self {
            Self::Public(own) => origin == own,
            Self::Loopback(port) => {
                let mut hosts = headers.get_all(HOST).into_iter();
                let (Some(host), None) = (hosts.next(), hosts.next()) else { return false };
                let host = host.to_str().ok().and_then(|host| host.parse::<Authority>().ok());
                let Some(host) = host.filter(|host| is_own(*port, host)) else { return false };
                origin
                    .strip_prefix("http://")
                    .is_some_and(|named| host.as_str().eq_ignore_ascii_case(named))
            }
        }
    }
}

/// What the check goes by.
#[derive(Debug, Clone)]
pub(crate) struct Rules {
    /// Where its own pages come from; `None` if that cannot be told.
    pub(crate) own: Option<OwnOrigin>,
    /// Whose pages may call as well.
    pub(crate) listed: Origins,
    /// Beginnings of paths below which nothing is checked.
    pub(crate) exempt_paths: Vec<String>,
}

/// The token for the pages of a session.
///
/// It is derived from the session's ticket: new with each login, stored nowhere, and bound to the session, so that nobody can
/// put a token of their own beside somebody else's session.
pub(crate) fn token(session: &Ticket) -> String {
    session.derive(PURPOSE)
}

impl Rules {
    /// Checks a request that came with the cookie of `session`, or without one.
    ///
    /// # Errors
    /// See [`Refusal`].
    pub(crate) fn check(
        &self,
        method: &Method,
        path: &str,
        headers: &HeaderMap,
        session: Option<&Ticket>,
    ) -> Result<(), Refusal> {
        // These change nothing; what they answer, other origins cannot read.
        if [Method::GET, Method::HEAD, Method::OPTIONS].contains(method) || self.is_exempt(path) {
            return Ok(());
        }
        let mut tokens = headers.get_all(TOKEN).into_iter();
        let Some(session) = session else {
            return if tokens.next().is_some() { Err(Refusal::NoSession) } else { Ok(()) };
        };
        self.check_origin(headers)?;
        let given = tokens.next().ok_or(Refusal::NoToken)?;
        let is_right = given.to_str().is_ok_and(|given| session.is_derived(PURPOSE, given));
        if !is_right || tokens.next().is_some() {
            return Err(Refusal::WrongToken);
        }
        Ok(())
    }

    /// Refuses what a page of another origin sends.
    ///
    /// # Errors
    /// [`Refusal::WrongOrigin`].
    pub(crate) fn check_origin(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        let mut origins = headers.get_all(ORIGIN).into_iter().peekable();
        let is_ours = if origins.peek().is_some() {
            origins.all(|origin| self.is_allowed(origin, headers))
        } else {
            // Old browsers and programs say nothing; new ones say this about requests that have no origin.
            let mut sites = headers.get_all(SEC_FETCH_SITE).into_iter();
            sites.all(|site| site == "same-origin" || site == "none")
        };
        if is_ours { Ok(()) } else { Err(Refusal::WrongOrigin) }
    }

    fn is_allowed(&self, origin: &HeaderValue, headers: &HeaderMap) -> bool {
        self.listed.contains(origin) || self.own.as_ref().is_some_and(|own| own.is(origin, headers))
    }

    /// Whether `path` lies below an exempt one. The router goes by the same text, undecoded, so no spelling of a path is
    /// exempt here and something else there.
    fn is_exempt(&self, path: &str) -> bool {
        self.exempt_paths.iter().map(|exempt| exempt.trim_end_matches('/')).any(|exempt| {
            // Nothing makes all paths exempt.
            !exempt.is_empty()
                && path
                    .strip_prefix(exempt)
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: &str = "https://hansard.example";

    fn rules() -> Rules {
        let listed = Url::parse("https://app.example").unwrap();
        Rules {
            own: Some(OwnOrigin::public(&Url::parse("https://hansard.example/base").unwrap())),
            listed: Origins::of([&listed]),
            exempt_paths: vec!["/hooks/".to_owned(), "/a/b".to_owned()],
        }
    }

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    fn post(pairs: &[(&'static str, &str)], session: Option<&Ticket>) -> Result<(), Refusal> {
        rules().check(&Method::POST, "/api/v1/recordings", &headers(pairs), session)
    }

    #[test]
    fn a_page_of_ours_shows_the_token_and_is_let_through() {
        let session = Ticket::new();
        let token = token(&session);

        for origin in [OWN, "https://app.example"] {
            assert_eq!(
                post(&[("origin", origin), ("x-csrf-token", &token)], Some(&session)),
                Ok(())
            );
        }
        assert_eq!(
            post(&[("x-csrf-token", &token)], Some(&session)),
            Ok(()),
            "a program with a cookie jar"
        );
        let same = [("x-csrf-token", token.as_str()), ("sec-fetch-site", "same-origin")];
        assert_eq!(post(&same, Some(&session)), Ok(()));
    }

    #[test]
    fn the_token_has_to_be_there_and_be_the_sessions() {
        let session = Ticket::new();
        let (token, other) = (token(&session), token(&Ticket::new()));

        assert_eq!(post(&[("origin", OWN)], Some(&session)), Err(Refusal::NoToken));
        for wrong in ["", "x", &other, &session.reveal(), &session.hash(), &format!("{token} ")] {
            let sent = [("origin", OWN), ("x-csrf-token", wrong)];
            assert_eq!(post(&sent, Some(&session)), Err(Refusal::WrongToken), "{wrong}");
        }
        let twice = [("x-csrf-token", token.as_str()), ("x-csrf-token", other.as_str())];
        assert_eq!(post(&twice, Some(&session)), Err(Refusal::WrongToken));
    }

    #[test]
    fn a_token_without_its_session_is_told_so() {
        assert_eq!(post(&[("x-csrf-token", "x")], None), Err(Refusal::NoSession));
        assert_eq!(post(&[], None), Ok(()), "the door says that a credential is missing");
    }

    #[test]
    fn a_page_of_another_origin_is_refused_even_with_the_token() {
        let session = Ticket::new();
        let token = token(&session);
        for origin in [
            "null",
            "",
            "https://evil.example",
            "http://hansard.example",
            "https://hansard.example:444",
            "https://hansard.example/base",
            "https://HANSARD.example",
            "https://hansard.example.evil.example",
            "https://hansard.example@evil.example",
            "file://",
        ] {
            let sent = [("origin", origin), ("x-csrf-token", token.as_str())];
            assert_eq!(post(&sent, Some(&session)), Err(Refusal::WrongOrigin), "{origin:?}");
        }
        let both = [("origin", OWN), ("origin", "https://evil.example"), ("x-csrf-token", &token)];
        assert_eq!(post(&both, Some(&session)), Err(Refusal::WrongOrigin));
        for site in ["cross-site", "same-site", "", "SAME-ORIGIN"] {
            let sent = [("sec-fetch-site", site), ("x-csrf-token", token.as_str())];
            assert_eq!(post(&sent, Some(&session)), Err(Refusal::WrongOrigin), "{site:?}");
        }
    }

    #[test]
    fn on_this_machine_the_own_origin_is_the_host_that_the_request_names() {
        let rules = Rules { own: Some(OwnOrigin::Loopback(8080)), ..rules() };
        let check = |host: &str, origin: &str| {
            rules.check_origin(&headers(&[("host", host), ("origin", origin)])).is_ok()
        };

        assert!(check("127.0.0.1:8080", "http://127.0.0.1:8080"));
        assert!(check("localhost:8080", "http://localhost:8080"));
        assert!(check("[::1]:8080", "http://[::1]:8080"));
        for (host, origin) in [
            ("127.0.0.1:8080", "http://localhost:8080"),
            ("127.0.0.1:8080", "https://127.0.0.1:8080"),
            ("127.0.0.1:8080", "http://127.0.0.1:3000"),
            ("127.0.0.1:3000", "http://127.0.0.1:3000"),
            // A name that somebody lets point here.
            ("evil.example:8080", "http://evil.example:8080"),
        ] {
            assert!(!check(host, origin), "{host} {origin}");
        }
    }

    #[test]
    fn only_what_changes_something_is_checked() {
        let session = Ticket::new();
        let check = |method: &Method| {
            rules().check(method, "/api", &HeaderMap::new(), Some(&session)).is_ok()
        };
        assert!([Method::GET, Method::HEAD, Method::OPTIONS].iter().all(check));
        for method in ["POST", "PUT", "PATCH", "DELETE", "TRACE", "get", "FIND"] {
            assert!(!check(&method.parse().unwrap()), "{method}");
        }
    }

    #[test]
    fn a_path_is_exempt_below_an_exempt_one_and_nowhere_else() {
        let rules = rules();
        for exempt in ["/hooks", "/hooks/", "/hooks/a", "/a/b", "/a/b/c"] {
            assert!(rules.is_exempt(exempt), "{exempt}");
        }
        for path in ["/", "", "/hooksx", "/HOOKS", "/x/hooks", "/%68ooks", "//hooks", "/a", "/a/bc"]
        {
            assert!(!rules.is_exempt(path), "{path}");
        }
        let all = Rules { exempt_paths: vec!["/".to_owned(), String::new()], ..rules };
        assert!(!all.is_exempt("/") && !all.is_exempt("/api"));
    }
}
