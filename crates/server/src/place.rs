//! Places for requests that are worked on, so that a rush is answered in order and not all at once.

use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::FromRequestParts;
use http::request::Parts;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::App;
use crate::problem::Problem;
use crate::routes::Access;

/// The part of all places that requests may take whose sender has yet to show who they are: one in so many.
const UNPROVEN_PART: usize = 4;

/// All places of a server.
#[derive(Debug)]
pub(crate) struct Places {
    admitted: Arc<Semaphore>,
    /// Requests that show a secret in their body hold a place before they have shown it: strangers who never do must not
    /// keep everybody else out.
    unproven: Arc<Semaphore>,
}

impl Places {
    /// Room for `count` requests, and for some more whose senders are unknown.
    pub(crate) fn new(count: usize) -> Self {
        let places = |count: usize| Arc::new(Semaphore::new(count.min(Semaphore::MAX_PERMITS)));
        Self { admitted: places(count), unproven: places(count.div_ceil(UNPROVEN_PART)) }
    }

    /// A place for a request to a route that `access` may call; `None` if there is none left.
    pub(crate) fn take(&self, access: Access) -> Option<Place> {
        let places = match access {
            Access::BodySecret => &self.unproven,
            Access::Known | Access::Owner(_) | Access::Role(_) | Access::Public => &self.admitted,
        };
        let permit = Arc::clone(places).try_acquire_owned().ok()?;
        Some(Place(Arc::new(Mutex::new(Some(permit)))))
    }
}

/// The place of one request. As an argument of a handler it is the request's own.
///
/// A handler that waits for something else to happen leaves its place first: hundreds may wait, and nothing is worked on.
#[derive(Debug, Clone, Default)]
pub(crate) struct Place(Arc<Mutex<Option<OwnedSemaphorePermit>>>);

impl Place {
    /// Gives the place to somebody else.
    pub(crate) fn leave(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}

impl FromRequestParts<App> for Place {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, Problem> {
        // A route that is always answered has none to give up.
        Ok(parts.extensions.get::<Self>().cloned().unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strangers_leave_room_for_others_and_whoever_waits_leaves_its_place() {
        let places = Places::new(8);
        let strangers: Vec<_> =
            std::iter::from_fn(|| places.take(Access::BodySecret)).take(100).collect();
        assert_eq!(strangers.len(), 2);

        let callers: Vec<_> = std::iter::from_fn(|| places.take(Access::own())).take(100).collect();
        assert_eq!(callers.len(), 8);

        callers[0].leave();
        callers[0].leave();
        assert!(places.take(Access::Public).is_some(), "it was given up by this line too");
        assert!(places.take(Access::BodySecret).is_none());
    }
}
