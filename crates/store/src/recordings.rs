//! Recordings: what is known about a piece of audio or video.

use std::time::Duration;

use hansard_domain::event::EventKind;
use hansard_domain::id::{Id, RecordingId, TranscriptId, WorkspaceId};
use hansard_domain::job::Visibility;
use hansard_domain::source::Source;
use hansard_domain::time::Timestamp;
use sqlx::FromRow;

use crate::audit::{self, By};
use crate::backend::{Conn, run, statements};
use crate::events::{self, EventData, NewEvent};
use crate::jobs::Page;
use crate::reach::{Reach, is_seen};
use crate::{Clock, Error, Store, deliveries, documents, media, text};

macro_rules! recording_columns {
    () => {
        "serial, id, workspace_id, external_id, visibility, title, source, metadata, media_key, media_type, size_bytes, \
         sha256, duration_s, current_transcript_id, created_by, created_at_us, updated_at_us"
    };
}
pub(crate) use recording_columns;

statements! {
    FIND = "SELECT " (recording_columns) " FROM recordings WHERE workspace_id = $1 AND id = $2 AND " (is_seen);
    LOCK = sqlite "SELECT " (recording_columns) " FROM recordings WHERE workspace_id = $1 AND id = $2 AND " (is_seen),
        postgres "SELECT " (recording_columns) " FROM recordings WHERE workspace_id = $1 AND id = $2 AND " (is_seen) " FOR UPDATE";
    /// Kept from being deleted until the transaction ends.
    HOLD = sqlite "SELECT " (recording_columns) " FROM recordings WHERE workspace_id = $1 AND id = $2 AND " (is_seen),
        postgres "SELECT " (recording_columns) " FROM recordings WHERE workspace_id = $1 AND id = $2 AND " (is_seen) " FOR KEY SHARE";
    PAGE = "SELECT " (recording_columns) " FROM recordings WHERE workspace_id = $1 AND serial < $2 AND " (is_seen) " \
        AND (CAST($4 AS TEXT) IS NULL OR source_kind = $4) \
        AND (CAST($5 AS TEXT) IS NULL OR external_id = $5) AND (CAST($6 AS TEXT) IS NULL OR sha256 = $6) \
        AND created_at_us >= $7 AND created_at_us < $8 ORDER BY serial DESC LIMIT $9";
    /// The same where one of these is named: SQLite looks for an index before it knows what is bound.
    PAGE_BY_EXTERNAL_ID = "SELECT " (recording_columns) " FROM recordings WHERE workspace_id = $1 AND serial < $2 AND " (is_seen) " \
        AND (CAST($4 AS TEXT) IS NULL OR source_kind = $4) \
        AND external_id = $5 AND (CAST($6 AS TEXT) IS NULL OR sha256 = $6) \
        AND created_at_us >= $7 AND created_at_us < $8 ORDER BY serial DESC LIMIT $9";
    PAGE_BY_SHA256 = "SELECT " (recording_columns) " FROM recordings WHERE workspace_id = $1 AND serial < $2 AND " (is_seen) " \
        AND (CAST($4 AS TEXT) IS NULL OR source_kind = $4) \
        AND (CAST($5 AS TEXT) IS NULL OR external_id = $5) AND sha256 = $6 \
        AND created_at_us >= $7 AND created_at_us < $8 ORDER BY serial DESC LIMIT $9";
    UPDATE = "UPDATE recordings SET external_id = $2, visibility = $3, title = $4, metadata = $5, updated_at_us = $6 \
        WHERE id = $1";
    /// Workers lock their job before its recording, so deletion does as well.
    LOCK_JOBS = sqlite "SELECT id FROM jobs WHERE recording_id = $1",
        postgres "SELECT id FROM jobs WHERE recording_id = $1 ORDER BY serial FOR UPDATE";
    /// Before their attempts go, so that no attempt is added meanwhile.
    LOCK_DELIVERIES = sqlite "SELECT id FROM deliveries \
        WHERE subject_id IN (SELECT CAST($1 AS TEXT) UNION ALL SELECT id FROM jobs WHERE recording_id = $1)",
        postgres "SELECT id FROM deliveries \
        WHERE subject_id IN (SELECT CAST($1 AS TEXT) UNION ALL SELECT id FROM jobs WHERE recording_id = $1) ORDER BY serial FOR UPDATE";
    DELETE_WINDOWS = "DELETE FROM transcript_windows \
        WHERE transcript_id IN (SELECT id FROM transcripts WHERE recording_id = $1)";
    DELETE_TRANSCRIPTS = "DELETE FROM transcripts WHERE recording_id = $1";
    DELETE_STAGES = "DELETE FROM job_stages WHERE job_id IN (SELECT id FROM jobs WHERE recording_id = $1)";
    DELETE_ATTEMPTS = "DELETE FROM delivery_attempts WHERE delivery_id IN (SELECT id FROM deliveries \
        WHERE subject_id IN (SELECT CAST($1 AS TEXT) UNION ALL SELECT id FROM jobs WHERE recording_id = $1))";
    DELETE_DELIVERIES = "DELETE FROM deliveries \
        WHERE subject_id IN (SELECT CAST($1 AS TEXT) UNION ALL SELECT id FROM jobs WHERE recording_id = $1)";
    DELETE_KEYS = "DELETE FROM idempotency_keys \
        WHERE subject_id IN (SELECT CAST($1 AS TEXT) UNION ALL SELECT id FROM jobs WHERE recording_id = $1)";
    DELETE_TOPICS = "DELETE FROM recording_topics WHERE recording_id = $1";
    DELETE_ITEMS = "DELETE FROM collection_items WHERE recording_id = $1";
    DELETE_JOBS = "DELETE FROM jobs WHERE recording_id = $1";
    DELETE = "DELETE FROM recordings WHERE id = $1";
}

/// A recording.
#[derive(Debug, Clone, PartialEq)]
pub struct Recording {
    /// Its number, unique among recordings.
    pub serial: i64,
    /// Its name.
    pub id: RecordingId,
    /// Whose it is.
    pub workspace: WorkspaceId,
    /// What another system calls it.
    pub external_id: Option<String>,
    /// Who may see it besides its owner.
    pub visibility: Visibility,
    /// A title for people.
    pub title: Option<String>,
    /// Where it comes from.
    pub source: Source,
    /// What the caller wants to keep with it: a JSON object, as text.
    pub metadata: String,
    /// Its media, once they are stored.
    pub media: Option<StoredMedia>,
    /// Its length in seconds, once it is known.
    pub duration: Option<f64>,
    /// The transcript to show.
    pub current_transcript: Option<TranscriptId>,
    /// The user or service token that handed it in; `None` where that was nobody in particular.
    pub created_by: Option<String>,
    /// When it was accepted.
    pub created_at: Timestamp,
    /// When something about it changed last.
    pub updated_at: Timestamp,
}

/// Media in the media store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredMedia {
    /// The object's key.
    pub key: String,
    /// The content type that its first bytes show, as `audio/webm`.
    pub media_type: String,
    /// Its size in bytes.
    pub size: u64,
    /// SHA-256 of its bytes, in lower-case hexadecimal digits.
    pub sha256: String,
}

/// Which recordings to list.
#[derive(Debug, Clone, Default)]
pub struct RecordingFilter {
    /// Only those whose source is of this [kind](Source::kind).
    pub source: Option<String>,
    /// Only the one that another system calls this.
    pub external_id: Option<String>,
    /// Only those with these media: SHA-256 in lower-case hexadecimal digits.
    pub sha256: Option<String>,
    /// Only those accepted at this time or later.
    pub created_from: Option<Timestamp>,
    /// Only those accepted before this time.
    pub created_before: Option<Timestamp>,
}

/// What is to change about a recording; `None` leaves a value as it is.
#[derive(Debug, Clone, Default)]
pub struct Edit {
    /// What another system calls it, or nothing any more.
    pub external_id: Option<Option<String>>,
    /// Who may see it.
    pub visibility: Option<Visibility>,
    /// A title for people, or none any more.
    pub title: Option<Option<String>>,
    /// A JSON object as text, in place of the one it has.
    pub metadata: Option<String>,
}

/// What came of an attempt to change a recording.
#[derive(Debug, Clone, PartialEq)]
pub enum Edited {
    /// It is this now.
    Done(Box<Recording>),
    /// It was changed since it was read, and is this.
    Outdated(Box<Recording>),
    /// There is no such recording.
    Missing,
}

#[derive(FromRow)]
pub(crate) struct RecordingRow {
    serial: i64,
    id: String,
    workspace_id: String,
    external_id: Option<String>,
    visibility: String,
    title: Option<String>,
    source: String,
    metadata: String,
    media_key: Option<String>,
    media_type: Option<String>,
    size_bytes: Option<i64>,
    sha256: Option<String>,
    duration_s: Option<f64>,
    current_transcript_id: Option<String>,
    created_by: Option<String>,
    created_at_us: i64,
    updated_at_us: i64,
}

impl RecordingRow {
    pub(crate) fn read(self) -> Result<Recording, Error> {
        let id = self.id;
        let corrupt = |reason: &str| Error::Corrupt {
            table: "recordings",
            id: id.clone(),
            reason: reason.to_owned(),
        };
        let media = match (self.media_key, self.media_type, self.size_bytes, self.sha256) {
            (Some(key), Some(media_type), Some(size), Some(sha256)) => {
                let size = u64::try_from(size).map_err(|_| corrupt("its size is negative"))?;
                Some(StoredMedia { key, media_type, size, sha256 })
            }
            _ => None,
        };
        let transcript = self.current_transcript_id.as_deref().map(TranscriptId::parse);
        Ok(Recording {
            serial: self.serial,
            workspace: WorkspaceId::parse(&self.workspace_id)
                .map_err(|_| corrupt("its workspace has no valid id"))?,
            external_id: self.external_id,
            visibility: Visibility::from_name(&self.visibility)
                .ok_or_else(|| corrupt("its visibility is unknown"))?,
            title: self.title,
            source: documents::read("recordings", &id, &self.source)?,
            metadata: self.metadata,
            media,
            duration: self.duration_s,
            current_transcript: transcript
                .transpose()
                .map_err(|_| corrupt("its transcript has no valid id"))?,
            created_by: self.created_by,
            created_at: Timestamp::from_micros(self.created_at_us),
            updated_at: Timestamp::from_micros(self.updated_at_us),
            id: RecordingId::parse(&id).map_err(|_| corrupt("it has no valid id"))?,
        })
    }
}

/// The id of a recording in a row that refers to it.
pub(crate) fn read_id(id: &str) -> Result<RecordingId, Error> {
    RecordingId::parse(id).map_err(|error| Error::Corrupt {
        table: "recordings",
        id: id.to_owned(),
        reason: error.to_string(),
    })
}

/// The recording `id` within `reach`.
pub(crate) async fn find(
    conn: &mut Conn<'_>,
    reach: &Reach,
    id: &RecordingId,
) -> Result<Option<Recording>, Error> {
    let (workspace, eyes) = (reach.workspace(), reach.eyes());
    let row = run!(conn, fetch_optional::<RecordingRow>, FIND, workspace, id.as_str(), eyes)?;
    row.map(RecordingRow::read).transpose()
}

/// The same, which cannot be deleted until the transaction ends.
pub(crate) async fn hold(
    conn: &mut Conn<'_>,
    reach: &Reach,
    id: &RecordingId,
) -> Result<Option<Recording>, Error> {
    let (workspace, eyes) = (reach.workspace(), reach.eyes());
    let row = run!(conn, fetch_optional::<RecordingRow>, HOLD, workspace, id.as_str(), eyes)?;
    row.map(RecordingRow::read).transpose()
}

impl Store {
    /// The recording `id` within `reach`, if there is one.
    ///
    /// # Errors
    /// Where the database cannot be read.
    pub async fn find_recording(
        &self,
        reach: impl Into<Reach>,
        id: &RecordingId,
    ) -> Result<Option<Recording>, Error> {
        find(&mut self.reader().await?.conn(), &reach.into(), id).await
    }

    /// Recordings within `reach`, newest first, from below the serial `before` on.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a filter that no row can match, or where the database cannot be read.
    pub async fn page_recordings(
        &self,
        reach: impl Into<Reach>,
        filter: &RecordingFilter,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Page<Recording>, Error> {
        text::check("source", filter.source.as_deref())?;
        text::check("external id", filter.external_id.as_deref())?;
        text::check("checksum", filter.sha256.as_deref())?;
        let statement = match (&filter.external_id, &filter.sha256) {
            (Some(_), _) => PAGE_BY_EXTERNAL_ID,
            (None, Some(_)) => PAGE_BY_SHA256,
            (None, None) => PAGE,
        };
        let reach = reach.into();
        let mut reader = self.reader().await?;
        let rows = run!(
            &mut reader.conn(),
            fetch_all::<RecordingRow>,
            statement,
            reach.workspace(),
            before.unwrap_or(i64::MAX),
            reach.eyes(),
            filter.source.as_deref(),
            filter.external_id.as_deref(),
            filter.sha256.as_deref(),
            filter.created_from.map_or(i64::MIN, Timestamp::as_micros),
            filter.created_before.map_or(i64::MAX, Timestamp::as_micros),
            i64::from(limit) + 1
        )?;
        let found = rows.into_iter().map(RecordingRow::read).collect::<Result<Vec<_>, _>>()?;
        Ok(Page::cut(found, limit, |recording| recording.serial))
    }

    /// Changes what is known about recording `id`; with `read_at`, only if it was not changed after that version of it.
    ///
    /// # Errors
    /// [`Error::Invalid`] for text that no row can hold and metadata that are no JSON object, [`Error::ExternalIdTaken`], or
    /// where the database cannot be written.
    pub async fn update_recording(
        &self,
        reach: impl Into<Reach>,
        id: &RecordingId,
        edit: Edit,
        read_at: Option<Timestamp>,
        by: &By,
    ) -> Result<Edited, Error> {
        text::check("external id", edit.external_id.as_ref().and_then(Option::as_deref))?;
        text::check("title", edit.title.as_ref().and_then(Option::as_deref))?;
        if let Some(metadata) = &edit.metadata {
            text::check_object("metadata", metadata)?;
        }
        let (clock, reach, id, by) = (self.clock().clone(), reach.into(), id.clone(), by.clone());
        self.write(move |conn| {
            Box::pin(async move {
                let Some(mut recording) = lock(conn, &reach, &id).await? else {
                    return Ok(Edited::Missing);
                };
                if read_at.is_some_and(|read_at| read_at != recording.updated_at) {
                    return Ok(Edited::Outdated(Box::new(recording)));
                }
                recording.external_id = edit.external_id.unwrap_or(recording.external_id);
                let was = recording.visibility;
                recording.visibility = edit.visibility.unwrap_or(was);
                recording.title = edit.title.unwrap_or(recording.title);
                recording.metadata = edit.metadata.unwrap_or(recording.metadata);
                // Two changes within the same microsecond have different times, or the second would look like the first.
                let next = recording.updated_at.after(Duration::from_micros(1));
                recording.updated_at = clock.now().max(next);
                save(conn, &recording).await?;
                tell(conn, &clock, &recording, EventKind::RecordingUpdated).await?;
                let entry =
                    audit::visibility_changed(&id, &reach.workspace, was, recording.visibility);
                if let Some(entry) = entry {
                    audit::write(conn, &clock, &by, entry).await?;
                }
                Ok(Edited::Done(Box::new(recording)))
            })
        })
        .await
    }

    /// Deletes recording `id` with all that belongs to it: jobs, of which running ones lose their lease, transcripts, and what
    /// was to be delivered about them. Its media go with the next sweep. `false` if there is no such recording.
    ///
    /// # Errors
    /// Where the database cannot be written.
    pub async fn delete_recording(
        &self,
        reach: impl Into<Reach>,
        id: &RecordingId,
    ) -> Result<bool, Error> {
        let (clock, reach, id) = (self.clock().clone(), reach.into(), id.clone());
        self.write(move |conn| {
            Box::pin(async move {
                run!(conn, fetch_all::<(String,)>, LOCK_JOBS, id.as_str())?;
                let Some(recording) = lock(conn, &reach, &id).await? else {
                    return Ok(false);
                };
                deliveries::hold_subscribed(conn, &reach.workspace).await?;
                run!(conn, fetch_all::<(String,)>, LOCK_DELIVERIES, id.as_str())?;
                media::delete_of(conn, &id, clock.now()).await?;
                for statement in [
                    DELETE_WINDOWS,
                    DELETE_TRANSCRIPTS,
                    DELETE_STAGES,
                    DELETE_ATTEMPTS,
                    DELETE_DELIVERIES,
                    DELETE_KEYS,
                    DELETE_TOPICS,
                    DELETE_ITEMS,
                    DELETE_JOBS,
                    DELETE,
                ] {
                    run!(conn, execute, statement, id.as_str())?;
                }
                tell(conn, &clock, &recording, EventKind::RecordingDeleted).await?;
                Ok(true)
            })
        })
        .await
    }
}

/// What a violated index says about a recording that is written.
pub(crate) fn external_id_taken(error: Error) -> Error {
    if error.is_taken("external_id") { Error::ExternalIdTaken } else { error }
}

/// The recording `id`, locked until the transaction ends.
async fn lock(
    conn: &mut Conn<'_>,
    reach: &Reach,
    id: &RecordingId,
) -> Result<Option<Recording>, Error> {
    let (workspace, eyes) = (reach.workspace(), reach.eyes());
    let row = run!(conn, fetch_optional::<RecordingRow>, LOCK, workspace, id.as_str(), eyes)?;
    row.map(RecordingRow::read).transpose()
}

async fn save(conn: &mut Conn<'_>, recording: &Recording) -> Result<(), Error> {
    run!(
        conn,
        execute,
        UPDATE,
        recording.id.as_str(),
        recording.external_id.as_deref(),
        recording.visibility.name(),
        recording.title.as_deref(),
        &recording.metadata,
        recording.updated_at.as_micros()
    )
    .map(drop)
    .map_err(external_id_taken)
}

/// Writes that `kind` happened to `recording`.
pub(crate) async fn tell(
    conn: &mut Conn<'_>,
    clock: &Clock,
    recording: &Recording,
    kind: EventKind,
) -> Result<(), Error> {
    let id = recording.id.as_str();
    let data = EventData { recording_id: Some(id), ..EventData::default() };
    let event = NewEvent { workspace: &recording.workspace, kind, subject: id, data };
    events::publish(conn, clock, clock.now(), &event).await
}
