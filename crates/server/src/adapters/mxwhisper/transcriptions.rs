//! Transcriptions of audio files: each is the job that makes it, with its text.

use axum::Json;
use axum::extract::{RawQuery, Request, State};
use axum::response::Response;
use hansard_domain::access::{Kind, Permission};
use hansard_domain::job::{JobState, TranscribeOptions};
use hansard_domain::language;
use hansard_domain::problem::ProblemCode;
use hansard_store::catalogue::EntryFilter;
use http::{Method, StatusCode};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::audio::{self, NO_AUDIO};
use super::forbidden;
use super::jobs::{find, new_job};
use super::spoken::{NO_TEXT, download, format_of};
use super::views::{MessageView, Part, status};
use crate::App;
use crate::adapters::fastapi::{
    self, ErrorBody, Members, Number, ONE_OF, Wrong, boolean, characters, integer, text,
};
use crate::api::asks;
use crate::audit::note_deleted;
use crate::caller::Caller;
use crate::problem::Problem;
use crate::routes::{Access, Object, Route, Told};

mod view;

pub(super) use view::SummaryView;
use view::{DetailView, TranscriptionView};

/// Entries of a list, unless the caller asks for another number, and at most.
const LIMIT: u32 = 50;
const LIMIT_MAX: u32 = 100;

/// What the names of models begin with that the original's clients ask for.
const MODEL_PREFIX: &str = "whisper-";

/// What is said of a transcription that is not there, or is another's.
const NONE: Told = Told::saying(ProblemCode::JobNotFound, "Transcription not found");
const NOT_READ: Told = forbidden("You do not have permission to access this transcription");
const NOT_DELETED: Told = forbidden("You do not have permission to delete this transcription");
const NOT_STARTED: Told = forbidden("You do not have permission to transcribe this audio file");

pub(super) fn routes() -> Vec<Route> {
    let reads = Access::needs(Permission::ReadRecordings);
    let writes = Access::needs(Permission::WriteRecordings);
    let job = |missing, foreign| Object::numbered(Kind::Job, "transcription_id", missing, foreign);
    let starts =
        writes.object(Object::numbered(Kind::Recording, "audio_file_id", NO_AUDIO, NOT_STARTED));
    let one = "/transcriptions/{transcription_id}";
    let text = "/transcriptions/{transcription_id}/download";
    vec![
        Route::post("/transcriptions/{audio_file_id}/transcribe", starts, start_transcription),
        Route::post("/audio/{audio_file_id}/transcribe", starts, transcribe_audio),
        Route::get("/transcriptions", reads, list_transcriptions),
        Route::get(one, reads.object(job(NONE, NOT_READ)), get_transcription),
        Route::delete(one, writes.object(job(NONE, NOT_DELETED)), delete_transcription),
        Route::get(text, reads.object(job(NO_TEXT, NOT_READ)), download_transcription),
    ]
}

/// What is asked of a transcription, for the document.
#[derive(ToSchema)]
#[schema(as = MxWhisperTranscribe)]
#[expect(dead_code, reason = "described, never built")]
pub(super) struct TranscribeBody {
    /// A model that is installed; the configured one for any other name.
    model: Option<String>,
    /// The language that is spoken; found out if it is left out.
    language: Option<String>,
}

/// That a transcription was asked for.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = MxWhisperTranscriptionStarted)]
pub(super) struct StartedView {
    job_id: i64,
    /// The same number.
    transcription_id: i64,
    /// `pending`.
    status: &'static str,
    message: &'static str,
}

/// Transcriptions of a caller.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = MxWhisperTranscriptions)]
pub(super) struct ListView {
    /// How many there are in all.
    total: u64,
    limit: u32,
    offset: u32,
    transcriptions: Vec<TranscriptionView>,
}

/// Starts the transcription of an audio file.
#[utoipa::path(
    post, path = "/transcriptions/{audio_file_id}/transcribe", tag = "mxwhisper", operation_id = "mxwhisper_start_transcription",
    params(("audio_file_id" = i64, Path, description = "The audio file's number")),
    request_body = TranscribeBody,
    responses(
        (status = 202, description = "It waits", body = StartedView),
        (status = "default", description = "FastAPI's error, with a code", body = ErrorBody),
    ),
)]
pub(super) async fn start_transcription(
    State(app): State<App>,
    caller: Caller,
    Number(number): Number,
    request: Request,
) -> Result<(StatusCode, Json<StartedView>), Problem> {
    let mut body = fastapi::body(&app, request).await?;
    let model = body.optional("model", characters(asks::NAME_MAX));
    let language = body.optional("language", |value| language_of(&text(value)?)).flatten();
    body.finish()?;
    let entry = audio::find(&app, &caller, number).await?;
    let model = installed(&app, model).await;
    let options = TranscribeOptions { model, language, ..TranscribeOptions::default() };
    let job = new_job(&caller, options);
    let accepted = app.store().accept_job(caller.reach(), &entry.recording.id, job, None).await?;
    let job = accepted.ok_or(NO_AUDIO)?.job;
    app.wake_workers();
    let view = StartedView {
        job_id: job.serial,
        transcription_id: job.serial,
        status: status(job.state),
        message: "Transcription started",
    };
    Ok((StatusCode::ACCEPTED, Json(view)))
}

/// The same at the address that the original's documents promise.
#[utoipa::path(
    post, path = "/audio/{audio_file_id}/transcribe", tag = "mxwhisper", operation_id = "mxwhisper_transcribe_audio",
    params(("audio_file_id" = i64, Path, description = "The audio file's number")),
    request_body = TranscribeBody,
    responses(
        (status = 202, description = "It waits", body = StartedView),
        (status = "default", description = "FastAPI's error, with a code", body = ErrorBody),
    ),
)]
pub(super) async fn transcribe_audio(
    state: State<App>,
    caller: Caller,
    number: Number,
    request: Request,
) -> Result<(StatusCode, Json<StartedView>), Problem> {
    start_transcription(state, caller, number, request).await
}

/// The transcriptions of the caller, newest first.
#[utoipa::path(
    get, path = "/transcriptions", tag = "mxwhisper", operation_id = "mxwhisper_transcriptions",
    params(
        ("audio_file_id" = Option<i64>, Query, description = "Only those of this audio file"),
        ("status_filter" = Option<String>, Query, description = "Only those that are `pending`, `processing`, `completed` or `failed`"),
        ("status" = Option<String>, Query, description = "The same"),
        ("limit" = Option<u32>, Query, description = "How many: 1 to 100, and 50 unless it is given"),
        ("offset" = Option<u32>, Query, description = "How many to leave out at the beginning"),
    ),
    responses(
        (status = 200, description = "The transcriptions", body = ListView),
        (status = "default", description = "FastAPI's error, with a code", body = ErrorBody),
    ),
)]
pub(super) async fn list_transcriptions(
    State(app): State<App>,
    caller: Caller,
    RawQuery(query): RawQuery,
) -> Result<Json<ListView>, Problem> {
    let mut query = Members::of_query(query.as_deref());
    let recording = query.optional("audio_file_id", integer);
    let documented = query.optional("status", states);
    let states = query.optional("status_filter", states).or(documented).unwrap_or_default();
    let Part { offset, limit } = Part::read(&mut query, LIMIT, LIMIT_MAX);
    query.finish()?;
    let filter = EntryFilter { recording, states };
    let listed = app.store().list_jobs(caller.reach(), &filter, offset, limit).await?;
    let transcriptions = TranscriptionView::all(&app, &caller, listed.items).await?;
    Ok(Json(ListView { total: listed.total, limit, offset, transcriptions }))
}

/// One transcription with its text.
#[utoipa::path(
    get, path = "/transcriptions/{transcription_id}", tag = "mxwhisper", operation_id = "mxwhisper_transcription",
    params(
        ("transcription_id" = i64, Path, description = "Its number"),
        ("include_chunks" = Option<bool>, Query, description = "Taken, and not needed: there are no chunks yet"),
    ),
    responses(
        (status = 200, description = "The transcription", body = DetailView),
        (status = "default", description = "FastAPI's error, with a code", body = ErrorBody),
    ),
)]
pub(super) async fn get_transcription(
    State(app): State<App>,
    caller: Caller,
    Number(number): Number,
    RawQuery(query): RawQuery,
) -> Result<Json<DetailView>, Problem> {
    let mut query = Members::of_query(query.as_deref());
    query.optional("include_chunks", boolean);
    query.finish()?;
    let entry = find(&app, &caller, number, NONE).await?;
    let views = TranscriptionView::all(&app, &caller, vec![entry]).await?;
    let view = views.into_iter().next().ok_or(NONE)?;
    Ok(Json(DetailView::of(view)))
}

/// Deletes a transcription. Its audio file stays.
#[utoipa::path(
    delete, path = "/transcriptions/{transcription_id}", tag = "mxwhisper", operation_id = "mxwhisper_delete_transcription",
    params(("transcription_id" = i64, Path, description = "Its number")),
    responses(
        (status = 200, description = "It is gone", body = MessageView),
        (status = "default", description = "FastAPI's error, with a code", body = ErrorBody),
    ),
)]
pub(super) async fn delete_transcription(
    State(app): State<App>,
    caller: Caller,
    Number(number): Number,
) -> Result<Json<MessageView>, Problem> {
    let entry = find(&app, &caller, number, NONE).await?;
    if !app.store().delete_job(caller.reach(), &entry.job.id).await? {
        return Err(NONE.into());
    }
    note_deleted(&app, &caller, &entry.job.id).await;
    Ok(Json(MessageView { message: "Transcription deleted successfully" }))
}

/// A completed transcription as `srt`, `vtt`, `txt` or `json`.
#[utoipa::path(
    get, path = "/transcriptions/{transcription_id}/download", tag = "mxwhisper", operation_id = "mxwhisper_download_transcription",
    params(
        ("transcription_id" = i64, Path, description = "Its number"),
        ("format" = Option<String>, Query, description = "The format; `srt` unless it is given"),
    ),
    responses(
        (status = 200, description = "The transcription", body = String, content_type = "text/plain"),
        (status = "default", description = "FastAPI's error, with a code", body = ErrorBody),
    ),
)]
pub(super) async fn download_transcription(
    State(app): State<App>,
    caller: Caller,
    Number(number): Number,
    method: Method,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let format = format_of(query.as_deref(), "srt")?;
    let entry = find(&app, &caller, number, NONE).await?;
    download(&app, &caller, &entry, &format, &method).await
}

/// The states that a filter names.
fn states(value: Value) -> Result<Vec<JobState>, Wrong> {
    let states = super::views::states(&text(value)?);
    if states.is_empty() {
        return Err(format!("{ONE_OF}'pending', 'processing', 'completed', 'failed'").into());
    }
    Ok(states)
}

/// The code of a language; `auto` is to be found out.
fn language_of(name: &str) -> Result<Option<String>, Wrong> {
    if name.is_empty() || name.eq_ignore_ascii_case("auto") {
        return Ok(None);
    }
    let code = language::code_of(name);
    code.map(|code| Some(code.to_owned())).ok_or("There is no such language".into())
}

/// The model that a client means, if it is installed: the original took no notice, and its clients name what nobody has.
async fn installed(app: &App, asked: Option<String>) -> Option<String> {
    let asked = asked?;
    let short = asked.strip_prefix(MODEL_PREFIX).unwrap_or(&asked);
    app.models().await.into_iter().find(|name| *name == asked || name == short)
}
