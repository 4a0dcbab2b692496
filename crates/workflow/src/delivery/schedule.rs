//! What follows an attempt.

use std::time::Duration;

use hansard_domain::time::Timestamp;
use hansard_store::sending::Settled;

use super::Settings;

/// The waits after the first attempt, the second and so on: the schedule of Standard Webhooks.
const WAITS: [Duration; 9] = [
    Duration::from_secs(5),
    Duration::from_secs(5 * 60),
    Duration::from_secs(30 * 60),
    Duration::from_secs(2 * 60 * 60),
    Duration::from_secs(5 * 60 * 60),
    Duration::from_secs(10 * 60 * 60),
    Duration::from_secs(14 * 60 * 60),
    Duration::from_secs(20 * 60 * 60),
    Duration::from_secs(24 * 60 * 60),
];

/// A wait is up to this part of itself shorter or longer, so that what failed together does not come back together.
const JITTER: f64 = 0.1;

/// How a receiver took an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answered {
    /// With this status, and perhaps the wish to be left alone for a while.
    Status { status: u16, retry_after: Option<Duration> },
    /// Not at all.
    Nothing,
    /// It must not be asked, or there is nothing to send: no further attempt can change that.
    Never,
}

impl Answered {
    /// The status, if there was an answer.
    pub(super) fn status(&self) -> Option<u16> {
        match self {
            Self::Status { status, .. } => Some(*status),
            Self::Nothing | Self::Never => None,
        }
    }
}

/// What becomes of a delivery after attempt `number`, from 1. `random`, from 0 to 1, spreads the waits.
pub(super) fn after(
    answered: &Answered,
    number: u32,
    now: Timestamp,
    settings: &Settings,
    random: f64,
) -> Settled {
    let asked = match answered {
        Answered::Never => return Settled::Failed,
        Answered::Nothing => None,
        Answered::Status { status: 200..=299, .. } => return Settled::Delivered,
        Answered::Status { status: 410, .. } => return Settled::Gone,
        Answered::Status { retry_after, .. } => *retry_after,
    };
    if number >= settings.attempts_max {
        return Settled::Failed;
    }
    let Some(wait) = WAITS.get(number.saturating_sub(1) as usize) else { return Settled::Failed };
    let wait = wait.mul_f64(1.0 - JITTER + 2.0 * JITTER * random.clamp(0.0, 1.0));
    let asked = asked.unwrap_or_default().min(settings.retry_after_max);
    Settled::Retry(now.after(wait.max(asked)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_micros(1_000_000);

    fn wait(answered: Answered, number: u32, random: f64) -> Option<Duration> {
        match after(&answered, number, NOW, &Settings::default(), random) {
            Settled::Retry(at) => Some(at.since(NOW)),
            _ => None,
        }
    }

    fn status(status: u16) -> Answered {
        Answered::Status { status, retry_after: None }
    }

    #[test]
    fn ten_attempts_follow_the_schedule_and_the_last_one_ends_it() {
        let hours: Vec<_> = (1..=10).map(|n| wait(Answered::Nothing, n, 0.5)).collect();

        let secs = |secs| Some(Duration::from_secs(secs));
        assert_eq!(hours[..4], [secs(5), secs(300), secs(1800), secs(7200)]);
        assert_eq!(hours[8..], [secs(86_400), None]);
    }

    #[test]
    fn waits_are_spread_around_the_schedule() {
        assert_eq!(wait(status(500), 2, 0.0), Some(Duration::from_secs(270)));
        assert_eq!(wait(status(500), 2, 1.0), Some(Duration::from_secs(330)));
    }

    #[test]
    fn every_success_is_one_and_a_redirect_is_none() {
        let settle = |code| after(&status(code), 1, NOW, &Settings::default(), 0.5);

        assert_eq!(settle(200), Settled::Delivered);
        assert_eq!(settle(204), Settled::Delivered);
        assert_eq!(settle(410), Settled::Gone);
        for code in [301, 307, 400, 401, 404, 429, 500, 503] {
            assert!(matches!(settle(code), Settled::Retry(_)), "{code}");
        }
    }

    #[test]
    fn a_receiver_is_left_alone_for_as_long_as_it_asks_within_a_bound() {
        let asked =
            |secs| Answered::Status { status: 503, retry_after: Some(Duration::from_secs(secs)) };

        assert_eq!(wait(asked(60), 1, 0.5), Some(Duration::from_secs(60)));
        assert_eq!(wait(asked(1), 1, 0.5), Some(Duration::from_secs(5)));
        assert_eq!(wait(asked(u64::MAX), 1, 0.5), Some(Settings::default().retry_after_max));
    }

    #[test]
    fn what_can_never_be_sent_is_not_tried_again() {
        let settled = after(&Answered::Never, 1, NOW, &Settings::default(), 0.5);

        assert_eq!(settled, Settled::Failed);
    }
}
