//! Cookies, read and set (RFC 6265).

use std::fmt::Write;
use std::time::Duration;

use http::header::{COOKIE, HeaderMap, HeaderValue};

use crate::ticket::Ticket;

/// Holds the ticket of a session.
pub(crate) const SESSION: &str = "session_token";

/// Holds the ticket of a login that has begun.
pub(crate) const LOGIN: &str = "oauth_state";

/// Holds the ticket of a form for a password.
pub(crate) const FORM: &str = "login_form";

/// Holds the token against forged requests, for pages to read.
pub(crate) const CSRF: &str = "csrf_token";

/// The ticket in the cookie `name`; `None` if there is none, or more than one.
///
/// A page of a neighbouring host name can set a cookie for this one as well, and browsers send both in an order that says
/// nothing about which is ours. Somebody who has two is therefore logged in as neither.
pub(crate) fn ticket(headers: &HeaderMap, name: &str) -> Option<Ticket> {
    let mut values = values(headers, name);
    match (values.next(), values.next()) {
        (Some(value), None) => Ticket::parse(value),
        _ => None,
    }
}

/// Whether the request has a cookie of this name, whatever it holds.
pub(crate) fn is_there(headers: &HeaderMap, name: &str) -> bool {
    values(headers, name).next().is_some()
}

fn values<'a>(headers: &'a HeaderMap, name: &'a str) -> impl Iterator<Item = &'a str> {
    let lines = headers.get_all(COOKIE).into_iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(';')).filter_map(move |pair| {
        let (key, value) = pair.split_once('=')?;
        (key.trim() == name).then_some(value.trim())
    })
}

/// A cookie that an answer sets. It goes to this host alone, for all its paths, and with no request that another site makes
/// but a link that somebody follows.
#[derive(Debug)]
pub(crate) struct Cookie {
    /// Its name, one of those above.
    pub(crate) name: &'static str,
    /// Whether pages may read it, not only this service.
    pub(crate) is_readable: bool,
    /// Whether it travels over HTTPS only.
    pub(crate) is_secure: bool,
}

impl Cookie {
    /// The header that sets it to `value`, which is base64url: for so long, or until the browser is closed.
    pub(crate) fn set(&self, value: &str, keep: Option<Duration>) -> HeaderValue {
        debug_assert!(
            value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
        );
        self.header(value, keep)
    }

    /// The header that removes it.
    pub(crate) fn clear(&self) -> HeaderValue {
        self.header("", Some(Duration::ZERO))
    }

    fn header(&self, value: &str, keep: Option<Duration>) -> HeaderValue {
        let mut text = format!("{}={value}; Path=/; SameSite=Lax", self.name);
        if let Some(keep) = keep {
            write!(text, "; Max-Age={}", keep.as_secs())
                .expect("writing into a string cannot fail");
        }
        if !self.is_readable {
            text.push_str("; HttpOnly");
        }
        if self.is_secure {
            text.push_str("; Secure");
        }
        let mut header =
            HeaderValue::from_str(&text).expect("names and base64url are visible ASCII");
        // It is a secret: `Debug` does not show it.
        header.set_sensitive(true);
        header
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    const B: &str = "BAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

    fn found(lines: &[&str]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(COOKIE, HeaderValue::from_bytes(line.as_bytes()).unwrap());
        }
        ticket(&headers, SESSION).map(|ticket| ticket.reveal())
    }

    #[test]
    fn a_ticket_is_found_among_other_cookies() {
        for line in [
            format!("session_token={A}"),
            format!("theme=dark; session_token={A}; x=1"),
            format!(";; =; session_token = {A} ;"),
            format!("xsession_token={B}; session_token_={B}; SESSION_TOKEN={B}; session_token={A}"),
        ] {
            assert_eq!(found(&[&line]).as_deref(), Some(A), "{line}");
        }
        assert_eq!(found(&["a=b", &format!("session_token={A}")]).as_deref(), Some(A));
    }

    #[test]
    fn what_is_no_ticket_of_ours_or_could_be_two_is_none() {
        for lines in [
            vec!["".to_owned()],
            vec!["session_token".to_owned()],
            vec!["session_token=".to_owned()],
            vec![format!("session_token=\"{A}\"")],
            vec![format!("session_token={A}A")],
            vec![format!("session_token={A}; session_token={B}")],
            vec![format!("session_token={A}"), format!("session_token={A}")],
            vec![format!("session_token={A}; session_token=")],
            vec![format!("session_token={A}\u{e9}")],
        ] {
            let lines: Vec<_> = lines.iter().map(String::as_str).collect();
            assert_eq!(found(&lines), None, "{lines:?}");
        }
    }

    #[test]
    fn a_cookie_is_set_for_this_host_alone() {
        let session = Cookie { name: SESSION, is_readable: false, is_secure: true };
        let csrf = Cookie { name: CSRF, is_readable: true, is_secure: false };

        assert_eq!(
            session.set("abc", Some(Duration::from_secs(86_400))),
            "session_token=abc; Path=/; SameSite=Lax; Max-Age=86400; HttpOnly; Secure"
        );
        assert_eq!(csrf.set("abc", None), "csrf_token=abc; Path=/; SameSite=Lax");
        assert_eq!(
            session.clear(),
            "session_token=; Path=/; SameSite=Lax; Max-Age=0; HttpOnly; Secure"
        );
        assert!(!format!("{:?}", session.set("abc", None)).contains("abc"));
    }
}
