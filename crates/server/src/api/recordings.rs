//! Recordings: handed in, looked at, changed, deleted.

mod create;
pub(crate) mod upload;

use axum::Json;
use axum::extract::State;
use hansard_domain::id::RecordingId;
use hansard_domain::problem::ProblemCode;

use crate::App;
use crate::api::views::RecordingView;
use crate::caller::Caller;
use crate::extract::ApiPath;
use crate::problem::Problem;

pub(crate) use create::{answer, create_recording};
pub(crate) use upload::{Form, Upload};

/// One recording.
pub(crate) async fn get_recording(
    State(app): State<App>,
    caller: Caller,
    ApiPath(id): ApiPath<RecordingId>,
) -> Result<Json<RecordingView>, Problem> {
    let recording = app.store().find_recording(caller.workspace(), &id).await?;
    let recording = recording.ok_or(Problem::new(ProblemCode::RecordingNotFound))?;
    Ok(Json(RecordingView::of(recording)))
}
