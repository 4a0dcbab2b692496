//! Handing in a recording: by a form with the file, or by JSON that says where it is, be that an upload.

use axum::Json;
use axum::extract::{FromRequest, Request, State};
use axum::response::{IntoResponse, Response};
use hansard_domain::id::UploadId;
use hansard_domain::problem::ProblemCode;
use hansard_domain::source::Source;
use hansard_store::recordings::StoredMedia;
use hansard_store::{Accepted, NewJob, NewRecording, RequestKey};
use http::header::LOCATION;
use http::{HeaderMap, StatusCode};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::upload::{Form, Upload};
use crate::App;
use crate::api::asks::{About, Origin};
use crate::api::views::{JobView, RecordingView};
use crate::api::{asks, jobs, uploads};
use crate::caller::Caller;
use crate::door;
use crate::extract::{ApiJson, IDEMPOTENCY_KEY, is_json, media_type};
use crate::fields::Fields;
use crate::openapi::{RecordingForm, RecordingJson};
use crate::problem::Problem;

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
#[utoipa::path(
    post, path = "/api/v1/recordings", tag = "recordings",
    params(("Idempotency-Key" = Option<String>, Header, description = "The caller's name for the request: sent again with it, the request is answered as before, and nothing is done twice")),
    request_body(content(
        (RecordingForm = "multipart/form-data"),
        (RecordingJson = "application/json"),
    )),
    responses((status = 202, description = "What was accepted; `Location` is its job", body = AcceptedView)),
)]
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
    let canonical = fields.canonical();
    let key = asks::request_key(caller.id(), &headers, "create_recording", &[&canonical])?;
    let origin = asks::origin(&mut fields, app.settings().s3_bucket.as_deref());
    let about = asks::about(&mut fields);
    let job = asks::job(caller.creator(), &mut fields);
    fields.finish()?;
    match origin.ok_or_else(|| Problem::field("/source", "needed"))? {
        Origin::Fetched(source) => {
            check_source(&app, &caller, &source).await?;
            let recording = about.recording(&caller, source, None);
            let accepted = app.store().accept(caller.workspace(), recording, job, key).await?;
            answer(&app, accepted).await
        }
        Origin::Uploaded(id) => {
            // The upload is gone once its recording is accepted: a caller who has lost that answer gets it again.
            let route = format!("create_recording:{id}");
            let key =
                key.unwrap_or_else(|| asks::unnamed_request(caller.id(), &route, &[&canonical]));
            let own = app.clone();
            app.to_the_end(from_upload(own, caller, id, about, job, key)).await
        }
    }
}

/// Refuses objects of buckets to members of other workspaces: they are read with the installation's credentials, which open
/// what others have put there.
async fn check_source(app: &App, caller: &Caller, source: &Source) -> Result<(), Problem> {
    let is_at_home = caller.workspace() == app.workspace() || caller.principal().governs;
    if matches!(source, Source::S3 { .. }) && !is_at_home {
        let detail = "objects of buckets are for the workspace that the service is configured for";
        return Err(door::refuse(app, caller, detail.to_owned()).await);
    }
    Ok(())
}

/// Accepts the recording that a resumable upload has brought.
///
/// The upload goes last. Until the recording is accepted, it is there to be taken again; afterwards, a request that is
/// repeated is known by its key, whether the upload is still there or not.
async fn from_upload(
    app: App,
    caller: Caller,
    id: UploadId,
    about: About,
    job: NewJob,
    key: RequestKey,
) -> Result<Response, Problem> {
    let workspace = caller.workspace();
    let accepted = match app.store().find_repeated(workspace, &key).await? {
        Some(accepted) => accepted,
        None => match Upload::take(&app, caller.reach(), &id).await {
            Ok(upload) => accept(&app, &caller, upload, about, job, Some(key)).await?,
            // The same request, sent twice at once, may have been accepted meanwhile and have ended the upload.
            Err(problem) => match app.store().find_repeated(workspace, &key).await? {
                Some(accepted) => accepted,
                None => return Err(problem),
            },
        },
    };
    uploads::discard(&app, caller.reach(), &id).await;
    answer(&app, accepted).await
}

async fn from_form(
    app: App,
    caller: Caller,
    headers: HeaderMap,
    request: Request,
) -> Result<Response, Problem> {
    // A request that was made before finds its job all the same.
    if !headers.contains_key(IDEMPOTENCY_KEY) {
        app.store().check_queue().await?;
    }
    let Form { fields, upload } = Form::read(&app, caller.workspace(), request).await?;
    let mut fields = Fields::of_form(fields);
    let asked = [&fields.canonical(), upload.sha256()];
    let key = asks::request_key(caller.id(), &headers, "create_recording", &asked);
    let about = asks::about(&mut fields);
    let job = asks::job(caller.creator(), &mut fields);
    let accepted = match (key, fields.finish()) {
        (Ok(key), Ok(())) => accept(&app, &caller, upload, about, job, key).await,
        (Err(problem), _) | (_, Err(problem)) => {
            upload.abandon(&app).await;
            Err(problem)
        }
    };
    answer(&app, accepted?).await
}

/// Accepts a recording whose media are in the store. Unless they become the recording's, they are given up.
async fn accept(
    app: &App,
    caller: &Caller,
    upload: Upload,
    about: About,
    job: NewJob,
    key: Option<RequestKey>,
) -> Result<Accepted, Problem> {
    let recording = about.recording(caller, upload.source(), Some(upload.media()));
    let accepted = app.store().accept(caller.workspace(), recording, job, key).await;
    if !accepted.as_ref().is_ok_and(|accepted| !accepted.is_repeated) {
        upload.abandon(app).await;
    }
    Ok(accepted?)
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
    asks::mark_repeated(&mut response, is_repeated);
    Ok(response)
}

impl About {
    /// The recording with this said about it.
    fn recording(
        self,
        caller: &Caller,
        source: Source,
        media: Option<StoredMedia>,
    ) -> NewRecording {
        let Self { title, external_id, visibility, metadata } = self;
        let created_by = caller.creator();
        NewRecording {
            external_id,
            visibility,
            title,
            metadata,
            media,
            created_by,
            ..NewRecording::of(source)
        }
    }
}
