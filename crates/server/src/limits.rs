//! How often somebody may do something: the generic cell rate algorithm (GCRA), in the memory of this process.
//!
//! For each key one point in time is kept, at which its bucket will be full again. A request moves it on; one that would move
//! it further than the bucket is deep is refused. Nothing runs in between, and a key that has been quiet costs nothing.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use hansard_domain::time::Timestamp;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use ring::digest::{Context, SHA256};

use crate::ticket::hex;

/// Keys that are kept at a time.
const KEYS_MAX: usize = 100_000;

/// The part of all keys that is forgotten when there are too many: one in so many.
const FORGOTTEN_PART: usize = 4;

const MINUTE_US: u64 = 60_000_000;

const LIMIT: HeaderName = HeaderName::from_static("ratelimit-limit");
const REMAINING: HeaderName = HeaderName::from_static("ratelimit-remaining");
const RESET: HeaderName = HeaderName::from_static("ratelimit-reset");
const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// How many at once, and how many a minute after that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rate {
    per_minute: u32,
    burst: u32,
    /// Time in which one comes back, in microseconds.
    interval_us: u64,
}

impl Rate {
    /// `burst` at once, `per_minute` in the long run; `None`, which is no limit, if either is zero.
    pub(crate) const fn new(per_minute: u32, burst: u32) -> Option<Self> {
        if per_minute == 0 || burst == 0 {
            return None;
        }
        Some(Self { per_minute, burst, interval_us: MINUTE_US.div_ceil(per_minute as u64) })
    }

    /// `burst` at once, and one more each time that `interval` has passed; `None` if either is zero.
    pub(crate) fn one_each(interval: Duration, burst: u32) -> Option<Self> {
        let interval_us = u64::try_from(interval.as_micros()).ok()?;
        if interval_us == 0 || burst == 0 {
            return None;
        }
        let per_minute = u32::try_from(MINUTE_US / interval_us).unwrap_or(u32::MAX);
        Some(Self { per_minute, burst, interval_us })
    }

    /// How many at once.
    pub(crate) const fn burst(self) -> u32 {
        self.burst
    }

    /// One part of the burst in so many, and at least one.
    pub(crate) fn part(self, parts: u32) -> u32 {
        (self.burst / parts).max(1)
    }

    /// The time in which so many come back.
    pub(crate) fn costs(self, count: u32) -> Duration {
        Duration::from_micros(self.interval_us.saturating_mul(u64::from(count)))
    }

    /// `full_at` as far as it can be: a clock that was put back, or a rate that was changed, keeps nobody out for longer than
    /// an empty bucket does.
    fn within(self, full_at: Timestamp, now: Timestamp) -> Timestamp {
        full_at.clamp(now, now.after(self.costs(self.burst)))
    }

    /// What becomes of a bucket that is full at `full_at` when `count` are taken from it at `now`.
    ///
    /// # Errors
    /// The time until there would be room, if there is none; the bucket stays as it is.
    pub(crate) fn take(
        self,
        full_at: Timestamp,
        now: Timestamp,
        count: u32,
    ) -> Result<Timestamp, Duration> {
        let next = self.within(full_at, now).after(self.costs(count));
        let over = next.since(now).saturating_sub(self.costs(self.burst));
        if over.is_zero() { Ok(next) } else { Err(over) }
    }

    /// How it stands with a bucket that is full at `full_at`.
    pub(crate) fn room(self, full_at: Timestamp, now: Timestamp) -> Room {
        let reset = self.within(full_at, now).since(now);
        let gone = reset.as_micros().div_ceil(u128::from(self.interval_us));
        let left = u128::from(self.burst).saturating_sub(gone);
        Room { rate: self, left: u32::try_from(left).unwrap_or(self.burst), reset }
    }
}

/// What somebody has left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Room {
    rate: Rate,
    left: u32,
    reset: Duration,
}

impl Room {
    /// When the bucket will be full again.
    pub(crate) fn full_at(self, now: Timestamp) -> Timestamp {
        now.after(self.reset)
    }

    /// The same with so many more, which were taken and are not spent.
    pub(crate) fn with(self, taken: u32) -> Self {
        Self { left: self.left.saturating_add(taken).min(self.rate.burst), ..self }
    }

    /// Tells it to the caller (draft-ietf-httpapi-ratelimit-headers, in its widespread earlier form).
    pub(crate) fn tell(&self, headers: &mut HeaderMap) {
        let Self { rate: Rate { per_minute, burst, .. }, left, reset } = self;
        // Rounded up: who comes back early has come in vain.
        let seconds = u64::try_from(reset.as_millis().div_ceil(1_000)).unwrap_or(u64::MAX);
        headers.insert(LIMIT, HeaderValue::from(*burst));
        headers.insert(REMAINING, HeaderValue::from(*left));
        headers.insert(RESET, HeaderValue::from(seconds));
        let policy = HeaderValue::from_str(&format!("{per_minute};w=60"));
        headers.insert(POLICY, policy.expect("digits are visible ASCII"));
    }
}

/// A refusal: there is no room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many; there is room again in {} s", wait.as_secs_f64().ceil())]
pub(crate) struct Exhausted {
    /// When there is room again.
    pub(crate) wait: Duration,
    /// What is left, which is not enough.
    pub(crate) room: Room,
}

/// Who is counted, and for what. A checksum, so that no name or address is kept, and all are equally long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Key([u8; 32]);

impl Key {
    /// `who`, as far as it does things of `class`.
    pub(crate) fn new(class: &str, who: &str) -> Self {
        let mut context = Context::new(&SHA256);
        // A zero byte is in neither, so that no two pairs read the same.
        for part in [class.as_bytes(), b"\0", who.as_bytes()] {
            context.update(part);
        }
        Self(context.finish().as_ref().try_into().expect("SHA-256 has 32 bytes"))
    }

    /// One of so many parts that all keys fall into.
    pub(crate) fn part(self, parts: usize) -> usize {
        usize::from(self.0[0]) % parts
    }

    /// In hexadecimal digits, for the database.
    pub(crate) fn text(self) -> String {
        hex(&self.0)
    }
}

/// The buckets of a process.
#[derive(Debug)]
pub(crate) struct Limits {
    full_at: Mutex<HashMap<Key, Timestamp>>,
    keys_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self::new(KEYS_MAX)
    }
}

impl Limits {
    fn new(keys_max: usize) -> Self {
        Self { full_at: Mutex::default(), keys_max }
    }

    /// Takes `count` from the bucket of `key`.
    ///
    /// # Errors
    /// [`Exhausted`] if there are fewer; then nothing is taken.
    pub(crate) fn take(
        &self,
        key: Key,
        rate: Rate,
        count: u32,
        now: Timestamp,
    ) -> Result<Room, Exhausted> {
        let mut buckets = self.full_at.lock().unwrap_or_else(PoisonError::into_inner);
        let full_at = buckets.get(&key).copied().unwrap_or(now);
        match rate.take(full_at, now, count) {
            Ok(next) => {
                if buckets.len() >= self.keys_max && !buckets.contains_key(&key) {
                    forget(&mut buckets, now);
                }
                buckets.insert(key, next);
                Ok(rate.room(next, now))
            }
            Err(wait) => Err(Exhausted { wait, room: rate.room(full_at, now) }),
        }
    }

    /// Empties the bucket of `key`, which others have seen empty.
    pub(crate) fn exhaust(&self, key: Key, rate: Rate, now: Timestamp) {
        let mut buckets = self.full_at.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() < self.keys_max || buckets.contains_key(&key) {
            buckets.insert(key, now.after(rate.costs(rate.burst)));
        }
    }

    /// Puts back what was taken for something that turned out not to count, as for a login that succeeds.
    ///
    /// Whoever asks first and takes later lets a hundred guesses through that come at once; who takes first and gives back
    /// does not.
    pub(crate) fn give_back(&self, key: Key, rate: Rate, count: u32) {
        let mut buckets = self.full_at.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(full_at) = buckets.get_mut(&key) {
            *full_at = full_at.before(rate.costs(count));
        }
    }
}

/// Makes room: the buckets that are full go, and if those are few, the fullest. What goes begins anew as a full one, so
/// those who are near their limit stay.
fn forget(buckets: &mut HashMap<Key, Timestamp>, now: Timestamp) {
    let enough = buckets.len() - buckets.len() / FORGOTTEN_PART;
    buckets.retain(|_, full_at| *full_at > now);
    if buckets.len() <= enough {
        return;
    }
    let mut times: Vec<_> = buckets.values().copied().collect();
    let surplus = times.len() - enough;
    let (_, &mut last, _) = times.select_nth_unstable(surplus.saturating_sub(1));
    let mut left = surplus;
    // Exactly so many: many may be full at the same time.
    buckets.retain(|_, full_at| {
        let goes = *full_at < last || (*full_at == last && left > 0);
        left = left.saturating_sub(usize::from(goes));
        !goes
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_micros(1_795_262_400_000_000);

    fn at(seconds: u64) -> Timestamp {
        NOW.after(Duration::from_secs(seconds))
    }

    fn rate(per_minute: u32, burst: u32) -> Rate {
        Rate::new(per_minute, burst).unwrap()
    }

    #[test]
    fn a_burst_passes_and_then_as_many_as_come_back() {
        let (limits, rate, key) = (Limits::default(), rate(60, 3), Key::new("login", "ana"));
        let take = |seconds| limits.take(key, rate, 1, at(seconds)).map(|room| room.left);

        assert_eq!([take(0), take(0), take(0)], [Ok(2), Ok(1), Ok(0)]);
        let refused = take(0).unwrap_err();
        assert_eq!(refused.wait, Duration::from_secs(1));
        assert_eq!((refused.room.left, refused.room.reset), (0, Duration::from_secs(3)));
        assert!(take(0).is_err(), "a refusal costs nothing and gives nothing");
        assert_eq!(take(1), Ok(0));
        assert!(take(1).is_err());
        assert_eq!([take(9), take(9), take(9)], [Ok(2), Ok(1), Ok(0)], "never more than the burst");
        assert!(take(9).is_err());
    }

    #[test]
    fn several_are_taken_together_or_not_at_all() {
        let (limits, rate, key) = (Limits::default(), rate(60, 10), Key::new("a", "b"));

        assert_eq!(limits.take(key, rate, 8, NOW).unwrap().left, 2);
        assert_eq!(limits.take(key, rate, 3, NOW).unwrap_err().wait, Duration::from_secs(1));
        assert_eq!(limits.take(key, rate, 2, NOW).unwrap().left, 0);
        assert!(limits.take(Key::new("c", "d"), rate, 11, NOW).is_err(), "more than there ever is");
        assert!(limits.take(Key::new("e", "f"), rate, u32::MAX, NOW).is_err());
    }

    #[test]
    fn keys_do_not_touch_each_other() {
        let (limits, rate) = (Limits::default(), rate(1, 1));
        let keys =
            [Key::new("a", "bc"), Key::new("ab", "c"), Key::new("a", "b"), Key::new("b", "bc")];
        for key in keys {
            assert!(limits.take(key, rate, 1, NOW).is_ok());
            assert!(limits.take(key, rate, 1, NOW).is_err());
        }
    }

    #[test]
    fn what_is_given_back_can_be_taken_again() {
        let (limits, rate, key) = (Limits::default(), rate(1, 2), Key::new("a", "b"));
        for _ in 0..50 {
            assert!(limits.take(key, rate, 1, NOW).is_ok());
            limits.give_back(key, rate, 1);
        }
        assert_eq!(limits.take(key, rate, 1, NOW).unwrap().left, 1);

        limits.give_back(Key::new("never", "seen"), rate, 1);
        limits.give_back(key, rate, 100);
        let takes = (0..10).filter(|_| limits.take(key, rate, 1, NOW).is_ok());
        assert_eq!(takes.count(), 2, "a bucket is never more than full");
    }

    #[test]
    fn a_clock_that_is_put_back_neither_gives_away_nor_locks_out() {
        let (limits, rate, key) = (Limits::default(), rate(60, 2), Key::new("a", "b"));
        while limits.take(key, rate, 1, at(86_400)).is_ok() {}

        assert_eq!(limits.take(key, rate, 1, at(0)).unwrap_err().wait, Duration::from_secs(1));
    }

    #[test]
    fn a_flood_of_keys_costs_bounded_memory_and_frees_nobody_who_is_refused() {
        let limits = Limits::new(1_000);
        let (slow, guesser) = (rate(1, 5), Key::new("login", "guesser"));
        while limits.take(guesser, slow, 1, NOW).is_ok() {}

        for number in 0..10_000 {
            assert!(limits.take(Key::new("login", &number.to_string()), slow, 1, NOW).is_ok());
            assert!(limits.full_at.lock().unwrap().len() <= 1_000);
        }

        assert!(limits.take(guesser, slow, 1, NOW).is_err());
    }

    #[test]
    fn who_has_been_quiet_is_forgotten_first() {
        let limits = Limits::new(4);
        let rate = rate(60, 100);
        let take =
            |who, count, now| limits.take(Key::new("a", who), rate, count, now).unwrap().left;
        take("quiet", 1, at(0));
        take("busy", 50, at(0));
        take("busier", 90, at(0));
        take("busiest", 99, at(0));

        take("new", 1, at(5));

        assert_eq!(limits.full_at.lock().unwrap().len(), 4);
        assert_eq!(take("busiest", 1, at(5)), 100 - 99 + 5 - 1);
    }

    #[test]
    fn zero_is_no_limit() {
        assert_eq!(Rate::new(0, 5), None);
        assert_eq!(Rate::new(5, 0), None);
        assert_eq!(Rate::one_each(Duration::ZERO, 5), None);
        assert!(Rate::one_each(Duration::from_secs(60), 3).is_some());
        let widest = rate(u32::MAX, u32::MAX);
        assert!(widest.take(NOW, NOW, u32::MAX).is_ok());
    }

    #[test]
    fn a_caller_is_told_what_is_left() {
        let mut headers = HeaderMap::new();
        let room = rate(6_000, 1_000).room(NOW.after(Duration::from_micros(1_500_001)), NOW);

        room.tell(&mut headers);

        assert_eq!(headers["ratelimit-limit"], "1000");
        assert_eq!(headers["ratelimit-remaining"], "849");
        assert_eq!(headers["ratelimit-reset"], "2");
        assert_eq!(headers["ratelimit-policy"], "6000;w=60");
    }
}
