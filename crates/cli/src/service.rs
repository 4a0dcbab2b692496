//! What `hansard serve` and `hansard worker` have in common: the store, the worker, and how they end.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow};
use clap::Args;
use hansard_config::{Config, HttpUrl, Override};
use hansard_net::{Client, Url};
use hansard_store::Store;
use hansard_store::s3::S3;
use hansard_workflow::delivery::{
    Deliverer, SalesTrainer, ServerToken, Settings as DeliverySettings, SigningKey,
};
use hansard_workflow::{
    EnginePool, Metrics, Parts, Retries, Settings as WorkerSettings, Sources, Worker,
};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::config::{self, ConfigFiles};
use crate::edge::Working;
use crate::engine::{Choice, FakeArgs};
use crate::exit::{Exit, Failure};
use crate::output;
use crate::storage::Storage;

/// Threads that still compute when everything else has ended are not waited for longer.
const THREADS_GRACE: Duration = Duration::from_millis(500);

/// Flags of every command that runs until it is stopped.
#[derive(Debug, Args)]
pub(crate) struct ServiceArgs {
    #[command(flatten)]
    files: ConfigFiles,

    /// Folder for the database file, media and working files
    #[arg(long, value_name = "FOLDER")]
    data_dir: Option<String>,

    /// Level from which lines are logged, as info or debug
    #[arg(long, value_name = "LEVEL")]
    log_level: Option<String>,

    #[command(flatten)]
    pub(crate) fake: FakeArgs,
}

/// The two signals to stop.
#[derive(Debug, Clone, Default)]
pub(crate) struct Stop {
    /// The first one: end what is under way.
    pub(crate) soft: CancellationToken,
    /// The second one: end at once.
    pub(crate) hard: CancellationToken,
}

impl Stop {
    /// Listens for Ctrl-C, SIGTERM and SIGHUP.
    fn on_signals() -> anyhow::Result<Self> {
        let stop = Self::default();
        let heard = stop.clone();
        ctrlc::set_handler(move || {
            if heard.soft.is_cancelled() {
                heard.hard.cancel();
            } else {
                heard.soft.cancel();
                output::note("stopping; once more ends at once");
            }
        })
        .context("cannot listen for signals")?;
        Ok(stop)
    }

    /// What `work` comes to, unless the first signal comes before it.
    pub(crate) async fn before<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            () = self.soft.cancelled() => None,
            done = work => Some(done),
        }
    }
}

/// Reads the configuration, begins to log, and runs `service` until it ends.
pub(crate) fn run<F>(
    args: &ServiceArgs,
    mut flags: Vec<Override>,
    service: impl FnOnce(Config, Stop) -> F,
) -> Result<Exit, Failure>
where
    F: Future<Output = anyhow::Result<()>>,
{
    let typed = [
        ("--data-dir", "store.data_dir", &args.data_dir),
        ("--log-level", "log.level", &args.log_level),
    ];
    for (flag, key, value) in typed {
        flags.extend(value.clone().map(|value| Override { flag, key, value }));
    }
    let config = config::load(&args.files, flags)?.config;
    let logging = hansard_config::logging::prepare(&config.log).and_then(|log| log.install());
    let _log = logging.context("cannot log")?;
    let stop = Stop::on_signals()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.context("no runtime could be started")?;
    let ended = runtime.block_on(service(config, stop));
    runtime.shutdown_timeout(THREADS_GRACE);
    ended?;
    Ok(Exit::Success)
}

/// What every service needs from outside of it.
pub(crate) struct Base {
    pub(crate) store: Store,
    pub(crate) client: Client,
    s3: Option<S3>,
}

impl Base {
    /// Opens the store of `config` and brings it up to date.
    pub(crate) async fn open(config: &Config) -> anyhow::Result<Self> {
        let Storage { settings, client, s3 } = Storage::prepare(config)?;
        let store = Store::open(settings).await?;
        Ok(Self { store, client, s3 })
    }

    /// What sends results to those who asked, and counts in `metrics`.
    fn deliverer(&self, config: &Config, metrics: Metrics) -> anyhow::Result<Deliverer> {
        let (delivery, plugin) = (&config.delivery, &config.salestrainer);
        let url = |address: &HttpUrl| Url::parse(address.as_str()).context("an address is none");
        let sales_trainer = SalesTrainer {
            callback_url: plugin.callback_url.as_ref().map(url).transpose()?,
            allowed: plugin.callback_origins.iter().map(url).collect::<Result<_, _>>()?,
            server_token: plugin
                .server_token
                .as_ref()
                .map(|token| ServerToken::new(token.expose())),
            sends_header: plugin.send_x_server_token_header.0,
        };
        let settings = DeliverySettings {
            timeout: delivery.timeout,
            attempts_max: delivery.attempts_max,
            retry_after_max: delivery.retry_after_max,
            concurrency: delivery.concurrency,
            per_receiver: delivery.per_receiver,
            public_url: config.server.public_url.as_ref().map(url).transpose()?,
            callback_key: callback_key(config)?,
            sales_trainer,
            ..DeliverySettings::default()
        };
        Ok(Deliverer::new(self.store.clone(), self.client.clone(), metrics, settings))
    }

    /// Starts a worker that `wake` tells of new jobs, and that counts in `metrics`.
    fn start_worker(
        &self,
        config: &Config,
        engines: EnginePool,
        wake: Arc<Notify>,
        metrics: Metrics,
    ) -> anyhow::Result<Worker> {
        let bytes_max = config.server.max_file_size.bytes();
        let sources = Sources { client: self.client.clone(), s3: self.s3.clone(), bytes_max };
        let jobs = &config.jobs;
        let settings = WorkerSettings {
            workers: jobs.workers,
            lease: jobs.lease,
            heartbeat: jobs.heartbeat,
            poll_interval: jobs.poll_interval,
            retries: Retries {
                attempts_max: jobs.attempts_max,
                backoff_first: jobs.backoff_first,
                backoff_max: jobs.backoff_max,
            },
            keep_finished: jobs.keep_finished,
            keep_audit: config.audit.keep,
            scratch: config.store.data_dir.join("work"),
        };
        let store = self.store.clone();
        Worker::start(Parts { store, engines, sources, wake, metrics, settings })
            .context("cannot make the folder for working files")
    }
}

/// Starts the worker of this process, if it is to have one, and what delivers its results.
pub(crate) fn start(
    base: &Base,
    config: &Config,
    working: Working,
) -> anyhow::Result<Option<(Worker, Deliverer)>> {
    let Working { engines, wake, metrics } = working;
    let Some(engines) = engines else { return Ok(None) };
    let deliverer = base.deliverer(config, metrics.clone())?;
    let worker = base.start_worker(config, EnginePool::new(engines), wake, metrics)?;
    Ok(Some((worker, deliverer)))
}

/// What signs callbacks.
///
/// # Errors
/// For a secret that is none of Standard Webhooks.
pub(crate) fn callback_key(config: &Config) -> anyhow::Result<Option<SigningKey>> {
    let secret = config.delivery.callback_secret.as_ref();
    let key = secret.map(|secret| SigningKey::parse(secret.expose())).transpose();
    key.context("delivery.callback_secret cannot be used; expected whsec_ and a key in base64")
}

/// Lets the worker work and deliver until they are to stop, and waits until they have.
///
/// # Errors
/// Where a part of the worker broke down; everything else is then to stop as well.
pub(crate) async fn work(
    (worker, deliverer): (Worker, Deliverer),
    config: &Config,
    stop: &Stop,
) -> anyhow::Result<()> {
    let working = async {
        let worked = tokio::select! {
            () = stop.soft.cancelled() => Ok(()),
            () = worker.broken() => {
                Err(anyhow!("a part of the worker broke down; the log says which"))
            }
        };
        stop.soft.cancel();
        tokio::select! {
            _ = worker.stop(config.server.shutdown_grace) => {}
            () = stop.hard.cancelled() => {}
        }
        worked
    };
    let delivering = async {
        let grace_is_over = async {
            stop.soft.cancelled().await;
            tokio::time::sleep(config.server.shutdown_grace).await;
        };
        tokio::select! {
            () = deliverer.run(stop.soft.clone()) => {}
            // A receiver that takes its time gets the delivery again.
            () = grace_is_over => {}
            () = stop.hard.cancelled() => {}
        }
    };
    tokio::join!(working, delivering).0
}

/// The engines that `config` asks for; which they are is printed.
pub(crate) fn choose_engines(config: &Config, fake: &FakeArgs) -> anyhow::Result<Choice> {
    let choice = Choice::new(&config.engine, &config.net, fake)?;
    output::note(&format!("engine: {}", choice.reason));
    Ok(choice)
}
