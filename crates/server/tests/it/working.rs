//! A service that works: it answers on a real socket, and a worker runs its jobs with a made-up engine.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Output;
use std::sync::Arc;
use std::time::Duration;

use hansard_net::Client;
use hansard_server::{Admission, App, EngineState, Keys, Parts, SalesTrainer, Settings, serve};
use hansard_speech::Transcriber;
use hansard_speech::fake::Fake;
use hansard_store::s3::S3;
use hansard_store::{Clock, Database, Media, Settings as StoreSettings, Store};
use hansard_testkit::tools;
use hansard_workflow::{EnginePool, Engines, LoadError, Metrics, Retries, Sources, Worker};
use prometheus_client::registry::Registry;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::process::Command;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// Longer than anything here takes on a busy machine.
pub(crate) const BOUND: Duration = Duration::from_secs(90);

/// What a script of many calls may take: it loads a large library first.
const SCRIPT_BOUND: Duration = Duration::from_secs(300);

/// How often a state that is waited for is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// The one model there is.
const MODEL: &str = "words";

/// A service that works. It ends when it is dropped.
pub(crate) struct Working {
    pub(crate) store: Store,
    pub(crate) address: SocketAddr,
    folder: TempDir,
    hard: CancellationToken,
    shutdown: CancellationToken,
    _worker: Worker,
}

/// What makes a service differ from the usual one.
pub(crate) struct Plan {
    /// Windows take this long.
    pub(crate) window_time: Duration,
    pub(crate) keys: Keys,
    pub(crate) salestrainer: SalesTrainer,
    pub(crate) s3: Option<S3>,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            window_time: Duration::ZERO,
            keys: Keys::default(),
            salestrainer: SalesTrainer::default(),
            s3: None,
        }
    }
}

struct OnlyFake(Fake);

impl Engines for OnlyFake {
    fn pick(&self, model: Option<&str>) -> Result<String, LoadError> {
        Ok(model.unwrap_or(MODEL).to_owned())
    }

    fn load(&self, _name: &str) -> Result<Arc<dyn Transcriber>, LoadError> {
        Ok(Arc::new(self.0.clone()))
    }
}

impl Working {
    pub(crate) async fn start(plan: Plan) -> Self {
        let folder = TempDir::new().unwrap();
        let store = Store::open(StoreSettings {
            database: Database::Sqlite { path: folder.path().join("hansard.db") },
            connections_max: 4,
            queue_max: 100,
            media: Media::folder(&folder.path().join("media")).unwrap(),
            uploads: folder.path().join("uploads"),
            clock: Clock::system(),
        })
        .await
        .unwrap();
        let fake = Fake::new().taking(plan.window_time).noting(folder.path().join("windows"));
        let wake = Arc::new(Notify::new());
        let worker = worker(&store, fake, plan.s3, &wake, folder.path().join("scratch"));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (shutdown, hard) = (CancellationToken::new(), CancellationToken::new());
        let app = App::new(Parts {
            store: store.clone(),
            settings: settings(address, plan.keys, plan.salestrainer),
            client: Client::new(&hansard_net::Settings::default()).unwrap(),
            wake,
            models: Arc::new(|| vec![MODEL.to_owned()]),
            engine: Arc::new(|| EngineState::NotLoaded),
            registry: Registry::default(),
            shutdown: shutdown.clone(),
        });
        tokio::spawn(serve(app.await.unwrap(), listener, hard.clone()));
        Self { store, address, folder, hard, shutdown, _worker: worker }
    }

    /// The address of a path, which begins with a slash.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The windows that the engine has heard, a line each.
    pub(crate) fn heard(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.folder.path().join("windows")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// Waits until the engine has heard so many windows.
    pub(crate) async fn has_heard(&self, windows: usize) {
        let hearing = async {
            while self.heard().len() < windows {
                tokio::time::sleep(LOOK_EVERY).await;
            }
        };
        assert!(tokio::time::timeout(BOUND, hearing).await.is_ok(), "{:?}", self.heard());
    }

    /// Runs a Python script of this folder against the service, to its successful end, and returns what it printed.
    pub(crate) async fn python(&self, script: &str, arguments: &[&str]) -> String {
        let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/it").join(script);
        let mut command = Command::new(tools::python());
        command.arg(script).arg(self.url("")).args(arguments).kill_on_drop(true);
        let ended = tokio::time::timeout(SCRIPT_BOUND, command.output()).await;
        let Output { status, stdout, stderr } = ended.expect("the script ends in time").unwrap();
        let (stdout, stderr) = (String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
        assert!(status.success(), "{status}\n{stdout}\n{stderr}");
        stdout.into_owned()
    }

    /// Writes a file for a script.
    pub(crate) fn file(&self, name: &str, bytes: &[u8]) -> String {
        let path = self.folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path.to_str().expect("temporary folders have plain names").to_owned()
    }

    /// Tells the service that it is to stop.
    pub(crate) fn stop(&self) {
        self.shutdown.cancel();
    }
}

impl Drop for Working {
    fn drop(&mut self) {
        self.shutdown.cancel();
        self.hard.cancel();
    }
}

/// A worker on `store`, told of jobs by `wake`.
pub(crate) fn worker(
    store: &Store,
    engine: Fake,
    s3: Option<S3>,
    wake: &Arc<Notify>,
    scratch: PathBuf,
) -> Worker {
    Worker::start(hansard_workflow::Parts {
        store: store.clone(),
        engines: EnginePool::new(Arc::new(OnlyFake(engine))),
        sources: Sources {
            client: Client::new(&hansard_net::Settings::default()).unwrap(),
            s3,
            bytes_max: 10 << 20,
        },
        wake: Arc::clone(wake),
        metrics: Metrics::new(),
        settings: worker_settings(scratch),
    })
    .unwrap()
}

fn worker_settings(scratch: PathBuf) -> hansard_workflow::Settings {
    hansard_workflow::Settings {
        workers: 2,
        lease: Duration::from_secs(10),
        heartbeat: Duration::from_secs(1),
        poll_interval: Duration::from_millis(100),
        retries: Retries {
            attempts_max: 2,
            backoff_first: Duration::from_millis(20),
            backoff_max: Duration::from_millis(50),
        },
        keep_finished: Duration::from_secs(24 * 60 * 60),
        keep_audit: Duration::from_secs(24 * 60 * 60),
        scratch,
    }
}

fn settings(bind: SocketAddr, keys: Keys, salestrainer: SalesTrainer) -> Settings {
    Settings {
        bind,
        keys,
        admission: Admission::default(),
        workspace: "default".to_owned(),
        public_url: None,
        file_bytes_max: 8 << 20,
        header_timeout: Duration::from_secs(10),
        body_timeout: Duration::from_secs(10),
        connections_max: 64,
        requests_max: 64,
        json_depth_max: 32,
        upload_expiry: Duration::from_secs(24 * 60 * 60),
        openai_wait: Duration::from_secs(590),
        shutdown_grace: Duration::from_secs(10),
        s3_bucket: Some("uploads".to_owned()),
        salestrainer,
    }
}
