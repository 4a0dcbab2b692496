//! Accepting work: recording, job and events in one transaction, so that a crash cannot part them.

use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use hansard_domain::event::EventKind;
use hansard_domain::id::{EventId, Id, JobId, RecordingId, WorkspaceId};
use hansard_domain::job::{JobState, Priority, Stage, TranscribeOptions, Visibility};
use hansard_domain::source::{Callback, Source};

use crate::backend::{Conn, run, statements};
use crate::deliveries::{self, Outgoing};
use crate::events::{EventData, epoch};
use crate::idempotency::{self, RequestKey};
use crate::jobs::{self, Job, next_turn};
use crate::reach::Reach;
use crate::recordings::{self, Recording, StoredMedia};
use crate::{Clock, Error, Store, documents, text};

/// Callers whose job finds the queue full are asked to wait this long: a place comes free with each job that starts.
const QUEUE_FULL_RETRY: Duration = Duration::from_secs(30);

/// A process lets in so much of the room in the queue, one part in this many, before it counts again: others let jobs in as well.
const ROOM_SHARE: i64 = 16;

statements! {
    WAITING = "SELECT COUNT(*) FROM (SELECT 1 AS one FROM jobs WHERE state = 'queued' LIMIT $1) AS waiting";
    /// A recording, its media as ones that stay, and its event. Nothing is written where the media have been swept. Given are its
    /// number and whether there may be endpoints to tell.
    RECORD = sqlite "UPDATE media_objects SET state = 'kept', recording_id = $1 WHERE key = $9 AND state = 'writing'; \
        INSERT INTO recordings (id, workspace_id, external_id, visibility, title, source, source_kind, metadata, \
        media_key, media_type, size_bytes, sha256, created_by, created_at_us, updated_at_us) \
        SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $17, $13, $13 WHERE $9 IS NULL OR changes() = 1 \
        RETURNING serial, EXISTS (SELECT 1 FROM endpoints WHERE workspace_id = $2 AND disabled_at_us IS NULL); \
        INSERT INTO events (id, workspace_id, kind, subject_id, data, created_at_us) \
        SELECT $14, $2, $15, $1, $16, $13 WHERE changes() = 1",
        postgres "WITH kept AS (UPDATE media_objects SET state = 'kept', recording_id = $1 WHERE key = $9 AND state = 'writing' \
        RETURNING key), \
        recorded AS (INSERT INTO recordings (id, workspace_id, external_id, visibility, title, source, source_kind, metadata, \
        media_key, media_type, size_bytes, sha256, created_by, created_at_us, updated_at_us) \
        SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $17, $13, $13 WHERE $9 IS NULL OR EXISTS (SELECT 1 FROM kept) \
        RETURNING serial), \
        told AS (INSERT INTO events (epoch, id, workspace_id, kind, subject_id, data, created_at_us) \
        SELECT " (epoch) ", \
        $14, $2, $15, $1, $16, $13 FROM recorded) \
        SELECT serial, EXISTS (SELECT 1 FROM endpoints WHERE workspace_id = $2 AND disabled_at_us IS NULL) FROM recorded";
    /// A job at the end of the queue, and its event.
    QUEUE = sqlite "INSERT INTO jobs (id, workspace_id, recording_id, external_id, kind, state, stage, priority, turn, options, \
        options_hash, again, callback, created_by, kept, attempts, run_at_us, fence, done_s, created_at_us, updated_at_us) \
        SELECT $4, $1, $5, $6, 'transcribe', 'queued', $7, $2, " (next_turn) ", $8, $9, $10, $11, $15, $16, 0, 0, 0, 0.0, $3, $3 \
        RETURNING serial; \
        INSERT INTO events (id, workspace_id, kind, subject_id, data, created_at_us) VALUES ($12, $1, $13, $4, $14, $3)",
        postgres "WITH told AS (INSERT INTO events (epoch, id, workspace_id, kind, subject_id, data, created_at_us) \
        VALUES (" (epoch) ", $12, $1, $13, $4, $14, $3)) \
        INSERT INTO jobs (id, workspace_id, recording_id, external_id, kind, state, stage, priority, turn, options, \
        options_hash, again, callback, created_by, kept, attempts, run_at_us, fence, done_s, created_at_us, updated_at_us) \
        SELECT $4, $1, $5, $6, 'transcribe', 'queued', $7, $2, " (next_turn) ", $8, $9, $10, $11, $15, $16, 0, 0, 0, 0.0, $3, $3 \
        RETURNING serial";
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
    /// The user or service token that hands it in; `None` where that is nobody in particular.
    pub created_by: Option<String>,
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
    /// The user or service token that asks for it; `None` where that is nobody in particular.
    pub created_by: Option<String>,
    /// Whether another system knows it by its number, so that it stays when old jobs are forgotten.
    pub kept: bool,
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
            created_by: None,
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
            created_by: None,
            kept: false,
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
    /// [`Error::Invalid`] for what is no name, or where the database cannot be written.
    pub async fn ensure_workspace(&self, name: &str) -> Result<WorkspaceId, Error> {
        text::check_name("workspace name", name)?;
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
                let recording = record(conn, store.clock(), &workspace, recording).await?;
                let job = queue(conn, store.clock(), &recording, job_id, job).await?;
                Ok(Accepted { recording, job, is_repeated: false })
            })
        })
        .await
    }

    /// Queues another transcription of recording `id` within `reach`; `None` if there is no such recording.
    ///
    /// # Errors
    /// As [`Store::accept`].
    pub async fn accept_job(
        &self,
        reach: impl Into<Reach>,
        id: &RecordingId,
        job: NewJob,
        key: Option<RequestKey>,
    ) -> Result<Option<Accepted>, Error> {
        check_job(&job, key.as_ref())?;
        let (store, reach, id) = (self.clone(), reach.into(), id.clone());
        self.write(move |conn| {
            Box::pin(async move {
                let Some(recording) = recordings::hold(conn, &reach, &id).await? else {
                    return Ok(None);
                };
                let workspace = &reach.workspace;
                let job_id: JobId = store.clock().id();
                let (key, now) = (key.as_ref(), store.clock().now());
                if let Some(earlier) =
                    idempotency::claim(conn, workspace, key, &job_id, now).await?
                {
                    return found(conn, workspace, &earlier.subject, true).await.map(Some);
                }
                store.admit(conn).await?;
                let job = queue(conn, store.clock(), &recording, job_id, job).await?;
                Ok(Some(Accepted { recording, job, is_repeated: false }))
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

    /// Refuses one more job when the queue is full, so that a caller hears it before the media were sent. There may be no place any
    /// more when they have come.
    ///
    /// # Errors
    /// [`Error::QueueFull`], or where the database cannot be read.
    pub async fn check_queue(&self) -> Result<(), Error> {
        if self.room().load(Relaxed) > 0 {
            return Ok(());
        }
        let mut reader = self.reader().await?;
        self.count_room(&mut reader.conn()).await.map(drop)
    }

    /// Refuses one more job when the queue is full. It is not counted for each job while there is much room in it.
    pub(crate) async fn admit(&self, conn: &mut Conn<'_>) -> Result<(), Error> {
        let take = |room: i64| (room > 0).then(|| room - 1);
        if self.room().fetch_update(Relaxed, Relaxed, take).is_err() {
            let room = self.count_room(conn).await?;
            self.room().store(room / ROOM_SHARE, Relaxed);
        }
        Ok(())
    }

    /// How many more jobs may wait, at least one.
    async fn count_room(&self, conn: &mut Conn<'_>) -> Result<i64, Error> {
        let max = i64::from(self.queue_max());
        let (waiting,) = run!(conn, fetch_one::<(i64,)>, WAITING, max)?;
        if waiting >= max {
            return Err(Error::QueueFull { retry_after: QUEUE_FULL_RETRY });
        }
        Ok(max - waiting)
    }
}

pub(crate) fn check_recording(recording: &NewRecording) -> Result<(), Error> {
    text::check("external id", recording.external_id.as_deref())?;
    text::check("title", recording.title.as_deref())?;
    text::check("creator", recording.created_by.as_deref())?;
    text::check_object("metadata", &recording.metadata)
}

fn check_job(job: &NewJob, key: Option<&RequestKey>) -> Result<(), Error> {
    text::check("external id", job.external_id.as_deref())?;
    text::check("creator", job.created_by.as_deref())?;
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
    let reach = Reach::from(workspace);
    let job = jobs::find(conn, &reach, id).await?;
    let job = job.ok_or_else(|| missing("jobs", id.as_str()))?;
    let recording = recordings::find(conn, &reach, &job.recording).await?;
    let recording = recording.ok_or_else(|| missing("recordings", job.recording.as_str()))?;
    Ok(Accepted { recording, job, is_repeated })
}

/// Writes `recording`, and tells of it.
pub(crate) async fn record(
    conn: &mut Conn<'_>,
    clock: &Clock,
    workspace: &WorkspaceId,
    recording: NewRecording,
) -> Result<Recording, Error> {
    let NewRecording { external_id, visibility, title, source, metadata, media, created_by } =
        recording;
    let (id, event, now): (RecordingId, EventId, _) = (clock.id(), clock.id(), clock.now());
    let (kind, stored) = (EventKind::RecordingCreated, media.as_ref());
    let data = EventData { recording_id: Some(id.as_str()), ..EventData::default() }.text();
    let rows = run!(
        conn,
        fetch_all::<(i64, bool)>,
        RECORD,
        id.as_str(),
        workspace.as_str(),
        external_id.as_deref(),
        visibility.name(),
        title.as_deref(),
        documents::write(&source),
        source.kind(),
        &metadata,
        stored.map(|media| media.key.as_str()),
        stored.map(|media| media.media_type.as_str()),
        stored.map(|media| i64::try_from(media.size).unwrap_or(i64::MAX)),
        stored.map(|media| media.sha256.as_str()),
        now.as_micros(),
        event.as_str(),
        kind.name(),
        &data,
        created_by.as_deref()
    )
    .map_err(recordings::external_id_taken)?;
    let Some((serial, has_endpoints)) = rows.into_iter().next() else {
        let key = media.map(|media| media.key).unwrap_or_default();
        return Err(Error::MediaSwept { key });
    };
    if has_endpoints {
        let (subject, data, event) = (id.as_str(), data.as_str(), &event);
        let outgoing = Outgoing { workspace, event, kind, subject, data, callback: None };
        deliveries::enqueue(conn, clock, now, &outgoing).await?;
    }
    Ok(Recording {
        serial,
        id,
        workspace: workspace.clone(),
        external_id,
        visibility,
        title,
        source,
        metadata,
        media,
        duration: None,
        current_transcript: None,
        created_by,
        created_at: now,
        updated_at: now,
    })
}

/// Queues `job`, which is to be called `id`, for `recording`.
async fn queue(
    conn: &mut Conn<'_>,
    clock: &Clock,
    recording: &Recording,
    id: JobId,
    job: NewJob,
) -> Result<Job, Error> {
    let NewJob { external_id, options, priority, again, callback, created_by, kept } = job;
    let (event, now): (EventId, _) = (clock.id(), clock.now());
    let stage = if recording.media.is_some() { Stage::Transcribe } else { Stage::Acquire };
    let job = Job {
        serial: 0,
        id,
        workspace: recording.workspace.clone(),
        recording: recording.id.clone(),
        external_id,
        state: JobState::Queued,
        stage,
        priority,
        options,
        again,
        callback,
        attempts: 0,
        run_at: now,
        done: 0.0,
        duration: None,
        transcript: None,
        error: None,
        created_by,
        created_at: now,
        started_at: None,
        finished_at: None,
        updated_at: now,
    };
    let queued = job.event(EventKind::JobQueued);
    let rows = run!(
        conn,
        fetch_all::<(i64,)>,
        QUEUE,
        job.workspace.as_str(),
        jobs::rank(job.priority),
        now.as_micros(),
        job.id.as_str(),
        job.recording.as_str(),
        job.external_id.as_deref(),
        stage.name(),
        documents::write(&job.options),
        documents::options_hash(&job.options),
        job.again,
        job.callback.as_ref().map(documents::write),
        event.as_str(),
        queued.kind.name(),
        queued.data.text(),
        job.created_by.as_deref(),
        kept
    )?;
    let (serial,) = rows.into_iter().next().expect("an INSERT that succeeds gives its row");
    Ok(Job { serial, ..job })
}
