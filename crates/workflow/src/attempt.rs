//! One attempt at a job: what its activities share.

use std::sync::atomic::{AtomicBool, Ordering};

use hansard_speech::Cancel;
use hansard_store::Store;
use hansard_store::jobs::Job;
use hansard_store::leases::{Claimed, Lease};
use tokio_util::sync::CancellationToken;

use crate::error::ActivityError;

/// A job that this worker holds, and the proof of it.
#[derive(Debug)]
pub(crate) struct Attempt {
    store: Store,
    job: Job,
    lease: Lease,
    switch: Switch,
    progressed: AtomicBool,
}

impl Attempt {
    /// An attempt at the job that was just claimed. It ends when `switch` is thrown.
    pub(crate) fn new(store: Store, claimed: Claimed, switch: Switch) -> Self {
        let Claimed { job, lease } = claimed;
        Self { store, job, lease, switch, progressed: AtomicBool::new(false) }
    }

    pub(crate) fn store(&self) -> &Store {
        &self.store
    }

    /// The job, as it was when it was claimed.
    pub(crate) fn job(&self) -> &Job {
        &self.job
    }

    pub(crate) fn lease(&self) -> &Lease {
        &self.lease
    }

    pub(crate) fn switch(&self) -> &Switch {
        &self.switch
    }

    /// Something of the job was committed: what failed before does not count any more.
    pub(crate) fn made_progress(&self) {
        self.progressed.store(true, Ordering::Relaxed);
    }

    /// Attempts since the job last made progress, this one included.
    pub(crate) fn number(&self) -> u32 {
        if self.progressed.load(Ordering::Relaxed) { 1 } else { self.job.attempts }
    }
}

/// Stops an attempt, whether it computes or waits. Clones are the same switch.
#[derive(Debug, Clone, Default)]
pub(crate) struct Switch {
    computing: Cancel,
    waiting: CancellationToken,
}

impl Switch {
    /// Stops the attempt. It cannot be taken back.
    pub(crate) fn throw(&self) {
        self.computing.cancel();
        self.waiting.cancel();
    }

    /// The half that engines look at.
    pub(crate) fn cancel(&self) -> &Cancel {
        &self.computing
    }

    /// The result of `work`, or the news that it was stopped.
    pub(crate) async fn unless_thrown<T>(
        &self,
        work: impl Future<Output = Result<T, ActivityError>>,
    ) -> Result<T, ActivityError> {
        tokio::select! {
            result = work => result,
            () = self.waiting.cancelled() => Err(ActivityError::postponed(std::time::Duration::ZERO)),
        }
    }
}
