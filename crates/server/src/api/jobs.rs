//! Jobs: how far what was accepted is.

use axum::Json;
use axum::extract::State;
use hansard_domain::id::JobId;
use hansard_domain::problem::ProblemCode;
use hansard_store::jobs::Job;

use crate::App;
use crate::api::views::JobView;
use crate::caller::Caller;
use crate::extract::ApiPath;
use crate::problem::Problem;

/// One job.
pub(crate) async fn get_job(
    State(app): State<App>,
    caller: Caller,
    ApiPath(id): ApiPath<JobId>,
) -> Result<Json<JobView>, Problem> {
    let job = app.store().find_job(caller.workspace(), &id).await?;
    let job = job.ok_or(Problem::new(ProblemCode::JobNotFound))?;
    Ok(Json(view(&app, job).await?))
}

/// The job with everything that is known about it.
pub(crate) async fn view(app: &App, job: Job) -> Result<JobView, Problem> {
    let stages = app.store().finished_stages(&job.id).await?;
    let position = app.store().queue_position(&job).await?;
    Ok(JobView::of(job, stages, position))
}
