//! Jobs: how far what was accepted is, and what can be done about it.

use axum::Json;
use axum::extract::{Request, State};
use axum::response::Response;
use hansard_domain::id::{Id, JobId, RecordingId};
use hansard_domain::job::{JobState, Stage};
use hansard_domain::problem::ProblemCode;
use hansard_store::jobs::{Change, Job, JobFilter};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::App;
use crate::api::pages::{PageView, Place};
use crate::api::recordings::AcceptedView;
use crate::api::views::JobView;
use crate::api::{asks, recordings};
use crate::caller::Caller;
use crate::extract::{ApiPath, ApiQuery};
use crate::openapi::{NewJobBody, RetryBody, names};
use crate::problem::Problem;

/// Which jobs to list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct ListJobs {
    /// Only jobs in this state.
    #[param(schema_with = names::job_state, required = false)]
    state: Option<String>,
    /// Only jobs of this recording.
    recording_id: Option<String>,
    /// Where the page begins: `next_cursor` of the page before.
    cursor: Option<String>,
    /// Items of the page; 50 if it is left out.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u32>,
}

/// The jobs of the caller's workspace, newest first, without their stages and places in the queue.
#[utoipa::path(
    get, path = "/api/v1/jobs", tag = "jobs",
    params(ListJobs),
    responses((status = 200, description = "A page of jobs", body = PageView<JobView>)),
)]
pub(crate) async fn list_jobs(
    State(app): State<App>,
    caller: Caller,
    ApiQuery(list): ApiQuery<ListJobs>,
) -> Result<Json<PageView<JobView>>, Problem> {
    let place = Place::read(list.cursor.as_deref(), list.limit)?;
    let state = list.state.as_deref().map(|name| {
        JobState::from_name(name).ok_or_else(|| Problem::field("/state", "there is no such state"))
    });
    let recording = list.recording_id.as_deref().map(|id| {
        RecordingId::parse(id).map_err(|error| Problem::field("/recording_id", error.to_string()))
    });
    let filter = JobFilter { state: state.transpose()?, recording: recording.transpose()? };
    let page = app.store().page_jobs(caller.reach(), &filter, place.before, place.limit).await?;
    Ok(Json(PageView::of(page, |job| JobView::of(job, Vec::new(), None))))
}

/// One job.
#[utoipa::path(
    get, path = "/api/v1/jobs/{id}", tag = "jobs",
    params(("id" = String, Path, description = "Its id")),
    responses((status = 200, description = "The job", body = JobView)),
)]
pub(crate) async fn get_job(
    State(app): State<App>,
    caller: Caller,
    ApiPath(id): ApiPath<JobId>,
) -> Result<Json<JobView>, Problem> {
    let job = app.store().find_job(caller.reach(), &id).await?;
    let job = job.ok_or(Problem::new(ProblemCode::JobNotFound))?;
    Ok(Json(view(&app, job).await?))
}

/// Ends a job that waits or runs; its worker stops within a second.
#[utoipa::path(
    post, path = "/api/v1/jobs/{id}/cancel", tag = "jobs",
    params(("id" = String, Path, description = "Its id")),
    responses((status = 200, description = "The job, cancelled", body = JobView)),
)]
pub(crate) async fn cancel_job(
    State(app): State<App>,
    caller: Caller,
    ApiPath(id): ApiPath<JobId>,
) -> Result<Json<JobView>, Problem> {
    let change = app.store().cancel_job(caller.reach(), &id).await?;
    changed(&app, change).await
}

/// Puts a job that has ended back into the queue: from the stage that failed on, or from the one that is named.
#[utoipa::path(
    post, path = "/api/v1/jobs/{id}/retry", tag = "jobs",
    params(("id" = String, Path, description = "Its id")),
    request_body = Option<RetryBody>,
    responses((status = 200, description = "The job, waiting again", body = JobView)),
)]
pub(crate) async fn retry_job(
    State(app): State<App>,
    caller: Caller,
    ApiPath(id): ApiPath<JobId>,
    request: Request,
) -> Result<Json<JobView>, Problem> {
    let mut fields = asks::optional_fields(&app, request).await?;
    let stage = fields.choice("stage", Stage::ALL, Stage::name);
    fields.finish()?;
    let change = app.store().retry_job(caller.reach(), &id, stage).await?;
    app.wake_workers();
    changed(&app, change).await
}

/// Transcribes a recording once more, with other options or another model.
#[utoipa::path(
    post, path = "/api/v1/recordings/{id}/jobs", tag = "jobs",
    params(("id" = String, Path, description = "Its id"), ("Idempotency-Key" = Option<String>, Header, description = "The caller's name for the request: sent again with it, the request is answered as before, and nothing is done twice")),
    request_body = Option<NewJobBody>,
    responses((status = 202, description = "What was accepted; `Location` is its job", body = AcceptedView)),
)]
pub(crate) async fn create_job(
    State(app): State<App>,
    caller: Caller,
    ApiPath(id): ApiPath<RecordingId>,
    request: Request,
) -> Result<Response, Problem> {
    let headers = request.headers().clone();
    let mut fields = asks::optional_fields(&app, request).await?;
    let key = asks::request_key(
        caller.id(),
        &headers,
        "create_job",
        &[id.as_str(), &fields.canonical()],
    )?;
    let job = asks::job(caller.creator(), &mut fields);
    fields.finish()?;
    let accepted = app.store().accept_job(caller.reach(), &id, job, key).await?;
    let accepted = accepted.ok_or(Problem::new(ProblemCode::RecordingNotFound))?;
    recordings::answer(&app, accepted).await
}

/// The job with everything that is known about it.
pub(crate) async fn view(app: &App, job: Job) -> Result<JobView, Problem> {
    let stages = app.store().finished_stages(&job.id).await?;
    let position = app.store().queue_position(&job).await?;
    Ok(JobView::of(job, stages, position))
}

async fn changed(app: &App, change: Change) -> Result<Json<JobView>, Problem> {
    match change {
        Change::Done(job) => Ok(Json(view(app, *job).await?)),
        Change::Missing => Err(Problem::new(ProblemCode::JobNotFound)),
        Change::Refused(job) => {
            let detail = format!("the job is {}", job.state.name());
            Err(Problem::new(ProblemCode::JobStateConflict).detail(detail))
        }
    }
}
