//! What is asked for, and in whose name.

use reqwest::Url;
use reqwest::header::HeaderValue;

use crate::Error;

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
}

impl std::fmt::Debug for Token {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Token(hidden)")
    }
}

/// An address, and the token that its host is to see. A redirect to another host does not carry the token along.
#[derive(Debug, Clone)]
pub struct Request {
    pub(crate) url: Url,
    pub(crate) authorization: Option<HeaderValue>,
}

impl Request {
    /// Asks for `url`, in the name of `token`'s owner if there is one.
    pub fn new(url: Url, token: Option<&Token>) -> Self {
        Self { url, authorization: token.map(|Token(value)| value.clone()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_never_shown() {
        let token = Token::new("hf_secret").unwrap();
        let request = Request::new(Url::parse("https://hub.example/").unwrap(), Some(&token));

        assert!(!format!("{token:?} {request:?}").contains("secret"));
    }

    #[test]
    fn a_token_that_would_break_the_header_is_refused() {
        for token in ["", "two words", "line\nbreak", "ümlaut"] {
            assert!(matches!(Token::new(token), Err(Error::Token)), "{token:?}");
        }
    }
}
