//! Collections: recordings of a workspace that belong together, as the chapters of a book, in an order of their own.

pub(crate) mod items;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use hansard_domain::access::{Kind, Permission};
use hansard_domain::id::CollectionId;
use hansard_domain::job::Visibility;
use hansard_domain::problem::ProblemCode;
use hansard_store::collections::{Collection, CollectionEdit, CollectionFilter, NewCollection};
use http::StatusCode;
use http::header::LOCATION;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use crate::App;
use crate::api::asks::VISIBILITY_DEFAULT;
use crate::api::pages::{PageView, Parameters};
use crate::api::topics::DESCRIPTION_MAX;
use crate::audit::note_deleted;
use crate::caller::Caller;
use crate::extract::{ApiJson, ApiPath, ApiQuery};
use crate::fields::Fields;
use crate::openapi::{CollectionPatch, NewCollectionBody, names};
use crate::problem::Problem;
use crate::routes::{Access, Route};

/// Where collections are.
const PATH: &str = "/api/v1/collections";

/// Characters of a collection's name.
pub(crate) const NAME_MAX: usize = 200;

/// Characters of the word that says what a collection is.
pub(crate) const KIND_MAX: usize = 50;

/// The routes of collections and of the recordings in them.
pub(crate) fn routes() -> Vec<Route> {
    let sees = Access::of(Permission::ReadCollections, Kind::Collection).shared();
    let changes = Access::of(Permission::WriteCollections, Kind::Collection);
    let one = format!("{PATH}/{{id}}");
    let mut routes = vec![
        Route::get(PATH, Access::needs(Permission::ReadCollections), list_collections),
        Route::post(PATH, Access::needs(Permission::WriteCollections), create_collection),
        Route::get(&one, sees, get_collection),
        Route::patch(&one, changes, update_collection),
        Route::delete(&one, changes, delete_collection),
    ];
    routes.extend(items::routes());
    routes
}

/// A collection.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Collection)]
pub(crate) struct CollectionView {
    /// Its name among stored things.
    id: String,
    /// Its number, by which MxWhisper's clients know it.
    serial: i64,
    /// What people call it.
    name: String,
    /// What it is about.
    description: Option<String>,
    /// What it is, in a word of the caller's own, as `book` or `series`.
    kind: Option<String>,
    /// Who may see it besides its owner. The recordings in it keep their own visibility, and only public ones are found in it by
    /// others than the workspace's members.
    #[schema(schema_with = names::visibility)]
    visibility: &'static str,
    /// How many recordings it has, of those that the caller finds in it.
    items: u64,
    /// The user or service token that made it; `null` where that was nobody in particular.
    created_by: Option<String>,
    /// When it was made.
    #[schema(format = DateTime)]
    created_at: String,
    /// When something about it changed last, its recordings aside.
    #[schema(format = DateTime)]
    updated_at: String,
}

impl CollectionView {
    fn of(collection: Collection) -> Self {
        Self {
            id: collection.id.to_string(),
            serial: collection.serial,
            name: collection.name,
            description: collection.description,
            kind: collection.kind,
            visibility: collection.visibility.name(),
            items: collection.items,
            created_by: collection.created_by,
            created_at: collection.created_at.to_string(),
            updated_at: collection.updated_at.to_string(),
        }
    }
}

/// Which collections to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListCollections {
    /// Only those of this kind.
    kind: Option<String>,
    /// Only those that these people may see.
    #[param(schema_with = names::visibility, required = false)]
    visibility: Option<String>,
    /// The `next_cursor` of the page before.
    cursor: Option<String>,
    /// Items of the page: 1 to 200, and 50 unless it is given.
    limit: Option<u32>,
}

/// The collections of the caller's workspace, newest first.
#[utoipa::path(
    get, path = "/api/v1/collections", tag = "collections",
    params(ListCollections),
    responses((status = 200, description = "A page of collections", body = PageView<CollectionView>)),
)]
pub(crate) async fn list_collections(
    State(app): State<App>,
    caller: Caller,
    ApiQuery(list): ApiQuery<ListCollections>,
) -> Result<Json<PageView<CollectionView>>, Problem> {
    let mut parameters = Parameters::default();
    let visibility = parameters.read("visibility", list.visibility.as_deref(), |name| {
        Visibility::from_name(name).ok_or("there is no such visibility")
    });
    let place = parameters.place(list.cursor.as_deref(), list.limit)?;
    let visibilities = Vec::from_iter(visibility);
    let filter = CollectionFilter { kind: list.kind, visibilities };
    let page =
        app.store().page_collections(caller.reach(), &filter, place.before, place.limit).await?;
    Ok(Json(PageView::of(page, CollectionView::of)))
}

/// Makes a collection.
#[utoipa::path(
    post, path = "/api/v1/collections", tag = "collections",
    request_body = NewCollectionBody,
    responses((status = 201, description = "The collection", body = CollectionView)),
)]
pub(crate) async fn create_collection(
    State(app): State<App>,
    caller: Caller,
    ApiJson(json): ApiJson<Value>,
) -> Result<Response, Problem> {
    let mut fields = Fields::of_json(json)?;
    if !fields.has("name") {
        fields.refuse("name", "needed");
    }
    let new = NewCollection {
        name: fields.text("name", NAME_MAX).unwrap_or_default(),
        description: fields.text("description", DESCRIPTION_MAX),
        kind: fields.text("kind", KIND_MAX),
        visibility: visibility(&mut fields, "visibility").unwrap_or(VISIBILITY_DEFAULT),
        created_by: caller.creator(),
    };
    fields.finish()?;
    let collection = app.store().create_collection(caller.workspace(), new).await?;
    let location = format!("{PATH}/{}", collection.id);
    let view = Json(CollectionView::of(collection));
    Ok((StatusCode::CREATED, [(LOCATION, location)], view).into_response())
}

/// One collection.
#[utoipa::path(
    get, path = "/api/v1/collections/{id}", tag = "collections",
    params(("id" = String, Path, description = "Its id")),
    responses((status = 200, description = "The collection", body = CollectionView)),
)]
pub(crate) async fn get_collection(
    State(app): State<App>,
    caller: Caller,
    ApiPath(id): ApiPath<CollectionId>,
) -> Result<Json<CollectionView>, Problem> {
    let collection = app.store().find_collection(caller.reach(), &id).await?;
    Ok(Json(CollectionView::of(collection.ok_or_else(missing)?)))
}

/// Changes a collection, by a JSON merge patch (RFC 7396).
#[utoipa::path(
    patch, path = "/api/v1/collections/{id}", tag = "collections",
    params(("id" = String, Path, description = "Its id")),
    request_body(content(
        (CollectionPatch = "application/merge-patch+json"),
        (CollectionPatch = "application/json"),
    )),
    responses((status = 200, description = "The collection as it is now", body = CollectionView)),
)]
pub(crate) async fn update_collection(
    State(app): State<App>,
    caller: Caller,
    ApiPath(id): ApiPath<CollectionId>,
    ApiJson(json): ApiJson<Value>,
) -> Result<Json<CollectionView>, Problem> {
    let mut fields = Fields::of_patch(json)?;
    let name = fields.change("name", |fields, name| fields.text(name, NAME_MAX));
    if name == Some(None) {
        fields.refuse("name", "needed: a collection cannot be without it");
    }
    let edit = CollectionEdit {
        name: name.flatten(),
        description: fields
            .change("description", |fields, name| fields.text(name, DESCRIPTION_MAX)),
        kind: fields.change("kind", |fields, name| fields.text(name, KIND_MAX)),
        visibility: fields
            .change("visibility", visibility)
            .map(|given| given.unwrap_or(VISIBILITY_DEFAULT)),
    };
    fields.finish()?;
    let collection = app.store().update_collection(caller.reach(), &id, edit, &caller.by()).await?;
    Ok(Json(CollectionView::of(collection.ok_or_else(missing)?)))
}

/// Deletes a collection. The recordings in it stay.
#[utoipa::path(
    delete, path = "/api/v1/collections/{id}", tag = "collections",
    params(("id" = String, Path, description = "Its id")),
    responses((status = 204, description = "It is gone")),
)]
pub(crate) async fn delete_collection(
    State(app): State<App>,
    caller: Caller,
    ApiPath(id): ApiPath<CollectionId>,
) -> Result<StatusCode, Problem> {
    if app.store().delete_collection(caller.reach(), &id).await? {
        note_deleted(&app, &caller, &id).await;
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(missing())
    }
}

fn visibility(fields: &mut Fields, name: &str) -> Option<Visibility> {
    fields.choice(name, Visibility::ALL, Visibility::name)
}

fn missing() -> Problem {
    Problem::new(ProblemCode::CollectionNotFound)
}
