//! Audio files: recordings that are kept until somebody asks for their transcription, each file once.

use axum::Json;
use axum::extract::{RawQuery, Request, State};
use hansard_domain::access::{Kind, Permission};
use hansard_domain::problem::ProblemCode;
use hansard_domain::source::Source;
use hansard_store::Kept;
use hansard_store::catalogue::{EntryFilter, LIST_MAX, RecordingEntry};
use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use super::forbidden;
use super::jobs::{UploadForm, read_file, recording};
use super::transcriptions::SummaryView;
use super::views::{Part, file_name, whole};
use crate::App;
use crate::adapters::fastapi::{ErrorBody, Members, Number, text};
use crate::audit::note_deleted;
use crate::caller::Caller;
use crate::problem::Problem;
use crate::routes::{Access, Object, Route, Told};

/// Entries of a list, unless the caller asks for another number, and at most.
const LIMIT: u32 = 50;
const LIMIT_MAX: u32 = 100;

/// What is said of an audio file that is not there, or is another's.
pub(super) const NO_AUDIO: Told =
    Told::saying(ProblemCode::RecordingNotFound, "Audio file not found");
const NOT_READ: Told = forbidden("You do not have permission to access this audio file");
const NOT_DELETED: Told = forbidden("You do not have permission to delete this audio file");

pub(super) fn routes() -> Vec<Route> {
    let reads = Access::needs(Permission::ReadRecordings);
    let writes = Access::needs(Permission::WriteRecordings);
    let audio = |foreign| Object::numbered(Kind::Recording, "audio_file_id", NO_AUDIO, foreign);
    let one = "/audio/{audio_file_id}";
    vec![
        Route::post("/audio/upload", writes, upload_audio),
        Route::get("/audio", reads, list_audio),
        Route::get(one, reads.object(audio(NOT_READ)), get_audio),
        Route::delete(one, writes.object(audio(NOT_DELETED)), delete_audio),
    ]
}

/// A file that was uploaded.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = MxWhisperAudioUploaded)]
pub(super) struct UploadedView {
    audio_file_id: i64,
    filename: String,
    file_size: u64,
    /// In seconds, once it was transcribed.
    duration: Option<f64>,
    /// SHA-256 in hexadecimal digits.
    checksum: String,
    /// Whether it was there before.
    is_duplicate: bool,
    #[schema(format = DateTime)]
    created_at: String,
    message: Option<&'static str>,
}

/// An audio file.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = MxWhisperAudio)]
pub(super) struct AudioView {
    id: i64,
    user_id: String,
    /// Our name for it: where files lie is nobody's business.
    file_path: String,
    original_filename: String,
    file_size: u64,
    mime_type: Option<String>,
    /// In seconds, once it was transcribed.
    duration: Option<f64>,
    /// SHA-256 in hexadecimal digits.
    checksum: String,
    /// `upload`, `s3` or `url`.
    source_type: &'static str,
    source_url: Option<String>,
    source_platform: Option<String>,
    #[schema(format = DateTime)]
    created_at: String,
    #[schema(format = DateTime)]
    updated_at: String,
    transcription_count: u64,
}

/// Audio files of a caller.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = MxWhisperAudioList)]
pub(super) struct AudioListView {
    /// How many there are in all.
    total: u64,
    limit: u32,
    offset: u32,
    audio_files: Vec<AudioView>,
}

/// An audio file with its transcriptions, newest first.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = MxWhisperAudioDetail)]
pub(super) struct AudioDetailView {
    #[serde(flatten)]
    #[schema(inline)]
    audio: AudioView,
    transcriptions: Vec<SummaryView>,
}

/// That an audio file is gone.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = MxWhisperAudioDeleted)]
pub(super) struct DeletedView {
    message: &'static str,
    deleted_transcriptions: u64,
}

impl UploadedView {
    fn of(kept: Kept) -> Self {
        let Kept { recording, is_duplicate } = kept;
        let filename = file_name(&recording.source, recording.title.as_deref());
        let media = recording.media;
        Self {
            audio_file_id: recording.serial,
            filename,
            file_size: media.as_ref().map_or(0, |media| media.size),
            duration: recording.duration,
            checksum: media.map_or_else(String::new, |media| media.sha256),
            is_duplicate,
            created_at: recording.created_at.to_string(),
            message: is_duplicate.then_some("File already exists. Returning existing record."),
        }
    }
}

impl AudioView {
    fn of(entry: RecordingEntry) -> Self {
        let RecordingEntry { recording, jobs, owner } = entry;
        let (size, media_type, sha256) = match recording.media {
            Some(media) => (media.size, Some(media.media_type), media.sha256),
            // One that is still to be fetched.
            None => (0, None, String::new()),
        };
        Self {
            id: recording.serial,
            user_id: owner,
            file_path: recording.id.to_string(),
            original_filename: file_name(&recording.source, recording.title.as_deref()),
            file_size: size,
            mime_type: media_type,
            duration: recording.duration,
            checksum: sha256,
            source_type: recording.source.kind(),
            source_url: match recording.source {
                Source::Url { url } => Some(url),
                Source::Upload { .. } | Source::S3 { .. } => None,
            },
            source_platform: None,
            created_at: recording.created_at.to_string(),
            updated_at: recording.updated_at.to_string(),
            transcription_count: jobs,
        }
    }
}

/// Keeps a file. One that is there already is found by its SHA-256, and is not kept twice.
#[utoipa::path(
    post, path = "/audio/upload", tag = "mxwhisper", operation_id = "mxwhisper_upload_audio",
    request_body(content = UploadForm, content_type = "multipart/form-data"),
    responses(
        (status = 201, description = "The file, new or not", body = UploadedView),
        (status = "default", description = "FastAPI's error, with a code", body = ErrorBody),
    ),
)]
pub(super) async fn upload_audio(
    State(app): State<App>,
    caller: Caller,
    request: Request,
) -> Result<(StatusCode, Json<UploadedView>), Problem> {
    let own = app.clone();
    let kept = app.to_the_end(keep(own, caller, request)).await?;
    Ok((StatusCode::CREATED, Json(UploadedView::of(kept))))
}

async fn keep(app: App, caller: Caller, request: Request) -> Result<Kept, Problem> {
    let upload = read_file(&app, &caller, request).await?;
    let recording = recording(&caller, &upload);
    match app.store().keep_recording(caller.reach(), recording).await {
        Ok(kept) => Ok(kept),
        Err(error) => {
            upload.abandon(&app).await;
            Err(error.into())
        }
    }
}

/// The audio files of the caller, newest first.
#[utoipa::path(
    get, path = "/audio", tag = "mxwhisper", operation_id = "mxwhisper_audio_files",
    params(
        ("source_type" = Option<String>, Query, description = "Only `upload`, `s3` or `url`"),
        ("limit" = Option<u32>, Query, description = "How many: 1 to 100, and 50 unless it is given"),
        ("offset" = Option<u32>, Query, description = "How many to leave out at the beginning"),
    ),
    responses(
        (status = 200, description = "The audio files", body = AudioListView),
        (status = "default", description = "FastAPI's error, with a code", body = ErrorBody),
    ),
)]
pub(super) async fn list_audio(
    State(app): State<App>,
    caller: Caller,
    RawQuery(query): RawQuery,
) -> Result<Json<AudioListView>, Problem> {
    let mut query = Members::of_query(query.as_deref());
    let source = query.optional("source_type", text);
    let Part { offset, limit } = Part::read(&mut query, LIMIT, LIMIT_MAX);
    query.finish()?;
    let listed =
        app.store().list_recordings(caller.reach(), source.as_deref(), offset, limit).await?;
    let audio_files = listed.items.into_iter().map(AudioView::of).collect();
    Ok(Json(AudioListView { total: listed.total, limit, offset, audio_files }))
}

/// One audio file with its transcriptions, newest first: the first ten thousand.
#[utoipa::path(
    get, path = "/audio/{audio_file_id}", tag = "mxwhisper", operation_id = "mxwhisper_audio_file",
    params(("audio_file_id" = i64, Path, description = "Its number")),
    responses(
        (status = 200, description = "The audio file", body = AudioDetailView),
        (status = "default", description = "FastAPI's error, with a code", body = ErrorBody),
    ),
)]
pub(super) async fn get_audio(
    State(app): State<App>,
    caller: Caller,
    Number(number): Number,
) -> Result<Json<AudioDetailView>, Problem> {
    let entry = find(&app, &caller, number).await?;
    let its = EntryFilter { recording: Some(number), ..EntryFilter::default() };
    let (store, reach, its) = (app.store(), caller.reach(), &its);
    let jobs =
        whole(
            |offset| async move { Ok(store.list_jobs(reach, its, offset, LIST_MAX).await?.items) },
        );
    let transcriptions = jobs.await?.into_iter().map(SummaryView::of).collect();
    Ok(Json(AudioDetailView { audio: AudioView::of(entry), transcriptions }))
}

/// Deletes an audio file with its transcriptions.
#[utoipa::path(
    delete, path = "/audio/{audio_file_id}", tag = "mxwhisper", operation_id = "mxwhisper_delete_audio",
    params(("audio_file_id" = i64, Path, description = "Its number")),
    responses(
        (status = 200, description = "It is gone", body = DeletedView),
        (status = "default", description = "FastAPI's error, with a code", body = ErrorBody),
    ),
)]
pub(super) async fn delete_audio(
    State(app): State<App>,
    caller: Caller,
    Number(number): Number,
) -> Result<Json<DeletedView>, Problem> {
    let entry = find(&app, &caller, number).await?;
    if !app.store().delete_recording(caller.reach(), &entry.recording.id).await? {
        return Err(NO_AUDIO.into());
    }
    note_deleted(&app, &caller, &entry.recording.id).await;
    let message = "Audio file deleted successfully";
    Ok(Json(DeletedView { message, deleted_transcriptions: entry.jobs }))
}

/// The audio file with this number.
///
/// # Errors
/// [`ProblemCode::RecordingNotFound`] where it was deleted meanwhile.
pub(super) async fn find(
    app: &App,
    caller: &Caller,
    number: i64,
) -> Result<RecordingEntry, Problem> {
    let entry = app.store().find_recording_number(caller.reach(), number).await?;
    Ok(entry.ok_or(NO_AUDIO)?)
}
