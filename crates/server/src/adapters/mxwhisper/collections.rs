//! Collections, and the jobs whose recordings are in them.

use axum::Json;
use axum::extract::{RawQuery, Request, State};
use hansard_domain::access::{Kind, Permission};
use hansard_domain::job::Visibility;
use hansard_domain::problem::ProblemCode;
use hansard_store::catalogue::{CollectedJob, LIST_MAX};
use hansard_store::collections::{Collection, CollectionEdit, CollectionFilter, NewCollection};
use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use super::forbidden;
use super::views::{Makers, WHOLE_MAX, file_name, whole};
use crate::App;
use crate::adapters::fastapi::{
    self, ErrorBody, Members, Number, boolean, characters, kept_text, text,
};
use crate::api::asks::VISIBILITY_DEFAULT;
use crate::api::collections::{KIND_MAX, NAME_MAX};
use crate::api::topics::DESCRIPTION_MAX;
use crate::audit::note_deleted;
use crate::caller::Caller;
use crate::problem::Problem;
use crate::routes::{Access, Object, Route, Told};

/// What is said of a collection that is not there, or is another's.
const NONE_TO_READ: Told = Told::saying(ProblemCode::CollectionNotFound, "Collection not found");
const NONE_TO_CHANGE: Told =
    Told::saying(ProblemCode::CollectionNotFound, "Collection {collection_id} not found");
const NOT_READ: Told = forbidden("You do not have permission to access this collection");
const NOT_UPDATED: Told = forbidden("You do not have permission to update this collection");
const NOT_DELETED: Told = forbidden("You do not have permission to delete this collection");

pub(super) fn routes() -> Vec<Route> {
    let reads = Access::needs(Permission::ReadCollections);
    let writes = Access::needs(Permission::WriteCollections);
    let collection =
        |missing, foreign| Object::numbered(Kind::Collection, "collection_id", missing, foreign);
    let shows = reads.and(Permission::ReadRecordings);
    let sees = shows.object(collection(NONE_TO_READ, NOT_READ)).shared();
    let updates = writes.object(collection(NONE_TO_CHANGE, NOT_UPDATED));
    let deletes = writes.object(collection(NONE_TO_CHANGE, NOT_DELETED));
    let one = "/collections/{collection_id}";
    vec![
        Route::get("/collections", reads, list_collections),
        Route::post("/collections", writes, create_collection),
        Route::get(one, sees, get_collection),
        Route::put(one, updates, update_collection),
        Route::delete(one, deletes, delete_collection),
    ]
}

/// What is known of a collection besides what is in it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AboutView {
    name: String,
    description: Option<String>,
    /// What it is, in a word, as `book` or `series`.
    collection_type: Option<String>,
    /// Whether everybody who can log in may see it.
    is_public: bool,
    id: i64,
    user_id: String,
}

/// A collection.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = MxWhisperCollection)]
pub(super) struct CollectionView {
    #[serde(flatten)]
    #[schema(inline)]
    about: AboutView,
    /// How many recordings are in it.
    job_count: u64,
    #[schema(format = DateTime)]
    created_at: String,
    #[schema(format = DateTime)]
    updated_at: String,
}

/// The collections of a caller.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = MxWhisperCollections)]
pub(super) struct CollectionsView {
    collections: Vec<CollectionView>,
}

/// A job whose recording is in a collection.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = MxWhisperJobInCollection)]
pub(super) struct JobInView {
    job_id: i64,
    position: i64,
    filename: String,
    #[schema(format = DateTime)]
    created_at: String,
}

/// The same job, as the transcription that it makes.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = MxWhisperTranscriptionInCollection)]
pub(super) struct TranscriptionInView {
    transcription_id: i64,
    position: i64,
    language: Option<String>,
    #[schema(format = DateTime)]
    created_at: String,
}

/// A collection with what is in it, by position.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = MxWhisperCollectionDetail)]
pub(super) struct DetailView {
    #[serde(flatten)]
    #[schema(inline)]
    about: AboutView,
    jobs: Vec<JobInView>,
    transcriptions: Vec<TranscriptionInView>,
    #[schema(format = DateTime)]
    created_at: String,
    #[schema(format = DateTime)]
    updated_at: String,
}

/// A collection that is to be made or changed, for the document.
#[derive(ToSchema)]
#[schema(as = MxWhisperCollectionBody)]
#[expect(dead_code, reason = "described, never built")]
pub(super) struct CollectionBody {
    /// Needed for a new one.
    #[schema(max_length = 200)]
    name: Option<String>,
    #[schema(max_length = 2000)]
    description: Option<String>,
    #[schema(max_length = 50)]
    collection_type: Option<String>,
    is_public: Option<bool>,
}

impl AboutView {
    fn of(collection: Collection, makers: &Makers) -> Self {
        Self {
            user_id: makers.name(collection.created_by.as_deref()),
            name: collection.name,
            description: collection.description,
            collection_type: collection.kind,
            is_public: is_open(collection.visibility),
            id: collection.serial,
        }
    }
}

impl CollectionView {
    fn of(collection: Collection, makers: &Makers) -> Self {
        Self {
            job_count: collection.items,
            created_at: collection.created_at.to_string(),
            updated_at: collection.updated_at.to_string(),
            about: AboutView::of(collection, makers),
        }
    }
}

impl DetailView {
    fn of(collection: Collection, makers: &Makers, collected: &[CollectedJob]) -> Self {
        let job = |CollectedJob { entry, position, added_at }: &CollectedJob| JobInView {
            job_id: entry.job.serial,
            position: *position,
            filename: file_name(&entry.source, entry.title.as_deref()),
            created_at: added_at.to_string(),
        };
        let transcription =
            |CollectedJob { entry, position, added_at }: &CollectedJob| TranscriptionInView {
                transcription_id: entry.job.serial,
                position: *position,
                language: entry.language.clone(),
                created_at: added_at.to_string(),
            };
        Self {
            jobs: collected.iter().map(job).collect(),
            transcriptions: collected.iter().map(transcription).collect(),
            created_at: collection.created_at.to_string(),
            updated_at: collection.updated_at.to_string(),
            about: AboutView::of(collection, makers),
        }
    }
}

/// The collections of the caller, newest first: the first ten thousand.
#[utoipa::path(
    get, path = "/collections", tag = "mxwhisper", operation_id = "mxwhisper_collections",
    params(
        ("collection_type" = Option<String>, Query, description = "Only those that are called this"),
        ("is_public" = Option<bool>, Query, description = "Only those that are public, or not"),
    ),
    responses(
        (status = 200, description = "The collections", body = CollectionsView),
        (status = "default", description = "FastAPI's error, with a code", body = ErrorBody),
    ),
)]
pub(super) async fn list_collections(
    State(app): State<App>,
    caller: Caller,
    RawQuery(query): RawQuery,
) -> Result<Json<CollectionsView>, Problem> {
    let mut query = Members::of_query(query.as_deref());
    let kind = query.optional("collection_type", text);
    let is_public = query.optional("is_public", boolean);
    query.finish()?;
    let is_wanted =
        |visibility: &Visibility| is_public.is_none_or(|wanted| is_open(*visibility) == wanted);
    let visibilities = Visibility::ALL.iter().copied().filter(is_wanted).collect();
    let collections = all(&app, &caller, &CollectionFilter { kind, visibilities }).await?;
    let makers = collections.iter().map(|collection| collection.created_by.as_deref());
    let makers = Makers::of(&app, caller.workspace(), makers).await?;
    let views = collections.into_iter().map(|collection| CollectionView::of(collection, &makers));
    Ok(Json(CollectionsView { collections: views.collect() }))
}

/// The collections of the caller, newest first, as far as [`WHOLE_MAX`].
async fn all(
    app: &App,
    caller: &Caller,
    filter: &CollectionFilter,
) -> Result<Vec<Collection>, Problem> {
    let mut all = Vec::new();
    let mut before = None;
    while all.len() < WHOLE_MAX {
        let page = app.store().page_collections(caller.reach(), filter, before, LIST_MAX).await?;
        all.extend(page.items);
        before = page.next;
        if before.is_none() {
            break;
        }
    }
    Ok(all)
}

/// What the original calls public.
fn is_open(visibility: Visibility) -> bool {
    visibility == Visibility::Public
}

/// Makes a collection.
#[utoipa::path(
    post, path = "/collections", tag = "mxwhisper", operation_id = "mxwhisper_create_collection",
    request_body = CollectionBody,
    responses(
        (status = 201, description = "The collection", body = CollectionView),
        (status = "default", description = "FastAPI's error, with a code", body = ErrorBody),
    ),
)]
pub(super) async fn create_collection(
    State(app): State<App>,
    caller: Caller,
    request: Request,
) -> Result<(StatusCode, Json<CollectionView>), Problem> {
    let mut body = fastapi::body(&app, request).await?;
    let new = NewCollection {
        name: body.required("name", characters(NAME_MAX)).unwrap_or_default(),
        description: body.optional("description", kept_text(DESCRIPTION_MAX)).flatten(),
        kind: body.optional("collection_type", kept_text(KIND_MAX)).flatten(),
        visibility: match body.optional("is_public", boolean) {
            Some(true) => Visibility::Public,
            Some(false) | None => VISIBILITY_DEFAULT,
        },
        created_by: caller.creator(),
    };
    body.finish()?;
    let collection = app.store().create_collection(caller.workspace(), new).await?;
    let makers = Makers::of(&app, caller.workspace(), [caller.id()]).await?;
    Ok((StatusCode::CREATED, Json(CollectionView::of(collection, &makers))))
}

/// One collection with what is in it: the first thousand jobs, by position.
#[utoipa::path(
    get, path = "/collections/{collection_id}", tag = "mxwhisper", operation_id = "mxwhisper_collection",
    params(("collection_id" = i64, Path, description = "Its number")),
    responses(
        (status = 200, description = "The collection", body = DetailView),
        (status = "default", description = "FastAPI's error, with a code", body = ErrorBody),
    ),
)]
pub(super) async fn get_collection(
    State(app): State<App>,
    caller: Caller,
    Number(number): Number,
) -> Result<Json<DetailView>, Problem> {
    let (store, reach) = (app.store(), caller.reach());
    let collection = store.find_collection_number(reach, number).await?.ok_or(NONE_TO_READ)?;
    let id = &collection.id;
    let collected = whole(|offset| async move {
        let part = store.list_collected_jobs(reach, id, offset, LIST_MAX).await?;
        Ok(part.ok_or(NONE_TO_READ)?)
    });
    let collected = collected.await?;
    let creator = [collection.created_by.as_deref()];
    let makers = Makers::of(&app, caller.workspace(), creator).await?;
    Ok(Json(DetailView::of(collection, &makers, &collected)))
}

/// Changes a collection. What is left out, or `null`, stays.
#[utoipa::path(
    put, path = "/collections/{collection_id}", tag = "mxwhisper", operation_id = "mxwhisper_update_collection",
    params(("collection_id" = i64, Path, description = "Its number")),
    request_body = CollectionBody,
    responses(
        (status = 200, description = "The collection as it is now", body = CollectionView),
        (status = "default", description = "FastAPI's error, with a code", body = ErrorBody),
    ),
)]
pub(super) async fn update_collection(
    State(app): State<App>,
    caller: Caller,
    Number(number): Number,
    request: Request,
) -> Result<Json<CollectionView>, Problem> {
    let mut body = fastapi::body(&app, request).await?;
    let name = body.optional("name", characters(NAME_MAX));
    let description = body.optional("description", kept_text(DESCRIPTION_MAX));
    let kind = body.optional("collection_type", kept_text(KIND_MAX));
    let is_public = body.optional("is_public", boolean);
    body.finish()?;
    let collection = find(&app, &caller, number).await?;
    let visibility = is_public.and_then(|is_public| match (is_public, collection.visibility) {
        (true, _) => Some(Visibility::Public),
        (false, Visibility::Public | Visibility::Link) => Some(VISIBILITY_DEFAULT),
        // It is closed already, and stays private where somebody made it so natively.
        (false, Visibility::Workspace | Visibility::Private) => None,
    });
    let edit = CollectionEdit { name, description, kind, visibility };
    let (reach, by) = (caller.reach(), caller.by());
    let edited = app.store().update_collection(reach, &collection.id, edit, &by).await?;
    let edited = edited.ok_or_else(|| missing(number))?;
    let makers = Makers::of(&app, caller.workspace(), [edited.created_by.as_deref()]).await?;
    Ok(Json(CollectionView::of(edited, &makers)))
}

/// Deletes a collection. What is in it stays.
#[utoipa::path(
    delete, path = "/collections/{collection_id}", tag = "mxwhisper", operation_id = "mxwhisper_delete_collection",
    params(("collection_id" = i64, Path, description = "Its number")),
    responses(
        (status = 204, description = "It is gone"),
        (status = "default", description = "FastAPI's error, with a code", body = ErrorBody),
    ),
)]
pub(super) async fn delete_collection(
    State(app): State<App>,
    caller: Caller,
    Number(number): Number,
) -> Result<StatusCode, Problem> {
    let collection = find(&app, &caller, number).await?;
    if app.store().delete_collection(caller.reach(), &collection.id).await? {
        note_deleted(&app, &caller, &collection.id).await;
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(missing(number))
    }
}

/// The collection with this number.
///
/// # Errors
/// [`ProblemCode::CollectionNotFound`] where it was deleted meanwhile.
pub(super) async fn find(app: &App, caller: &Caller, number: i64) -> Result<Collection, Problem> {
    let collection = app.store().find_collection_number(caller.reach(), number).await?;
    collection.ok_or_else(|| missing(number))
}

fn missing(number: i64) -> Problem {
    NONE_TO_CHANGE.filled([("collection_id", number)])
}
