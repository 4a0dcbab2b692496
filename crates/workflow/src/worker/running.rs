//! The jobs that a worker believes it holds.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hansard_domain::id::JobId;
use hansard_store::leases::Lease;

use crate::attempt::Switch;

/// The jobs that a worker believes it holds. Clones are the same list.
#[derive(Debug, Clone, Default)]
pub(crate) struct Running(Arc<Mutex<HashMap<JobId, (Lease, Switch)>>>);

impl Running {
    /// Adds a job; it is on the list until the result is dropped, which throws its switch.
    pub(crate) fn add(&self, lease: &Lease, switch: &Switch) -> OnList {
        self.jobs().insert(lease.job.clone(), (lease.clone(), switch.clone()));
        OnList { list: self.clone(), lease: lease.clone(), switch: switch.clone() }
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.jobs().len()
    }

    /// Whether `lease` is on the list.
    pub(crate) fn holds(&self, lease: &Lease) -> bool {
        self.jobs().get(&lease.job).is_some_and(|(held, _)| held == lease)
    }

    /// All of them.
    pub(crate) fn all(&self) -> Vec<(Lease, Switch)> {
        self.jobs().values().cloned().collect()
    }

    /// Stops all of them.
    pub(crate) fn stop_all(&self) {
        for (_, switch) in self.jobs().values() {
            switch.throw();
        }
    }

    fn jobs(&self) -> MutexGuard<'_, HashMap<JobId, (Lease, Switch)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place on the list of running jobs.
#[derive(Debug)]
pub(crate) struct OnList {
    list: Running,
    lease: Lease,
    switch: Switch,
}

impl Drop for OnList {
    fn drop(&mut self) {
        // A task that is dropped leaves its thread behind, which has to be told.
        self.switch.throw();
        let mut jobs = self.list.jobs();
        // The same job may have been lost and claimed again meanwhile: then the place is another's.
        if jobs.get(&self.lease.job).is_some_and(|(held, _)| *held == self.lease) {
            jobs.remove(&self.lease.job);
        }
    }
}
