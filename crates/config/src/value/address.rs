//! Addresses of other services.

use std::fmt;

use url::Url;

use super::{Refusal, Value};

/// An absolute `http` or `https` address without user and password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpUrl(Url);

impl HttpUrl {
    /// The address as text, as it is sent.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// Whether what is sent there can be read on the way.
    pub fn is_plain_http(&self) -> bool {
        self.0.scheme() == "http"
    }
}

impl fmt::Display for HttpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Value for HttpUrl {
    fn expected() -> String {
        "an address such as https://hansard.example.org".to_owned()
    }

    fn parse(text: &str) -> Result<Self, Refusal> {
        let url = Url::parse(text.trim()).map_err(|_| Refusal::Unexpected)?;
        if !["http", "https"].contains(&url.scheme()) || !url.has_host() {
            return Err(Refusal::Unexpected);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Refusal::Because(
                "an address with a user or password is refused".to_owned(),
            ));
        }
        Ok(Self(url))
    }
}

/// `text` without the user and password that an address in it may have.
///
/// Problems and `config show` print what was written, and people put passwords into addresses of all kinds.
pub(crate) fn without_credentials(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else { return text.to_owned() };
    match rest.rsplit_once('@') {
        Some((_, place)) => format!("{scheme}://***@{place}"),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_of_the_web_are_taken() {
        assert_eq!(
            HttpUrl::parse(" https://a.example/wp-json/ ").unwrap().as_str(),
            "https://a.example/wp-json/"
        );
        assert!(HttpUrl::parse("http://127.0.0.1:9000").unwrap().is_plain_http());
        for text in ["", "a.example", "ftp://a.example", "https://", "file:///tmp/x"] {
            assert_eq!(HttpUrl::parse(text), Err(Refusal::Unexpected), "{text}");
        }
        assert!(matches!(HttpUrl::parse("https://ana:zebra@a.example"), Err(Refusal::Because(_))));
    }

    #[test]
    fn a_password_in_an_address_is_not_shown() {
        assert_eq!(without_credentials("x://ana:ze@bra@host/p"), "x://***@host/p");
        assert_eq!(without_credentials("127.0.0.1:8080"), "127.0.0.1:8080");
    }
}
