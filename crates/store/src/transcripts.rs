//! Transcripts, and how they grow: window by window, each with the checkpoint to go on from.

use hansard_domain::id::{Id, JobId, RecordingId, TranscriptId, WorkspaceId};
use hansard_domain::job::TranscribeOptions;
use hansard_domain::time::Timestamp;
use hansard_domain::transcript::Segment;
use sqlx::FromRow;

use crate::backend::{Conn, run, statements};
use crate::jobs::Page;
use crate::reach::{Reach, is_its_recording_seen};
use crate::{Error, Store, documents, text};

macro_rules! head_columns {
    () => {
        "serial, id, workspace_id, recording_id, job_id, external_id, model, options, language, \
         language_probability, duration_s, windows, created_at_us, completed_at_us"
    };
}

statements! {
    FIND = "SELECT " (head_columns) " FROM transcripts WHERE workspace_id = $1 AND id = $2 AND " (is_its_recording_seen);
    PAGE = "SELECT " (head_columns) " FROM transcripts WHERE workspace_id = $1 AND serial < $2 AND " (is_its_recording_seen) " \
        AND ($4 = '' OR recording_id = $4) ORDER BY serial DESC LIMIT $5";
    /// The same where a recording is named: SQLite looks for an index before it knows what is bound.
    PAGE_OF_RECORDING = "SELECT " (head_columns) " FROM transcripts WHERE workspace_id = $1 AND serial < $2 AND " (is_its_recording_seen) " \
        AND recording_id = $4 ORDER BY serial DESC LIMIT $5";
    WINDOWS = "SELECT ordinal, document FROM transcript_windows WHERE transcript_id = $1 AND ordinal >= $2 \
        ORDER BY ordinal LIMIT $3";
    /// Of the transcripts in the JSON array `$1`.
    WINDOWS_OF = sqlite "SELECT transcript_id, ordinal, document FROM transcript_windows \
            WHERE transcript_id IN (SELECT value FROM json_each($1)) AND (transcript_id, ordinal) > ($2, $3) \
            ORDER BY transcript_id, ordinal LIMIT $4",
        postgres "SELECT transcript_id, ordinal, document FROM transcript_windows \
            WHERE transcript_id = ANY(ARRAY(SELECT json_array_elements_text(CAST($1 AS JSON)))) \
            AND (transcript_id, ordinal) > ($2, $3) ORDER BY transcript_id, ordinal LIMIT $4";
    CHECKPOINT = "SELECT model, sha256, windows, checkpoint FROM transcripts WHERE id = $1 AND completed_at_us IS NULL";
    COPY = "INSERT INTO transcripts (id, workspace_id, recording_id, job_id, model, options, options_hash, sha256, language, \
        language_probability, duration_s, windows, segments, log_probability_sum, created_at_us, completed_at_us) \
        SELECT $1, workspace_id, $2, $3, model, options, options_hash, sha256, language, language_probability, duration_s, \
        windows, segments, log_probability_sum, $4, $4 FROM transcripts WHERE id = $5";
    COPY_WINDOWS = "INSERT INTO transcript_windows (transcript_id, ordinal, document) \
        SELECT $1, ordinal, document FROM transcript_windows WHERE transcript_id = $2";
    DISCARD_WINDOWS = "DELETE FROM transcript_windows WHERE transcript_id = $1";
    DISCARD = "DELETE FROM transcripts WHERE id = $1";
}

/// Windows that are read at once.
pub const WINDOWS_PER_PAGE_MAX: u32 = 1000;

/// What is known about a transcript besides its text.
#[derive(Debug, Clone, PartialEq)]
pub struct TranscriptHead {
    /// Its number, unique among transcripts.
    pub serial: i64,
    /// Its name.
    pub id: TranscriptId,
    /// Whose it is.
    pub workspace: WorkspaceId,
    /// What it is the text of.
    pub recording: RecordingId,
    /// The job that made it.
    pub job: JobId,
    /// What another system calls it.
    pub external_id: Option<String>,
    /// Engine and model, as `whisper/base`.
    pub model: String,
    /// What was asked for.
    pub options: TranscribeOptions,
    /// ISO 639 code of the language; `None` while it is unknown, and where nothing was said.
    pub language: Option<String>,
    /// Probability of that language when it was detected.
    pub language_probability: Option<f64>,
    /// Length of the recording in seconds, once it was read to its end.
    pub duration: Option<f64>,
    /// Windows so far.
    pub windows: i64,
    /// When its first window could be written.
    pub created_at: Timestamp,
    /// When its last one was; `None` while it grows.
    pub completed_at: Option<Timestamp>,
}

/// A window of a transcript: final from the moment it is committed.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Window {
    /// The channel that it comes from, from 0, where channels are kept apart.
    pub channel: Option<u16>,
    /// What was said, in order of time.
    pub segments: Vec<Segment>,
    /// What the guard against invented text took out.
    pub dropped: Vec<Segment>,
}

impl Window {
    /// What its segments add to the transcript's confidence. One that is no number adds nothing: no column holds that.
    pub(crate) fn log_probability_sum(&self) -> f64 {
        let all = self.segments.iter().map(|segment| f64::from(segment.average_log_probability));
        all.filter(|one| one.is_finite()).sum()
    }
}

/// How far a transcription is, after a window.
#[derive(Debug, Clone, PartialEq)]
pub struct Progress {
    /// Where to go on: a document of the workflow's.
    pub checkpoint: String,
    /// Seconds that are transcribed.
    pub done: f64,
    /// Length of the recording in seconds, if its container states it.
    pub duration: Option<f64>,
    /// The language, once it is known.
    pub language: Option<String>,
    /// Its probability when it was detected.
    pub language_probability: Option<f32>,
}

#[derive(FromRow)]
struct HeadRow {
    serial: i64,
    id: String,
    workspace_id: String,
    recording_id: String,
    job_id: String,
    external_id: Option<String>,
    model: String,
    options: String,
    language: Option<String>,
    language_probability: Option<f64>,
    duration_s: Option<f64>,
    windows: i64,
    created_at_us: i64,
    completed_at_us: Option<i64>,
}

impl HeadRow {
    fn read(self) -> Result<TranscriptHead, Error> {
        let id = self.id;
        let corrupt = |what: &str| Error::Corrupt {
            table: "transcripts",
            id: id.clone(),
            reason: format!("its {what} cannot be read"),
        };
        Ok(TranscriptHead {
            serial: self.serial,
            workspace: WorkspaceId::parse(&self.workspace_id).map_err(|_| corrupt("workspace"))?,
            recording: RecordingId::parse(&self.recording_id).map_err(|_| corrupt("recording"))?,
            job: JobId::parse(&self.job_id).map_err(|_| corrupt("job"))?,
            external_id: self.external_id,
            model: self.model,
            options: documents::read("transcripts", &id, &self.options)?,
            language: self.language,
            language_probability: self.language_probability,
            duration: self.duration_s,
            windows: self.windows,
            created_at: Timestamp::from_micros(self.created_at_us),
            completed_at: self.completed_at_us.map(Timestamp::from_micros),
            id: TranscriptId::parse(&id).map_err(|_| corrupt("id"))?,
        })
    }
}

impl Store {
    /// The head of transcript `id` within `reach`, if there is one.
    ///
    /// # Errors
    /// Where the database cannot be read.
    pub async fn find_transcript(
        &self,
        reach: impl Into<Reach>,
        id: &TranscriptId,
    ) -> Result<Option<TranscriptHead>, Error> {
        let reach = reach.into();
        let mut reader = self.reader().await?;
        let row = run!(
            &mut reader.conn(),
            fetch_optional::<HeadRow>,
            FIND,
            reach.workspace(),
            id.as_str(),
            reach.eyes()
        )?;
        row.map(HeadRow::read).transpose()
    }

    /// Heads of the transcripts within `reach`, or of one recording there, newest first, from below the serial `before` on.
    ///
    /// # Errors
    /// Where the database cannot be read.
    pub async fn page_transcripts(
        &self,
        reach: impl Into<Reach>,
        recording: Option<&RecordingId>,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Page<TranscriptHead>, Error> {
        let statement = if recording.is_some() { PAGE_OF_RECORDING } else { PAGE };
        let reach = reach.into();
        let mut reader = self.reader().await?;
        let rows = run!(
            &mut reader.conn(),
            fetch_all::<HeadRow>,
            statement,
            reach.workspace(),
            before.unwrap_or(i64::MAX),
            reach.eyes(),
            recording.map_or("", RecordingId::as_str),
            i64::from(limit) + 1
        )?;
        let heads = rows.into_iter().map(HeadRow::read).collect::<Result<Vec<_>, _>>()?;
        Ok(Page::cut(heads, limit, |head| head.serial))
    }

    /// Up to `limit` windows of transcript `id` from number `first` on, and never more than [`WINDOWS_PER_PAGE_MAX`].
    ///
    /// # Errors
    /// Where the database cannot be read.
    pub async fn windows(
        &self,
        id: &TranscriptId,
        first: i64,
        limit: u32,
    ) -> Result<Vec<Window>, Error> {
        let mut reader = self.reader().await?;
        let limit = i64::from(limit.min(WINDOWS_PER_PAGE_MAX));
        let rows = run!(
            &mut reader.conn(),
            fetch_all::<(i64, String)>,
            WINDOWS,
            id.as_str(),
            first,
            limit
        )?;
        rows.iter()
            .map(|(_, text)| documents::read("transcript_windows", id.as_str(), text))
            .collect()
    }
}

/// A window, and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct PlacedWindow {
    /// The transcript that it belongs to.
    pub transcript: TranscriptId,
    /// Its number there, from 0.
    pub ordinal: i64,
    /// The window.
    pub window: Window,
}

impl Store {
    /// Up to [`WINDOWS_PER_PAGE_MAX`] windows of all of these transcripts, one transcript after the other, from behind `after`
    /// on: as far as a caller may read them in one go who is asked for many texts.
    ///
    /// # Errors
    /// Where the database cannot be read.
    pub async fn windows_of_all(
        &self,
        ids: &[TranscriptId],
        after: Option<&PlacedWindow>,
    ) -> Result<Vec<PlacedWindow>, Error> {
        let (last, ordinal) =
            after.map_or(("", 0), |after| (after.transcript.as_str(), after.ordinal));
        let ids = text::list(ids.iter().map(Id::as_str));
        let limit = i64::from(WINDOWS_PER_PAGE_MAX);
        let mut reader = self.reader().await?;
        let conn = &mut reader.conn();
        type Row = (String, i64, String);
        let rows = run!(conn, fetch_all::<Row>, WINDOWS_OF, ids, last, ordinal, limit)?;
        let read = |(id, ordinal, text): Row| {
            let window = documents::read("transcript_windows", &id, &text)?;
            Ok(PlacedWindow { transcript: read_id(id)?, ordinal, window })
        };
        rows.into_iter().map(read).collect()
    }
}

/// The id of a transcript in a row.
pub(crate) fn read_id(id: String) -> Result<TranscriptId, Error> {
    TranscriptId::parse(&id).map_err(|error| Error::Corrupt {
        table: "transcripts",
        id,
        reason: error.to_string(),
    })
}

/// A transcript that a job goes on with.
pub(crate) struct Unfinished {
    pub(crate) model: String,
    pub(crate) sha256: String,
    pub(crate) windows: i64,
    pub(crate) checkpoint: Option<String>,
}

/// The unfinished transcript `id`, if it is there and unfinished.
pub(crate) async fn unfinished(
    conn: &mut Conn<'_>,
    id: &TranscriptId,
) -> Result<Option<Unfinished>, Error> {
    type Row = (String, String, i64, Option<String>);
    let row = run!(conn, fetch_optional::<Row>, CHECKPOINT, id.as_str())?;
    Ok(row.map(|(model, sha256, windows, checkpoint)| Unfinished {
        model,
        sha256,
        windows,
        checkpoint,
    }))
}

/// What identifies the text of a recording: the same content, options and model give the same transcript.
pub(crate) struct Content<'a> {
    pub(crate) sha256: &'a str,
    pub(crate) options: &'a TranscribeOptions,
    pub(crate) model: &'a str,
}

/// Writes a complete copy of transcript `twin` for `recording`: it stays when the twin's recording is deleted.
pub(crate) async fn copy(
    conn: &mut Conn<'_>,
    twin: &str,
    new: &TranscriptId,
    recording: &RecordingId,
    job: &JobId,
    now: Timestamp,
) -> Result<(), Error> {
    let micros = now.as_micros();
    run!(conn, execute, COPY, new.as_str(), recording.as_str(), job.as_str(), micros, twin)?;
    run!(conn, execute, COPY_WINDOWS, new.as_str(), twin).map(drop)
}

/// Removes a transcript with its windows.
pub(crate) async fn discard(conn: &mut Conn<'_>, id: &TranscriptId) -> Result<(), Error> {
    run!(conn, execute, DISCARD_WINDOWS, id.as_str())?;
    run!(conn, execute, DISCARD, id.as_str()).map(drop)
}
