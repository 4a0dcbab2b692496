//! Values that are never shown.

use std::fmt;

/// What stands in documents and examples where a secret belongs, and other values that everybody knows.
///
/// They are compared in lower case, without dashes, underscores and spaces.
const KNOWN: [&str; 20] = [
    "admin",
    "apikey",
    "changeit",
    "changeme",
    "changethis",
    "changethissecretkeyinproduction",
    "default",
    "example",
    "insecure",
    "none",
    "null",
    "password",
    "placeholder",
    "replaceme",
    "secret",
    "secretkey",
    "test",
    "yourapikey",
    "yoursecret",
    "yoursecretkeyhere",
];

/// A key, token or password. It prints as `(set)`, whatever prints it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Takes `text` as it is; what was configured has been checked.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Takes what somebody configured, without the white space around it, or says what is wrong with it.
    pub(crate) fn checked(text: &str) -> Result<Self, &'static str> {
        let text = text.trim();
        if text.is_empty() {
            return Err("a secret cannot be blank; leave it out to switch its feature off");
        }
        let plain: String = text
            .chars()
            .filter(|character| !matches!(character, '-' | '_' | ' '))
            .flat_map(char::to_lowercase)
            .collect();
        if KNOWN.contains(&plain.as_str()) {
            return Err("this value is known to everybody; choose a random one");
        }
        if text.chars().any(char::is_control) {
            return Err("expected one line without control characters");
        }
        Ok(Self::new(text))
    }

    /// The secret itself, for the one place that sends or compares it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(set)")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(set)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_prints_as_set() {
        let secret = Secret::checked("s3cr3t-Zebra").unwrap();

        assert_eq!(format!("{secret} {secret:?} {:?}", Some(&secret)), "(set) (set) Some((set))");
        assert_eq!(secret.expose(), "s3cr3t-Zebra");
    }

    #[test]
    fn white_space_around_a_secret_does_not_count() {
        assert_eq!(Secret::checked(" zebra\n").unwrap().expose(), "zebra");
    }

    #[test]
    fn secrets_that_everybody_knows_are_refused() {
        for text in ["", " \n", "change-me", "CHANGE_ME", "changeme", "Password", "secret", "a\0b"]
        {
            assert!(Secret::checked(text).is_err(), "{text:?}");
        }
    }
}
