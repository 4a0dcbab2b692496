//! `hansard serve`: the HTTP edge and, unless they run elsewhere, the workers.

use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use hansard_config::{Config, Override};
use hansard_store::Store;
use hansard_workflow::Metrics;
use tokio::sync::Notify;
use tokio::time::{MissedTickBehavior, interval};

use crate::edge::{self, Working};
use crate::engine::{FakeArgs, Watched};
use crate::exit::{Exit, Failure};
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
    let listener = edge::listen(config.server.bind).await?;
    let Some(base) = stop.before(Base::open(&config)).await.transpose()? else { return Ok(()) };
    let engines = match no_worker {
        true => None,
        false => Some(Arc::new(Watched::new(service::choose_engines(&config, fake)?))),
    };
    let working = Working { engines, wake: Arc::new(Notify::new()), metrics: Metrics::new() };
    let app = edge::application(&base, &config, &listener, &working, &stop).await?;
    // What cannot be used is told before anybody is listened to.
    let worker = service::start(&base, &config, working)?;
    edge::announce(&listener)?;
    let working = async {
        match worker {
            Some(worker) => service::work(worker, &config, &stop).await,
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
