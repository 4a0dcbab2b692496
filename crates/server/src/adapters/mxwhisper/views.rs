//! How MxWhisper shows things: by number, with names of its own for what became of them.

use std::collections::HashMap;

use hansard_domain::id::WorkspaceId;
use hansard_domain::job::JobState;
use hansard_domain::source::Source;
use hansard_store::catalogue::{JobEntry, LIST_MAX};
use hansard_store::jobs::Job;
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use crate::App;
use crate::adapters::fastapi::{Members, integer_between};
use crate::adapters::waiting::failure_of;
use crate::problem::Problem;

/// What a file is called whose name nobody told.
const NAMELESS: &str = "recording";

/// Entries of a list that clients know no parts of, at most. The native API has the rest of a longer one.
pub(super) const WHOLE_MAX: usize = 10_000;

/// Places that a list can begin at; more than there will ever be entries.
const OFFSET_MAX: u32 = i32::MAX as u32;

/// The names of states.
const PENDING: &str = "pending";
const PROCESSING: &str = "processing";
const COMPLETED: &str = "completed";
const FAILED: &str = "failed";

/// What a job's state is called.
pub(super) const fn status(state: JobState) -> &'static str {
    match state {
        JobState::Queued => PENDING,
        JobState::Running => PROCESSING,
        JobState::Succeeded => COMPLETED,
        JobState::Failed | JobState::Cancelled => FAILED,
    }
}

/// The states that are called `name`; none for a name that is none.
pub(super) fn states(name: &str) -> Vec<JobState> {
    JobState::ALL.iter().copied().filter(|state| status(*state) == name).collect()
}

/// Why a job has no result; `None` for one that has, or may still have.
pub(super) fn error(job: &Job) -> Option<String> {
    let has_failed = status(job.state) == FAILED;
    let problem = failure_of(job).filter(|_| has_failed)?;
    Some(problem.message().to_owned())
}

/// How far a job is, in percent.
pub(super) fn progress(job: &Job) -> u8 {
    match job.duration {
        _ if job.state == JobState::Succeeded => 100,
        Some(duration) if duration > 0.0 => (job.done / duration * 100.0).clamp(0.0, 100.0) as u8,
        Some(_) | None => 0,
    }
}

/// What a recording's file is called.
pub(super) fn file_name(source: &Source, title: Option<&str>) -> String {
    let last = |path: &str| path.rsplit('/').next().map(str::to_owned);
    let name = match source {
        Source::Upload { file_name } => file_name.clone(),
        Source::S3 { key, .. } => last(key),
        Source::Url { url } => url::Url::parse(url).ok().and_then(|url| last(url.path())),
    };
    let name = name.filter(|name| !name.is_empty());
    name.or_else(|| title.map(str::to_owned)).unwrap_or_else(|| NAMELESS.to_owned())
}

/// A job in a list.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = MxWhisperJobInList)]
pub(super) struct ListedJobView {
    id: i64,
    filename: String,
    /// `pending`, `processing`, `completed` or `failed`.
    status: &'static str,
    /// Who asked for it; in the list of all jobs alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    user_id: Option<String>,
    #[schema(format = DateTime)]
    created_at: String,
    #[schema(format = DateTime)]
    updated_at: String,
}

impl ListedJobView {
    /// The job as those see it whose it is.
    pub(super) fn own(entry: JobEntry) -> Self {
        Self { user_id: None, ..Self::anybodys(entry) }
    }

    /// The job with whoever asked for it.
    pub(super) fn anybodys(entry: JobEntry) -> Self {
        Self {
            id: entry.job.serial,
            filename: file_name(&entry.source, entry.title.as_deref()),
            status: status(entry.job.state),
            user_id: Some(entry.owner),
            created_at: entry.job.created_at.to_string(),
            updated_at: entry.job.updated_at.to_string(),
        }
    }
}

/// That something was done.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = MxWhisperMessage)]
pub(super) struct MessageView {
    pub(super) message: &'static str,
}

/// A part of a list: where it begins, and how long it is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Part {
    pub(super) offset: u32,
    pub(super) limit: u32,
}

/// What such a query has in it, for the document.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "described, never built")]
pub(super) struct PartParameters {
    /// How many: 1 to 1000, and 1000 unless it is given
    limit: Option<u32>,
    /// How many to leave out at the beginning
    offset: Option<u32>,
}

impl Part {
    /// The part that a query asks for which asks for nothing else: all of it as far as [`LIST_MAX`], if it does not.
    ///
    /// # Errors
    /// What is wrong with its values.
    pub(super) fn of_query(query: Option<&str>) -> Result<Self, Problem> {
        let mut query = Members::of_query(query);
        let part = Self::read(&mut query, LIST_MAX, LIST_MAX);
        query.finish()?;
        Ok(part)
    }

    /// Reads `limit`, up to `max` and as much as `usual` if it is not given, and `offset`.
    pub(super) fn read(query: &mut Members, usual: u32, max: u32) -> Self {
        let number = |number: i64| u32::try_from(number).unwrap_or_default();
        let limit = query.optional("limit", integer_between(1, i64::from(max)));
        let offset = query.optional("offset", integer_between(0, i64::from(OFFSET_MAX)));
        Self { limit: limit.map_or(usual, number), offset: offset.map_or(0, number) }
    }
}

/// All entries of a list that clients know no parts of, as far as [`WHOLE_MAX`]: `read` gives up to [`LIST_MAX`] of them, after
/// the first so many.
pub(super) async fn whole<T, F>(read: impl Fn(u32) -> F) -> Result<Vec<T>, Problem>
where
    F: Future<Output = Result<Vec<T>, Problem>>,
{
    let mut all = Vec::new();
    for offset in (0..WHOLE_MAX as u32).step_by(LIST_MAX as usize) {
        let part = read(offset).await?;
        let is_last = part.len() < LIST_MAX as usize;
        all.extend(part);
        if is_last {
            break;
        }
    }
    Ok(all)
}

/// What MxWhisper calls those who made things: the user as its provider knows it, or else by our id; and where that was nobody in
/// particular, the workspace.
pub(super) struct Makers {
    names: HashMap<String, String>,
    nobody: String,
}

impl Makers {
    /// Those with these ids, in `workspace`.
    pub(super) async fn of(
        app: &App,
        workspace: &WorkspaceId,
        ids: impl IntoIterator<Item = Option<&str>>,
    ) -> Result<Self, Problem> {
        let ids: Vec<&str> = ids.into_iter().flatten().collect();
        let names = app.store().external_names(&ids).await?;
        let found = app.store().find_workspace(workspace).await?;
        let nobody = found.map_or_else(|| workspace.to_string(), |workspace| workspace.name);
        Ok(Self { names, nobody })
    }

    /// The name of the one with this id.
    pub(super) fn name(&self, id: Option<&str>) -> String {
        let name = id.map(|id| self.names.get(id).map_or(id, String::as_str));
        name.unwrap_or(&self.nobody).to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_has_a_name_and_is_found_by_it() {
        for state in JobState::ALL {
            assert!(states(status(*state)).contains(state));
        }
        assert_eq!(states("failed"), [JobState::Failed, JobState::Cancelled]);
        assert!(states("queued").is_empty());
    }

    #[test]
    fn a_file_is_called_by_what_is_known_of_it() {
        let upload = |name: Option<&str>| Source::Upload { file_name: name.map(str::to_owned) };
        let s3 = Source::S3 { bucket: "b".to_owned(), key: "2026/call.webm".to_owned() };
        let url = |url: &str| Source::Url { url: url.to_owned() };

        assert_eq!(file_name(&upload(Some("talk.mp3")), Some("Talk")), "talk.mp3");
        assert_eq!(file_name(&upload(None), Some("Talk")), "Talk");
        assert_eq!(file_name(&upload(None), None), "recording");
        assert_eq!(file_name(&s3, None), "call.webm");
        assert_eq!(file_name(&url("https://example.org/a/b.ogg?key=secret"), None), "b.ogg");
        assert_eq!(file_name(&url("https://example.org/"), Some("Page")), "Page");
    }
}
