//! A file in a form: for trying things out, without S3 and without a callback.

use std::sync::OnceLock;

use axum::Json;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use hansard_store::NewRecording;
use hansard_store::jobs::Job;
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    Processing, Waiting, admit, known_by_head, new_job, refused, settings, unauthorized, wait_for,
};
use crate::App;
use crate::adapters::fastapi::ErrorBody;
use crate::adapters::waiting::transcript_of;
use crate::api::recordings::Form;
use crate::caller::Caller;
use crate::place::Place;
use crate::problem::Problem;

/// The field with the shared secret; it stands before the file.
const SECRET: &str = "secret";

/// The form, for the document.
#[derive(ToSchema)]
#[schema(as = SalesTrainerUpload)]
#[expect(dead_code, reason = "described, never built")]
struct UploadForm {
    /// The shared secret, before the file; it may stand in `X-Sidecar-Secret` instead.
    secret: Option<String>,
    /// The audio or video.
    #[schema(value_type = String, format = Binary)]
    file: Vec<u8>,
}

/// What was said.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SalesTrainerTranscribed)]
struct Transcribed {
    ok: bool,
    transcript: String,
}

/// Transcribes the file of a form.
#[utoipa::path(
    post, path = "/transcribe-upload", tag = "salestrainer",
    request_body(content = UploadForm, content_type = "multipart/form-data"),
    responses(
        (status = 200, description = "The text", body = Transcribed),
        (status = 202, description = "The job goes on", body = Processing),
        (status = "default", description = "FastAPI's error, with a code", body = ErrorBody),
    ),
)]
pub(super) async fn transcribe_upload(
    State(app): State<App>,
    place: Place,
    request: Request,
) -> Result<Response, Problem> {
    let wait = settings(&app)?.wait;
    let own = app.clone();
    let job = app.to_the_end(accept(own, request)).await?;
    let job = match wait_for(&app, &job, wait, &place).await? {
        Waiting::Over(job) => job,
        Waiting::Pending(answer) => return Ok(answer),
    };
    let transcript = transcript_of(&app, &job).await?.text();
    Ok(Json(Transcribed { ok: true, transcript }).into_response())
}

async fn accept(app: App, request: Request) -> Result<Job, Problem> {
    let (head, body) = request.into_parts();
    let request = Request::from_parts(head.clone(), body);
    let known = known_by_head(&app, &head).await?;
    let workspace = known.as_ref().map_or(app.workspace(), Caller::workspace).clone();
    let admitted = OnceLock::new();
    if let Some(caller) = known.clone() {
        admitted.get_or_init(|| caller);
    }
    // Nothing is kept of a file before somebody has shown the secret.
    let check = |fields: &[(String, String)]| {
        let secret = fields.iter().find(|(name, _)| name == SECRET);
        let caller = admit(&app, &head, known.clone(), secret.map(|(_, text)| text.as_str()))?;
        admitted.get_or_init(|| caller);
        Ok(())
    };
    let form = Form::read_if(&app, &workspace, request, check).await;
    // What is wrong with a form is nothing for others.
    let Some(caller) = admitted.get() else {
        return Err(refused(&app, &head, unauthorized()).await);
    };
    let form = form?;
    let upload = form.upload;
    let recording = NewRecording {
        created_by: caller.creator(),
        ..NewRecording::of(upload.source()).with(upload.media())
    };
    match app.store().accept(&workspace, recording, new_job(caller, None), None).await {
        Ok(accepted) => {
            app.wake_workers();
            Ok(accepted.job)
        }
        Err(error) => {
            upload.abandon(&app).await;
            Err(error.into())
        }
    }
}
