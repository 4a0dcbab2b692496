//! A service to call: a store in a folder of its own, and the router in front of it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use futures_util::FutureExt;
use hansard_domain::id::WorkerId;
use hansard_domain::time::Timestamp;
use hansard_net::Client;
use hansard_server::{
    Admission, App, Engine, EngineState, Keys, Parts, SalesTrainer, Settings, router,
};
use hansard_store::leases::Claimed;
use hansard_store::{Clock, Database, Media, Store};
use hansard_testkit::postgres::Postgres;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::BodyExt;
use prometheus_client::registry::Registry;
use serde_json::Value;
use tempfile::TempDir;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

/// When tests take place.
const NOW_US: i64 = 1_795_262_400_000_000;

/// Where the service says that it listens; nothing listens there.
pub(crate) const HOST: &str = "127.0.0.1:8080";

/// A service and what is behind it.
pub(crate) struct Service {
    pub(crate) app: App,
    pub(crate) store: Store,
    pub(crate) clock: Clock,
    pub(crate) shutdown: CancellationToken,
    pub(crate) engine: watch::Sender<EngineState>,
    /// What workers would be woken by.
    wake: Arc<Notify>,
    router: Router,
    folder: Arc<TempDir>,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("the answer is JSON")
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("the answer is text")
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("headers are text"))
    }

    /// The places of all mistakes that the problem names.
    pub(crate) fn mistakes(&self) -> Vec<String> {
        assert_eq!(self.problem(), "invalid_request", "{}", self.text());
        let json = self.json();
        let errors = json["errors"].as_array().expect("the problem names fields");
        errors.iter().map(|error| error["pointer"].as_str().unwrap().to_owned()).collect()
    }

    /// The code of the problem that the answer is, after a look at everything that each problem has.
    pub(crate) fn problem(&self) -> String {
        assert_eq!(self.header("content-type"), "application/problem+json", "{}", self.text());
        let problem = self.json();
        let code = problem["code"].as_str().expect("a problem has a code");
        assert_eq!(problem["type"], format!("/docs/errors/{code}"));
        assert_eq!(problem["status"], self.status.as_u16());
        assert_eq!(problem["request_id"], self.header("x-request-id"));
        assert!(problem["title"].is_string());
        code.to_owned()
    }
}

impl Service {
    pub(crate) async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    /// A service whose settings differ from the usual ones.
    pub(crate) async fn start_with(change: impl FnOnce(&mut Settings)) -> Self {
        Self::start_full(10_000, change).await
    }

    /// A service whose queue takes so many jobs.
    pub(crate) async fn start_full(queue_max: u32, change: impl FnOnce(&mut Settings)) -> Self {
        let folder = TempDir::new().unwrap();
        let database = sqlite(&folder);
        Self::start_on(database, folder, queue_max, then(), change).await
    }

    /// A service with a database of its own on the PostgreSQL server of the tests.
    pub(crate) async fn start_on_postgres(change: impl FnOnce(&mut Settings)) -> Self {
        Self::start_full_on_postgres(10_000, change).await
    }

    /// The same, whose queue takes so many jobs.
    pub(crate) async fn start_full_on_postgres(
        queue_max: u32,
        change: impl FnOnce(&mut Settings),
    ) -> Self {
        let folder = TempDir::new().unwrap();
        Self::start_on(postgres().await, folder, queue_max, then(), change).await
    }

    /// A service whose clock begins with the machine's, which programs of others go by.
    pub(crate) async fn start_now(change: impl FnOnce(&mut Settings)) -> Self {
        let folder = TempDir::new().unwrap();
        let database = sqlite(&folder);
        Self::start_on(database, folder, 10_000, Clock::system().now(), change).await
    }

    /// The same, on the PostgreSQL server of the tests.
    pub(crate) async fn start_now_on_postgres(change: impl FnOnce(&mut Settings)) -> Self {
        let (folder, now) = (TempDir::new().unwrap(), Clock::system().now());
        Self::start_on(postgres().await, folder, 10_000, now, change).await
    }

    async fn start_on(
        database: Database,
        folder: TempDir,
        queue_max: u32,
        now: Timestamp,
        change: impl FnOnce(&mut Settings),
    ) -> Self {
        let clock = Clock::manual(now);
        let store = Store::open(hansard_store::Settings {
            database,
            connections_max: 4,
            queue_max,
            media: Media::folder(&folder.path().join("media")).unwrap(),
            uploads: folder.path().join("uploads"),
            clock: clock.clone(),
        })
        .await
        .unwrap();
        let (engine, _) = watch::channel(EngineState::NotLoaded);
        let (shutdown, wake) = (CancellationToken::new(), Arc::new(Notify::new()));
        let parts = parts(&store, &wake, &engine, &shutdown, change);
        let app = App::new(parts).await.unwrap();
        let router = router(app.clone());
        Self { app, store, clock, shutdown, engine, wake, router, folder: Arc::new(folder) }
    }

    /// A service on the same store whose callers act for another workspace.
    pub(crate) async fn beside(&self, workspace: &str) -> Self {
        self.node(|settings| workspace.clone_into(&mut settings.workspace)).await
    }

    /// Another service on the same store, as another node runs it.
    pub(crate) async fn node(&self, change: impl FnOnce(&mut Settings)) -> Self {
        let parts = self.parts(change);
        let app = App::new(parts).await.unwrap();
        Self {
            router: router(app.clone()),
            app,
            store: self.store.clone(),
            clock: self.clock.clone(),
            shutdown: self.shutdown.clone(),
            engine: self.engine.clone(),
            wake: Arc::clone(&self.wake),
            folder: Arc::clone(&self.folder),
        }
    }

    /// What another application on the same store is made of.
    pub(crate) fn parts(&self, change: impl FnOnce(&mut Settings)) -> Parts {
        parts(&self.store, &self.wake, &self.engine, &self.shutdown, change)
    }

    /// The answer to `request`, which names the service as its host unless it names another.
    pub(crate) async fn send(&self, mut request: Request<Body>) -> Answer {
        let host = request.headers_mut().entry("host");
        host.or_insert(HOST.parse().unwrap());
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = body.collect().await.map(|body| body.to_bytes().to_vec()).unwrap_or_default();
        Answer { status: parts.status, headers: parts.headers, body }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(Request::get(path).body(Body::empty()).unwrap()).await
    }

    pub(crate) async fn post_json(&self, path: &str, json: &Value) -> Answer {
        self.send(json_request(Method::POST, path, json)).await
    }

    /// A request without a body.
    pub(crate) async fn call(&self, method: Method, path: &str) -> Answer {
        self.send(Request::builder().method(method).uri(path).body(Body::empty()).unwrap()).await
    }

    pub(crate) async fn patch_json(&self, path: &str, json: &Value) -> Answer {
        self.send(json_request(Method::PATCH, path, json)).await
    }

    /// The ids of all items of a list, page by page. What is in the query stays in it.
    pub(crate) async fn listed(&self, path: &str) -> Vec<String> {
        let (mut ids, mut next) = (Vec::new(), path.to_owned());
        loop {
            let answer = self.get(&next).await;
            assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
            let page = answer.json();
            let items = page["items"].as_array().expect("a page has items");
            ids.extend(items.iter().map(|item| id(item).to_owned()));
            let Some(cursor) = page["next_cursor"].as_str() else { return ids };
            let mark = if path.contains('?') { '&' } else { '?' };
            next = format!("{path}{mark}cursor={cursor}");
        }
    }

    /// Whether workers were told of work since the last time that this was asked.
    pub(crate) fn was_woken(&self) -> bool {
        self.wake.notified().now_or_never().is_some()
    }

    /// Files of uploads that are under way.
    pub(crate) fn upload_files(&self) -> usize {
        std::fs::read_dir(self.folder.path().join("uploads")).unwrap().count()
    }

    /// Files of media that lie in the store now, after a sweep.
    pub(crate) async fn media_files(&self) -> Vec<PathBuf> {
        self.store.sweep_media().await.unwrap();
        let mut files = Vec::new();
        let mut folders = vec![self.folder.path().join("media")];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() { folders.push(path) } else { files.push(path) }
            }
        }
        files
    }
}

/// When tests take place.
fn then() -> Timestamp {
    Timestamp::from_micros(NOW_US)
}

fn sqlite(folder: &TempDir) -> Database {
    Database::Sqlite { path: folder.path().join("hansard.db") }
}

/// A database of its own.
async fn postgres() -> Database {
    let url = tokio::task::spawn_blocking(|| Postgres::shared().create_database());
    Database::Postgres { url: url.await.unwrap() }
}

/// Tells the state that tests set.
fn engine_of(engine: &watch::Sender<EngineState>) -> Engine {
    let engine = engine.subscribe();
    Arc::new(move || *engine.borrow())
}

fn parts(
    store: &Store,
    wake: &Arc<Notify>,
    engine: &watch::Sender<EngineState>,
    shutdown: &CancellationToken,
    change: impl FnOnce(&mut Settings),
) -> Parts {
    let mut settings = settings();
    change(&mut settings);
    Parts {
        store: store.clone(),
        settings,
        client: Client::new(&hansard_net::Settings::default()).unwrap(),
        wake: Arc::clone(wake),
        models: Arc::new(Vec::new),
        engine: engine_of(engine),
        registry: Registry::default(),
        shutdown: shutdown.clone(),
    }
}

/// The usual settings: no key, a loopback address, small limits.
fn settings() -> Settings {
    Settings {
        bind: HOST.parse().unwrap(),
        keys: Keys::default(),
        admission: Admission::default(),
        workspace: "default".to_owned(),
        public_url: None,
        file_bytes_max: 1 << 20,
        header_timeout: Duration::from_secs(10),
        body_timeout: Duration::from_secs(10),
        connections_max: 64,
        requests_max: 64,
        json_depth_max: 32,
        upload_expiry: Duration::from_secs(24 * 60 * 60),
        openai_wait: Duration::from_secs(590),
        shutdown_grace: Duration::from_secs(10),
        s3_bucket: Some("uploads".to_owned()),
        salestrainer: SalesTrainer::default(),
    }
}

/// The id of something that the service shows.
pub(crate) fn id(value: &Value) -> &str {
    value["id"].as_str().expect("it has an id")
}

pub(crate) fn json_request(method: Method, path: &str, json: &Value) -> Request<Body> {
    let request = Request::builder().method(method).uri(path);
    let request = request.header("content-type", "application/json");
    request.body(Body::from(json.to_string())).unwrap()
}

/// A form with these fields, in this order; `file` becomes a file called `talk.wav`.
pub(crate) fn form(fields: &[(&str, &[u8])]) -> Vec<u8> {
    let mut body = Vec::new();
    for (name, bytes) in fields {
        let file = if *name == "file" { "; filename=\"talk.wav\"" } else { "" };
        let head = format!(
            "--{BOUNDARY}\r\ncontent-disposition: form-data; name=\"{name}\"{file}\r\n\r\n"
        );
        body.extend_from_slice(head.as_bytes());
        body.extend_from_slice(bytes);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(format!("--{BOUNDARY}--\r\n").as_bytes());
    body
}

/// What stands between the fields of a [`form`].
pub(crate) const BOUNDARY: &str = "hansard-boundary";

pub(crate) fn form_request(path: &str, body: impl Into<Body>) -> Request<Body> {
    let content_type = format!("multipart/form-data; boundary={BOUNDARY}");
    Request::post(path).header("content-type", content_type).body(body.into()).unwrap()
}

/// The first bytes of a WAV file, and some more.
pub(crate) const WAV: &[u8] =
    b"RIFF\x24\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0\x80\x3e\0\0\0\x7d\0\0\x02\0\x10\0data\0\0\0\0";

impl Service {
    /// What was accepted of a form with nothing but a file.
    pub(crate) async fn accept(&self) -> Value {
        let answer = self.send(form_request("/api/v1/recordings", form(&[("file", WAV)]))).await;
        assert_eq!(answer.status, StatusCode::ACCEPTED, "{}", answer.text());
        answer.json()
    }

    /// Takes the next job, as a worker does.
    pub(crate) async fn claim(&self) -> Claimed {
        let worker: WorkerId = self.clock.id();
        let claimed = self.store.claim_jobs(&worker, 1, Duration::from_secs(60)).await.unwrap();
        claimed.into_iter().next().expect("a job waits")
    }
}
