//! Accepting work: recording, job and events in one transaction, so that a crash cannot part them.

use std::time::Duration;

use hansard_domain::event::EventKind;
use hansard_domain::id::{Id, JobId, RecordingId, WorkspaceId};
use hansard_domain::job::{Priority, Stage, TranscribeOptions, Visibility};
use hansard_domain::source::{Callback, Source};

use crate::backend::{Conn, run, statements};
use crate::events::{self, EventData, NewEvent};
use crate::idempotency::{self, RequestKey};
use crate::jobs::{self, Job};
use crate::recordings::{self, Recording, StoredMedia};
use crate::{Error, Store, documents, media, text};

/// Callers whose job finds the queue full are asked to wait this long: a place comes free with each job that starts.
const QUEUE_FULL_RETRY: Duration = Duration::from_secs(30);

statements! {
    WAITING = "SELECT COUNT(*) FROM (SELECT 1 AS one FROM jobs WHERE state = 'queued' LIMIT $1) AS waiting";
    INSERT_RECORDING = "INSERT INTO recordings (id, workspace_id, external_id, visibility, title, source, source_kind, metadata, \
        media_key, media_type, size_bytes, sha256, created_at_us, updated_at_us) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $13)";
    INSERT_JOB = "INSERT INTO jobs (id, workspace_id, recording_id, external_id, kind, state, stage, priority, turn, options, \
        options_hash, again, callback, attempts, run_at_us, fence, done_s, created_at_us, updated_at_us) \
        VALUES ($1, $2, $3, $4, 'transcribe', 'queued', $5, $6, $7, $8, $9, $10, $11, 0, 0, 0, 0.0, $12, $12)";
    ENSURE_WORKSPACE = "INSERT INTO workspaces (id, external_id, name, created_at_us) VALUES ($1, $2, $2, $3) \
        ON CONFLICT (external_id) DO NOTHING";
    FIND_WORKSPACE = "SELECT id FROM workspaces WHERE external_id = $1";
}

/// A recording that somebody hands in.
#[derive(Debug, Clone)]
pub struct NewRecording {
    /// What another system calls it.
    pub external_id: Option<String>,
    /// Who may see it.
    pub visibility: Visibility,
    /// A title for people.
    pub title: Option<String>,
    /// Where it comes from.
    pub source: Source,
    /// A JSON object as text.
    pub metadata: String,
    /// The media, where the caller sent them along and they are stored already.
    pub media: Option<StoredMedia>,
}

/// What is to be done with a recording.
#[derive(Debug, Clone)]
pub struct NewJob {
    /// What another system calls it.
    pub external_id: Option<String>,
    /// What is asked.
    pub options: TranscribeOptions,
    /// How urgent it is.
    pub priority: Priority,
    /// Whether an earlier transcript of the same audio must not be taken instead.
    pub again: bool,
    /// Who is told when it has ended.
    pub callback: Option<Callback>,
}

impl NewRecording {
    /// A recording of which nothing is known but where it comes from.
    pub fn of(source: Source) -> Self {
        Self {
            external_id: None,
            visibility: Visibility::Workspace,
            title: None,
            source,
            metadata: "{}".to_owned(),
            media: None,
        }
    }

    /// The same with its media, which are stored already.
    pub fn with(self, media: StoredMedia) -> Self {
        Self { media: Some(media), ..self }
    }
}

impl NewJob {
    /// A job for nothing but these options, of the usual priority.
    pub fn of(options: TranscribeOptions) -> Self {
        Self {
            external_id: None,
            options,
            priority: Priority::Normal,
            again: false,
            callback: None,
        }
    }
}

/// What was accepted.
#[derive(Debug, Clone, PartialEq)]
pub struct Accepted {
    /// The recording.
    pub recording: Recording,
    /// The job.
    pub job: Job,
    /// Whether the request had been made before, and this is what came of it then.
    pub is_repeated: bool,
}

impl Store {
    /// The workspace that another system, or the configuration, calls `name`; it is made if there is none.
    ///
    /// # Errors
    /// Where the database cannot be written.
    pub async fn ensure_workspace(&self, name: &str) -> Result<WorkspaceId, Error> {
        text::check("workspace name", Some(name))?;
        let (clock, name) = (self.clock().clone(), name.to_owned());
        self.write(move |conn| {
            Box::pin(async move {
                let id: WorkspaceId = clock.id();
                let now = clock.now().as_micros();
                run!(conn, execute, ENSURE_WORKSPACE, id.as_str(), &name, now)?;
                let (id,) = run!(conn, fetch_one::<(String,)>, FIND_WORKSPACE, &name)?;
                WorkspaceId::parse(&id).map_err(|error| Error::Corrupt {
                    table: "workspaces",
                    id,
                    reason: error.to_string(),
                })
            })
        })
        .await
    }

    /// Accepts a recording and queues its transcription.
    ///
    /// With a `key` that was used for the same request before, nothing is done and the first result is returned; media that
    /// came with the repetition are left to the sweep.
    ///
    /// # Errors
    /// [`Error::QueueFull`], [`Error::KeyReused`], [`Error::ExternalIdTaken`], [`Error::Invalid`], or where the database cannot be written.
    pub async fn accept(
        &self,
        workspace: &WorkspaceId,
        recording: NewRecording,
        job: NewJob,
        key: Option<RequestKey>,
    ) -> Result<Accepted, Error> {
        check_recording(&recording)?;
        check_job(&job, key.as_ref())?;
        let (store, workspace) = (self.clone(), workspace.clone());
        self.write(move |conn| {
            Box::pin(async move {
                let job_id: JobId = store.clock().id();
                let (key, now) = (key.as_ref(), store.clock().now());
                if let Some(earlier) =
                    idempotency::claim(conn, &workspace, key, &job_id, now).await?
                {
                    return found(conn, &workspace, &earlier.subject, true).await;
                }
                store.admit(conn).await?;
                let recording_id = insert_recording(conn, &store, &workspace, &recording).await?;
                let stage =
                    if recording.media.is_some() { Stage::Transcribe } else { Stage::Acquire };
                insert_job(conn, &store, &workspace, &recording_id, &job_id, stage, &job).await?;
                found(conn, &workspace, &job_id, false).await
            })
        })
        .await
    }

    /// Queues another transcription of recording `id`; `None` if there is no such recording.
    ///
    /// # Errors
    /// As [`Store::accept`].
    pub async fn accept_job(
        &self,
        workspace: &WorkspaceId,
        id: &RecordingId,
        job: NewJob,
        key: Option<RequestKey>,
    ) -> Result<Option<Accepted>, Error> {
        check_job(&job, key.as_ref())?;
        let (store, workspace, id) = (self.clone(), workspace.clone(), id.clone());
        self.write(move |conn| {
            Box::pin(async move {
                let Some(recording) = recordings::hold(conn, &workspace, &id).await? else {
                    return Ok(None);
                };
                let job_id: JobId = store.clock().id();
                let (key, now) = (key.as_ref(), store.clock().now());
                if let Some(earlier) =
                    idempotency::claim(conn, &workspace, key, &job_id, now).await?
                {
                    return found(conn, &workspace, &earlier.subject, true).await.map(Some);
                }
                store.admit(conn).await?;
                let stage =
                    if recording.media.is_some() { Stage::Transcribe } else { Stage::Acquire };
                insert_job(conn, &store, &workspace, &id, &job_id, stage, &job).await?;
                found(conn, &workspace, &job_id, false).await.map(Some)
            })
        })
        .await
    }

    /// The job that the request called `key` made, if it was made before.
    ///
    /// # Errors
    /// [`Error::KeyReused`] if it was another request, or where the database cannot be read.
    pub async fn find_repeated(
        &self,
        workspace: &WorkspaceId,
        key: &RequestKey,
    ) -> Result<Option<Accepted>, Error> {
        idempotency::check(Some(key))?;
        let mut reader = self.reader().await?;
        let mut conn = reader.conn();
        match idempotency::find(&mut conn, workspace, key).await? {
            Some(earlier) => found(&mut conn, workspace, &earlier.subject, true).await.map(Some),
            None => Ok(None),
        }
    }

    /// Refuses one more job when the queue is full.
    pub(crate) async fn admit(&self, conn: &mut Conn<'_>) -> Result<(), Error> {
        let max = i64::from(self.queue_max());
        let (waiting,) = run!(conn, fetch_one::<(i64,)>, WAITING, max)?;
        if waiting >= max {
            Err(Error::QueueFull { retry_after: QUEUE_FULL_RETRY })
        } else {
            Ok(())
        }
    }
}

fn check_recording(recording: &NewRecording) -> Result<(), Error> {
    text::check("external id", recording.external_id.as_deref())?;
    text::check("title", recording.title.as_deref())?;
    text::check_object("metadata", &recording.metadata)
}

fn check_job(job: &NewJob, key: Option<&RequestKey>) -> Result<(), Error> {
    text::check("external id", job.external_id.as_deref())?;
    idempotency::check(key)
}

async fn found(
    conn: &mut Conn<'_>,
    workspace: &WorkspaceId,
    id: &JobId,
    is_repeated: bool,
) -> Result<Accepted, Error> {
    let missing = |table, id: &str| Error::Corrupt {
        table,
        id: id.to_owned(),
        reason: "it is gone, and what refers to it is not".to_owned(),
    };
    let job = jobs::find(conn, workspace, id).await?;
    let job = job.ok_or_else(|| missing("jobs", id.as_str()))?;
    let recording = recordings::find(conn, workspace, &job.recording).await?;
    let recording = recording.ok_or_else(|| missing("recordings", job.recording.as_str()))?;
    Ok(Accepted { recording, job, is_repeated })
}

async fn insert_recording(
    conn: &mut Conn<'_>,
    store: &Store,
    workspace: &WorkspaceId,
    recording: &NewRecording,
) -> Result<RecordingId, Error> {
    let clock = store.clock();
    let (id, now): (RecordingId, _) = (clock.id(), clock.now());
    let stored = recording.media.as_ref();
    run!(
        conn,
        execute,
        INSERT_RECORDING,
        id.as_str(),
        workspace.as_str(),
        recording.external_id.as_deref(),
        recording.visibility.name(),
        recording.title.as_deref(),
        documents::write(&recording.source),
        recording.source.kind(),
        &recording.metadata,
        stored.map(|media| media.key.as_str()),
        stored.map(|media| media.media_type.as_str()),
        stored.map(|media| i64::try_from(media.size).unwrap_or(i64::MAX)),
        stored.map(|media| media.sha256.as_str()),
        now.as_micros()
    )
    .map_err(recordings::external_id_taken)?;
    if let Some(media) = stored {
        media::keep(conn, &media.key, &id, now).await?;
    }
    let data = EventData { recording_id: Some(id.as_str()), ..EventData::default() };
    let kind = EventKind::RecordingCreated;
    let event = NewEvent { workspace, kind, subject: id.as_str(), data };
    events::publish(conn, clock, now, &event).await?;
    Ok(id)
}

async fn insert_job(
    conn: &mut Conn<'_>,
    store: &Store,
    workspace: &WorkspaceId,
    recording: &RecordingId,
    id: &JobId,
    stage: Stage,
    job: &NewJob,
) -> Result<(), Error> {
    let clock = store.clock();
    let now = clock.now();
    let turn = jobs::next_turn(conn, workspace, job.priority, now).await?;
    run!(
        conn,
        execute,
        INSERT_JOB,
        id.as_str(),
        workspace.as_str(),
        recording.as_str(),
        job.external_id.as_deref(),
        stage.name(),
        jobs::rank(job.priority),
        turn,
        documents::write(&job.options),
        documents::options_hash(&job.options),
        job.again,
        job.callback.as_ref().map(documents::write),
        now.as_micros()
    )?;
    let data = EventData {
        recording_id: Some(recording.as_str()),
        job_id: Some(id.as_str()),
        stage: Some(stage.name()),
        ..EventData::default()
    };
    let event = NewEvent { workspace, kind: EventKind::JobQueued, subject: id.as_str(), data };
    events::publish(conn, clock, now, &event).await
}
