//! `hansard worker`: works on the jobs of a store that other processes share.

use std::net::SocketAddr;
use std::sync::Arc;

use clap::Args;
use hansard_config::Config;
use hansard_workflow::Metrics;
use tokio::sync::Notify;

use crate::edge::{self, Working};
use crate::engine::{FakeArgs, Watched};
use crate::exit::{Exit, Failure};
use crate::output;
use crate::service::{self, Base, ServiceArgs, Stop};

#[derive(Debug, Args)]
pub(crate) struct WorkerArgs {
    /// Address and port to answer /healthz, /readyz and /metrics at [default: none]
    #[arg(long, value_name = "ADDR:PORT")]
    bind: Option<SocketAddr>,

    #[command(flatten)]
    service: ServiceArgs,
}

/// Works until it is stopped.
pub(crate) fn run(args: &WorkerArgs) -> Result<Exit, Failure> {
    service::run(&args.service, Vec::new(), |config, stop| {
        work(config, args.bind, &args.service.fake, stop)
    })
}

async fn work(
    config: Config,
    bind: Option<SocketAddr>,
    fake: &FakeArgs,
    stop: Stop,
) -> anyhow::Result<()> {
    let listener = match bind {
        None => None,
        Some(bind) => Some(edge::listen(bind).await?),
    };
    let Some(base) = stop.before(Base::open(&config)).await.transpose()? else { return Ok(()) };
    let engines = Some(Arc::new(Watched::new(service::choose_engines(&config, fake)?)));
    let working = Working { engines, wake: Arc::new(Notify::new()), metrics: Metrics::new() };
    let edge = match listener {
        None => None,
        Some(listener) => {
            let app = edge::application(&base, &config, &listener, &working, &stop).await?;
            edge::announce(&listener)?;
            Some((app, listener))
        }
    };
    let Some(worker) = service::start(&base, &config, working)? else { return Ok(()) };
    output::note(&format!("worker {} waits for jobs", worker.0.id()));
    let probed = async {
        if let Some((app, listener)) = edge {
            hansard_server::serve_probes(app, listener, stop.hard.child_token()).await;
        }
    };
    let ((), worked) = tokio::join!(probed, service::work(worker, &config, &stop));
    base.store.close().await;
    worked
}
