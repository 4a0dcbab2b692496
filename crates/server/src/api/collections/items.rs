//! The recordings in a collection, and their order.

use axum::Json;
use axum::extract::{Request, State};
use hansard_domain::access::{Kind, Permission};
use hansard_domain::id::{CollectionId, RecordingId};
use hansard_domain::problem::ProblemCode;
use hansard_store::collections::{Item, ItemAdded};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::missing;
use crate::App;
use crate::api::asks::optional_fields;
use crate::api::pages::{PageView, Stretch};
use crate::caller::Caller;
use crate::extract::{ApiPath, ApiQuery};
use crate::openapi::PositionBody;
use crate::problem::Problem;
use crate::routes::{Access, Object, Route};

/// The last place that a recording can be put at.
pub(crate) const POSITION_MAX: i64 = 1_000_000_000;

/// The routes of the recordings in collections.
pub(super) fn routes() -> Vec<Route> {
    let recordings = Permission::ReadRecordings;
    let sees = Access::of(Permission::ReadCollections, Kind::Collection).and(recordings).shared();
    let changes = Access::of(Permission::WriteCollections, Kind::Collection)
        .and(recordings)
        .object(Object::named(Kind::Recording, "recording"));
    let all = "/api/v1/collections/{id}/items";
    let one = "/api/v1/collections/{id}/items/{recording}";
    vec![
        Route::get(all, sees, list_collection_items),
        Route::put(one, changes, put_collection_item),
        Route::delete(one, changes, delete_collection_item),
    ]
}

/// A recording in a collection.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = CollectionItem)]
pub(crate) struct ItemView {
    /// The recording.
    recording_id: String,
    /// Its place, from 1; several may have the same one.
    position: i64,
    /// The user or service token that added it; `null` where that was nobody in particular.
    assigned_by: Option<String>,
    /// When it was added.
    #[schema(format = DateTime)]
    created_at: String,
}

impl ItemView {
    fn of(item: Item) -> Self {
        Self {
            recording_id: item.recording.to_string(),
            position: item.position,
            assigned_by: item.assigned_by,
            created_at: item.added_at.to_string(),
        }
    }
}

/// Which recordings to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListItems {
    /// The `next_cursor` of the page before.
    cursor: Option<String>,
    /// Items of the page: 1 to 200, and 50 unless it is given.
    limit: Option<u32>,
}

/// The recordings in a collection, by their places, as far as the caller may see them.
///
/// Whoever is no member of its workspace sees the public ones.
#[utoipa::path(
    get, path = "/api/v1/collections/{id}/items", tag = "collections",
    params(("id" = String, Path, description = "The collection's id"), ListItems),
    responses((status = 200, description = "A page of recordings", body = PageView<ItemView>)),
)]
pub(crate) async fn list_collection_items(
    State(app): State<App>,
    caller: Caller,
    ApiPath(id): ApiPath<CollectionId>,
    ApiQuery(list): ApiQuery<ListItems>,
) -> Result<Json<PageView<ItemView>>, Problem> {
    let stretch = Stretch::read(list.cursor.as_deref(), list.limit)?;
    let (offset, wanted) = (stretch.offset, stretch.wanted());
    let items = app.store().collection_items(caller.reach(), &id, offset, wanted).await?;
    Ok(Json(stretch.page(items.ok_or_else(missing)?, ItemView::of)))
}

/// Puts a recording into a collection, or at another place of it; behind all others unless the body says where. Others stay where
/// they are.
#[utoipa::path(
    put, path = "/api/v1/collections/{id}/items/{recording}", tag = "collections",
    params(
        ("id" = String, Path, description = "The collection's id"),
        ("recording" = String, Path, description = "The recording's id"),
    ),
    request_body = Option<PositionBody>,
    responses((status = 200, description = "The recording as the collection has it now", body = ItemView)),
)]
pub(crate) async fn put_collection_item(
    State(app): State<App>,
    caller: Caller,
    ApiPath((collection, recording)): ApiPath<(CollectionId, RecordingId)>,
    request: Request,
) -> Result<Json<ItemView>, Problem> {
    let mut fields = optional_fields(&app, request).await?;
    let position = fields.integer("position", 1, POSITION_MAX);
    fields.finish()?;
    let (store, reach) = (app.store(), caller.reach());
    let added =
        store.add_to_collection(reach, &collection, &recording, position, caller.id()).await?;
    let item = match (added, position) {
        (ItemAdded::Done(item), _) | (ItemAdded::Present(item), None) => item,
        (ItemAdded::Present(_), Some(position)) => {
            let moved = store.move_in_collection(reach, &collection, &recording, position).await?;
            moved.ok_or_else(no_item)?
        }
        (ItemAdded::CollectionMissing, _) => return Err(missing()),
        (ItemAdded::RecordingMissing, _) => return Err(no_item()),
    };
    Ok(Json(ItemView::of(item)))
}

/// Takes a recording out of a collection, if it is in it. The recording stays.
#[utoipa::path(
    delete, path = "/api/v1/collections/{id}/items/{recording}", tag = "collections",
    params(
        ("id" = String, Path, description = "The collection's id"),
        ("recording" = String, Path, description = "The recording's id"),
    ),
    responses((status = 204, description = "It is not in the collection any more")),
)]
pub(crate) async fn delete_collection_item(
    State(app): State<App>,
    caller: Caller,
    ApiPath((collection, recording)): ApiPath<(CollectionId, RecordingId)>,
) -> Result<StatusCode, Problem> {
    app.store().remove_from_collection(caller.reach(), &collection, &recording).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn no_item() -> Problem {
    Problem::new(ProblemCode::RecordingNotFound)
}
