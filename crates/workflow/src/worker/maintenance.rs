//! What is done now and then, by every worker.

use std::sync::Arc;
use std::time::Duration;

use hansard_store::{Error, Pruned, Store};
use tokio::time::{MissedTickBehavior, interval};

use crate::worker::Shared;

/// How often media and uploads that nobody needs any more are removed.
const SWEEP_EVERY: Duration = Duration::from_secs(30);

/// How often rows that were kept long enough are removed.
const PRUNE_EVERY: Duration = Duration::from_secs(10 * 60);

/// Cleans up, until it is dropped.
pub(super) async fn clean_up(shared: Arc<Shared>) {
    let (mut sweep, mut prune) = (interval(SWEEP_EVERY), interval(PRUNE_EVERY));
    sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
    prune.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (store, settings) = (&shared.parts.store, &shared.parts.settings);
    loop {
        tokio::select! {
            _ = sweep.tick() => {
                warn("media", sweep_media(store).await);
                warn("uploads", sweep_uploads(store).await);
            }
            _ = prune.tick() => {
                warn("finished jobs", prune_rows(store, settings.keep_finished).await);
                warn("the audit log", prune_audit(store, settings.keep_audit).await);
            }
        }
    }
}

/// A clean-up that failed is done the next time.
fn warn(what: &str, cleaned: Result<(), Error>) {
    if let Err(error) = cleaned {
        tracing::warn!(error = %error, "{what} could not be cleaned up");
    }
}

// Each call removes a bounded number; one that removed something may have left more.

async fn sweep_media(store: &Store) -> Result<(), Error> {
    while store.sweep_media().await? > 0 {}
    Ok(())
}

async fn sweep_uploads(store: &Store) -> Result<(), Error> {
    while store.sweep_uploads().await? > 0 {}
    Ok(())
}

async fn prune_rows(store: &Store, keep: Duration) -> Result<(), Error> {
    loop {
        let pruned = store.prune(keep).await?;
        if pruned == Pruned::default() {
            return Ok(());
        }
        tracing::info!(?pruned, "removed rows that were kept long enough");
    }
}

async fn prune_audit(store: &Store, keep: Duration) -> Result<(), Error> {
    loop {
        match store.prune_audit(keep).await? {
            0 => return Ok(()),
            entries => tracing::info!(
                entries,
                "removed entries of the audit log that were kept long enough"
            ),
        }
    }
}
