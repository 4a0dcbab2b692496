//! What every handler is given.

use std::sync::Arc;

use hansard_domain::id::WorkspaceId;
use hansard_domain::problem::ProblemCode;
use hansard_domain::time::Timestamp;
use hansard_net::Client;
use hansard_store::{Clock, Error as StoreError, Store};
use prometheus_client::registry::Registry;
use tokio::sync::{Mutex, Notify};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::Settings;
use crate::api::uploads::pieces::Pieces;
use crate::door::Door;
use crate::door::bearers::Issuers;
use crate::login::administrator;
use crate::login::ways::Ways;
use crate::metrics::Metrics;
use crate::place::Places;
use crate::probes::Readiness;
use crate::problem::Problem;

/// The application. Cheap to clone.
#[derive(Clone)]
pub struct App {
    inner: Arc<Inner>,
}

struct Inner {
    store: Store,
    settings: Settings,
    workspace: WorkspaceId,
    wake: Arc<Notify>,
    models: Models,
    engine: Engine,
    readiness: Mutex<Option<(Timestamp, Readiness)>>,
    shutdown: CancellationToken,
    places: Places,
    pieces: Pieces,
    tasks: TaskTracker,
    metrics: Metrics,
    door: Door,
    ways: Ways,
}

/// Names the models that jobs may ask for; none where only the workers, in other processes, know them. May read files.
pub type Models = Arc<dyn Fn() -> Vec<String> + Send + Sync>;

/// What an [`App`] is made of.
pub struct Parts {
    /// Where everything is kept.
    pub store: Store,
    /// How it is reached, and how much it takes.
    pub settings: Settings,
    /// How identity providers are asked.
    pub client: Client,
    /// Told when a job was accepted, so that no worker of this process sleeps on.
    pub wake: Arc<Notify>,
    /// Asked for the models when somebody wants to know them.
    pub models: Models,
    /// Asked how it stands with the speech model.
    pub engine: Engine,
    /// What `/metrics` shows, with the metrics of others in it already.
    pub registry: Registry,
    /// Cancelled by the first signal to stop.
    pub shutdown: CancellationToken,
}

/// Tells how it stands with the speech model of this process. May read files.
pub type Engine = Arc<dyn Fn() -> EngineState + Send + Sync>;

/// How it stands with the configured speech model of this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EngineState {
    /// Workers of other processes have it.
    Elsewhere,
    /// It is loaded when the first job comes.
    NotLoaded,
    /// It is loaded.
    Loaded,
    /// It is not on this machine.
    Missing,
    /// It cannot be loaded; the log says why.
    Failed,
}

/// Why an [`App`] cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Others could reach the service, and nothing asks them who they are.
    #[error("listening on {0} needs credentials, as a key (server.api_key): others can reach it")]
    OpenToOthers(std::net::SocketAddr),
    /// The workspace of the callers could not be found or made.
    #[error("the workspace of the callers cannot be had")]
    Workspace(#[source] StoreError),
    /// The local administrator could not be found, made or changed.
    #[error("the local administrator (auth.admin_email) cannot be had")]
    Administrator(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl App {
    /// The application with these parts, the workspace that its callers act for, and the local administrator, if there is to
    /// be one.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn new(parts: Parts) -> Result<Self, Error> {
        let Parts { store, settings, client, wake, models, engine, registry, shutdown } = parts;
        let is_loopback = settings.bind.ip().to_canonical().is_loopback();
        if !is_loopback && !settings.asks_for_credentials() {
            return Err(Error::OpenToOthers(settings.bind));
        }
        let workspace =
            store.ensure_workspace(&settings.workspace).await.map_err(Error::Workspace)?;
        if let Some(wanted) = &settings.admission.administrator {
            let ensured = administrator::ensure(&store, wanted, &workspace).await;
            ensured.map_err(Error::Administrator)?;
        }
        let is_asked = !settings.asks_for_credentials() && settings.is_for_others();
        // Only a hint: a database that cannot tell is found out by the first request.
        if is_asked && matches!(store.has_credentials().await, Ok(false)) {
            tracing::warn!(
                "server.public_url or server.trusted_proxies is set, so callers need credentials on this machine too, and \
                 nobody has any: make a user (hansard user create) or a token (hansard token create), or set a key \
                 (server.api_key)"
            );
        }
        let metrics = Metrics::register(registry);
        let places = Places::new(settings.requests_max);
        let tasks = TaskTracker::new();
        let issuers = Issuers::new(&settings.admission, &client, store.clock());
        let door = Door::new(&settings, issuers);
        let ways = Ways::new(&settings, &client, store.clock());
        let inner = Inner {
            store,
            settings,
            workspace,
            wake,
            models,
            engine,
            readiness: Mutex::default(),
            shutdown,
            places,
            pieces: Pieces::default(),
            tasks,
            metrics,
            door,
            ways,
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    pub(crate) fn store(&self) -> &Store {
        &self.inner.store
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.inner.settings
    }

    /// The workspace that callers with a configured key or secret act for.
    pub(crate) fn workspace(&self) -> &WorkspaceId {
        &self.inner.workspace
    }

    pub(crate) fn clock(&self) -> &Clock {
        self.inner.store.clock()
    }

    pub(crate) fn metrics(&self) -> &Metrics {
        &self.inner.metrics
    }

    /// Names of the models that jobs may ask for; see [`Models`].
    pub(crate) async fn models(&self) -> Vec<String> {
        let models = Arc::clone(&self.inner.models);
        // One that panics knows none.
        tokio::task::spawn_blocking(move || models()).await.unwrap_or_default()
    }

    /// How it stands with the speech model; see [`Engine`].
    pub(crate) async fn engine(&self) -> EngineState {
        let engine = Arc::clone(&self.inner.engine);
        tokio::task::spawn_blocking(move || engine()).await.unwrap_or(EngineState::Failed)
    }

    /// What the last look at the service's parts has shown, and when it was.
    pub(crate) fn readiness(&self) -> &Mutex<Option<(Timestamp, Readiness)>> {
        &self.inner.readiness
    }

    /// Places for the requests that are worked on.
    pub(crate) fn places(&self) -> &Places {
        &self.inner.places
    }

    /// The pieces of uploads that are being written.
    pub(crate) fn pieces(&self) -> &Pieces {
        &self.inner.pieces
    }

    /// Cancelled when the service is to stop. Whoever waits for something else waits for this as well.
    pub(crate) fn shutdown(&self) -> &CancellationToken {
        &self.inner.shutdown
    }

    /// Everything that runs besides the accept loop; a stop waits for it.
    pub(crate) fn tasks(&self) -> &TaskTracker {
        &self.inner.tasks
    }

    /// What tells callers apart.
    pub(crate) fn door(&self) -> &Door {
        &self.inner.door
    }

    /// The identity providers at which people log in.
    pub(crate) fn ways(&self) -> &Ways {
        &self.inner.ways
    }

    /// Tells the workers of this process that there is a job.
    pub(crate) fn wake_workers(&self) {
        self.inner.wake.notify_one();
    }

    /// Runs `work` to its end even if the client goes away: what it began in the store it also ends, or cleans up.
    pub(crate) async fn to_the_end<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, Problem>> + Send + 'static,
    ) -> Result<T, Problem> {
        match self.inner.tasks.spawn(work).await {
            Ok(result) => result,
            Err(error) => Err(Problem::new(ProblemCode::Internal).caused_by(error)),
        }
    }
}
