//! `hansard worker`: works on the jobs of a store that other processes share.

use std::sync::Arc;

use clap::Args;
use hansard_config::Config;
use hansard_workflow::{EnginePool, Metrics};
use tokio::sync::Notify;

use crate::engine::FakeArgs;
use crate::exit::{Exit, Failure};
use crate::output;
use crate::service::{self, Base, ServiceArgs, Stop};

#[derive(Debug, Args)]
pub(crate) struct WorkerArgs {
    #[command(flatten)]
    service: ServiceArgs,
}

/// Works until it is stopped.
pub(crate) fn run(args: &WorkerArgs) -> Result<Exit, Failure> {
    service::run(&args.service, Vec::new(), |config, stop| work(config, &args.service.fake, stop))
}

async fn work(config: Config, fake: &FakeArgs, stop: Stop) -> anyhow::Result<()> {
    let Some(base) = stop.before(Base::open(&config)).await.transpose()? else { return Ok(()) };
    let engines = EnginePool::new(Arc::new(service::choose_engines(&config, fake)?));
    let (wake, metrics) = (Arc::new(Notify::new()), Metrics::new());
    let deliverer = base.deliverer(&config, metrics.clone())?;
    let worker = base.start_worker(&config, engines, wake, metrics)?;
    output::note(&format!("worker {} waits for jobs", worker.id()));
    let worked = service::work(worker, deliverer, &config, &stop).await;
    base.store.close().await;
    worked
}
