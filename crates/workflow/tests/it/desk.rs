//! What the stories begin with: a store, recordings to hand in, workers, and a look at what came of it.

use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use hansard_domain::id::WorkspaceId;
use hansard_domain::job::{JobState, TranscribeOptions};
use hansard_domain::source::Source;
use hansard_domain::transcript::Segment;
use hansard_net::Client;
use hansard_store::jobs::Job;
use hansard_store::recordings::StoredMedia;
use hansard_store::transcripts::{TranscriptHead, Window};
use hansard_store::{
    Accepted, Clock, Database, Media, NewJob, NewRecording, Settings as StoreSettings, Store,
};
use hansard_testkit::postgres::Postgres;
use hansard_workflow::{EnginePool, Metrics, Parts, Retries, Settings, Sources, Worker};
use tempfile::TempDir;
use tokio::sync::Notify;

/// Longer than anything here takes on a busy machine.
const BOUND: Duration = Duration::from_secs(60);

/// How often a state that is waited for is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Larger sources are refused.
pub(crate) const SOURCE_BYTES_MAX: u64 = 10 << 20;

/// Where a story takes place: a database, and a folder.
pub(crate) struct Place {
    database: Database,
    folder: TempDir,
}

impl Place {
    pub(crate) fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let database = Database::Sqlite { path: folder.path().join("hansard.db") };
        Self { database, folder }
    }

    pub(crate) fn postgres() -> Self {
        let url = Postgres::shared().create_database();
        Self { database: Database::Postgres { url }, folder: tempfile::tempdir().unwrap() }
    }

    /// What a store here is opened with.
    pub(crate) fn settings(&self, clock: Clock) -> StoreSettings {
        StoreSettings {
            database: self.database.clone(),
            connections_max: 8,
            queue_max: 1000,
            media: Media::folder(&self.folder.path().join("objects")).unwrap(),
            uploads: self.folder.path().join("uploads"),
            clock,
        }
    }

    /// Opens the desk at this place, as many times as there are processes.
    pub(crate) async fn open(&self) -> Desk {
        let store = Store::open(self.settings(Clock::system())).await.unwrap();
        let workspace = store.ensure_workspace("default").await.unwrap();
        Desk { store, workspace, wake: Arc::new(Notify::new()), scratch: self.scratch() }
    }

    pub(crate) fn scratch(&self) -> PathBuf {
        self.folder.path().join("scratch")
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

/// A process of the service, without its HTTP.
pub(crate) struct Desk {
    pub(crate) store: Store,
    pub(crate) workspace: WorkspaceId,
    wake: Arc<Notify>,
    scratch: PathBuf,
}

impl Desk {
    /// A worker that runs so many jobs at a time.
    pub(crate) fn worker(&self, engines: EnginePool, workers: u32) -> Worker {
        self.worker_with(engines, workers, self.sources())
    }

    pub(crate) fn worker_with(
        &self,
        engines: EnginePool,
        workers: u32,
        sources: Sources,
    ) -> Worker {
        let settings = Settings {
            workers,
            lease: Duration::from_secs(2),
            heartbeat: Duration::from_millis(200),
            poll_interval: Duration::from_millis(100),
            retries: Retries {
                attempts_max: 3,
                backoff_first: Duration::from_millis(20),
                backoff_max: Duration::from_millis(50),
            },
            keep_finished: Duration::from_secs(24 * 60 * 60),
            keep_audit: Duration::from_secs(24 * 60 * 60),
            scratch: self.scratch.clone(),
        };
        let (store, wake) = (self.store.clone(), Arc::clone(&self.wake));
        let metrics = Metrics::new();
        Worker::start(Parts { store, engines, sources, wake, metrics, settings }).unwrap()
    }

    pub(crate) fn sources(&self) -> Sources {
        let client = Client::new(&hansard_net::Settings::default()).unwrap();
        Sources { client, s3: None, bytes_max: SOURCE_BYTES_MAX }
    }

    /// Hands in `wav` and asks for what is usual.
    pub(crate) async fn hand_in(&self, wav: Vec<u8>) -> Accepted {
        self.hand_in_for(&self.workspace, wav, TranscribeOptions::default()).await
    }

    pub(crate) async fn hand_in_asking(
        &self,
        wav: Vec<u8>,
        options: TranscribeOptions,
    ) -> Accepted {
        self.hand_in_for(&self.workspace, wav, options).await
    }

    pub(crate) async fn hand_in_for(
        &self,
        workspace: &WorkspaceId,
        wav: Vec<u8>,
        options: TranscribeOptions,
    ) -> Accepted {
        let bytes = stream::iter([Ok::<_, Infallible>(Bytes::from(wav))]);
        let written = self.store.write_media(workspace, bytes, u64::MAX).await.unwrap();
        let media = StoredMedia {
            key: written.key,
            media_type: "audio/wav".to_owned(),
            size: written.size,
            sha256: written.sha256,
        };
        self.accept(workspace, Source::Upload { file_name: None }, Some(media), options).await
    }

    /// Names a source whose media are to be fetched.
    pub(crate) async fn name_source(&self, source: Source) -> Accepted {
        self.accept(&self.workspace, source, None, TranscribeOptions::default()).await
    }

    async fn accept(
        &self,
        workspace: &WorkspaceId,
        source: Source,
        media: Option<StoredMedia>,
        options: TranscribeOptions,
    ) -> Accepted {
        let recording = NewRecording { media, ..NewRecording::of(source) };
        let job = NewJob::of(options);
        let accepted = self.store.accept(workspace, recording, job, None).await.unwrap();
        self.wake.notify_one();
        accepted
    }

    pub(crate) async fn job(&self, accepted: &Accepted) -> Job {
        let (workspace, id) = (&accepted.job.workspace, &accepted.job.id);
        self.store.find_job(workspace, id).await.unwrap().expect("the job is there")
    }

    /// The job once `wanted` holds for it.
    pub(crate) async fn job_when(&self, accepted: &Accepted, wanted: impl Fn(&Job) -> bool) -> Job {
        let looking = async {
            loop {
                let job = self.job(accepted).await;
                if wanted(&job) {
                    return job;
                }
                tokio::time::sleep(LOOK_EVERY).await;
            }
        };
        match tokio::time::timeout(BOUND, looking).await {
            Ok(job) => job,
            Err(_) => panic!("it did not happen to {:?}", self.job(accepted).await),
        }
    }

    /// The job once it has ended, which must be in `state`.
    pub(crate) async fn ended(&self, accepted: &Accepted, state: JobState) -> Job {
        let job = self.job_when(accepted, |job| job.state.is_final()).await;
        assert_eq!(job.state, state, "{:?}", job.error);
        job
    }

    /// The transcript of a job that succeeded.
    pub(crate) async fn transcript(&self, accepted: &Accepted) -> (TranscriptHead, Vec<Window>) {
        let job = self.ended(accepted, JobState::Succeeded).await;
        let id = job.transcript.expect("a job that succeeded has a transcript");
        let head = self.store.find_transcript(&job.workspace, &id).await.unwrap();
        let windows = self.store.windows(&id, 0, 1000).await.unwrap();
        (head.expect("the transcript is there"), windows)
    }
}

/// Waits until `holds`.
pub(crate) async fn until(what: &str, holds: impl Fn() -> bool) {
    let waiting = async {
        while !holds() {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    let waited = tokio::time::timeout(BOUND, waiting).await;
    assert!(waited.is_ok(), "{what} did not happen");
}

/// The segments of all windows, in their order.
pub(crate) fn segments(windows: &[Window]) -> Vec<Segment> {
    windows.iter().flat_map(|window| window.segments.clone()).collect()
}

/// The lines of the file in which a fake notes its windows.
pub(crate) fn noted(path: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}
