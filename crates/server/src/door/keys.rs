//! Static keys: secrets of the configuration, which callers show as they are.

use std::fmt;

use hansard_domain::access::Role;
use ring::digest::{SHA256, digest};
use subtle::{ConditionallySelectable, ConstantTimeEq};

use crate::door::jwt::Token;

/// What a static key is good for; the later one may all that the earlier one may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyLevel {
    /// To read (`server.read_key`).
    Read,
    /// All that there is in the configured workspace (`server.api_key`).
    Api,
    /// The same (`server.admin_key`).
    Admin,
    /// All that there is in the installation (`server.super_key`).
    Super,
}

impl KeyLevel {
    const ALL: [Self; 4] = [Self::Read, Self::Api, Self::Admin, Self::Super];

    /// The setting that holds the key, by which records name it.
    pub const fn setting(self) -> &'static str {
        match self {
            Self::Read => "server.read_key",
            Self::Api => "server.api_key",
            Self::Admin => "server.admin_key",
            Self::Super => "server.super_key",
        }
    }

    /// What its callers are in the configured workspace.
    pub const fn role(self) -> Role {
        match self {
            Self::Read => Role::Viewer,
            Self::Api | Self::Admin | Self::Super => Role::Admin,
        }
    }

    /// Whether its callers govern the installation.
    pub const fn governs(self) -> bool {
        matches!(self, Self::Super)
    }

    /// Its place among the levels, from 1.
    fn number(self) -> u8 {
        self as u8 + 1
    }
}

/// Static keys, as their checksums: what is compared has one length and is worth nothing to a thief.
#[derive(Clone, Default)]
pub struct Keys {
    checksums: Vec<([u8; 32], KeyLevel)>,
    has_one_like_a_token: bool,
}

impl Keys {
    /// These keys are valid, each as good as `server.api_key`.
    pub fn new<'a>(keys: impl IntoIterator<Item = &'a str>) -> Self {
        Self::of(keys.into_iter().map(|key| (KeyLevel::Api, key)))
    }

    /// These keys are valid, each for its level.
    pub fn of<'a>(keys: impl IntoIterator<Item = (KeyLevel, &'a str)>) -> Self {
        let mut all = Self::default();
        for (level, key) in keys {
            all.checksums.push((checksum(key), level));
            all.has_one_like_a_token |= Token::is_like(key);
        }
        all
    }

    /// Whether one of the keys has the shape of a signed token, so that a guess at it has that too.
    pub(crate) fn has_one_like_a_token(&self) -> bool {
        self.has_one_like_a_token
    }

    /// Whether there is no key.
    pub(crate) fn is_empty(&self) -> bool {
        self.checksums.is_empty()
    }

    /// Whether `given` is one of the keys, in a time that tells nothing about them.
    pub(crate) fn contains(&self, given: &str) -> bool {
        self.level(given).is_some()
    }

    /// The highest level that `given` is a key of, in a time that tells nothing about the keys.
    pub(crate) fn level(&self, given: &str) -> Option<KeyLevel> {
        let given = checksum(given);
        let found = self.checksums.iter().fold(0, |found: u8, (key, level)| {
            u8::conditional_select(&found, &found.max(level.number()), key.ct_eq(&given))
        });
        KeyLevel::ALL.into_iter().find(|level| level.number() == found)
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Keys({})", self.checksums.len())
    }
}

fn checksum(text: &str) -> [u8; 32] {
    digest(&SHA256, text.as_bytes()).as_ref().try_into().expect("SHA-256 has 32 bytes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_compared_whole() {
        let keys = Keys::new(["zebra-one", "zebra-two"]);

        assert!(keys.contains("zebra-one") && keys.contains("zebra-two"));
        for wrong in ["", "zebra", "zebra-one ", "ZEBRA-ONE", "zebra-three"] {
            assert!(!keys.contains(wrong), "{wrong:?}");
        }
        assert_eq!(format!("{keys:?}"), "Keys(2)");
        assert!(!Keys::default().contains(""));
        assert!(!keys.has_one_like_a_token() && Keys::new(["one", "a.b.c"]).has_one_like_a_token());
    }

    #[test]
    fn a_key_is_good_for_its_level() {
        let keys = Keys::of([
            (KeyLevel::Read, "reader"),
            (KeyLevel::Super, "both"),
            (KeyLevel::Api, "both"),
            (KeyLevel::Admin, "admin"),
        ]);

        assert_eq!(keys.level("reader"), Some(KeyLevel::Read));
        assert_eq!(keys.level("both"), Some(KeyLevel::Super));
        assert_eq!(keys.level("admin"), Some(KeyLevel::Admin));
        assert_eq!(keys.level("nobody"), None);
        assert!(!KeyLevel::Admin.governs() && KeyLevel::Super.governs());
    }
}
