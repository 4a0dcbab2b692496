//! Recordings: what is known about a piece of audio or video.

use hansard_domain::id::{Id, RecordingId, TranscriptId, WorkspaceId};
use hansard_domain::job::Visibility;
use hansard_domain::source::Source;
use hansard_domain::time::Timestamp;
use sqlx::FromRow;

use crate::backend::{Conn, run, statements};
use crate::{Error, Store, documents};

statements! {
    FIND = "SELECT serial, id, workspace_id, external_id, visibility, title, source, metadata, media_key, media_type, \
        size_bytes, sha256, duration_s, current_transcript_id, created_at_us, updated_at_us \
        FROM recordings WHERE workspace_id = $1 AND id = $2";
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
            created_at: Timestamp::from_micros(self.created_at_us),
            updated_at: Timestamp::from_micros(self.updated_at_us),
            id: RecordingId::parse(&id).map_err(|_| corrupt("it has no valid id"))?,
        })
    }
}

/// The recording `id` of `workspace`.
pub(crate) async fn find(
    conn: &mut Conn<'_>,
    workspace: &WorkspaceId,
    id: &RecordingId,
) -> Result<Option<Recording>, Error> {
    let row = run!(conn, fetch_optional::<RecordingRow>, FIND, workspace.as_str(), id.as_str())?;
    row.map(RecordingRow::read).transpose()
}

impl Store {
    /// The recording `id` of `workspace`, if there is one.
    ///
    /// # Errors
    /// Where the database cannot be read.
    pub async fn find_recording(
        &self,
        workspace: &WorkspaceId,
        id: &RecordingId,
    ) -> Result<Option<Recording>, Error> {
        find(&mut self.reader().await?.conn(), workspace, id).await
    }
}
