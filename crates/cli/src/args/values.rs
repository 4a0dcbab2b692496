//! Values that are checked while they are read.

use std::str::FromStr;

use clap::builder::RangedI64ValueParser;

use crate::language;

/// A number, or `none` to switch off what it limits.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct OptionalFloat(pub(crate) Option<f32>);

impl FromStr for OptionalFloat {
    type Err = String;

    fn from_str(given: &str) -> Result<Self, String> {
        if given.eq_ignore_ascii_case("none") {
            return Ok(Self(None));
        }
        finite(given).map(|number| Self(Some(number)))
    }
}

/// A language by its code; `None` is found out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Language(pub(crate) Option<String>);

impl FromStr for Language {
    type Err = String;

    fn from_str(given: &str) -> Result<Self, String> {
        language::parse(given).map(Self)
    }
}

/// A number from 0 to 1.
pub(crate) fn fraction(given: &str) -> Result<f32, String> {
    finite(given)
        .ok()
        .filter(|number| (0.0..=1.0).contains(number))
        .ok_or_else(|| "give a number from 0 to 1".to_owned())
}

fn finite(given: &str) -> Result<f32, String> {
    given
        .parse()
        .ok()
        .filter(|number: &f32| number.is_finite())
        .ok_or_else(|| "give a number, or `none`".to_owned())
}

/// A whole number between two others, both included.
pub(crate) fn count(min: u16, max: u16) -> RangedI64ValueParser<u16> {
    RangedI64ValueParser::new().range(i64::from(min)..=i64::from(max))
}
