//! How the text of a setting becomes a value.

mod address;
mod database;
mod filter;
mod measure;

use std::net::SocketAddr;
use std::path::PathBuf;

use ipnet::IpNet;

use crate::secret::Secret;

pub(crate) use address::without_credentials;
pub use address::{HttpUrl, Issuer, is_on_this_machine};
pub use database::{Database, DatabaseUrl};
pub use filter::LogFilter;
pub use measure::ByteSize;

/// How a value is written in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// In quotes.
    Text,
    /// A number, `true` or `false`: without quotes.
    Bare,
    /// An array of texts; in an environment variable with commas between them.
    List,
    /// In quotes, and never shown. Another setting with `_file` at the end of its name may hold the path of a file with it.
    Secret,
}

/// A type that a setting can have.
pub(crate) trait Value: Sized {
    /// How it is written in a file.
    const SHAPE: Shape = Shape::Text;
    /// Whether an environment variable that is set to nothing says something.
    const BLANK_COUNTS: bool = false;

    /// What a text must be, as in "expected ...".
    fn expected() -> String;

    /// Reads a text.
    fn parse(text: &str) -> Result<Self, Refusal>;

    /// The value of a setting that has neither been set nor has a default; none if it must have one.
    fn absent() -> Option<Self> {
        None
    }

    /// Whether the value lies between the two, which are allowed.
    fn is_within(&self, _least: &Self, _most: &Self) -> bool {
        true
    }
}

/// Why a text is no value of its setting.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// It is not what [`Value::expected`] says.
    Unexpected,
    /// For this reason.
    Because(String),
}

impl<T: Value> Value for Option<T> {
    const SHAPE: Shape = T::SHAPE;
    const BLANK_COUNTS: bool = T::BLANK_COUNTS;

    fn expected() -> String {
        T::expected()
    }

    fn parse(text: &str) -> Result<Self, Refusal> {
        T::parse(text).map(Some)
    }

    fn absent() -> Option<Self> {
        Some(None)
    }

    fn is_within(&self, least: &Self, most: &Self) -> bool {
        match (self, least, most) {
            (Some(value), Some(least), Some(most)) => value.is_within(least, most),
            _ => true,
        }
    }
}

impl Value for bool {
    const SHAPE: Shape = Shape::Bare;

    fn expected() -> String {
        "true or false".to_owned()
    }

    fn parse(text: &str) -> Result<Self, Refusal> {
        match text.to_lowercase().as_str() {
            "true" | "1" | "yes" | "on" => Ok(true),
            "false" | "0" | "no" | "off" => Ok(false),
            _ => Err(Refusal::Unexpected),
        }
    }
}

/// A switch that is on only when its value is the word `true`, in any case.
///
/// Python programs often ask `os.getenv(name, "true").lower() == "true"`; what they take for off has to stay off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OnlyTrue(pub bool);

impl Value for OnlyTrue {
    const SHAPE: Shape = Shape::Bare;
    const BLANK_COUNTS: bool = true;

    fn expected() -> String {
        "true or false".to_owned()
    }

    fn parse(text: &str) -> Result<Self, Refusal> {
        Ok(Self(text.to_lowercase() == "true"))
    }
}

impl Value for u16 {
    const SHAPE: Shape = Shape::Bare;

    fn expected() -> String {
        "a whole number".to_owned()
    }

    fn parse(text: &str) -> Result<Self, Refusal> {
        text.parse().map_err(|_| Refusal::Unexpected)
    }

    fn is_within(&self, least: &Self, most: &Self) -> bool {
        (least..=most).contains(&self)
    }
}

impl Value for u32 {
    const SHAPE: Shape = Shape::Bare;

    fn expected() -> String {
        "a whole number".to_owned()
    }

    fn parse(text: &str) -> Result<Self, Refusal> {
        text.parse().map_err(|_| Refusal::Unexpected)
    }

    fn is_within(&self, least: &Self, most: &Self) -> bool {
        (least..=most).contains(&self)
    }
}

impl Value for String {
    fn expected() -> String {
        "a text of one line".to_owned()
    }

    fn parse(text: &str) -> Result<Self, Refusal> {
        if text.trim().is_empty() || text.chars().any(char::is_control) {
            return Err(Refusal::Unexpected);
        }
        Ok(text.to_owned())
    }
}

impl Value for PathBuf {
    fn expected() -> String {
        "a path".to_owned()
    }

    fn parse(text: &str) -> Result<Self, Refusal> {
        if text.is_empty() || text.contains('\0') {
            return Err(Refusal::Unexpected);
        }
        Ok(Self::from(text))
    }
}

impl Value for SocketAddr {
    fn expected() -> String {
        "an IP address and a port, such as 127.0.0.1:8080 or [::]:8080".to_owned()
    }

    fn parse(text: &str) -> Result<Self, Refusal> {
        text.parse().map_err(|_| Refusal::Unexpected)
    }
}

impl Value for Vec<IpNet> {
    const SHAPE: Shape = Shape::List;

    fn expected() -> String {
        "address ranges such as 10.1.0.0/16 or fd00::/8".to_owned()
    }

    fn parse(text: &str) -> Result<Self, Refusal> {
        entries(text).map(|range| range.parse().map_err(|_| Refusal::Unexpected)).collect()
    }

    fn absent() -> Option<Self> {
        Some(Self::new())
    }
}

impl Value for Vec<HttpUrl> {
    const SHAPE: Shape = Shape::List;

    fn expected() -> String {
        "addresses such as https://hansard.example.org".to_owned()
    }

    fn parse(text: &str) -> Result<Self, Refusal> {
        entries(text).map(HttpUrl::parse).collect()
    }

    fn absent() -> Option<Self> {
        Some(Self::new())
    }
}

impl Value for Vec<String> {
    const SHAPE: Shape = Shape::List;

    fn expected() -> String {
        "texts of one line".to_owned()
    }

    fn parse(text: &str) -> Result<Self, Refusal> {
        entries(text).map(String::parse).collect()
    }

    fn absent() -> Option<Self> {
        Some(Self::new())
    }
}

/// What stands between the commas of a list.
pub(crate) fn entries(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|entry| !entry.is_empty())
}

impl Value for Secret {
    const SHAPE: Shape = Shape::Secret;
    const BLANK_COUNTS: bool = true;

    fn expected() -> String {
        "a secret of one line".to_owned()
    }

    fn parse(text: &str) -> Result<Self, Refusal> {
        Secret::checked(text).map_err(|reason| Refusal::Because(reason.to_owned()))
    }
}

/// A type with few values, each of which has a name.
pub(crate) trait Choice: Copy + 'static {
    /// The names, in lower case, as they are documented.
    const CHOICES: &'static [(&'static str, Self)];
}

impl<T: Choice> Value for T {
    fn expected() -> String {
        let names: Vec<_> = T::CHOICES.iter().map(|(name, _)| *name).collect();
        match names.split_last() {
            Some((last, others)) if !others.is_empty() => {
                format!("{} or {last}", others.join(", "))
            }
            _ => names.concat(),
        }
    }

    fn parse(text: &str) -> Result<Self, Refusal> {
        let found = T::CHOICES.iter().find(|(name, _)| name.eq_ignore_ascii_case(text));
        found.map(|(_, choice)| *choice).ok_or(Refusal::Unexpected)
    }
}
