//! Programs on this machine, where the service asks for no credentials.
//!
//! A browser on this machine is such a program too, so `Host` has to name this service (against DNS rebinding), `Origin` has to
//! be its own or a listed one (against other sites), and whatever a proxy adds is refused: a proxy in front means that callers
//! are elsewhere, and that credentials are needed.

use std::net::{IpAddr, SocketAddr};

use hansard_domain::problem::ProblemCode;
use http::header::{HOST, HeaderName, ORIGIN};
use http::request::Parts;
use http::uri::Authority;

use crate::cors::Origins;
use crate::problem::Problem;

/// Where a browser says which site a request comes from.
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The port that `Host` means when it names none.
const DEFAULT_PORT: u16 = 80;

/// Refuses what a program on this machine would not send to the service at `bind`, and pages of origins that are not `listed`.
///
/// # Errors
/// [`ProblemCode::Forbidden`].
pub(crate) fn check_local(
    bind: SocketAddr,
    listed: &Origins,
    parts: &Parts,
) -> Result<(), Problem> {
    let refuse = |detail: &str| Err(Problem::new(ProblemCode::Forbidden).detail(detail));
    let headers = &parts.headers;
    if headers.keys().any(is_forwarded) {
        return refuse(
            "requests through a proxy need credentials; none are configured (server.api_key)",
        );
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
    let mut is_listed = false;
    for origin in headers.get_all(ORIGIN) {
        if listed.contains(origin) {
            is_listed = true;
            continue;
        }
        let authority = origin.to_str().ok().and_then(|origin| origin.strip_prefix("http://"));
        let authority = authority.and_then(|authority| authority.parse::<Authority>().ok());
        if !authority.as_ref().is_some_and(is_ours) {
            return refuse("without a key, pages of other origins may not call");
        }
    }
    // A page of another site that only loads something sends no Origin, but browsers tell this.
    let sites = headers.get_all(SEC_FETCH_SITE);
    if !is_listed && sites.iter().any(|site| site != "same-origin" && site != "none") {
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
        let listed = Origins::of([&"https://app.example".parse().unwrap()]);
        check_local("127.0.0.1:8080".parse().unwrap(), &listed, &parts).is_ok()
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
    fn pages_of_listed_origins_are_admitted() {
        let local = ("host", "127.0.0.1:8080");
        let listed = ("origin", "https://app.example");
        assert!(check(&[local, listed, ("sec-fetch-site", "cross-site")]));
        assert!(!check(&[local, listed, ("origin", "http://evil.example")]));
        assert!(!check(&[("host", "evil.example:8080"), listed]), "the name is wrong all the same");
    }
}
