//! Durations and sizes.

use std::time::Duration;

use super::{Refusal, Value};

impl Value for Duration {
    fn expected() -> String {
        "a duration such as 250ms, 30s, 5m or 1h 30m".to_owned()
    }

    fn parse(text: &str) -> Result<Self, Refusal> {
        humantime::parse_duration(text).map_err(|_| Refusal::Unexpected)
    }

    fn is_within(&self, least: &Self, most: &Self) -> bool {
        (least..=most).contains(&self)
    }
}

/// A number of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ByteSize(u64);

/// The units and their bytes; longer names first, because `B` ends all of them.
const UNITS: [(&str, u64); 9] = [
    ("kib", 1 << 10),
    ("mib", 1 << 20),
    ("gib", 1 << 30),
    ("tib", 1 << 40),
    ("kb", 1_000),
    ("mb", 1_000_000),
    ("gb", 1_000_000_000),
    ("tb", 1_000_000_000_000),
    ("b", 1),
];

impl ByteSize {
    /// As a number of bytes.
    pub fn bytes(self) -> u64 {
        self.0
    }
}

impl Value for ByteSize {
    fn expected() -> String {
        "a size such as 1GiB, 512MB or 1048576".to_owned()
    }

    fn parse(text: &str) -> Result<Self, Refusal> {
        let text = text.trim().to_lowercase();
        let (number, factor) = UNITS
            .iter()
            .find_map(|(unit, factor)| Some((text.strip_suffix(unit)?, *factor)))
            .unwrap_or((&text, 1));
        let number: u64 = number.trim_end().parse().map_err(|_| Refusal::Unexpected)?;
        number.checked_mul(factor).map(Self).ok_or(Refusal::Unexpected)
    }

    fn is_within(&self, least: &Self, most: &Self) -> bool {
        (least..=most).contains(&self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_binary_and_decimal_units_or_none() {
        for (text, bytes) in [
            ("1GiB", 1 << 30),
            ("1 gib", 1 << 30),
            ("512MB", 512_000_000),
            ("64kb", 64_000),
            ("7B", 7),
            ("1048576", 1 << 20),
            ("0", 0),
        ] {
            assert_eq!(ByteSize::parse(text).map(ByteSize::bytes), Ok(bytes), "{text}");
        }
        for text in ["", "GiB", "1.5GiB", "-1", "1G", "1 GiB more", "99999999999TiB", "1e9"] {
            assert_eq!(ByteSize::parse(text), Err(Refusal::Unexpected), "{text}");
        }
    }

    #[test]
    fn a_duration_needs_a_unit() {
        assert_eq!(Duration::parse("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(Duration::parse("1h 30m"), Ok(Duration::from_secs(5400)));
        for text in ["", "30", "-5s", "soon", "99999999999999999999d"] {
            assert_eq!(Duration::parse(text), Err(Refusal::Unexpected), "{text}");
        }
    }
}
