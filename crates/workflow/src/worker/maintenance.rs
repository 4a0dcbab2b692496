//! What is done now and then, by every worker.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};

use crate::worker::Shared;

/// How often media that nobody needs any more are removed.
const SWEEP_EVERY: Duration = Duration::from_secs(30);

/// Cleans up, until it is dropped.
pub(super) async fn clean_up(shared: Arc<Shared>) {
    let mut sweep = interval(SWEEP_EVERY);
    sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        sweep.tick().await;
        // A sweep takes a bounded number; a full one has left something.
        loop {
            match shared.parts.store.sweep_media().await {
                Ok(0) => break,
                Ok(removed) => tracing::debug!(removed, "removed media that nobody needs"),
                Err(error) => {
                    tracing::warn!(error = %error, "media could not be swept");
                    break;
                }
            }
        }
    }
}
