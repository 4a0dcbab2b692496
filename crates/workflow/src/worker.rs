//! The embedded runtime: claims jobs from the store and runs them in this process.
//!
//! Several workers, in one process or many, may share a store: leases keep them apart. A worker that stops gives its jobs
//! back; one that dies loses them when their leases run out. Either way they go on behind their last committed window.

mod leases;
mod maintenance;
mod run;
mod running;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use hansard_domain::id::WorkerId;
use hansard_store::Store;
use tokio::sync::Notify;

use crate::acquire::Sources;
use crate::backoff::Retries;
use crate::engines::EnginePool;
use crate::metrics::Metrics;
use crate::scratch::Scratch;
use crate::tasks::Tasks;
use running::Running;

/// How a worker works.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Jobs that it runs at a time; at least 1.
    pub workers: u32,
    /// How long a job stays its own without a heartbeat. More than three heartbeats, or a slow disk looks like a dead worker.
    pub lease: Duration,
    /// How often it extends its leases.
    pub heartbeat: Duration,
    /// How often it looks for jobs that it was not told of.
    pub poll_interval: Duration,
    /// How often a job is tried.
    pub retries: Retries,
    /// How long jobs that have ended are kept, with their events and deliveries. Their transcripts stay.
    pub keep_finished: Duration,
    /// How long the entries of the audit log are kept.
    pub keep_audit: Duration,
    /// Where working files go; workers on one machine may share it.
    pub scratch: PathBuf,
}

/// What a worker is made of.
pub struct Parts {
    /// Where jobs come from and their results go.
    pub store: Store,
    /// What hears.
    pub engines: EnginePool,
    /// Where media come from.
    pub sources: Sources,
    /// Tells the worker of new jobs at once; others it finds by itself, a little later.
    pub wake: Arc<Notify>,
    /// What it counts and measures.
    pub metrics: Metrics,
    /// How it works.
    pub settings: Settings,
}

/// What the tasks of a worker share.
struct Shared {
    id: WorkerId,
    parts: Parts,
    scratch: Scratch,
    running: Running,
}

/// A worker. Dropping it is a crash: its jobs stay leased until their leases run out.
pub struct Worker {
    shared: Arc<Shared>,
    /// What claims jobs, and the jobs.
    jobs: Tasks,
    /// What keeps leases and cleans up; it goes on while jobs come to their end.
    care: Tasks,
}

impl Worker {
    /// Starts to work on the jobs of a store, within the runtime that this is called in.
    ///
    /// # Errors
    /// Where the folder for working files cannot be made.
    pub fn start(parts: Parts) -> io::Result<Self> {
        let id: WorkerId = parts.store.clock().id();
        let scratch = Scratch::open(&parts.settings.scratch, &id)?;
        let running = Running::default();
        let shared = Arc::new(Shared { id, parts, scratch, running });
        let (jobs, care) = (Tasks::new(), Tasks::new());
        jobs.spawn("claims", leases::keep_busy(Arc::clone(&shared), jobs.clone()));
        care.spawn("leases", leases::keep_leases(Arc::clone(&shared)));
        care.spawn("maintenance", maintenance::clean_up(Arc::clone(&shared)));
        tracing::info!(worker.id = %shared.id, "worker {} began", shared.id);
        Ok(Self { shared, jobs, care })
    }

    /// The name under which it holds leases.
    pub fn id(&self) -> &WorkerId {
        &self.shared.id
    }

    /// Claims nothing more and gives its jobs back, which stop where they can and at the latest after `grace`. Whether all
    /// did; what did not stays leased for a while.
    ///
    /// Dropping the future stops hard.
    pub async fn stop(self, grace: Duration) -> bool {
        self.jobs.stop();
        let drained = tokio::time::timeout(grace, self.jobs.ended()).await.is_ok();
        self.jobs.kill();
        self.care.kill();
        self.jobs.ended().await;
        self.care.ended().await;
        tracing::info!(worker.id = %self.shared.id, drained, "worker {} ended", self.shared.id);
        drained
    }

    /// Waits until something that should always run has panicked: the process had better start anew.
    pub async fn broken(&self) {
        tokio::select! {
            () = self.jobs.broken() => {}
            () = self.care.broken() => {}
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.jobs.kill();
        self.care.kill();
    }
}
