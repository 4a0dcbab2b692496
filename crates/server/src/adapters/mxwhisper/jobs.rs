//! Files that are uploaded, the jobs that transcribe them, and what comes of it.

use axum::Json;
use axum::extract::{RawQuery, Request, State};
use axum::response::Response;
use hansard_domain::access::{Kind, Permission};
use hansard_domain::job::TranscribeOptions;
use hansard_domain::problem::ProblemCode;
use hansard_store::catalogue::{EntryFilter, JobEntry};
use hansard_store::{Accepted, NewJob, NewRecording};
use http::Method;
use serde::Serialize;
use utoipa::ToSchema;

use super::spoken::{NO_TEXT, download, format_of, spoken};
use super::views::{ListedJobView, Part, PartParameters, error, file_name, progress, status};
use super::{forbidden, refused};
use crate::App;
use crate::adapters::fastapi::{ErrorBody, Number};
use crate::api::recordings::{Form, Upload};
use crate::caller::Caller;
use crate::extract::media_type;
use crate::problem::Problem;
use crate::routes::{Access, NamedBy, Object, Route, Told};

/// What is said of a job that is not there, to those who look and to those who change something about it; and of another's.
pub(super) const NO_JOB: Told = Told::saying(ProblemCode::JobNotFound, "Job not found");
pub(super) const NONE_TO_CHANGE: Told = refused("Job {job_id} not found");
pub(super) const NOT_READ: Told = forbidden("You do not have permission to access this job");
pub(super) const NOT_CHANGED: Told = forbidden("You do not have permission to modify this job");

pub(super) fn routes() -> Vec<Route> {
    let reads = Access::needs(Permission::ReadRecordings);
    let writes = Access::needs(Permission::WriteRecordings);
    let shown = job(NO_JOB, NOT_READ).overseen();
    let old = Object { by: NamedBy::SerialOrNothing, ..shown };
    let ended = job(NO_TEXT, NOT_READ).overseen();
    vec![
        Route::post("/upload", writes, upload),
        Route::get("/job/{job_id}", reads.object(old), get_old_job),
        Route::get("/jobs/{job_id}", reads.object(shown), get_job),
        Route::get("/jobs/{job_id}/download", reads.object(ended), download_job),
        Route::get("/user/jobs", reads, list_own_jobs),
    ]
}

/// The job that a path names.
pub(super) const fn job(missing: Told, foreign: Told) -> Object {
    Object::numbered(Kind::Job, "job_id", missing, foreign)
}

/// The form of an upload, for the document.
#[derive(ToSchema)]
#[schema(as = MxWhisperUpload)]
#[expect(dead_code, reason = "described, never built")]
pub(super) struct UploadForm {
    /// The audio or video.
    #[schema(value_type = String, format = Binary)]
    file: Vec<u8>,
}

/// That a file was accepted.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = MxWhisperUploaded)]
pub(super) struct UploadedView {
    job_id: i64,
    message: &'static str,
}

/// A job. Scripts look for `"status"` and `"job_id"` in its text: each is there once.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = MxWhisperJob)]
pub(super) struct JobView {
    job_id: i64,
    /// `pending`, `processing`, `completed` or `failed`.
    status: &'static str,
    filename: String,
    #[schema(format = DateTime)]
    created_at: String,
    #[schema(format = DateTime)]
    updated_at: String,
    /// The whole text, once the job is completed.
    transcript: Option<String>,
    /// `transcription`.
    job_type: &'static str,
    /// How far it is, in percent.
    progress: u8,
    /// Why it failed.
    error: Option<String>,
    audio_file_id: i64,
}

impl JobView {
    async fn of(app: &App, entry: JobEntry) -> Result<Self, Problem> {
        let mut spoken = spoken(app, [&entry]).await?;
        let transcript = entry.job.transcript.as_ref().and_then(|id| spoken.remove(id));
        Ok(Self {
            job_id: entry.job.serial,
            status: status(entry.job.state),
            filename: file_name(&entry.source, entry.title.as_deref()),
            created_at: entry.job.created_at.to_string(),
            updated_at: entry.job.updated_at.to_string(),
            transcript,
            job_type: "transcription",
            progress: progress(&entry.job),
            error: error(&entry.job),
            audio_file_id: entry.recording,
        })
    }
}

/// Accepts a file and starts its transcription.
#[utoipa::path(
    post, path = "/upload", tag = "mxwhisper", operation_id = "mxwhisper_upload",
    request_body(content = UploadForm, content_type = "multipart/form-data"),
    responses(
        (status = 200, description = "It is accepted", body = UploadedView),
        (status = "default", description = "FastAPI's error, with a code", body = ErrorBody),
    ),
)]
pub(super) async fn upload(
    State(app): State<App>,
    caller: Caller,
    request: Request,
) -> Result<Json<UploadedView>, Problem> {
    let own = app.clone();
    let Accepted { job, .. } = app.to_the_end(accept(own, caller, request)).await?;
    app.wake_workers();
    let message = "File uploaded and transcription started";
    Ok(Json(UploadedView { job_id: job.serial, message }))
}

async fn accept(app: App, caller: Caller, request: Request) -> Result<Accepted, Problem> {
    app.store().check_queue().await?;
    let upload = read_file(&app, &caller, request).await?;
    let recording = recording(&caller, &upload);
    let job = new_job(&caller, TranscribeOptions::default());
    match app.store().accept(caller.workspace(), recording, job, None).await {
        Ok(accepted) => Ok(accepted),
        Err(error) => {
            upload.abandon(&app).await;
            Err(error.into())
        }
    }
}

/// The file of a form. To be run [to its end](App::to_the_end).
///
/// # Errors
/// As [`Form::read`], in the original's words.
pub(super) async fn read_file(
    app: &App,
    caller: &Caller,
    request: Request,
) -> Result<Upload, Problem> {
    if media_type(request.headers()).as_deref() != Some("multipart/form-data") {
        return Err(Problem::field("/file", "needed"));
    }
    match Form::read(app, caller.workspace(), request).await {
        Ok(form) => Ok(form.upload),
        Err(problem) if problem.code() == ProblemCode::PayloadTooLarge => {
            let detail = format!("File too large (max {} bytes)", app.settings().file_bytes_max);
            Err(problem.detail(detail))
        }
        Err(problem) => Err(problem),
    }
}

/// The recording that `upload` becomes.
pub(super) fn recording(caller: &Caller, upload: &Upload) -> NewRecording {
    let created_by = caller.creator();
    NewRecording { created_by, ..NewRecording::of(upload.source()).with(upload.media()) }
}

/// A job that stays, since clients know it by its number.
pub(super) fn new_job(caller: &Caller, options: TranscribeOptions) -> NewJob {
    NewJob { kept: true, created_by: caller.creator(), ..NewJob::of(options) }
}

/// How far a job is, and its text once it is completed.
#[utoipa::path(
    get, path = "/jobs/{job_id}", tag = "mxwhisper", operation_id = "mxwhisper_job",
    params(("job_id" = i64, Path, description = "Its number")),
    responses(
        (status = 200, description = "The job", body = JobView),
        (status = "default", description = "FastAPI's error, with a code", body = ErrorBody),
    ),
)]
pub(super) async fn get_job(
    State(app): State<App>,
    caller: Caller,
    Number(job): Number,
) -> Result<Json<JobView>, Problem> {
    let entry = find(&app, &caller, job, NO_JOB).await?;
    Ok(Json(JobView::of(&app, entry).await?))
}

/// The same at the address that the original has.
#[utoipa::path(
    get, path = "/job/{job_id}", tag = "mxwhisper", operation_id = "mxwhisper_old_job",
    params(("job_id" = i64, Path, description = "Its number")),
    responses(
        (status = 200, description = "The job", body = JobView),
        (status = "default", description = "FastAPI's error, with a code", body = ErrorBody),
    ),
)]
pub(super) async fn get_old_job(
    state: State<App>,
    caller: Caller,
    job: Number,
) -> Result<Json<JobView>, Problem> {
    get_job(state, caller, job).await
}

/// The transcript of a completed job: `txt`, `srt`, `vtt` or `json`; the text for any other format.
#[utoipa::path(
    get, path = "/jobs/{job_id}/download", tag = "mxwhisper", operation_id = "mxwhisper_download_job",
    params(
        ("job_id" = i64, Path, description = "Its number"),
        ("format" = Option<String>, Query, description = "The format; `txt` unless it is given"),
    ),
    responses(
        (status = 200, description = "The transcript", body = String, content_type = "text/plain"),
        (status = "default", description = "FastAPI's error, with a code", body = ErrorBody),
    ),
)]
pub(super) async fn download_job(
    State(app): State<App>,
    caller: Caller,
    Number(job): Number,
    method: Method,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let format = format_of(query.as_deref(), "txt")?;
    let entry = find(&app, &caller, job, NO_JOB).await?;
    download(&app, &caller, &entry, &format, &method).await
}

/// The caller's jobs, newest first: a thousand of them unless `limit` and `offset` say otherwise.
#[utoipa::path(
    get, path = "/user/jobs", tag = "mxwhisper", operation_id = "mxwhisper_own_jobs",
    params(PartParameters),
    responses(
        (status = 200, description = "The jobs", body = Vec<ListedJobView>),
        (status = "default", description = "FastAPI's error, with a code", body = ErrorBody),
    ),
)]
pub(super) async fn list_own_jobs(
    State(app): State<App>,
    caller: Caller,
    RawQuery(query): RawQuery,
) -> Result<Json<Vec<ListedJobView>>, Problem> {
    let Part { offset, limit } = Part::of_query(query.as_deref())?;
    let all = EntryFilter::default();
    let listed = app.store().list_jobs(caller.reach(), &all, offset, limit).await?;
    Ok(Json(listed.items.into_iter().map(ListedJobView::own).collect()))
}

/// The job with this number.
///
/// # Errors
/// `missing`, where it was deleted meanwhile.
pub(super) async fn find(
    app: &App,
    caller: &Caller,
    number: i64,
    missing: Told,
) -> Result<JobEntry, Problem> {
    let entry = app.store().find_job_number(caller.reach(), number).await?;
    Ok(entry.ok_or(missing)?)
}
