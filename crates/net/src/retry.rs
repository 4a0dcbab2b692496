//! When to try again, and when to give up.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::{Duration, SystemTime};

use http::header::{HeaderMap, RETRY_AFTER};

/// How failures that may pass are retried.
#[derive(Debug, Clone)]
pub struct Retries {
    /// Attempts in a row that may fail before the last error is reported; at least 1.
    pub attempts: u32,
    /// The most that is paused after the first failure. It doubles with each further one.
    pub first_pause: Duration,
    /// No pause is longer. A host that asks for more time is not asked again.
    pub pause_max: Duration,
}

impl Default for Retries {
    /// Four attempts within some four seconds, or as long as the host asks for, up to half a minute each.
    fn default() -> Self {
        Self {
            attempts: 4,
            first_pause: Duration::from_millis(500),
            pause_max: Duration::from_secs(30),
        }
    }
}

impl Retries {
    /// The pause after the `failures`th failure in a row, of which the host asked for `asked`. `None` is the end: the
    /// attempts are used up, or the host asks for too much.
    ///
    /// Pauses are drawn at random from nothing to a bound that doubles, so that clients who failed together do not come
    /// back together; what the host asks for is the least of them.
    pub fn pause(&self, failures: u32, asked: Option<Duration>) -> Option<Duration> {
        if failures >= self.attempts {
            return None;
        }
        let asked = asked.unwrap_or_default();
        if asked > self.pause_max {
            return None;
        }
        let doubled = self.first_pause.saturating_mul(1 << failures.saturating_sub(1).min(16));
        Some(asked.max(doubled.min(self.pause_max).mul_f64(random_fraction())))
    }
}

/// Whether an answer with this status may be another one later.
pub fn is_passing_status(status: u16) -> bool {
    matches!(status, 408 | 425 | 429 | 500 | 502..=504 | 506..=599)
}

/// From 0 to 1. The standard library's hasher is seeded at random: enough for this, and no dependency.
fn random_fraction() -> f64 {
    let random = RandomState::new().build_hasher().finish();
    (random >> 40) as f64 / (1u64 << 24) as f64
}

/// The seconds that a `Retry-After` header asks for, written as a number or as a date.
pub(crate) fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<u64> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = value.parse() {
        return Some(seconds);
    }
    let date = httpdate::parse_http_date(value).ok()?;
    Some(date.duration_since(now).map_or(0, |wait| wait.as_secs() + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_and_end() {
        let retries = Retries {
            attempts: 6,
            first_pause: Duration::from_secs(1),
            pause_max: Duration::from_secs(5),
        };

        for (failures, most) in [(1, 1), (2, 2), (3, 4), (4, 5), (5, 5)] {
            let pauses: Vec<Duration> =
                (0..100).map(|_| retries.pause(failures, None).unwrap()).collect();
            let most = Duration::from_secs(most);
            assert!(pauses.iter().all(|pause| *pause <= most), "{failures}: {pauses:?}");
            assert!(pauses.iter().any(|pause| *pause > most / 2), "{failures}: {pauses:?}");
            assert!(pauses.iter().any(|pause| *pause < most / 2), "{failures}: {pauses:?}");
        }
        assert_eq!(retries.pause(6, None), None);
    }

    #[test]
    fn the_host_decides_unless_it_asks_for_too_much() {
        let retries = Retries::default();

        assert_eq!(retries.pause(1, Some(Duration::from_secs(7))), Some(Duration::from_secs(7)));
        assert_eq!(retries.pause(1, Some(Duration::from_secs(3600))), None);
    }

    #[test]
    fn a_refusal_is_final() {
        for status in [400, 401, 403, 404, 410, 501, 505] {
            assert!(!is_passing_status(status), "{status}");
        }
        for status in [408, 429, 500, 502, 503, 504, 529] {
            assert!(is_passing_status(status), "{status}");
        }
    }

    #[test]
    fn retry_after_is_read_in_both_forms() {
        let now = httpdate::parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT").unwrap();
        let read = |value: &'static str| {
            let headers = HeaderMap::from_iter([(RETRY_AFTER, value.parse().unwrap())]);
            retry_after(&headers, now)
        };

        assert_eq!(read("120"), Some(120));
        assert_eq!(read("Sun, 06 Nov 1994 08:50:07 GMT"), Some(31));
        assert_eq!(read("Sun, 06 Nov 1994 08:00:00 GMT"), Some(0));
        assert_eq!(read("soon"), None);
    }
}
