//! `hansard serve`: the HTTP edge and, unless they run elsewhere, the workers.

use std::sync::Arc;

use anyhow::Context;
use clap::Args;
use hansard_config::{Config, Override};
use hansard_server::{App, EngineState, Models, Parts, Settings};
use hansard_speech::Transcriber;
use hansard_workflow::{EnginePool, Engines, LoadError, Metrics};
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;
use tokio::sync::{Notify, watch};

use crate::engine::{Choice, FakeArgs};
use crate::exit::{Exit, Failure};
use crate::output;
use crate::service::{self, Base, ServiceArgs, Stop};

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
    let base = Base::open(&config).await?;
    let (wake, metrics) = (Arc::new(Notify::new()), Metrics::new());
    let mut registry = Registry::default();
    metrics.register(&mut registry);
    let mut models: Models = Arc::new(Vec::new);
    let (worker, engine) = match no_worker {
        true => (None, watch::channel(EngineState::Elsewhere).1),
        false => {
            let (engines, state) = watched(service::choose_engines(&config, fake)?);
            let installed = engines.clone();
            models = Arc::new(move || installed.installed());
            (Some(base.start_worker(&config, engines, Arc::clone(&wake), metrics.clone())?), state)
        }
    };
    let app = App::new(Parts {
        store: base.store.clone(),
        settings: Settings::from_config(&config.server, &config.s3, &config.salestrainer, address),
        wake,
        models,
        engine,
        registry,
        shutdown: stop.soft.clone(),
    })
    .await?;
    output::note(&format!("listening on http://{address}"));
    let working = async {
        match worker {
            Some(worker) => {
                service::work(worker, base.deliverer(&config, metrics)?, &config, &stop).await
            }
            None => Ok(()),
        }
    };
    let serving = hansard_server::serve(app, listener, stop.hard.clone());
    let ((), worked) = tokio::join!(serving, working);
    base.store.close().await;
    worked
}

/// A pool of the engines of `choice`, and how it stands with them.
fn watched(choice: Choice) -> (EnginePool, watch::Receiver<EngineState>) {
    let (state, watching) = watch::channel(EngineState::NotLoaded);
    (EnginePool::new(Arc::new(Watched { choice, state })), watching)
}

/// Tells how loading went.
struct Watched {
    choice: Choice,
    state: watch::Sender<EngineState>,
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
        let state = if loaded.is_ok() { EngineState::Loaded } else { EngineState::Failed };
        self.state.send_replace(state);
        loaded
    }
}
