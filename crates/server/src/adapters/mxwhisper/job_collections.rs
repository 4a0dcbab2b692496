//! The collections of a job, which are those of its recording, and its place in each.

use axum::Json;
use axum::extract::{Request, State};
use hansard_domain::access::{Deed, Kind, Named, Permission, Standing};
use hansard_domain::problem::ProblemCode;
use hansard_store::collections::{Collection, Item, ItemAdded, Placement};
use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use super::jobs::{NO_JOB, NONE_TO_CHANGE, NOT_CHANGED, NOT_READ, find, job};
use super::views::Makers;
use super::{forbidden, refusal};
use crate::App;
use crate::adapters::fastapi::{self, ErrorBody, Number, Numbers, integer, integer_between};
use crate::api::collections::items::POSITION_MAX;
use crate::caller::Caller;
use crate::door::{self, objects::found};
use crate::problem::Problem;
use crate::routes::{Access, Object, Route, Told};

/// What is said of another's collection, and of a job that is not in a collection.
const NOT_YOURS: &str = "You do not have permission to modify this collection";
const NOT_IN_IT: Told = Told::saying(
    ProblemCode::CollectionNotFound,
    "Job {job_id} is not in collection {collection_id}",
);

pub(super) fn routes() -> Vec<Route> {
    let recordings = Permission::ReadRecordings;
    let shown = job(NO_JOB, NOT_READ).overseen();
    let sees = Access::needs(Permission::ReadCollections).and(recordings).object(shown);
    let writes = Access::needs(Permission::WriteCollections).and(recordings);
    let adds = writes.object(job(NONE_TO_CHANGE, NOT_CHANGED));
    let collection =
        Object::numbered(Kind::Collection, "collection_id", NOT_IN_IT, forbidden(NOT_YOURS));
    let changes = writes.object(job(NOT_IN_IT, NOT_CHANGED)).object(collection);
    let all = "/jobs/{job_id}/collections";
    let one = "/jobs/{job_id}/collections/{collection_id}";
    vec![
        Route::get(all, sees, list_job_collections),
        Route::post(all, adds, add_job),
        Route::patch(one, changes, move_job),
        Route::delete(one, changes, remove_job),
    ]
}

/// A collection that a job is in.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = MxWhisperJobCollection)]
pub(super) struct PlacementView {
    collection_id: i64,
    name: String,
    position: i64,
    #[schema(format = DateTime)]
    assigned_at: String,
}

impl PlacementView {
    fn of(placement: Placement) -> Self {
        Self {
            collection_id: placement.serial,
            name: placement.name,
            position: placement.position,
            assigned_at: placement.added_at.to_string(),
        }
    }
}

/// The collections of a job.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = MxWhisperJobCollections)]
pub(super) struct PlacementsView {
    job_id: i64,
    collections: Vec<PlacementView>,
}

/// A job in a collection.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = MxWhisperJobPlaced)]
pub(super) struct PlacedView {
    job_id: i64,
    collection_id: i64,
    position: i64,
    assigned_by: String,
    #[schema(format = DateTime)]
    created_at: String,
}

impl PlacedView {
    async fn of(
        app: &App,
        caller: &Caller,
        (job_id, collection_id): (i64, i64),
        item: Item,
    ) -> Result<Self, Problem> {
        let maker = item.assigned_by.as_deref();
        let makers = Makers::of(app, caller.workspace(), [maker]).await?;
        Ok(Self {
            job_id,
            collection_id,
            position: item.position,
            assigned_by: makers.name(maker),
            created_at: item.added_at.to_string(),
        })
    }
}

/// That a job was taken out of a collection.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = MxWhisperJobRemoved)]
pub(super) struct RemovedView {
    message: &'static str,
    job_id: i64,
    collection_id: i64,
}

/// Where a job goes, for the document.
#[derive(ToSchema)]
#[schema(as = MxWhisperPlacement)]
#[expect(dead_code, reason = "described, never built")]
pub(super) struct PlacementBody {
    collection_id: i64,
    /// Behind all others if it is left out.
    #[schema(minimum = 1)]
    position: Option<i64>,
}

/// Another place of a job, for the document.
#[derive(ToSchema)]
#[schema(as = MxWhisperPosition)]
#[expect(dead_code, reason = "described, never built")]
pub(super) struct PositionBody {
    #[schema(minimum = 1)]
    position: i64,
}

/// The collections that a job is in, by name.
#[utoipa::path(
    get, path = "/jobs/{job_id}/collections", tag = "mxwhisper", operation_id = "mxwhisper_job_collections",
    params(("job_id" = i64, Path, description = "The job's number")),
    responses(
        (status = 200, description = "The collections", body = PlacementsView),
        (status = "default", description = "FastAPI's error, with a code", body = ErrorBody),
    ),
)]
pub(super) async fn list_job_collections(
    State(app): State<App>,
    caller: Caller,
    Number(job_id): Number,
) -> Result<Json<PlacementsView>, Problem> {
    let entry = find(&app, &caller, job_id, NO_JOB).await?;
    let placements = app.store().collections_of(caller.reach(), &entry.job.recording).await?;
    let placements = placements.unwrap_or_default().into_iter().map(PlacementView::of);
    Ok(Json(PlacementsView { job_id, collections: placements.collect() }))
}

/// Puts a job into a collection.
#[utoipa::path(
    post, path = "/jobs/{job_id}/collections", tag = "mxwhisper", operation_id = "mxwhisper_add_job",
    params(("job_id" = i64, Path, description = "The job's number")),
    request_body = PlacementBody,
    responses(
        (status = 201, description = "It is in the collection", body = PlacedView),
        (status = "default", description = "FastAPI's error, with a code", body = ErrorBody),
    ),
)]
pub(super) async fn add_job(
    State(app): State<App>,
    caller: Caller,
    Number(job_id): Number,
    request: Request,
) -> Result<(StatusCode, Json<PlacedView>), Problem> {
    let mut body = fastapi::body(&app, request).await?;
    let number = body.required("collection_id", integer).unwrap_or_default();
    let position = body.optional("position", integer_between(1, POSITION_MAX));
    body.finish()?;
    let entry = find(&app, &caller, job_id, NO_JOB).await?;
    let collection = named_collection(&app, &caller, number).await?;
    let (reach, recording) = (caller.reach(), &entry.job.recording);
    let added = app
        .store()
        .add_to_collection(reach, &collection.id, recording, position, caller.id())
        .await?;
    match added {
        ItemAdded::Done(item) => {
            let view = PlacedView::of(&app, &caller, (job_id, number), item).await?;
            Ok((StatusCode::CREATED, Json(view)))
        }
        ItemAdded::Present(_) => {
            Err(refusal(format!("Job {job_id} is already in collection {number}")))
        }
        ItemAdded::CollectionMissing => Err(no_collection(number)),
        ItemAdded::RecordingMissing => Err(NONE_TO_CHANGE.filled([("job_id", job_id)])),
    }
}

/// The collection that a body names, which no declaration has looked at.
async fn named_collection(app: &App, caller: &Caller, number: i64) -> Result<Collection, Problem> {
    let name = Named::Serial(number);
    match found(app, caller, Kind::Collection, &name, Deed::Write).await? {
        None => Err(no_collection(number)),
        Some((Standing::Own, _)) => {
            let collection = app.store().find_collection_number(caller.reach(), number).await?;
            collection.ok_or_else(|| no_collection(number))
        }
        Some((Standing::Shared | Standing::Foreign, _)) => {
            Err(door::refuse(app, caller, NOT_YOURS.to_owned()).await)
        }
    }
}

/// Puts a job at another place of a collection. Others stay where they are.
#[utoipa::path(
    patch, path = "/jobs/{job_id}/collections/{collection_id}", tag = "mxwhisper", operation_id = "mxwhisper_move_job",
    params(
        ("job_id" = i64, Path, description = "The job's number"),
        ("collection_id" = i64, Path, description = "The collection's number"),
    ),
    request_body = PositionBody,
    responses(
        (status = 200, description = "The job at its place", body = PlacedView),
        (status = "default", description = "FastAPI's error, with a code", body = ErrorBody),
    ),
)]
pub(super) async fn move_job(
    State(app): State<App>,
    caller: Caller,
    Numbers(job_id, number): Numbers,
    request: Request,
) -> Result<Json<PlacedView>, Problem> {
    let mut body = fastapi::body(&app, request).await?;
    let position = body.required("position", integer_between(1, POSITION_MAX)).unwrap_or_default();
    body.finish()?;
    let missing = || not_in_it(job_id, number);
    let entry = find(&app, &caller, job_id, NO_JOB).await?;
    let (store, reach) = (app.store(), caller.reach());
    let collection = store.find_collection_number(reach, number).await?.ok_or_else(missing)?;
    let recording = &entry.job.recording;
    let item = store.move_in_collection(reach, &collection.id, recording, position).await?;
    let item = item.ok_or_else(missing)?;
    Ok(Json(PlacedView::of(&app, &caller, (job_id, number), item).await?))
}

/// Takes a job out of a collection.
#[utoipa::path(
    delete, path = "/jobs/{job_id}/collections/{collection_id}", tag = "mxwhisper", operation_id = "mxwhisper_remove_job",
    params(
        ("job_id" = i64, Path, description = "The job's number"),
        ("collection_id" = i64, Path, description = "The collection's number"),
    ),
    responses(
        (status = 200, description = "It is taken out", body = RemovedView),
        (status = "default", description = "FastAPI's error, with a code", body = ErrorBody),
    ),
)]
pub(super) async fn remove_job(
    State(app): State<App>,
    caller: Caller,
    Numbers(job_id, number): Numbers,
) -> Result<Json<RemovedView>, Problem> {
    let missing = || not_in_it(job_id, number);
    let entry = find(&app, &caller, job_id, NO_JOB).await?;
    let (store, reach) = (app.store(), caller.reach());
    let collection = store.find_collection_number(reach, number).await?.ok_or_else(missing)?;
    if !store.remove_from_collection(reach, &collection.id, &entry.job.recording).await? {
        return Err(missing());
    }
    let message = "Job removed from collection";
    Ok(Json(RemovedView { message, job_id, collection_id: number }))
}

fn no_collection(number: i64) -> Problem {
    refusal(format!("Collection {number} not found"))
}

fn not_in_it(job: i64, collection: i64) -> Problem {
    NOT_IN_IT.filled([("job_id", job), ("collection_id", collection)])
}
