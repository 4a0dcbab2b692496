//! Claiming jobs, keeping their leases, and noticing when they are lost.

use std::sync::Arc;
use std::time::Duration;

use hansard_store::leases::Claimed;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

use crate::attempt::{Attempt, Switch};
use crate::backoff::{jittered, random_fraction};
use crate::tasks::Tasks;
use crate::worker::Shared;
use crate::worker::run::run;

/// How often the leases are compared with what the database says: a job that was cancelled stops within a second.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Places that come free within this time are filled together: with many short jobs a claim for each would cost more than they do.
const CLAIMS_APART: Duration = Duration::from_millis(5);

/// Claims jobs as places come free, and stops those whose lease is gone, until `jobs` is to stop.
pub(super) async fn keep_busy(shared: Arc<Shared>, jobs: Tasks) {
    let stopping = jobs.stopping().clone();
    let mut look = interval(LOOK_EVERY);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut next_claim, mut next_poll) = (Instant::now(), Instant::now());
    while !stopping.is_cancelled() {
        tokio::select! {
            () = stopping.cancelled() => {}
            // Claiming and looking take turns: between a claim and its place on the list nobody looks.
            _ = look.tick() => compare_leases(&shared).await,
            () = shared.parts.wake.notified() => {
                sleep_until(next_claim).await;
                claim(&shared, &jobs).await;
                next_claim = Instant::now() + CLAIMS_APART;
            }
            () = sleep_until(next_poll) => {
                claim(&shared, &jobs).await;
                next_poll = Instant::now() + jittered(shared.parts.settings.poll_interval, random_fraction());
            }
        }
    }
    shared.running.stop_all();
}

/// Extends all leases of this worker, until it is dropped.
pub(super) async fn keep_leases(shared: Arc<Shared>) {
    let mut beat = interval(shared.parts.settings.heartbeat);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        beat.tick().await;
        if let Err(error) =
            shared.parts.store.extend_leases(&shared.id, shared.parts.settings.lease).await
        {
            tracing::warn!(worker.id = %shared.id, error = %error, "the leases could not be extended");
        }
    }
}

/// Claims as many jobs as there are free places, in one transaction, and starts them.
async fn claim(shared: &Arc<Shared>, jobs: &Tasks) {
    let running = u32::try_from(shared.running.count()).unwrap_or(u32::MAX);
    let free = shared.parts.settings.workers.saturating_sub(running);
    if free == 0 || jobs.stopping().is_cancelled() {
        return;
    }
    match shared.parts.store.claim_jobs(&shared.id, free, shared.parts.settings.lease).await {
        Ok(claimed) => claimed.into_iter().for_each(|one| start(shared, jobs, one)),
        Err(error) => {
            tracing::warn!(worker.id = %shared.id, error = %error, "no jobs could be claimed");
        }
    }
}

fn start(shared: &Arc<Shared>, jobs: &Tasks, claimed: Claimed) {
    let switch = Switch::default();
    let on_list = shared.running.add(&claimed.lease, &switch);
    let attempt = Arc::new(Attempt::new(shared.parts.store.clone(), claimed, switch));
    let shared = Arc::clone(shared);
    jobs.spawn("job", async move {
        Box::pin(run(&shared, &attempt)).await;
        drop(on_list);
        shared.parts.wake.notify_one();
    });
}

/// Stops jobs whose lease is gone, and gives back leases that no job of ours goes with, as after a claim whose answer was
/// lost with its connection.
async fn compare_leases(shared: &Shared) {
    let believed = shared.running.all();
    let held = match shared.parts.store.held_leases(&shared.id).await {
        Ok(held) => held,
        Err(error) => {
            tracing::debug!(worker.id = %shared.id, error = %error, "the leases could not be read");
            return;
        }
    };
    for (lease, switch) in &believed {
        if !held.contains(lease) {
            switch.throw();
        }
    }
    for lease in held.iter().filter(|lease| !shared.running.holds(lease)) {
        let now = shared.parts.store.clock().now();
        if let Err(error) = shared.parts.store.return_job(lease, now, None).await {
            tracing::debug!(job.id = %lease.job, error = %error, "job {} could not be given back", lease.job);
        }
    }
}
