//! Addresses of other services.

use std::fmt;

use url::{Host, Url};

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

    /// Whether nobody but programs on the same machine can ask there.
    pub fn is_on_this_machine(&self) -> bool {
        is_on_this_machine(&self.0)
    }
}

/// Whether the host of `url` is the machine that asks: a loopback address, or `localhost` (RFC 6761, 6.3).
pub fn is_on_this_machine(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
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

/// The name of an identity provider: an address that has to be written exactly as the provider writes it, to the last slash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issuer(String);

impl Issuer {
    /// The name, letter by letter.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Value for Issuer {
    fn expected() -> String {
        "an address such as https://id.example.org/realms/main".to_owned()
    }

    fn parse(text: &str) -> Result<Self, Refusal> {
        let text = text.trim();
        let url = HttpUrl::parse(text)?;
        // What OpenID Connect allows an issuer: a place, and no question about it.
        if url.0.query().is_some() || url.0.fragment().is_some() {
            return Err(Refusal::Unexpected);
        }
        Ok(Self(text.to_owned()))
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
    fn an_issuer_is_kept_letter_by_letter() {
        for text in
            ["https://accounts.google.com", "https://id.example/o/a/", "http://127.0.0.1:9/"]
        {
            assert_eq!(Issuer::parse(text).unwrap().as_str(), text);
        }
        for text in [
            "id.example",
            "https://id.example/?a=b",
            "https://id.example/#a",
            "https://a:b@id.example",
        ] {
            assert!(Issuer::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_password_in_an_address_is_not_shown() {
        assert_eq!(without_credentials("x://ana:ze@bra@host/p"), "x://***@host/p");
        assert_eq!(without_credentials("127.0.0.1:8080"), "127.0.0.1:8080");
    }
}
