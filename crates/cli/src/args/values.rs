//! Values that are checked while they are read.

use std::str::FromStr;
use std::time::Duration;

use clap::builder::{PossibleValuesParser, RangedI64ValueParser, TypedValueParser};
use hansard_domain::access::{Permission, Role};
use hansard_store::tokens::OVERLAP_MAX;

use crate::language;

/// Longer than this nothing is good that ends at all: ten years.
const LIFETIME_MAX: Duration = Duration::from_secs(3_650 * 24 * 60 * 60);

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

/// Characters of a token's name.
const TOKEN_NAME_MAX: usize = 200;

/// What somebody is, by its name.
pub(crate) fn role() -> impl TypedValueParser<Value = Role> {
    let names = PossibleValuesParser::new(Role::ALL.iter().map(|role| role.name()));
    names.try_map(|name| Role::from_name(&name).ok_or("there is no such role"))
}

/// What a token may do, by its name.
pub(crate) fn scope() -> impl TypedValueParser<Value = Permission> {
    let names = PossibleValuesParser::new(Permission::ALL.iter().map(|scope| scope.name()));
    names.try_map(|name| Permission::from_name(&name).ok_or("there is no such scope"))
}

/// What a token is for: some words for people.
pub(crate) fn token_name(given: &str) -> Result<String, String> {
    let is_fine = !given.trim().is_empty() && given.chars().count() <= TOKEN_NAME_MAX;
    is_fine
        .then(|| given.to_owned())
        .ok_or_else(|| format!("give 1 to {TOKEN_NAME_MAX} characters"))
}

/// How long something is good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lifetime {
    /// Until it is ended.
    Forever,
    /// For this long.
    For(Duration),
}

impl FromStr for Lifetime {
    type Err = String;

    fn from_str(given: &str) -> Result<Self, String> {
        if given.eq_ignore_ascii_case("never") {
            return Ok(Self::Forever);
        }
        let time = duration(given, LIFETIME_MAX).filter(|time| !time.is_zero());
        time.map(Self::For)
            .ok_or_else(|| "give a time such as 90d, up to 3650d, or never".to_owned())
    }
}

/// How long an old secret is good beside a new one.
pub(crate) fn overlap(given: &str) -> Result<Duration, String> {
    duration(given, OVERLAP_MAX).ok_or_else(|| "give a time such as 24h, up to 30d".to_owned())
}

fn duration(given: &str, max: Duration) -> Option<Duration> {
    humantime::parse_duration(given).ok().filter(|time| *time <= max)
}
