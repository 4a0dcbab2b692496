//! Points in time, as both databases keep them.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use jiff::Timestamp as Instant;

/// A point in time: whole microseconds since 1970, UTC.
///
/// Databases keep microseconds, clocks count nanoseconds; whatever is finer is cut off at the clock, so that a time that
/// was stored compares equal to the one that was not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The point `micros` microseconds after 1970.
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// Microseconds since 1970.
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// Milliseconds since 1970; 0 for anything before.
    pub fn as_millis(self) -> u64 {
        u64::try_from(self.0 / 1_000).unwrap_or_default()
    }

    /// Seconds since 1970.
    pub const fn as_seconds(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }

    /// Time from `earlier` until now; nothing if it is not earlier.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or_default())
    }

    /// This time and `duration` more; the last possible time where that is too late.
    pub fn after(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)))
    }

    /// This time less `duration`; the first possible time where that is too early.
    pub fn before(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)))
    }
}

/// RFC 3339 in UTC with six digits after the second, as `2026-11-21T12:00:00.000000Z`.
impl fmt::Display for Timestamp {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let instant = Instant::from_microsecond(self.0);
        write!(
            formatter,
            "{:.6}",
            instant.unwrap_or(if self.0 < 0 { Instant::MIN } else { Instant::MAX })
        )
    }
}

/// Text that is not a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected a time as 2026-11-21T12:00:00Z")]
pub struct InvalidTime;

/// RFC 3339 with any offset. What is finer than a microsecond is cut off.
impl FromStr for Timestamp {
    type Err = InvalidTime;

    fn from_str(text: &str) -> Result<Self, InvalidTime> {
        let instant: Instant = text.parse().map_err(|_| InvalidTime)?;
        Ok(Self(instant.as_microsecond()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_reads_as_rfc_3339() {
        assert_eq!(Timestamp::from_micros(0).to_string(), "1970-01-01T00:00:00.000000Z");
        let time = Timestamp::from_micros(1_795_262_400_123_456);
        assert_eq!(time.to_string(), "2026-11-21T12:00:00.123456Z");
        assert!(Timestamp::from_micros(i64::MAX).to_string().starts_with("9999-"));
    }

    #[test]
    fn a_time_is_read_back_with_any_offset() {
        let time = Timestamp::from_micros(1_795_262_400_123_456);

        assert_eq!(time.to_string().parse(), Ok(time));
        assert_eq!("2026-11-21T13:00:00.123456999+01:00".parse(), Ok(time));
        for wrong in ["", "2026-11-21", "2026-11-21T12:00:00", "12:00", "now", "\0", "1e9"] {
            assert_eq!(wrong.parse::<Timestamp>(), Err(InvalidTime), "{wrong:?}");
        }
    }

    #[test]
    fn arithmetic_stops_at_the_ends() {
        let time = Timestamp::from_micros(i64::MAX - 1);

        assert_eq!(time.after(Duration::from_secs(1)), Timestamp::from_micros(i64::MAX));
        assert_eq!(Timestamp::from_micros(0).since(time), Duration::ZERO);
        assert_eq!(time.since(Timestamp::from_micros(i64::MAX - 3)), Duration::from_micros(2));
    }
}
