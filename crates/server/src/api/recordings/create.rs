//! Handing in a recording: by a form with the file, or by JSON that says where it is.

use axum::Json;
use axum::extract::{FromRequest, Request, State};
use axum::response::{IntoResponse, Response};
use hansard_domain::problem::ProblemCode;
use hansard_domain::source::Source;
use hansard_store::recordings::StoredMedia;
use hansard_store::{Accepted, NewRecording};
use http::header::LOCATION;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::upload::Form;
use crate::App;
use crate::api::views::{JobView, RecordingView};
use crate::api::{asks, jobs};
use crate::caller::Caller;
use crate::extract::{ApiJson, is_json, media_type};
use crate::fields::Fields;
use crate::problem::Problem;

/// Set where an idempotency key was known and nothing was done.
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// What was accepted.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Accepted)]
pub(crate) struct AcceptedView {
    /// The recording.
    recording: RecordingView,
    /// The job that transcribes it.
    job: JobView,
}

/// Accepts a recording and queues its transcription.
///
/// Recording and job are written in one transaction: a crash cannot leave a recording that nobody will transcribe.
pub(crate) async fn create_recording(
    State(app): State<App>,
    caller: Caller,
    request: Request,
) -> Result<Response, Problem> {
    let headers = request.headers().clone();
    if is_json(&headers) {
        let ApiJson(json) = ApiJson::<Value>::from_request(request, &app).await?;
        return from_json(app, caller, headers, json).await;
    }
    if media_type(&headers).as_deref() != Some("multipart/form-data") {
        let detail = "expected multipart/form-data with a file, or application/json with a source";
        return Err(Problem::new(ProblemCode::UnsupportedContentType).detail(detail));
    }
    let own = app.clone();
    app.to_the_end(from_form(own, caller, headers, request)).await
}

async fn from_json(
    app: App,
    caller: Caller,
    headers: HeaderMap,
    json: Value,
) -> Result<Response, Problem> {
    let mut fields = Fields::of_json(json)?;
    let key = asks::request_key(&headers, "create_recording", &[&fields.canonical()])?;
    let source = asks::source(&mut fields, app.settings().s3_bucket.as_deref());
    let (about, job) = (asks::about(&mut fields), asks::job(&mut fields));
    fields.finish()?;
    let source = source.ok_or_else(|| Problem::field("/source", "needed"))?;
    let recording = about.recording(source, None);
    let accepted = app.store().accept(caller.workspace(), recording, job, key).await?;
    answer(&app, accepted).await
}

async fn from_form(
    app: App,
    caller: Caller,
    headers: HeaderMap,
    request: Request,
) -> Result<Response, Problem> {
    let Form { mut fields, upload } = Form::read(&app, caller.workspace(), request).await?;
    let asked = [&fields.canonical(), upload.sha256()];
    let key = asks::request_key(&headers, "create_recording", &asked);
    let (about, job) = (asks::about(&mut fields), asks::job(&mut fields));
    let accepted = match (key, fields.finish()) {
        (Ok(key), Ok(())) => {
            let recording = about.recording(upload.source(), Some(upload.media()));
            let accepted = app.store().accept(caller.workspace(), recording, job, key).await;
            accepted.map_err(Problem::from)
        }
        (Err(problem), _) | (_, Err(problem)) => Err(problem),
    };
    if !accepted.as_ref().is_ok_and(|accepted| !accepted.is_repeated) {
        upload.abandon(&app).await;
    }
    answer(&app, accepted?).await
}

/// `202` with what was accepted, and where to ask how far it is.
pub(crate) async fn answer(app: &App, accepted: Accepted) -> Result<Response, Problem> {
    let Accepted { recording, job, is_repeated } = accepted;
    if !is_repeated {
        app.wake_workers();
    }
    let location = format!("/api/v1/jobs/{}", job.id);
    let job = jobs::view(app, job).await?;
    let view = AcceptedView { recording: RecordingView::of(recording), job };
    let mut response = (StatusCode::ACCEPTED, [(LOCATION, location)], Json(view)).into_response();
    if is_repeated {
        response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    }
    Ok(response)
}

impl asks::About {
    /// The recording with this said about it.
    fn recording(self, source: Source, media: Option<StoredMedia>) -> NewRecording {
        let Self { title, external_id, visibility, metadata } = self;
        NewRecording { external_id, visibility, title, source, metadata, media }
    }
}
