//! `hansard serve`: the HTTP edge and, unless they run elsewhere, the workers.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use hansard_config::{Config, Override};
use hansard_server::{App, Engine, EngineState, Models, Parts, Settings};
use hansard_speech::Transcriber;
use hansard_store::Store;
use hansard_workflow::{EnginePool, Engines, LoadError, Metrics};
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::time::{MissedTickBehavior, interval};

use crate::engine::{Choice, FakeArgs};
use crate::exit::{Exit, Failure};
use crate::output;
use crate::service::{self, Base, ServiceArgs, Stop};

/// How often uploads that were given up are looked for.
const SWEEP_EVERY: Duration = Duration::from_secs(30);

#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    /// Address and port to listen on [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDR:PORT")]
    bind: Option<String>,

    /// Answer only, and leave the jobs to `hansard worker`
    #[arg(long)]
    no_worker: bool,

    #[command(flatten)]
    service: ServiceArgs,
}

/// Serves until it is stopped.
pub(crate) fn run(args: &ServeArgs) -> Result<Exit, Failure> {
    let bind =
        args.bind.clone().map(|value| Override { flag: "--bind", key: "server.bind", value });
    service::run(&args.service, Vec::from_iter(bind), |config, stop| {
        serve(config, args.no_worker, &args.service.fake, stop)
    })
}

async fn serve(config: Config, no_worker: bool, fake: &FakeArgs, stop: Stop) -> anyhow::Result<()> {
    let bind = config.server.bind;
    let listener = TcpListener::bind(bind).await;
    let listener = listener.with_context(|| format!("cannot listen on {bind}"))?;
    let address = listener.local_addr().context("the listener has no address")?;
    let Some(base) = stop.before(Base::open(&config)).await.transpose()? else { return Ok(()) };
    let (wake, metrics) = (Arc::new(Notify::new()), Metrics::new());
    let mut registry = Registry::default();
    metrics.register(&mut registry);
    let engines = match no_worker {
        true => None,
        false => Some(Arc::new(Watched::new(service::choose_engines(&config, fake)?))),
    };
    let app = App::new(Parts {
        store: base.store.clone(),
        settings: Settings::from_config(&config.server, &config.s3, &config.salestrainer, address),
        wake: Arc::clone(&wake),
        models: models(engines.clone()),
        engine: state(engines.clone()),
        registry,
        shutdown: stop.soft.clone(),
    })
    .await?;
    // What cannot be used is told before anybody is listened to.
    let worker = match engines {
        None => None,
        Some(engines) => {
            let deliverer = base.deliverer(&config, metrics.clone())?;
            let engines = EnginePool::new(engines);
            Some((base.start_worker(&config, engines, wake, metrics)?, deliverer))
        }
    };
    output::note(&format!("listening on http://{address}"));
    let working = async {
        match worker {
            Some((worker, deliverer)) => service::work(worker, deliverer, &config, &stop).await,
            None => {
                sweep_uploads(&base.store, &stop).await;
                Ok(())
            }
        }
    };
    // Clients that are cut off are no reason to cut the worker off.
    let serving = hansard_server::serve(app, listener, stop.hard.child_token());
    let ((), worked) = tokio::join!(serving, working);
    base.store.close().await;
    worked
}

/// Removes uploads that nobody goes on with, until the stop: they lie in a folder of this process, where workers elsewhere
/// do not find them.
async fn sweep_uploads(store: &Store, stop: &Stop) {
    let mut sweep = interval(SWEEP_EVERY);
    sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while stop.before(sweep.tick()).await.is_some() {
        if let Err(error) = store.sweep_uploads().await {
            tracing::warn!(error = %error, "uploads could not be cleaned up");
        }
    }
}

/// Names the models of `engines`; none where they are in other processes.
fn models(engines: Option<Arc<Watched>>) -> Models {
    Arc::new(move || engines.as_ref().map(|engines| engines.installed()).unwrap_or_default())
}

/// Tells how it stands with the configured model of `engines`.
fn state(engines: Option<Arc<Watched>>) -> Engine {
    Arc::new(move || engines.as_ref().map_or(EngineState::Elsewhere, |engines| engines.state()))
}

/// Remembers how loading the configured model went. What else callers ask for says nothing about the service.
struct Watched {
    choice: Choice,
    loaded: Mutex<EngineState>,
}

impl Watched {
    fn new(choice: Choice) -> Self {
        Self { choice, loaded: Mutex::new(EngineState::NotLoaded) }
    }

    fn state(&self) -> EngineState {
        match self.choice.pick(None) {
            Ok(_) => *self.loaded.lock().unwrap_or_else(PoisonError::into_inner),
            Err(_) => EngineState::Missing,
        }
    }
}

impl Engines for Watched {
    fn pick(&self, model: Option<&str>) -> Result<String, LoadError> {
        self.choice.pick(model)
    }

    fn installed(&self) -> Vec<String> {
        self.choice.installed()
    }

    fn load(&self, name: &str) -> Result<Arc<dyn Transcriber>, LoadError> {
        let loaded = self.choice.load(name);
        if self.choice.pick(None).is_ok_and(|configured| configured == name) {
            let state = if loaded.is_ok() { EngineState::Loaded } else { EngineState::Failed };
            *self.loaded.lock().unwrap_or_else(PoisonError::into_inner) = state;
        }
        loaded
    }
}
