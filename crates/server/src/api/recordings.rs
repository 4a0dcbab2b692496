//! Recordings: handed in, looked at, changed, deleted.

pub(crate) mod create;
pub(crate) mod update;
pub(crate) mod upload;

use axum::Json;
use axum::extract::State;
use hansard_domain::id::RecordingId;
use hansard_domain::problem::ProblemCode;
use hansard_domain::source::Source;
use hansard_domain::time::Timestamp;
use hansard_store::recordings::RecordingFilter;
use http::StatusCode;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::App;
use crate::api::pages::{PageView, Parameters};
use crate::api::views::RecordingView;
use crate::audit::note_deleted;
use crate::caller::Caller;
use crate::extract::{ApiPath, ApiQuery};
use crate::problem::Problem;

pub(crate) use create::{AcceptedView, answer, create_recording};
pub(crate) use update::update_recording;
pub(crate) use upload::{Form, Upload};

/// Hexadecimal digits of a SHA-256.
const SHA256_DIGITS: usize = 64;

/// Which recordings to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListRecordings {
    /// Only those whose source is of this kind: `upload`, `s3` or `url`.
    source: Option<String>,
    /// Only the one that another system calls this.
    external_id: Option<String>,
    /// Only those with these media: SHA-256 in hexadecimal digits.
    sha256: Option<String>,
    /// Only those accepted at this time or later.
    #[param(format = DateTime)]
    created_from: Option<String>,
    /// Only those accepted before this time.
    #[param(format = DateTime)]
    created_before: Option<String>,
    /// The `next_cursor` of the page before.
    cursor: Option<String>,
    /// Items of the page: 1 to 200, and 50 unless it is given.
    limit: Option<u32>,
}

/// The recordings of the caller's workspace, newest first.
#[utoipa::path(
    get, path = "/api/v1/recordings", tag = "recordings",
    params(ListRecordings),
    responses((status = 200, description = "A page of recordings", body = PageView<RecordingView>)),
)]
pub(crate) async fn list_recordings(
    State(app): State<App>,
    caller: Caller,
    ApiQuery(list): ApiQuery<ListRecordings>,
) -> Result<Json<PageView<RecordingView>>, Problem> {
    let mut parameters = Parameters::default();
    let mut time = |name, given: &Option<String>| {
        parameters.read(name, given.as_deref(), str::parse::<Timestamp>)
    };
    let created_from = time("created_from", &list.created_from);
    let created_before = time("created_before", &list.created_before);
    let source = parameters.read("source", list.source.as_deref(), source_kind);
    let sha256 = parameters.read("sha256", list.sha256.as_deref(), digest);
    let place = parameters.place(list.cursor.as_deref(), list.limit)?;
    let external_id = list.external_id;
    let filter = RecordingFilter { source, external_id, sha256, created_from, created_before };
    let page =
        app.store().page_recordings(caller.reach(), &filter, place.before, place.limit).await?;
    Ok(Json(PageView::of(page, RecordingView::of)))
}

fn source_kind(text: &str) -> Result<String, String> {
    if Source::KINDS.contains(&text) {
        Ok(text.to_owned())
    } else {
        Err(format!("expected one of {}", Source::KINDS.join(", ")))
    }
}

fn digest(text: &str) -> Result<String, String> {
    if text.len() == SHA256_DIGITS && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        Ok(text.to_ascii_lowercase())
    } else {
        Err(format!("expected {SHA256_DIGITS} hexadecimal digits"))
    }
}

/// One recording.
#[utoipa::path(
    get, path = "/api/v1/recordings/{id}", tag = "recordings",
    params(("id" = String, Path, description = "Its id")),
    responses((status = 200, description = "The recording", body = RecordingView)),
)]
pub(crate) async fn get_recording(
    State(app): State<App>,
    caller: Caller,
    ApiPath(id): ApiPath<RecordingId>,
) -> Result<Json<RecordingView>, Problem> {
    let recording = app.store().find_recording(caller.reach(), &id).await?;
    let recording = recording.ok_or(Problem::new(ProblemCode::RecordingNotFound))?;
    Ok(Json(RecordingView::of(recording)))
}

/// Deletes a recording with all that belongs to it: its media, jobs and transcripts, and what was to be delivered about them.
///
/// A job that runs loses its lease, and its worker stops within a second.
#[utoipa::path(
    delete, path = "/api/v1/recordings/{id}", tag = "recordings",
    params(("id" = String, Path, description = "Its id")),
    responses((status = 204, description = "It is gone")),
)]
pub(crate) async fn delete_recording(
    State(app): State<App>,
    caller: Caller,
    ApiPath(id): ApiPath<RecordingId>,
) -> Result<StatusCode, Problem> {
    if !app.store().delete_recording(caller.reach(), &id).await? {
        return Err(Problem::new(ProblemCode::RecordingNotFound));
    }
    note_deleted(&app, &caller, &id).await;
    Ok(StatusCode::NO_CONTENT)
}
