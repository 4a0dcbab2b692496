//! Secrets of 32 random bytes that a browser keeps in a cookie: of a session, and of a login that has begun.

use std::fmt;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use ring::digest::{SHA256, digest};
use ring::hmac;
use subtle::ConstantTimeEq;

/// Bytes of a ticket.
const BYTES: usize = 32;

/// A secret that names something in the store. Whoever has it may do what was begun with it.
///
/// The store keeps its [`hash`](Self::hash) only, and what pages may see is [derived](Self::derive) from it, so that nothing
/// that leaks from either can be turned back into it.
#[derive(Clone)]
pub(crate) struct Ticket([u8; BYTES]);

impl Ticket {
    /// A new one.
    pub(crate) fn new() -> Self {
        let mut bytes = [0; BYTES];
        // Without a source of random numbers secrets could be guessed: there is no way to go on.
        getrandom::fill(&mut bytes).expect("the system has random numbers");
        Self(bytes)
    }

    /// The one that a cookie holds; `None` for text that none of ours ever held.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(text).ok()?;
        bytes.try_into().ok().map(Self)
    }

    /// The text for the cookie: 43 characters of base64url.
    pub(crate) fn reveal(&self) -> String {
        BASE64_URL_SAFE_NO_PAD.encode(self.0)
    }

    /// By what the store knows it: its SHA-256, in hexadecimal digits.
    pub(crate) fn hash(&self) -> String {
        hash_of(&self.0)
    }

    /// Another secret for `purpose`, 43 characters of base64url: the same each time, different for each purpose, and of no
    /// help to whoever wants this one.
    pub(crate) fn derive(&self, purpose: &str) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &self.0);
        BASE64_URL_SAFE_NO_PAD.encode(hmac::sign(&key, purpose.as_bytes()))
    }

    /// Whether `given` is what is derived for `purpose`, in a time that tells nothing about it.
    pub(crate) fn is_derived(&self, purpose: &str, given: &str) -> bool {
        self.derive(purpose).as_bytes().ct_eq(given.as_bytes()).into()
    }
}

impl fmt::Debug for Ticket {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Ticket(***)")
    }
}

/// The SHA-256 of `bytes` in hexadecimal digits, as the store keeps secrets.
pub(crate) fn hash_of(bytes: &[u8]) -> String {
    hex(digest(&SHA256, bytes).as_ref())
}

/// `bytes` in lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ticket_is_read_back_from_its_cookie() {
        let ticket = Ticket::new();
        let text = ticket.reveal();

        assert_eq!(text.len(), 43);
        assert_eq!(Ticket::parse(&text).unwrap().hash(), ticket.hash());
        assert_ne!(Ticket::new().hash(), ticket.hash());
    }

    #[test]
    fn other_text_is_no_ticket() {
        let text = "A".repeat(43);
        assert!(Ticket::parse(&text).is_some());
        // The last one has bits that no encoder sets: two texts must not mean one ticket.
        for wrong in [
            "",
            "A",
            &text[1..],
            &format!("{text}A"),
            &format!("{text}="),
            &format!("{}B", &text[1..]),
        ] {
            assert!(Ticket::parse(wrong).is_none(), "{wrong:?}");
        }
        assert!(Ticket::parse(&text.replace('A', "+")).is_none(), "that is another alphabet");
    }

    #[test]
    fn what_is_derived_belongs_to_one_ticket_and_one_purpose() {
        let (one, other) = (Ticket::new(), Ticket::new());
        let token = one.derive("csrf");

        assert!(one.is_derived("csrf", &token));
        assert!(!other.is_derived("csrf", &token) && !one.is_derived("nonce", &token));
        assert!(!one.is_derived("csrf", "") && !one.is_derived("csrf", &one.reveal()));
    }

    #[test]
    fn a_ticket_is_never_shown() {
        let ticket = Ticket::parse(&"A".repeat(43)).unwrap();
        assert_eq!(format!("{ticket:?}"), "Ticket(***)");
        // Known from elsewhere: the SHA-256 of 32 zero bytes.
        assert!(ticket.hash().starts_with("66687aadf862bd776c8fc18b8e9f8e20"));
    }
}
