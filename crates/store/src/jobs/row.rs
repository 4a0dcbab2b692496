//! The row of a job, and its columns.

use hansard_domain::id::{Id, JobId, RecordingId, TranscriptId, WorkspaceId};
use hansard_domain::job::{JobState, Priority, Stage};
use hansard_domain::problem::ProblemCode;
use hansard_domain::time::Timestamp;
use sqlx::FromRow;

use super::{Job, JobError};
use crate::{Error, documents};

/// The columns of [`JobRow`], for the statements that read jobs.
macro_rules! job_columns {
    () => {
        "serial, id, workspace_id, recording_id, external_id, state, stage, priority, turn, options, again, callback, \
         attempts, workers_lost, run_at_us, fence, done_s, duration_s, transcript_id, error_code, error_detail, created_by, \
         created_at_us, started_at_us, finished_at_us, updated_at_us"
    };
}

pub(crate) use job_columns;

#[derive(FromRow)]
pub(crate) struct JobRow {
    pub(crate) serial: i64,
    id: String,
    workspace_id: String,
    recording_id: String,
    external_id: Option<String>,
    state: String,
    stage: String,
    pub(crate) priority: i64,
    pub(crate) turn: i64,
    options: String,
    again: bool,
    callback: Option<String>,
    attempts: i64,
    pub(crate) workers_lost: i64,
    run_at_us: i64,
    pub(crate) fence: i64,
    done_s: f64,
    duration_s: Option<f64>,
    transcript_id: Option<String>,
    error_code: Option<String>,
    error_detail: Option<String>,
    created_by: Option<String>,
    created_at_us: i64,
    started_at_us: Option<i64>,
    finished_at_us: Option<i64>,
    updated_at_us: i64,
}

impl JobRow {
    pub(crate) fn read(self) -> Result<Job, Error> {
        let id = self.id;
        let corrupt = |what: &str| Error::Corrupt {
            table: "jobs",
            id: id.clone(),
            reason: format!("its {what} cannot be read"),
        };
        let callback = self.callback.as_deref().map(|text| documents::read("jobs", &id, text));
        let error = match self.error_code.as_deref() {
            None => None,
            Some(code) => Some(JobError {
                code: ProblemCode::from_name(code).ok_or_else(|| corrupt("error code"))?,
                detail: self.error_detail.unwrap_or_default(),
            }),
        };
        let transcript = self.transcript_id.as_deref().map(TranscriptId::parse).transpose();
        Ok(Job {
            serial: self.serial,
            workspace: WorkspaceId::parse(&self.workspace_id).map_err(|_| corrupt("workspace"))?,
            recording: RecordingId::parse(&self.recording_id).map_err(|_| corrupt("recording"))?,
            external_id: self.external_id,
            state: JobState::from_name(&self.state).ok_or_else(|| corrupt("state"))?,
            stage: Stage::from_name(&self.stage).ok_or_else(|| corrupt("stage"))?,
            priority: priority_of(self.priority).ok_or_else(|| corrupt("priority"))?,
            options: documents::read("jobs", &id, &self.options)?,
            again: self.again,
            callback: callback.transpose()?,
            attempts: u32::try_from(self.attempts).map_err(|_| corrupt("number of attempts"))?,
            run_at: Timestamp::from_micros(self.run_at_us.max(self.created_at_us)),
            done: self.done_s,
            duration: self.duration_s,
            transcript: transcript.map_err(|_| corrupt("transcript"))?,
            error,
            created_by: self.created_by,
            created_at: Timestamp::from_micros(self.created_at_us),
            started_at: self.started_at_us.map(Timestamp::from_micros),
            finished_at: self.finished_at_us.map(Timestamp::from_micros),
            updated_at: Timestamp::from_micros(self.updated_at_us),
            id: JobId::parse(&id).map_err(|_| corrupt("id"))?,
        })
    }
}

/// The number that sorts a priority.
pub(crate) fn rank(priority: Priority) -> i64 {
    match priority {
        Priority::Low => 0,
        Priority::Normal => 1,
        Priority::High => 2,
    }
}

fn priority_of(rank_in_row: i64) -> Option<Priority> {
    Priority::ALL.iter().copied().find(|priority| rank(*priority) == rank_in_row)
}
