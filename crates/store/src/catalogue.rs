//! Lists by offset and by number, for clients that know things by number and page by how many came before.
//!
//! What such a client is told about a job is known about its recording, its transcript and its creator as well, so an entry has
//! all of it, and a list is one statement for its rows and one for their number.

use hansard_domain::id::{CollectionId, Id};
use hansard_domain::job::JobState;
use hansard_domain::source::Source;
use hansard_domain::time::Timestamp;
use sqlx::FromRow;

use crate::backend::{run, statements};
use crate::jobs::Job;
use crate::jobs::row::{JobRow, job_columns};
use crate::reach::{Reach, is_its_recording_found, is_its_recording_seen, is_seen};
use crate::recordings::{Recording, RecordingRow, recording_columns};
use crate::users::User;
use crate::users::row::{UserRow, user_columns};
use crate::{Error, Store, collections, documents, text};

/// As many entries as are listed at once.
pub const LIST_MAX: u32 = 1000;

/// An entry for each of the jobs that follow as `listed`.
macro_rules! job_entry {
    () => {
        "SELECT listed.*, its.serial AS recording_serial, its.title AS recording_title, its.source AS recording_source, \
         its.duration_s AS recording_duration_s, transcripts.model AS transcript_model, \
         transcripts.language AS transcript_language, \
         CASE WHEN transcripts.completed_at_us IS NOT NULL AND transcripts.segments > 0 \
         THEN transcripts.log_probability_sum / transcripts.segments END AS transcript_log_probability, \
         COALESCE(users.external_id, listed.created_by, workspaces.name) AS owner"
    };
}

macro_rules! of_job_entry {
    () => {
        " JOIN recordings AS its ON its.id = listed.recording_id JOIN workspaces ON workspaces.id = listed.workspace_id \
         LEFT JOIN users ON users.id = listed.created_by LEFT JOIN transcripts ON transcripts.id = listed.transcript_id"
    };
}

/// Jobs within a reach, in the states that `$2` names.
macro_rules! wanted_jobs {
    () => {
        concat!(
            " FROM jobs WHERE workspace_id = $1 AND ($2 = '' OR $2 LIKE '% ' || state || ' %') AND ",
            is_its_recording_seen!()
        )
    };
}

/// An entry for each of the recordings that follow as `listed`.
macro_rules! recording_entry {
    () => {
        "SELECT listed.*, (SELECT COUNT(*) FROM jobs WHERE jobs.recording_id = listed.id) AS jobs, \
         COALESCE(users.external_id, listed.created_by, workspaces.name) AS owner"
    };
}

macro_rules! of_recording_entry {
    () => {
        " JOIN workspaces ON workspaces.id = listed.workspace_id LEFT JOIN users ON users.id = listed.created_by"
    };
}

/// Recordings within a reach, from a source of kind `$2`.
macro_rules! wanted_recordings {
    () => {
        concat!(
            " FROM recordings WHERE workspace_id = $1 AND (CAST($2 AS TEXT) IS NULL OR source_kind = $2) AND ",
            is_seen!()
        )
    };
}

statements! {
    JOBS = "" (job_entry) " FROM (SELECT " (job_columns) (wanted_jobs) " AND CAST($4 AS BIGINT) IS NULL \
        ORDER BY serial DESC LIMIT $5 OFFSET $6) AS listed" (of_job_entry) " ORDER BY listed.serial DESC";
    /// The same where a recording is named: SQLite looks for an index before it knows what is bound.
    JOBS_OF_RECORDING = "" (job_entry) " FROM (SELECT " (job_columns) (wanted_jobs) " \
        AND recording_id = (SELECT id FROM recordings WHERE serial = $4) \
        ORDER BY serial DESC LIMIT $5 OFFSET $6) AS listed" (of_job_entry) " ORDER BY listed.serial DESC";
    COUNT_JOBS = "SELECT COUNT(*)" (wanted_jobs) " AND CAST($4 AS BIGINT) IS NULL";
    COUNT_JOBS_OF_RECORDING = "SELECT COUNT(*)" (wanted_jobs) " \
        AND recording_id = (SELECT id FROM recordings WHERE serial = $4)";
    JOB = "" (job_entry) " FROM (SELECT " (job_columns) " FROM jobs WHERE workspace_id = $1 AND serial = $2 \
        AND " (is_its_recording_seen) ") AS listed" (of_job_entry);
    /// From the last serial down: there is none below it.
    ALL_JOBS = "" (job_entry) " FROM (SELECT " (job_columns) " FROM jobs WHERE serial > 0 \
        ORDER BY serial DESC LIMIT $1 OFFSET $2) AS listed" (of_job_entry) " ORDER BY listed.serial DESC";
    COLLECTED = "" (job_entry) ", COALESCE(collection_items.position, 0) AS position, \
        collection_items.created_at_us AS added_at_us FROM collection_items \
        JOIN (SELECT " (job_columns) " FROM jobs WHERE workspace_id = $1 AND " (is_its_recording_found) ") AS listed \
        ON listed.recording_id = collection_items.recording_id" (of_job_entry) " WHERE collection_items.collection_id = $2 \
        ORDER BY collection_items.position, collection_items.created_at_us, listed.serial LIMIT $4 OFFSET $5";
    RECORDINGS = "" (recording_entry) " FROM (SELECT " (recording_columns) (wanted_recordings) " \
        ORDER BY serial DESC LIMIT $4 OFFSET $5) AS listed" (of_recording_entry) " ORDER BY listed.serial DESC";
    COUNT_RECORDINGS = "SELECT COUNT(*)" (wanted_recordings);
    RECORDING = "" (recording_entry) " FROM (SELECT " (recording_columns) " FROM recordings WHERE workspace_id = $1 AND serial = $2 \
        AND " (is_seen) ") AS listed" (of_recording_entry);
    USERS = "SELECT " (user_columns) " FROM users ORDER BY serial DESC LIMIT $1 OFFSET $2";
    COUNT_USERS = "SELECT COUNT(*) FROM users";
}

/// A part of a list, and how long all of it is.
#[derive(Debug, Clone, PartialEq)]
pub struct Listed<T> {
    /// The entries.
    pub items: Vec<T>,
    /// How many there are in the whole list.
    pub total: u64,
}

/// A job, with what else there is to tell about it.
#[derive(Debug, Clone, PartialEq)]
pub struct JobEntry {
    /// The job.
    pub job: Job,
    /// Its recording's number.
    pub recording: i64,
    /// Its recording's title.
    pub title: Option<String>,
    /// Where its recording comes from.
    pub source: Source,
    /// Its recording's length in seconds, once it is known.
    pub duration: Option<f64>,
    /// What made its transcript, as `whisper/base`; `None` before there is one.
    pub model: Option<String>,
    /// The language of its transcript, once that is known.
    pub language: Option<String>,
    /// The mean probability of its transcript's tokens, from 0 to 1, once that is complete; `None` where nothing was said.
    pub confidence: Option<f64>,
    /// Whoever asked for it, by the name that MxWhisper has for the user, or else by id; the workspace's name where that was nobody
    /// in particular.
    pub owner: String,
}

/// A job whose recording is in a collection.
#[derive(Debug, Clone, PartialEq)]
pub struct CollectedJob {
    /// The job.
    pub entry: JobEntry,
    /// The recording's place in the collection.
    pub position: i64,
    /// When the recording was added to it.
    pub added_at: Timestamp,
}

/// A recording, with what else there is to tell about it.
#[derive(Debug, Clone, PartialEq)]
pub struct RecordingEntry {
    /// The recording.
    pub recording: Recording,
    /// How many jobs it has.
    pub jobs: u64,
    /// Whoever handed it in, named as in [`JobEntry::owner`].
    pub owner: String,
}

/// Which jobs to list.
#[derive(Debug, Clone, Default)]
pub struct EntryFilter {
    /// Only those of the recording with this number.
    pub recording: Option<i64>,
    /// Only those in one of these states; all if there is none.
    pub states: Vec<JobState>,
}

#[derive(FromRow)]
struct JobEntryRow {
    #[sqlx(flatten)]
    job: JobRow,
    recording_serial: i64,
    recording_title: Option<String>,
    recording_source: String,
    recording_duration_s: Option<f64>,
    transcript_model: Option<String>,
    transcript_language: Option<String>,
    transcript_log_probability: Option<f64>,
    owner: String,
}

impl JobEntryRow {
    fn read(self) -> Result<JobEntry, Error> {
        let job = self.job.read()?;
        let source = documents::read("recordings", job.recording.as_str(), &self.recording_source)?;
        Ok(JobEntry {
            job,
            recording: self.recording_serial,
            title: self.recording_title,
            source,
            duration: self.recording_duration_s,
            model: self.transcript_model,
            language: self.transcript_language,
            confidence: self.transcript_log_probability.map(|mean| mean.exp().clamp(0.0, 1.0)),
            owner: self.owner,
        })
    }
}

#[derive(FromRow)]
struct CollectedRow {
    #[sqlx(flatten)]
    entry: JobEntryRow,
    position: i64,
    added_at_us: i64,
}

#[derive(FromRow)]
struct RecordingEntryRow {
    #[sqlx(flatten)]
    recording: RecordingRow,
    jobs: i64,
    owner: String,
}

impl RecordingEntryRow {
    fn read(self) -> Result<RecordingEntry, Error> {
        Ok(RecordingEntry {
            recording: self.recording.read()?,
            jobs: self.jobs.unsigned_abs(),
            owner: self.owner,
        })
    }
}

/// How many rows a caller gets who asks for `limit`.
fn bounded(limit: u32) -> i64 {
    i64::from(limit.min(LIST_MAX))
}

impl Store {
    /// Up to `limit` jobs within `reach`, and never more than [`LIST_MAX`], newest first, after the first `offset`.
    ///
    /// # Errors
    /// Where the database cannot be read.
    pub async fn list_jobs(
        &self,
        reach: impl Into<Reach>,
        filter: &EntryFilter,
        offset: u32,
        limit: u32,
    ) -> Result<Listed<JobEntry>, Error> {
        let (list, count) = match filter.recording {
            Some(_) => (JOBS_OF_RECORDING, COUNT_JOBS_OF_RECORDING),
            None => (JOBS, COUNT_JOBS),
        };
        let reach = reach.into();
        let (workspace, eyes) = (reach.workspace(), reach.eyes());
        let states = text::choice(filter.states.iter().map(|state| state.name()));
        let recording = filter.recording;
        let mut reader = self.reader().await?;
        let mut conn = reader.conn();
        let (total,) =
            run!(&mut conn, fetch_one::<(i64,)>, count, workspace, &states, eyes, recording)?;
        let rows = run!(
            &mut conn,
            fetch_all::<JobEntryRow>,
            list,
            workspace,
            &states,
            eyes,
            recording,
            bounded(limit),
            i64::from(offset)
        )?;
        let items = rows.into_iter().map(JobEntryRow::read).collect::<Result<_, _>>()?;
        Ok(Listed { items, total: total.unsigned_abs() })
    }

    /// Up to `limit` jobs of all workspaces, and never more than [`LIST_MAX`], newest first, after the first `offset`: for
    /// administrators of the installation.
    ///
    /// # Errors
    /// Where the database cannot be read.
    pub async fn list_all_jobs(&self, offset: u32, limit: u32) -> Result<Vec<JobEntry>, Error> {
        let mut reader = self.reader().await?;
        let (limit, offset) = (bounded(limit), i64::from(offset));
        let rows = run!(&mut reader.conn(), fetch_all::<JobEntryRow>, ALL_JOBS, limit, offset)?;
        rows.into_iter().map(JobEntryRow::read).collect()
    }

    /// The job with this number within `reach`, if there is one.
    ///
    /// # Errors
    /// Where the database cannot be read.
    pub async fn find_job_number(
        &self,
        reach: impl Into<Reach>,
        serial: i64,
    ) -> Result<Option<JobEntry>, Error> {
        let reach = reach.into();
        let (workspace, eyes) = (reach.workspace(), reach.eyes());
        let mut reader = self.reader().await?;
        let conn = &mut reader.conn();
        let row = run!(conn, fetch_optional::<JobEntryRow>, JOB, workspace, serial, eyes)?;
        row.map(JobEntryRow::read).transpose()
    }

    /// Up to `limit` jobs of the recordings in a collection, all within `reach`, and never more than [`LIST_MAX`], in the
    /// collection's order, after the first `offset`; `None` if there is no such collection. A recording without a job is not
    /// among them, one with several is so with each. Guests find those of public recordings alone.
    ///
    /// # Errors
    /// Where the database cannot be read.
    pub async fn list_collected_jobs(
        &self,
        reach: impl Into<Reach>,
        collection: &CollectionId,
        offset: u32,
        limit: u32,
    ) -> Result<Option<Vec<CollectedJob>>, Error> {
        let reach = reach.into();
        let mut reader = self.reader().await?;
        let mut conn = reader.conn();
        if collections::find(&mut conn, &reach, collection).await?.is_none() {
            return Ok(None);
        }
        let rows = run!(
            &mut conn,
            fetch_all::<CollectedRow>,
            COLLECTED,
            reach.workspace(),
            collection.as_str(),
            reach.eyes(),
            bounded(limit),
            i64::from(offset)
        )?;
        let read = |row: CollectedRow| {
            let (position, added_at) = (row.position, Timestamp::from_micros(row.added_at_us));
            Ok(CollectedJob { entry: row.entry.read()?, position, added_at })
        };
        rows.into_iter().map(read).collect::<Result<_, _>>().map(Some)
    }

    /// Up to `limit` recordings within `reach`, and never more than [`LIST_MAX`], newest first, after the first `offset`; with
    /// `source`, only those whose source is of this [kind](Source::kind).
    ///
    /// # Errors
    /// [`Error::Invalid`] for a kind that no row can have, or where the database cannot be read.
    pub async fn list_recordings(
        &self,
        reach: impl Into<Reach>,
        source: Option<&str>,
        offset: u32,
        limit: u32,
    ) -> Result<Listed<RecordingEntry>, Error> {
        text::check("source", source)?;
        let reach = reach.into();
        let (workspace, eyes) = (reach.workspace(), reach.eyes());
        let mut reader = self.reader().await?;
        let mut conn = reader.conn();
        let (total,) =
            run!(&mut conn, fetch_one::<(i64,)>, COUNT_RECORDINGS, workspace, source, eyes)?;
        let rows = run!(
            &mut conn,
            fetch_all::<RecordingEntryRow>,
            RECORDINGS,
            workspace,
            source,
            eyes,
            bounded(limit),
            i64::from(offset)
        )?;
        let items = rows.into_iter().map(RecordingEntryRow::read).collect::<Result<_, _>>()?;
        Ok(Listed { items, total: total.unsigned_abs() })
    }

    /// The recording with this number within `reach`, if there is one.
    ///
    /// # Errors
    /// Where the database cannot be read.
    pub async fn find_recording_number(
        &self,
        reach: impl Into<Reach>,
        serial: i64,
    ) -> Result<Option<RecordingEntry>, Error> {
        let reach = reach.into();
        let (workspace, eyes) = (reach.workspace(), reach.eyes());
        let mut reader = self.reader().await?;
        let conn = &mut reader.conn();
        let row =
            run!(conn, fetch_optional::<RecordingEntryRow>, RECORDING, workspace, serial, eyes)?;
        row.map(RecordingEntryRow::read).transpose()
    }

    /// Up to `limit` users, and never more than [`LIST_MAX`], newest first, after the first `offset`.
    ///
    /// # Errors
    /// Where the database cannot be read.
    pub async fn list_users(&self, offset: u32, limit: u32) -> Result<Listed<User>, Error> {
        let mut reader = self.reader().await?;
        let mut conn = reader.conn();
        let (total,) = run!(&mut conn, fetch_one::<(i64,)>, COUNT_USERS)?;
        let (limit, offset) = (bounded(limit), i64::from(offset));
        let rows = run!(&mut conn, fetch_all::<UserRow>, USERS, limit, offset)?;
        let items = rows.into_iter().map(UserRow::read).collect::<Result<_, _>>()?;
        Ok(Listed { items, total: total.unsigned_abs() })
    }
}
