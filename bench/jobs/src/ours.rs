//! Our pipeline: recordings are accepted, claimed, transcribed by the fake engine (one window), committed and ended, with
//! every step on disk before the next.

use std::convert::Infallible;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use hansard_domain::id::WorkspaceId;
use hansard_domain::job::TranscribeOptions;
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

use crate::Speed;

/// Jobs that one worker process runs at a time.
const WORKERS: u32 = 32;

/// Connections to the database: some more than jobs, as the program asks for.
const CONNECTIONS: u32 = WORKERS + 8;

/// Clients that hand in recordings at a time.
const CLIENTS: usize = 64;

/// Length of a recording in seconds: one window.
const SECONDS: f64 = 1.0;

/// A recording is not larger.
const BYTES_MAX: u64 = 1 << 20;

/// Parts of a run whose memory is looked at, after each of them.
const PARTS: usize = 10;

/// Memory is flat if it grows less than this from the first part to the last.
const GROWTH_MAX: f64 = 1.1;

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
            connections_max: CONNECTIONS,
            queue_max: u32::MAX,
            media: Media::folder(self.folder())?,
            uploads: self.folder().join("uploads"),
            clock: Clock::system(),
        };
        Ok(Store::open(settings).await?)
    }
}

/// Hands in `count` recordings, each with its media on disk, and then lets a worker end their jobs with transcripts.
pub(crate) async fn run(place: &Place, count: usize) -> anyhow::Result<Speed> {
    let store = place.store().await?;
    let workspace = store.ensure_workspace("bench").await?;
    let began = Instant::now();
    hand_in(&store, &workspace, 0..count).await?;
    let accepted = count as f64 / began.elapsed().as_secs_f64();

    let worker = start_worker(place, &store, Arc::default())?;
    let began = Instant::now();
    drained(&store).await?;
    let done = count as f64 / began.elapsed().as_secs_f64();
    worker.stop(Duration::from_secs(30)).await;
    store.close().await;
    Ok(Speed { accepted, done })
}

/// Runs `count` jobs on SQLite and prints the memory that the process has along the way. It fails where the last part has
/// more than [`GROWTH_MAX`] times what the first one had.
pub(crate) async fn memory(count: usize) -> anyhow::Result<()> {
    let place = Place::new(Kind::Sqlite)?;
    let store = place.store().await?;
    let workspace = store.ensure_workspace("bench").await?;
    let worker = start_worker(&place, &store, Arc::default())?;
    let (mut first, mut last) = (0.0, 0.0);
    for part in 1..=PARTS {
        hand_in(&store, &workspace, (part - 1) * count / PARTS..part * count / PARTS).await?;
        drained(&store).await?;
        last = resident_mebibytes("self")?;
        if part == 1 {
            first = last;
        }
        println!(
            "{:>7} jobs: {last:.1} MiB, {:.2} times the first",
            part * count / PARTS,
            last / first
        );
    }
    worker.stop(Duration::from_secs(30)).await;
    store.close().await;
    ensure!(last <= GROWTH_MAX * first, "memory grew to {:.2} times what it was", last / first);
    Ok(())
}

/// Hands in one recording for each of `numbers`, which sounds like no other.
async fn hand_in(
    store: &Store,
    workspace: &WorkspaceId,
    numbers: Range<usize>,
) -> anyhow::Result<()> {
    let recordings = stream::iter(numbers).map(|number| {
        let sound = Bytes::from(speech::mono(SECONDS, number as u64));
        accept(store, workspace, sound)
    });
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
    let recording = NewRecording::of(Source::Upload { file_name: None }).with(media);
    let job = NewJob::of(TranscribeOptions::default());
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

/// A worker on the jobs of `store`, which `wake` tells of new ones.
pub(crate) fn start_worker(
    place: &Place,
    store: &Store,
    wake: Arc<Notify>,
) -> anyhow::Result<Worker> {
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
        wake,
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

/// Resident memory of a process, by its number or as `self`.
pub(crate) fn resident_mebibytes(process: &str) -> anyhow::Result<f64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kibibytes = line.and_then(|line| line.trim().strip_suffix(" kB")).context("no VmRSS")?;
    Ok(kibibytes.parse::<f64>()? / 1024.0)
}
