//! What ties the end of a login to its beginning, and where it leads.

use url::Url;

use crate::ticket::{Ticket, hash_of};

/// Bytes of a path to return to.
const RETURN_BYTES_MAX: usize = 2_048;

/// A login that has begun in one browser.
///
/// All that the protocol wants to be unguessable is derived from one ticket in that browser's cookie: whoever begins a login
/// elsewhere, or steals a callback's address, has none that fits. The store keeps no more than a hash of the state, which
/// makes each usable once.
#[derive(Debug, Clone)]
pub(crate) struct Attempt(Ticket);

impl Attempt {
    /// Begins one.
    pub(crate) fn begin() -> Self {
        Self(Ticket::new())
    }

    /// The one that this browser has begun.
    pub(crate) fn of(cookie: Ticket) -> Self {
        Self(cookie)
    }

    /// What its cookie holds.
    pub(crate) fn cookie(&self) -> &Ticket {
        &self.0
    }

    /// What the provider gives back with its answer.
    pub(crate) fn state(&self) -> String {
        self.0.derive("state")
    }

    /// Whether an answer with `state` belongs to it.
    pub(crate) fn is_answered_by(&self, state: &str) -> bool {
        self.0.is_derived("state", state)
    }

    /// By what the store knows it.
    pub(crate) fn hash(&self) -> String {
        hash_of(self.state().as_bytes())
    }

    /// What the ID token has to repeat.
    pub(crate) fn nonce(&self) -> String {
        self.0.derive("nonce")
    }

    /// What the provider wants to see before it gives out a token for the code (PKCE, RFC 7636).
    pub(crate) fn verifier(&self) -> String {
        self.0.derive("pkce")
    }
}

/// The path that a login leads to: `asked`, if it is one of this service or its front end, or else the start.
///
/// Browsers read backslashes as slashes and skip tabs and line ends, so that what looks like a path may name another host.
pub(crate) fn return_path(asked: Option<&str>) -> &str {
    let is_path = |path: &&str| {
        let mut bytes = path.bytes();
        path.len() <= RETURN_BYTES_MAX
            && bytes.next() == Some(b'/')
            && bytes.next() != Some(b'/')
            && path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\')
    };
    asked.filter(is_path).unwrap_or("/")
}

/// The address of `path`, which [`return_path`] has let through: at the front end, if there is one elsewhere, or else below
/// `home`, the path of the service's own address. That is without a host, so that a browser stays where its cookies are.
pub(crate) fn destination(front_end: Option<&Url>, home: &str, path: &str) -> String {
    front_end.map_or(home, |front_end| front_end.as_str().trim_end_matches('/')).to_owned() + path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_browser_that_began_a_login_ends_it() {
        let (one, other) = (Attempt::begin(), Attempt::begin());

        assert!(one.is_answered_by(&one.state()));
        assert!(!other.is_answered_by(&one.state()));
        let mut changed = one.state();
        changed.replace_range(..1, if changed.starts_with('A') { "B" } else { "A" });
        for wrong in ["", changed.as_str(), &one.nonce(), &one.hash(), &one.cookie().reveal()] {
            assert!(!one.is_answered_by(wrong), "{wrong}");
        }
        let again = Attempt::of(Ticket::parse(&one.cookie().reveal()).unwrap());
        assert_eq!(
            (again.hash(), again.nonce(), again.verifier()),
            (one.hash(), one.nonce(), one.verifier())
        );
    }

    #[test]
    fn what_leaves_the_browser_tells_nothing_of_the_rest() {
        let attempt = Attempt::begin();
        let all = [
            attempt.cookie().reveal(),
            attempt.state(),
            attempt.nonce(),
            attempt.verifier(),
            attempt.hash(),
        ];
        for (index, one) in all.iter().enumerate() {
            assert!(all[index + 1..].iter().all(|other| other != one));
        }
        // RFC 7636, 4.1: 43 to 128 unreserved characters.
        assert_eq!(attempt.verifier().len(), 43);
        assert_eq!(format!("{attempt:?}"), "Attempt(Ticket(***))");
    }

    #[test]
    fn a_login_leads_back_to_this_service_only() {
        for path in [
            "/",
            "/a",
            "/a?b=c#d",
            "/a//b",
            "/%2f%2fevil.example",
            "/@evil.example",
            "/.//evil.example",
        ] {
            assert_eq!(return_path(Some(path)), path);
            let base = Url::parse("https://hansard.example/").unwrap();
            assert_eq!(base.join(path).unwrap().origin(), base.origin(), "{path}");
        }
        for wrong in [
            "",
            "a",
            "//evil.example",
            "///evil.example",
            "/\\evil.example",
            "\\\\evil.example",
            "/\t/evil.example",
            "/\n/evil.example",
            "\t//evil.example",
            " //evil.example",
            "/a\\b",
            "/a b",
            "/a\r\nset-cookie: x=y",
            "/ü",
            "https://evil.example",
            "https:evil.example",
            "javascript:alert(1)",
            "/\0",
            &format!("/{}", "a".repeat(2_048)),
        ] {
            assert_eq!(return_path(Some(wrong)), "/", "{wrong:?}");
        }
        assert_eq!(return_path(None), "/");
    }

    #[test]
    fn a_front_end_elsewhere_is_returned_to() {
        let at = |front_end: &str, path| {
            destination(Some(&Url::parse(front_end).unwrap()), "/elsewhere", path)
        };
        assert_eq!(destination(None, "", "/a"), "/a");
        assert_eq!(destination(None, "/hansard", "/"), "/hansard/");
        assert_eq!(at("https://app.example", "/a?b"), "https://app.example/a?b");
        assert_eq!(at("https://app.example/hansard/", "/"), "https://app.example/hansard/");
        // The slash in front keeps the path from becoming part of the host.
        assert_eq!(
            at("https://app.example", return_path(Some(".evil.example"))),
            "https://app.example/"
        );
    }
}
