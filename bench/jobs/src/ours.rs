//! Our pipeline: recordings are accepted, claimed, transcribed by the fake engine (one window), committed and ended, with
//! every step on disk before the next.

use std::convert::Infallible;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use hansard_domain::id::WorkspaceId;
use hansard_domain::job::{Priority, TranscribeOptions, Visibility};
use hansard_domain::source::Source;
use hansard_net::Client;
use hansard_speech::Transcriber;
use hansard_speech::fake::Fake;
use hansard_store::recordings::StoredMedia;
use hansard_store::{Clock, Database, Media, NewJob, NewRecording, Settings, Store};
use hansard_testkit::postgres::{Fsync, Postgres};
use hansard_testkit::speech;
use hansard_workflow::{
    EnginePool, Engines, LoadError, Metrics, Parts, Retries, Settings as WorkerSettings, Sources,
    Worker,
};
use tempfile::TempDir;
use tokio::sync::Notify;

/// Jobs that one worker process runs at a time.
const WORKERS: u32 = 32;

/// Clients that hand in recordings at a time.
const CLIENTS: usize = 64;

/// Length of a recording in seconds: one window.
const SECONDS: f64 = 1.0;

/// A recording is not larger.
const BYTES_MAX: u64 = 1 << 20;

/// How often a running queue is looked at.
const LOOK: Duration = Duration::from_millis(20);

#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind {
    Sqlite,
    Postgres,
}

/// A database and a folder for one run.
pub(crate) struct Place {
    folder: TempDir,
    server: Option<Postgres>,
}

impl Place {
    pub(crate) fn new(kind: Kind) -> anyhow::Result<Self> {
        let server = match kind {
            Kind::Sqlite => None,
            Kind::Postgres => Some(Postgres::start(Fsync::On)),
        };
        Ok(Self { folder: tempfile::tempdir()?, server })
    }

    pub(crate) fn name(&self) -> &'static str {
        if self.server.is_some() { "postgres" } else { "sqlite" }
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) async fn store(&self) -> anyhow::Result<Store> {
        let database = match &self.server {
            Some(server) => Database::Postgres { url: server.create_database() },
            None => Database::Sqlite { path: self.folder().join("hansard.db") },
        };
        let settings = Settings {
            database,
            connections_max: 16,
            queue_max: u32::MAX,
            media: Media::folder(self.folder())?,
            uploads: self.folder().join("uploads"),
            clock: Clock::system(),
        };
        Ok(Store::open(settings).await?)
    }
}

pub(crate) struct Speed {
    /// Jobs a second that were accepted, each with its media on disk.
    pub(crate) accepted: f64,
    /// Jobs a second that ended with a transcript.
    pub(crate) done: f64,
}

pub(crate) async fn run(place: &Place, count: usize) -> anyhow::Result<Speed> {
    let store = place.store().await?;
    let workspace = store.ensure_workspace("bench").await?;
    let began = Instant::now();
    hand_in(&store, &workspace, count).await?;
    let accepted = count as f64 / began.elapsed().as_secs_f64();

    let worker = start_worker(place, &store)?;
    let began = Instant::now();
    drained(&store).await?;
    let done = count as f64 / began.elapsed().as_secs_f64();
    worker.stop(Duration::from_secs(30)).await;
    store.close().await;
    Ok(Speed { accepted, done })
}

/// Runs `count` jobs on SQLite, and prints the memory that the process has after a tenth of them and after all.
pub(crate) async fn memory(count: usize) -> anyhow::Result<()> {
    let place = Place::new(Kind::Sqlite)?;
    let store = place.store().await?;
    let workspace = store.ensure_workspace("bench").await?;
    let worker = start_worker(&place, &store)?;
    let mut first = 0.0;
    for tenth in 1..=10 {
        hand_in(&store, &workspace, count / 10).await?;
        drained(&store).await?;
        let now = resident_mebibytes()?;
        if tenth == 1 {
            first = now;
        }
        println!(
            "{:>7} jobs: {now:.1} MiB, {:.2} times the first",
            tenth * count / 10,
            now / first
        );
    }
    worker.stop(Duration::from_secs(30)).await;
    store.close().await;
    Ok(())
}

async fn hand_in(store: &Store, workspace: &WorkspaceId, count: usize) -> anyhow::Result<()> {
    let sound = Bytes::from(speech::mono(SECONDS, 1));
    let recordings = stream::iter(0..count).map(|_| accept(store, workspace, sound.clone()));
    recordings.buffer_unordered(CLIENTS).try_collect::<Vec<()>>().await.map(drop)
}

async fn accept(store: &Store, workspace: &WorkspaceId, sound: Bytes) -> anyhow::Result<()> {
    let bytes = stream::iter([Ok::<_, Infallible>(sound)]);
    let written = store.write_media(workspace, bytes, BYTES_MAX).await?;
    let media = StoredMedia {
        key: written.key,
        media_type: "audio/wav".to_owned(),
        size: written.size,
        sha256: written.sha256,
    };
    let recording = NewRecording {
        external_id: None,
        visibility: Visibility::Workspace,
        title: None,
        source: Source::Upload { file_name: None },
        metadata: "{}".to_owned(),
        media: Some(media),
    };
    let job = NewJob {
        external_id: None,
        options: TranscribeOptions::default(),
        priority: Priority::Normal,
        // The same audio every time, and work for the engine all the same.
        again: true,
        callback: None,
    };
    store.accept(workspace, recording, job, None).await?;
    Ok(())
}

async fn drained(store: &Store) -> anyhow::Result<()> {
    loop {
        let stats = store.queue_stats().await?;
        if stats.queued + stats.running == 0 {
            return Ok(());
        }
        tokio::time::sleep(LOOK).await;
    }
}

fn start_worker(place: &Place, store: &Store) -> anyhow::Result<Worker> {
    let client = Client::new(&hansard_net::Settings::default())?;
    let sources = Sources { client, s3: None, bytes_max: BYTES_MAX };
    let settings = WorkerSettings {
        workers: WORKERS,
        lease: Duration::from_secs(30),
        heartbeat: Duration::from_secs(5),
        poll_interval: Duration::from_millis(200),
        retries: Retries {
            attempts_max: 1,
            backoff_first: Duration::from_secs(1),
            backoff_max: Duration::from_secs(1),
        },
        keep_finished: Duration::from_secs(24 * 60 * 60),
        scratch: place.folder().join("work"),
    };
    let parts = Parts {
        store: store.clone(),
        engines: EnginePool::new(Arc::new(Words)),
        sources,
        wake: Arc::new(Notify::new()),
        metrics: Metrics::new(),
        settings,
    };
    Ok(Worker::start(parts)?)
}

/// Only the fake engine: what is measured is everything around it.
struct Words;

impl Engines for Words {
    fn pick(&self, _: Option<&str>) -> Result<String, LoadError> {
        Ok("words".to_owned())
    }

    fn load(&self, _: &str) -> Result<Arc<dyn Transcriber>, LoadError> {
        Ok(Arc::new(Fake::new()))
    }
}

/// Resident memory of this process.
fn resident_mebibytes() -> anyhow::Result<f64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kibibytes = line.and_then(|line| line.trim().strip_suffix(" kB")).context("no VmRSS")?;
    Ok(kibibytes.parse::<f64>()? / 1024.0)
}
