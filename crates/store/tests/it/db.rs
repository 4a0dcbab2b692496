//! Databases for tests, and what nearly every story begins with.

use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use hansard_domain::id::{TranscriptId, WorkerId, WorkspaceId};
use hansard_domain::job::TranscribeOptions;
use hansard_domain::source::Source;
use hansard_domain::time::Timestamp;
use hansard_domain::transcript::Segment;
use hansard_store::leases::{Claimed, Held, Lease};
use hansard_store::recordings::StoredMedia;
use hansard_store::transcripts::{Progress, Window};
use hansard_store::{
    Accepted, Begin, Clock, Database, Finished, Media, NewJob, NewRecording, RequestKey, Settings,
    Store,
};
use hansard_testkit::postgres::Postgres;
use tempfile::TempDir;

/// How long leases last in these tests; the clock moves only when it is told to.
pub(crate) const LEASE: Duration = Duration::from_secs(30);

pub(crate) const MODEL: &str = "fake/one";

/// An empty database of its own, and the files that go with it.
pub(crate) struct TestDb {
    pub(crate) database: Database,
    pub(crate) clock: Clock,
    pub(crate) folder: TempDir,
}

impl TestDb {
    pub(crate) fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let database = Database::Sqlite { path: folder.path().join("hansard.db") };
        Self::new(database, folder)
    }

    pub(crate) fn postgres() -> Self {
        let url = tokio::task::block_in_place(|| Postgres::shared().create_database());
        Self::new(Database::Postgres { url }, tempfile::tempdir().unwrap())
    }

    fn new(database: Database, folder: TempDir) -> Self {
        let clock = Clock::manual(Timestamp::from_micros(1_795_262_400_000_000));
        Self { database, clock, folder }
    }

    pub(crate) fn settings(&self) -> Settings {
        Settings {
            database: self.database.clone(),
            connections_max: 5,
            queue_max: 1000,
            media: Media::folder(&self.folder.path().join("objects")).unwrap(),
            uploads: self.uploads(),
            clock: self.clock.clone(),
        }
    }

    pub(crate) fn uploads(&self) -> PathBuf {
        self.folder.path().join("uploads")
    }

    pub(crate) async fn open(&self) -> Store {
        Store::open(self.settings()).await.unwrap()
    }

    pub(crate) async fn open_with_queue(&self, queue_max: u32) -> Store {
        Store::open(Settings { queue_max, ..self.settings() }).await.unwrap()
    }

    /// Runs a statement of the test's own.
    pub(crate) async fn sql(&self, statement: &'static str) {
        match &self.database {
            Database::Sqlite { path } => {
                let url = format!("sqlite://{}", path.display());
                let pool = sqlx::SqlitePool::connect(&url).await.unwrap();
                sqlx::raw_sql(statement).execute(&pool).await.unwrap();
                pool.close().await;
            }
            Database::Postgres { url } => {
                let pool = sqlx::PgPool::connect(url).await.unwrap();
                sqlx::raw_sql(statement).execute(&pool).await.unwrap();
                pool.close().await;
            }
        }
    }

    /// What a statement of the test's own counts.
    pub(crate) async fn count(&self, statement: &'static str) -> i64 {
        match &self.database {
            Database::Sqlite { path } => {
                let url = format!("sqlite://{}", path.display());
                let pool = sqlx::SqlitePool::connect(&url).await.unwrap();
                let counted = sqlx::query_scalar(statement).fetch_one(&pool).await.unwrap();
                pool.close().await;
                counted
            }
            Database::Postgres { url } => {
                let pool = sqlx::PgPool::connect(url).await.unwrap();
                let counted = sqlx::query_scalar(statement).fetch_one(&pool).await.unwrap();
                pool.close().await;
                counted
            }
        }
    }
}

pub(crate) async fn workspace(store: &Store) -> WorkspaceId {
    store.ensure_workspace("default").await.unwrap()
}

/// A recording that lies elsewhere.
pub(crate) fn remote() -> NewRecording {
    NewRecording::of(Source::S3 { bucket: "b".to_owned(), key: "a.webm".to_owned() })
}

/// A recording whose media, `content`, are in the media store.
pub(crate) async fn sent(store: &Store, workspace: &WorkspaceId, content: &str) -> NewRecording {
    let media = stored(store, workspace, content).await;
    NewRecording::of(Source::Upload { file_name: None }).with(media)
}

pub(crate) async fn stored(store: &Store, workspace: &WorkspaceId, content: &str) -> StoredMedia {
    let written = store.write_media(workspace, pieces(&[content]), 1 << 20).await.unwrap();
    StoredMedia {
        key: written.key,
        media_type: "audio/webm".to_owned(),
        size: written.size,
        sha256: written.sha256,
    }
}

/// A body that arrives in these pieces.
pub(crate) fn pieces(
    pieces: &[&str],
) -> impl futures_util::Stream<Item = Result<Bytes, std::io::Error>> + Unpin + Send + use<> {
    let pieces: Vec<_> =
        pieces.iter().map(|piece| Ok(Bytes::copy_from_slice(piece.as_bytes()))).collect();
    stream::iter(pieces)
}

pub(crate) fn job() -> NewJob {
    NewJob::of(TranscribeOptions::default())
}

pub(crate) fn key(name: &str, hash: &str) -> Option<RequestKey> {
    Some(RequestKey { key: name.to_owned(), request_hash: hash.to_owned() })
}

/// A job for media with `content`, accepted.
pub(crate) async fn accepted(store: &Store, workspace: &WorkspaceId, content: &str) -> Accepted {
    let recording = sent(store, workspace, content).await;
    store.accept(workspace, recording, job(), None).await.unwrap()
}

/// The one job that a new worker can have.
pub(crate) async fn claimed(store: &Store) -> Claimed {
    let worker: WorkerId = store.clock().id();
    let mut jobs = store.claim_jobs(&worker, 1, LEASE).await.unwrap();
    assert_eq!(jobs.len(), 1);
    jobs.remove(0)
}

pub(crate) fn window(text: &str) -> Window {
    let segment = Segment {
        start: 0.0,
        end: 1.0,
        text: text.to_owned(),
        tokens: vec![1, 2],
        temperature: 0.0,
        average_log_probability: -0.25,
        compression_ratio: 1.5,
        no_speech_probability: 0.125,
        words: Vec::new(),
        suspicions: Vec::new(),
    };
    Window { channel: None, segments: vec![segment], dropped: Vec::new() }
}

pub(crate) fn progress(done: f64) -> Progress {
    Progress {
        checkpoint: format!("{{\"at\":{done}}}"),
        done,
        duration: Some(60.0),
        language: Some("en".to_owned()),
        language_probability: Some(0.5),
    }
}

pub(crate) fn finished(store: &Store) -> Finished {
    Finished {
        language: Some("en".to_owned()),
        language_probability: Some(0.5),
        duration: 60.0,
        heard: 60.0,
        took: 6.0,
        started_at: store.clock().now(),
    }
}

/// Begins the transcribe stage of a claimed job, with nothing done before.
pub(crate) async fn begun(store: &Store, claimed: &Claimed, model: &str) -> TranscriptId {
    match begin(store, &claimed.lease, &claimed_sha256(store, claimed).await, model).await {
        Begin::Go { transcript, ordinal: 0, checkpoint: None } => transcript,
        other => panic!("it does not start: {other:?}"),
    }
}

pub(crate) async fn begin(store: &Store, lease: &Lease, sha256: &str, model: &str) -> Begin {
    match store.begin_transcript(lease, sha256, model).await.unwrap() {
        Held::Yes(begin) => begin,
        Held::Lost => panic!("the lease is lost"),
    }
}

pub(crate) async fn claimed_sha256(store: &Store, claimed: &Claimed) -> String {
    let (workspace, recording) = (&claimed.job.workspace, &claimed.job.recording);
    let recording = store.find_recording(workspace, recording).await.unwrap().unwrap();
    recording.media.unwrap().sha256
}

/// Two jobs for the same audio: one transcribes it, the other has just seen that it has to wait.
pub(crate) struct Twins {
    pub(crate) busy: Claimed,
    /// What the busy one writes.
    pub(crate) transcript: TranscriptId,
    pub(crate) waiting: Claimed,
    pub(crate) sha256: String,
}

pub(crate) async fn twins(store: &Store, workspace: &WorkspaceId) -> Twins {
    for _ in 0..2 {
        accepted(store, workspace, "sound").await;
    }
    let busy = claimed(store).await;
    let transcript = begun(store, &busy, MODEL).await;
    let waiting = claimed(store).await;
    let sha256 = claimed_sha256(store, &waiting).await;
    assert_eq!(begin(store, &waiting.lease, &sha256, MODEL).await, Begin::Wait);
    Twins { busy, transcript, waiting, sha256 }
}

/// Transcribes the next job to its end, in windows of these texts.
pub(crate) async fn transcribed(store: &Store, texts: &[&str]) -> Claimed {
    let claimed = claimed(store).await;
    let transcript = begun(store, &claimed, MODEL).await;
    for (ordinal, text) in (0..).zip(texts) {
        let progress = progress(ordinal as f64 + 1.0);
        let held =
            store.commit_window(&claimed.lease, &transcript, ordinal, window(text), progress);
        assert_eq!(held.await.unwrap(), Held::Yes(()));
    }
    let end = store.finish_transcript(&claimed.lease, &transcript, MODEL, finished(store));
    assert_eq!(end.await.unwrap(), Held::Yes(()));
    claimed
}
