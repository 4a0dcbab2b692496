//! What a provider publishes, kept for a while and fetched again when it changes.
//!
//! A token with an unknown key is how we learn that a provider has new ones, and also what anybody can send as often as they
//! like. So what is asked of the provider is limited for all reasons together, and a flood of such tokens costs it no more
//! than a handful of requests, whose answers are as good for everybody else.

#[cfg(test)]
mod tests;

use std::error::Error;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use futures_util::future::BoxFuture;
use hansard_domain::time::Timestamp;
use hansard_store::Clock;
use tokio::sync::{Mutex, OwnedMutexGuard};

use crate::limits::Rate;

/// How long something is used before it is looked at again.
const FRESH: Duration = Duration::from_secs(60 * 60);

/// How long it is used at most, if the provider does not answer.
const USABLE: Duration = Duration::from_secs(24 * 60 * 60);

/// Requests to the provider at once, and how long until there may be another.
const FETCHES: u32 = 3;
const FETCH_EACH: Duration = Duration::from_secs(60);

/// Asks the provider. Why it has not answered is logged.
pub(crate) type Fetch<T> =
    Box<dyn Fn() -> BoxFuture<'static, Result<T, Box<dyn Error + Send + Sync>>> + Send + Sync>;

/// The provider has given nothing, and there is nothing from before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the identity provider does not answer")]
pub(crate) struct Unavailable {
    /// When it is worth another try.
    pub(crate) retry_after: Duration,
}

/// Something that a provider publishes.
pub(crate) struct Kept<T>(Arc<Inside<T>>);

struct Inside<T> {
    fetch: Fetch<T>,
    clock: Clock,
    held: RwLock<Option<Held<T>>>,
    /// Whoever has this fetches; in it, when the bucket of fetches is full again.
    fetching: Arc<Mutex<Timestamp>>,
}

/// What was fetched, and when.
struct Held<T> {
    value: Arc<T>,
    fetched_at: Timestamp,
}

impl<T> Clone for Held<T> {
    fn clone(&self) -> Self {
        Self { value: Arc::clone(&self.value), fetched_at: self.fetched_at }
    }
}

impl<T> Held<T> {
    fn is_younger(&self, than: Duration, now: Timestamp) -> bool {
        now.since(self.fetched_at) < than
    }
}

impl<T: Send + Sync + 'static> Kept<T> {
    /// What `fetch` gets. Nothing is fetched yet.
    pub(crate) fn new(fetch: Fetch<T>, clock: Clock) -> Self {
        let fetching = Arc::new(Mutex::new(clock.now()));
        Self(Arc::new(Inside { fetch, clock, held: RwLock::default(), fetching }))
    }

    /// What there is: one that `is_enough`, or else the newest that may be fetched now.
    ///
    /// # Errors
    /// [`Unavailable`].
    pub(crate) async fn get(
        &self,
        is_enough: impl Fn(&Arc<T>) -> bool,
    ) -> Result<Arc<T>, Unavailable> {
        let (seen, now) = (self.0.held(), self.0.clock.now());
        let usable = seen.clone().filter(|held| held.is_younger(USABLE, now));
        let fetching = Arc::clone(&self.0.fetching);
        let turn = match usable.filter(|held| is_enough(&held.value)) {
            Some(held) if held.is_younger(FRESH, now) => return Ok(held.value),
            Some(held) => match fetching.try_lock_owned() {
                Ok(turn) => turn,
                // Good enough while somebody else is at it.
                Err(_) => return Ok(held.value),
            },
            None => fetching.lock_owned().await,
        };
        let wait = self.refresh(turn, seen.as_ref()).await;
        let now = self.0.clock.now();
        let usable = self.0.held().filter(|held| held.is_younger(USABLE, now));
        usable.map(|held| held.value).ok_or(Unavailable { retry_after: wait.unwrap_or(FETCH_EACH) })
    }

    /// Fetches, unless that has happened since `seen` was looked at. If there is nothing new, tells when to try again, as far
    /// as that is known.
    async fn refresh(
        &self,
        mut turn: OwnedMutexGuard<Timestamp>,
        seen: Option<&Held<T>>,
    ) -> Option<Duration> {
        let of = |held: &Held<T>| Arc::as_ptr(&held.value);
        if self.0.held().as_ref().map(of) != seen.map(of) {
            return None;
        }
        let rate = Rate::one_each(FETCH_EACH, FETCHES)?;
        match rate.take(*turn, self.0.clock.now(), 1) {
            Ok(full_at) => *turn = full_at,
            Err(wait) => return Some(wait),
        }
        let inside = Arc::clone(&self.0);
        // A client that hangs up takes its own request along, and must not take this one, which counts and which others need:
        // it could keep new keys from ever arriving.
        let fetched = tokio::spawn(async move {
            let is_new = inside.fetch().await;
            if is_new { None } else { rate.take(*turn, inside.clock.now(), 1).err() }
        });
        fetched.await.ok()?
    }
}

impl<T> Inside<T> {
    /// Asks the provider and keeps what it answers. Tells whether there is something new.
    async fn fetch(&self) -> bool {
        match (self.fetch)().await {
            Ok(value) => {
                let held = Held { value: Arc::new(value), fetched_at: self.clock.now() };
                *self.held.write().unwrap_or_else(PoisonError::into_inner) = Some(held);
                true
            }
            Err(error) => {
                let cause = error.source().map(ToString::to_string).unwrap_or_default();
                tracing::warn!(error = %error, cause, "an identity provider does not answer as it should");
                false
            }
        }
    }

    fn held(&self) -> Option<Held<T>> {
        self.held.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
