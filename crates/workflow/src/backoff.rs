//! How long to wait before the next attempt.

use std::time::Duration;

/// The longest that anybody who is asked may put a job off.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(60 * 60);

/// How often an activity is tried, and how long it rests in between.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retries {
    /// Attempts without progress after which a job fails; at least 1.
    pub attempts_max: u32,
    /// The most that is waited after the first attempt. It doubles with each further one.
    pub backoff_first: Duration,
    /// No wait is longer, unless whoever failed asked for more.
    pub backoff_max: Duration,
}

impl Retries {
    /// The wait after the failure of attempt number `attempt` (from 1), or nothing if it was the last one.
    ///
    /// `random`, from 0 to 1, is the part of the bound that is waited: drawn evenly, so that jobs that failed together do not
    /// come back together. What the other side asked for (`asked`) is the least, up to an hour.
    pub fn pause(&self, attempt: u32, asked: Option<Duration>, random: f64) -> Option<Duration> {
        if attempt >= self.attempts_max {
            return None;
        }
        let doublings = attempt.saturating_sub(1).min(30);
        let bound = self.backoff_first.saturating_mul(1 << doublings).min(self.backoff_max);
        let asked = asked.unwrap_or_default().min(RETRY_AFTER_MAX);
        Some(bound.mul_f64(random.clamp(0.0, 1.0)).max(asked))
    }
}

/// `interval`, a quarter more or less, by `random` from 0 to 1: processes that began together do not stay together.
pub(crate) fn jittered(interval: Duration, random: f64) -> Duration {
    interval.mul_f64(0.75 + 0.5 * random.clamp(0.0, 1.0))
}

/// A random number from 0 to 1.
pub(crate) fn random_fraction() -> f64 {
    // Without random numbers everybody waits for half of the bound, which is worse for the crowd and right for each.
    getrandom::u32().map_or(0.5, |number| f64::from(number) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    const RETRIES: Retries = Retries {
        attempts_max: 4,
        backoff_first: Duration::from_secs(2),
        backoff_max: Duration::from_secs(5),
    };

    #[test]
    fn waits_double_up_to_a_bound_and_then_end() {
        let waits: Vec<_> =
            (1..=4).map(|attempt| RETRIES.pause(attempt, None, 1.0).map(|w| w.as_secs())).collect();

        assert_eq!(waits, [Some(2), Some(4), Some(5), None]);
    }

    #[test]
    fn a_wait_is_anything_up_to_its_bound_and_no_less_than_asked_for() {
        assert_eq!(RETRIES.pause(1, None, 0.0), Some(Duration::ZERO));
        assert_eq!(RETRIES.pause(1, None, 0.25), Some(Duration::from_millis(500)));
        let asked = Some(Duration::from_secs(60));
        assert_eq!(RETRIES.pause(1, asked, 1.0), asked);
        assert_eq!(RETRIES.pause(1, Some(Duration::MAX), 1.0), Some(RETRY_AFTER_MAX));
    }

    #[test]
    fn many_attempts_do_not_overflow() {
        let endless = Retries { attempts_max: u32::MAX, ..RETRIES };

        assert_eq!(endless.pause(u32::MAX - 1, None, 1.0), Some(RETRIES.backoff_max));
    }

    #[test]
    fn jitter_keeps_the_interval_on_average() {
        let second = Duration::from_secs(1);

        assert_eq!(jittered(second, 0.5), second);
        assert_eq!(jittered(second, 0.0), Duration::from_millis(750));
        assert_eq!(jittered(second, 1.0), Duration::from_millis(1250));
    }
}
