//! Who is calling: the one door for credentials.
//!
//! With static keys configured, a caller brings one of them. Without, the service listens on a loopback address and
//! admits programs on this machine; since a browser on this machine is one too, `Host` has to name this service (against
//! DNS rebinding), `Origin` has to be its own (against other sites), and whatever a proxy adds is refused (a proxy in front
//! means that callers are elsewhere, and that keys are needed).

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use axum::extract::FromRequestParts;
use hansard_domain::id::WorkspaceId;
use hansard_domain::problem::ProblemCode;
use http::header::{AUTHORIZATION, HOST, HeaderMap, HeaderName, ORIGIN};
use http::request::Parts;
use http::uri::Authority;
use ring::digest::{SHA256, digest};
use subtle::{Choice, ConstantTimeEq};

use crate::App;
use crate::problem::Problem;

/// Where a key stands that is not in `Authorization`.
const API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// Where a browser says which site a request comes from.
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The port that `Host` means when it names none.
const DEFAULT_PORT: u16 = 80;

/// Static keys, as their checksums: what is compared has one length and is worth nothing to a thief.
#[derive(Clone, Default)]
pub struct Keys(Vec<[u8; 32]>);

impl Keys {
    /// These keys are valid, each as good as the others.
    pub fn new<'a>(keys: impl IntoIterator<Item = &'a str>) -> Self {
        Self(keys.into_iter().map(checksum).collect())
    }

    /// Whether there is no key.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether `given` is one of the keys, in a time that tells nothing about them.
    pub(crate) fn contains(&self, given: &str) -> bool {
        let given = checksum(given);
        let any = |found: Choice, key: &[u8; 32]| found | key.ct_eq(&given);
        self.0.iter().fold(Choice::from(0), any).into()
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Keys({})", self.0.len())
    }
}

fn checksum(text: &str) -> [u8; 32] {
    digest(&SHA256, text.as_bytes()).as_ref().try_into().expect("SHA-256 has 32 bytes")
}

/// Somebody who may call, and for whom.
///
/// As an argument of a handler it refuses everybody else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Caller {
    workspace: WorkspaceId,
}

impl Caller {
    /// The workspace that the caller acts for.
    pub(crate) fn workspace(&self) -> &WorkspaceId {
        &self.workspace
    }

    /// Somebody who has shown a secret that an adapter's original asks for: like one with a static key, they act for the
    /// configured workspace.
    pub(crate) fn with_secret(app: &App) -> Self {
        Self { workspace: app.workspace().clone() }
    }

    /// Whoever sent the request with this head.
    ///
    /// # Errors
    /// [`ProblemCode::Unauthorized`] without a valid key where keys are configured; [`ProblemCode::Forbidden`] where they
    /// are not and the request did not come straight from a program on this machine.
    pub(crate) fn of(app: &App, parts: &Parts) -> Result<Self, Problem> {
        let settings = app.settings();
        if settings.keys.is_empty() {
            check_local(settings.bind, parts)?;
        } else if !keys_of(&parts.headers).any(|key| settings.keys.contains(key)) {
            return Err(Problem::new(ProblemCode::Unauthorized));
        }
        Ok(Self::with_secret(app))
    }
}

impl FromRequestParts<App> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        // The route's declaration has had it checked, unless it is open to others as well.
        match parts.extensions.get::<Self>() {
            Some(caller) => Ok(caller.clone()),
            None => Self::of(app, parts),
        }
    }
}

/// The keys that a request brings, in either of the two headers.
fn keys_of(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let bearer = headers.get_all(AUTHORIZATION).into_iter().filter_map(|value| {
        let (scheme, key) = value.to_str().ok()?.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| key.trim())
    });
    let plain = headers.get_all(API_KEY).into_iter().filter_map(|value| value.to_str().ok());
    bearer.chain(plain)
}

/// Refuses what a program on this machine would not send to the service at `bind`.
fn check_local(bind: SocketAddr, parts: &Parts) -> Result<(), Problem> {
    let refuse = |detail: &str| Err(Problem::new(ProblemCode::Forbidden).detail(detail));
    let headers = &parts.headers;
    if headers.keys().any(is_forwarded) {
        return refuse("requests through a proxy need a key; none is configured (server.api_key)");
    }
    let mut hosts = headers.get_all(HOST).into_iter();
    let named = match (hosts.next(), hosts.next()) {
        (Some(host), None) => host.to_str().ok().and_then(|host| host.parse::<Authority>().ok()),
        _ => None,
    };
    let is_ours = |authority: &Authority| is_own(bind.port(), authority);
    if !named.as_ref().is_some_and(is_ours) || !parts.uri.authority().is_none_or(is_ours) {
        return refuse("without a key, the Host header has to name this machine and port");
    }
    for origin in headers.get_all(ORIGIN) {
        let authority = origin.to_str().ok().and_then(|origin| origin.strip_prefix("http://"));
        let authority = authority.and_then(|authority| authority.parse::<Authority>().ok());
        if !authority.as_ref().is_some_and(is_ours) {
            return refuse("without a key, pages of other origins may not call");
        }
    }
    // A page of another site that only loads something sends no Origin, but browsers tell this.
    let sites = headers.get_all(SEC_FETCH_SITE);
    if sites.iter().any(|site| site != "same-origin" && site != "none") {
        return refuse("without a key, pages of other sites may not load anything");
    }
    Ok(())
}

/// Headers that a proxy adds.
fn is_forwarded(name: &HeaderName) -> bool {
    let name = name.as_str();
    matches!(name, "forwarded" | "via" | "x-real-ip") || name.starts_with("x-forwarded-")
}

/// Whether `authority` names this machine, and `port` on it.
pub(crate) fn is_own(port: u16, authority: &Authority) -> bool {
    // User information in front of the host would be a trick; no program sends it.
    if authority.as_str().contains('@') || authority.port_u16().unwrap_or(DEFAULT_PORT) != port {
        return false;
    }
    let host = authority.host();
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    host.eq_ignore_ascii_case("localhost") || address.is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn check(headers: &[(&str, &str)]) -> bool {
        let mut request = Request::builder().uri("/api/v1/jobs");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (parts, ()) = request.body(()).unwrap().into_parts();
        check_local("127.0.0.1:8080".parse().unwrap(), &parts).is_ok()
    }

    #[test]
    fn programs_on_this_machine_are_admitted() {
        for host in ["127.0.0.1:8080", "localhost:8080", "LOCALHOST:8080", "[::1]:8080"] {
            assert!(check(&[("host", host)]), "{host}");
            assert!(check(&[("host", host), ("origin", &format!("http://{host}"))]), "{host}");
        }
    }

    #[test]
    fn other_names_ports_and_origins_are_refused() {
        for host in [
            "evil.example:8080",
            "localhost.evil.example:8080",
            "127.0.0.1",
            "127.0.0.1:80",
            "127.0.0.1:8080@evil.example:8080",
            "user@127.0.0.1:8080",
            "192.168.0.7:8080",
            "0.0.0.0:8080",
            "",
        ] {
            assert!(!check(&[("host", host)]), "{host}");
        }
        let local = ("host", "127.0.0.1:8080");
        for origin in ["null", "https://127.0.0.1:8080", "http://evil.example", "http://127.0.0.1"]
        {
            assert!(!check(&[local, ("origin", origin)]), "{origin}");
        }
        assert!(!check(&[]));
        assert!(!check(&[local, ("host", "evil.example:8080")]));
        for (site, is_admitted) in
            [("none", true), ("same-origin", true), ("same-site", false), ("cross-site", false)]
        {
            assert_eq!(check(&[local, ("sec-fetch-site", site)]), is_admitted, "{site}");
        }
    }

    #[test]
    fn what_a_proxy_adds_is_refused() {
        let local = ("host", "127.0.0.1:8080");
        for name in ["forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-real-ip"] {
            assert!(!check(&[local, (name, "127.0.0.1")]), "{name}");
        }
    }

    #[test]
    fn a_key_is_found_in_either_header_and_compared_whole() {
        let keys = Keys::new(["zebra-one", "zebra-two"]);

        assert!(keys.contains("zebra-one") && keys.contains("zebra-two"));
        for wrong in ["", "zebra", "zebra-one ", "ZEBRA-ONE", "zebra-three"] {
            assert!(!keys.contains(wrong), "{wrong:?}");
        }
        assert_eq!(format!("{keys:?}"), "Keys(2)");
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, "bearer a".parse().unwrap());
        headers.insert(API_KEY, "b".parse().unwrap());
        assert_eq!(keys_of(&headers).collect::<Vec<_>>(), ["a", "b"]);
        headers.insert(AUTHORIZATION, "Basic a".parse().unwrap());
        assert_eq!(keys_of(&headers).collect::<Vec<_>>(), ["b"]);
    }
}
