//! When to try again, and when to give up.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::{Duration, SystemTime};

use reqwest::header::{HeaderMap, RETRY_AFTER};

use crate::Error;

/// How failures that may pass are retried: cut and refused connections, silence, 408, 429 and 5xx.
#[derive(Debug, Clone)]
pub struct Retries {
    /// Attempts in a row that may fail before the last error is reported; at least 1.
    pub attempts: u32,
    /// The pause after the first failure. It doubles with each further one.
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
    /// The pause after the `failures`th failure in a row, or `None` if `error` is final.
    pub(crate) fn pause(&self, error: &Error, failures: u32) -> Option<Duration> {
        if failures >= self.attempts {
            return None;
        }
        let asked = match error {
            Error::Connect { .. } | Error::Timeout { .. } | Error::Broken { .. } => None,
            Error::Status { status: 408 | 429 | 500 | 502 | 503 | 504, retry_after, .. } => {
                retry_after.map(Duration::from_secs)
            }
            _ => return None,
        };
        if let Some(asked) = asked {
            return (asked <= self.pause_max).then_some(asked);
        }
        let doubled = self.first_pause.saturating_mul(1 << failures.saturating_sub(1).min(16));
        Some(jittered(doubled.min(self.pause_max)))
    }
}

/// Between half of `pause` and all of it, so that clients who failed together do not come back together.
fn jittered(pause: Duration) -> Duration {
    // The standard library's hasher is seeded at random: enough for this, and no dependency.
    let random = RandomState::new().build_hasher().finish();
    let fraction = (random >> 40) as f64 / (1u64 << 24) as f64;
    pause.mul_f64(0.5 + fraction / 2.0)
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

    fn status(status: u16, retry_after: Option<u64>) -> Error {
        Error::Status { address: String::new(), status, retry_after }
    }

    #[test]
    fn pauses_double_and_end() {
        let retries = Retries {
            attempts: 6,
            first_pause: Duration::from_secs(1),
            pause_max: Duration::from_secs(5),
        };
        let error = status(503, None);

        for (failures, most) in [(1, 1.0), (2, 2.0), (3, 4.0), (4, 5.0), (5, 5.0)] {
            let pause = retries.pause(&error, failures).unwrap().as_secs_f64();
            assert!((most / 2.0..=most).contains(&pause), "{failures}: {pause}");
        }
        assert_eq!(retries.pause(&error, 6), None);
    }

    #[test]
    fn the_host_decides_unless_it_asks_for_too_much() {
        let retries = Retries::default();

        assert_eq!(retries.pause(&status(429, Some(7)), 1), Some(Duration::from_secs(7)));
        assert_eq!(retries.pause(&status(429, Some(3600)), 1), None);
    }

    #[test]
    fn a_refusal_is_final() {
        for code in [400, 401, 403, 404, 410, 501] {
            assert_eq!(Retries::default().pause(&status(code, None), 1), None, "{code}");
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
