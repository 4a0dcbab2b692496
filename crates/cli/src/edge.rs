//! What listens: the application behind an address, for a service and for a worker that is looked after.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context;
use hansard_config::Config;
use hansard_server::{App, EngineState, Parts, Settings};
use hansard_workflow::{Engines as _, Metrics};
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;
use tokio::sync::Notify;

use crate::engine::Watched;
use crate::output;
use crate::service::{Base, Stop};

/// Takes the address, so that one that is taken is told before anything else is done.
pub(crate) async fn listen(bind: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(bind).await.with_context(|| format!("cannot listen on {bind}"))
}

/// What this process does besides answering.
pub(crate) struct Working {
    /// The engines of its worker; `None` where workers are other processes.
    pub(crate) engines: Option<Arc<Watched>>,
    /// Told of new jobs.
    pub(crate) wake: Arc<Notify>,
    /// What the worker counts in.
    pub(crate) metrics: Metrics,
}

/// The application that answers at `listener`.
pub(crate) async fn application(
    base: &Base,
    config: &Config,
    listener: &TcpListener,
    working: &Working,
    stop: &Stop,
) -> anyhow::Result<App> {
    let address = listener.local_addr().context("the listener has no address")?;
    let mut registry = Registry::default();
    working.metrics.register(&mut registry);
    let (models, states) = (working.engines.clone(), working.engines.clone());
    let parts = Parts {
        store: base.store.clone(),
        settings: Settings::from_config(config, address),
        client: base.client.clone(),
        wake: Arc::clone(&working.wake),
        models: Arc::new(move || models.as_ref().map(|own| own.installed()).unwrap_or_default()),
        engine: Arc::new(move || states.as_ref().map_or(EngineState::Elsewhere, |own| own.state())),
        registry,
        shutdown: stop.soft.clone(),
    };
    Ok(App::new(parts).await?)
}

/// Says where it is listened.
pub(crate) fn announce(listener: &TcpListener) -> anyhow::Result<()> {
    let address = listener.local_addr().context("the listener has no address")?;
    output::note(&format!("listening on http://{address}"));
    Ok(())
}
