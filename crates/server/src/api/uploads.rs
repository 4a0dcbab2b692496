//! Resumable uploads: the protocol tus 1.0 (<https://tus.io/protocols/resumable-upload>).
//!
//! An upload brings the bytes of a recording over as many requests as it takes. When all of them are here, a recording is
//! created with the upload as its source; an upload that nobody goes on with is given up after a time.

pub(crate) mod pieces;
pub(crate) mod protocol;

use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt;
use hansard_domain::access::{Kind, Permission};
use hansard_domain::id::{UploadId, WorkspaceId};
use hansard_domain::problem::ProblemCode;
use hansard_store::Reach;
use hansard_store::uploads::{Append, Checksum, Upload, Uploaded};
use http::header::{CACHE_CONTROL, LOCATION};
use http::{HeaderMap, HeaderValue, StatusCode};

use crate::App;
use crate::audit::note_deleted;
use crate::caller::Caller;
use crate::extract::{ApiPath, media_type};
use crate::problem::{Problem, too_large};
use crate::routes::{Access, Route};
use protocol::Tus;

/// When to come back for an upload that somebody else writes to, as a connection does that is not yet known to be dead.
const RETRY_LOCKED: Duration = Duration::from_secs(1);

/// The content type of pieces.
const PIECE: &str = "application/offset+octet-stream";

/// The routes of the protocol.
pub(crate) fn routes() -> Vec<Route> {
    const ALL: &str = "/api/v1/uploads";
    const ONE: &str = "/api/v1/uploads/{id}";
    let creates = Access::needs(Permission::WriteRecordings);
    let goes_on = Access::of(Permission::WriteRecordings, Kind::Upload);
    let routes = [
        // What is spoken here says nothing about anybody, and clients ask before they show a credential.
        Route::options(ALL, Access::Public, describe_protocol),
        Route::post(ALL, creates, create_upload),
        Route::head(ONE, goes_on, get_upload),
        Route::patch(ONE, goes_on, append_piece),
        Route::delete(ONE, goes_on, terminate_upload),
        Route::post(ONE, goes_on, override_method),
    ];
    routes.into_iter().map(|route| route.in_words_of(protocol::greet)).collect()
}

/// What of the protocol is spoken here.
#[utoipa::path(
    options, path = "/api/v1/uploads", tag = "uploads",
    responses((status = 204, description = "`Tus-Version`, `Tus-Extension`, `Tus-Max-Size`, `Tus-Checksum-Algorithm`")),
)]
pub(crate) async fn describe_protocol(State(app): State<App>) -> Response {
    (StatusCode::NO_CONTENT, protocol::abilities(app.settings().file_bytes_max)).into_response()
}

/// Begins an upload, with its first piece if the request has one.
#[utoipa::path(
    post, path = "/api/v1/uploads", tag = "uploads",
    params(
        ("Tus-Resumable" = String, Header, description = "`1.0.0`"),
        ("Upload-Length" = Option<u64>, Header, description = "Bytes in all"),
        ("Upload-Defer-Length" = Option<u8>, Header, description = "`1` where the length is told later"),
        ("Upload-Metadata" = Option<String>, Header, description = "`filename` and others, each with its value in base64"),
        ("Upload-Checksum" = Option<String>, Header, description = "`sha1` or `sha256`, a space, and the piece's checksum in base64"),
    ),
    request_body(content = Option<Vec<u8>>, content_type = PIECE),
    responses((status = 201, description = "`Location` is the upload, `Upload-Offset` how far it is")),
)]
pub(crate) async fn create_upload(
    State(app): State<App>,
    _: Tus,
    caller: Caller,
    request: Request,
) -> Result<Response, Problem> {
    let (head, body) = request.into_parts();
    let length = protocol::length_of_new(&head.headers)?;
    check_length(&app, length)?;
    let metadata = protocol::metadata(&head.headers)?;
    let checksum = protocol::checksum(&head.headers)?;
    let (workspace, creator) = (caller.workspace(), caller.creator());
    let keep = app.settings().upload_expiry;
    let mut upload = app.store().create_upload(workspace, length, metadata, creator, keep).await?;
    if is_piece(&head.headers) {
        let (own, workspace) = (app.clone(), workspace.clone());
        upload = app.to_the_end(first_piece(own, workspace, upload, checksum, body)).await?;
    }
    let location = [(LOCATION, format!("/api/v1/uploads/{}", upload.id))];
    Ok((StatusCode::CREATED, location, protocol::progress(&upload)).into_response())
}

/// How far an upload is. A piece that is still arriving ends here: who asks has lost the connection that brought it.
#[utoipa::path(
    head, path = "/api/v1/uploads/{id}", tag = "uploads",
    params(("id" = String, Path, description = "Its id"), ("Tus-Resumable" = String, Header, description = "`1.0.0`")),
    responses((status = 200, description = "`Upload-Offset`, `Upload-Length`, `Upload-Expires`")),
)]
pub(crate) async fn get_upload(
    State(app): State<App>,
    _: Tus,
    caller: Caller,
    ApiPath(id): ApiPath<UploadId>,
) -> Result<Response, Problem> {
    find(&app, caller.reach(), &id).await?;
    app.pieces().end(&id).await;
    let upload = find(&app, caller.reach(), &id).await?;
    let no_store = [(CACHE_CONTROL, HeaderValue::from_static("no-store"))];
    let (progress, plan) = (protocol::progress(&upload), protocol::plan(&upload));
    Ok((StatusCode::OK, no_store, progress, plan).into_response())
}

/// Appends a piece. What arrived of one that breaks off is kept.
#[utoipa::path(
    patch, path = "/api/v1/uploads/{id}", tag = "uploads",
    params(
        ("id" = String, Path, description = "Its id"),
        ("Tus-Resumable" = String, Header, description = "`1.0.0`"),
        ("Upload-Offset" = u64, Header, description = "Where the piece begins: what is there already"),
        ("Upload-Checksum" = Option<String>, Header, description = "`sha1` or `sha256`, a space, and the piece's checksum in base64"),
    ),
    request_body(content = Vec<u8>, content_type = PIECE),
    responses((status = 204, description = "`Upload-Offset` is how far the upload is now")),
)]
pub(crate) async fn append_piece(
    State(app): State<App>,
    _: Tus,
    caller: Caller,
    ApiPath(id): ApiPath<UploadId>,
    request: Request,
) -> Result<Response, Problem> {
    let (head, body) = request.into_parts();
    if !is_piece(&head.headers) {
        let detail = format!("expected {PIECE}");
        return Err(Problem::new(ProblemCode::UnsupportedContentType).detail(detail));
    }
    let offset = protocol::offset(&head.headers)?;
    let checksum = protocol::checksum(&head.headers)?;
    let length = protocol::length(&head.headers)?;
    check_length(&app, length)?;
    let (own, reach) = (app.clone(), caller.reach().clone());
    let appended = app.to_the_end(async move {
        if let Some(length) = length {
            state_length(&own, &reach, &id, offset, length).await?;
        }
        append(&own, &reach, &id, offset, checksum, body).await
    });
    let upload = appended.await?;
    Ok((StatusCode::NO_CONTENT, protocol::progress(&upload)).into_response())
}

/// Gives an upload up at once.
#[utoipa::path(
    delete, path = "/api/v1/uploads/{id}", tag = "uploads",
    params(("id" = String, Path, description = "Its id"), ("Tus-Resumable" = String, Header, description = "`1.0.0`")),
    responses((status = 204, description = "It is gone")),
)]
pub(crate) async fn terminate_upload(
    State(app): State<App>,
    _: Tus,
    caller: Caller,
    ApiPath(id): ApiPath<UploadId>,
) -> Result<StatusCode, Problem> {
    find(&app, caller.reach(), &id).await?;
    app.pieces().end(&id).await;
    done(app.store().terminate_upload(caller.reach(), &id).await?)?;
    note_deleted(&app, &caller, &id).await;
    Ok(StatusCode::NO_CONTENT)
}

/// For clients that cannot send every method: what a header names in place of `POST`.
#[utoipa::path(
    post, path = "/api/v1/uploads/{id}", tag = "uploads",
    params(
        ("id" = String, Path, description = "Its id"),
        ("Tus-Resumable" = String, Header, description = "`1.0.0`"),
        ("X-HTTP-Method-Override" = String, Header, description = "`PATCH` or `DELETE`"),
    ),
    responses((status = 204, description = "As the named method answers")),
)]
pub(crate) async fn override_method(
    app: State<App>,
    tus: Tus,
    caller: Caller,
    id: ApiPath<UploadId>,
    request: Request,
) -> Result<Response, Problem> {
    match protocol::method_override(request.headers())? {
        Some("PATCH") => append_piece(app, tus, caller, id, request).await,
        Some("DELETE") => {
            terminate_upload(app, tus, caller, id).await.map(IntoResponse::into_response)
        }
        _ => Err(Problem::new(ProblemCode::MethodNotAllowed)),
    }
}

/// Upload `id` within `reach`.
pub(crate) async fn find(app: &App, reach: &Reach, id: &UploadId) -> Result<Upload, Problem> {
    let upload = app.store().find_upload(reach, id).await?;
    upload.ok_or(Problem::new(ProblemCode::UploadNotFound))
}

/// What was done, or the problem that kept it from being done.
pub(crate) fn done<T>(uploaded: Uploaded<T>) -> Result<T, Problem> {
    match uploaded {
        Uploaded::Done(value) => Ok(value),
        Uploaded::Missing => Err(Problem::new(ProblemCode::UploadNotFound)),
        Uploaded::Locked => Err(Problem::new(ProblemCode::UploadLocked).retry_after(RETRY_LOCKED)),
        Uploaded::Conflict(upload) => Err(elsewhere(&upload)),
        Uploaded::Mismatch => Err(Problem::new(ProblemCode::ChecksumMismatch)),
    }
}

/// Ends an upload that is not needed any more. One that cannot be ended now expires.
pub(crate) async fn discard(app: &App, reach: &Reach, id: &UploadId) {
    if let Err(error) = app.store().terminate_upload(reach, id).await {
        tracing::warn!(error = %error, upload.id = %id, "an upload that is not needed stays until it expires");
    }
}

/// Writes the piece that came with the creation of `upload`. Nobody knows the upload yet: if that fails, it goes.
async fn first_piece(
    app: App,
    workspace: WorkspaceId,
    upload: Upload,
    checksum: Option<Checksum>,
    body: Body,
) -> Result<Upload, Problem> {
    // Whoever has begun it reaches it, nobody in particular included.
    let reach = Reach::from(&workspace);
    let appended = append(&app, &reach, &upload.id, 0, checksum, body).await;
    if appended.is_err() {
        discard(&app, &reach, &upload.id).await;
    }
    appended
}

async fn append(
    app: &App,
    reach: &Reach,
    id: &UploadId,
    offset: u64,
    checksum: Option<Checksum>,
    body: Body,
) -> Result<Upload, Problem> {
    let settings = app.settings();
    let (limit, keep) = (settings.file_bytes_max, settings.upload_expiry);
    let piece = Append { offset, checksum, limit, keep };
    // Only the upload's owner may end what is written to it.
    find(app, reach, id).await?;
    let writing = app.pieces().begin(id).await;
    let bytes = Box::pin(body.into_data_stream().take_until(writing.ending()));
    done(app.store().write_upload(reach, id, piece, bytes).await?)
}

/// Tells an upload at `offset` the length that it was created without.
async fn state_length(
    app: &App,
    reach: &Reach,
    id: &UploadId,
    offset: u64,
    length: u64,
) -> Result<(), Problem> {
    // A piece that does not fit must not change anything, the length included.
    let upload = find(app, reach, id).await?;
    if upload.offset != offset {
        return Err(elsewhere(&upload));
    }
    match app.store().set_upload_length(reach, id, length).await? {
        Uploaded::Conflict(_) => {
            Err(protocol::refused("Upload-Length", "the upload has another length, or more bytes"))
        }
        other => done(other).map(drop),
    }
}

fn elsewhere(upload: &Upload) -> Problem {
    let detail = format!("the next piece begins at {}", upload.offset);
    Problem::new(ProblemCode::UploadOffsetConflict).detail(detail)
}

fn check_length(app: &App, length: Option<u64>) -> Result<(), Problem> {
    let limit = app.settings().file_bytes_max;
    if length.is_some_and(|length| length > limit) { Err(too_large(limit)) } else { Ok(()) }
}

fn is_piece(headers: &HeaderMap) -> bool {
    media_type(headers).as_deref() == Some(PIECE)
}
