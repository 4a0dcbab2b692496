//! Webhook endpoints: addresses that events are sent to, and the secrets that sign them.
//!
//! A secret is in the answer to the request that made it, and nowhere else.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use hansard_domain::access::{Kind, Permission};
use hansard_domain::event::EventKind;
use hansard_domain::id::{EndpointId, Id};
use hansard_domain::problem::ProblemCode;
use hansard_store::deliveries::Tested;
use hansard_store::endpoints::{Endpoint, EndpointChange, NewEndpoint, Secured};
use http::header::{CACHE_CONTROL, LOCATION};
use http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use crate::App;
use crate::api::asks;
use crate::api::deliveries::{self, DeliveryView};
use crate::api::pages::{PageView, Place};
use crate::audit::note_deleted;
use crate::caller::Caller;
use crate::extract::{ApiJson, ApiPath, ApiQuery};
use crate::fields::Fields;
use crate::openapi::{EndpointPatch, NewEndpointBody};
use crate::problem::Problem;
use crate::routes::{Access, Route};

/// Where endpoints are.
const PATH: &str = "/api/v1/webhooks/endpoints";

/// Characters of a description.
const DESCRIPTION_MAX: usize = 500;

/// The routes of webhook endpoints.
pub(crate) fn routes() -> Vec<Route> {
    let all = Access::needs(Permission::ManageWebhooks);
    let this = Access::of(Permission::ManageWebhooks, Kind::Endpoint);
    let one = format!("{PATH}/{{id}}");
    vec![
        Route::post(PATH, all, create_endpoint),
        Route::get(PATH, all, list_endpoints),
        Route::get(&one, this, get_endpoint),
        Route::patch(&one, this, update_endpoint),
        Route::delete(&one, this, delete_endpoint),
        Route::post(&format!("{one}/rotate-secret"), this, rotate_endpoint_secret),
        Route::post(&format!("{one}/test"), this, test_endpoint),
    ]
}

/// A webhook endpoint.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = WebhookEndpoint)]
pub(crate) struct EndpointView {
    /// Its name.
    id: String,
    /// Where events are sent to.
    url: String,
    /// What it is for, for people.
    description: Option<String>,
    /// The events that it gets; `null` for all of them.
    events: Option<Vec<&'static str>>,
    /// Whether nothing is sent to it.
    disabled: bool,
    /// Since when.
    #[schema(format = DateTime)]
    disabled_at: Option<String>,
    /// Why: `request`, or `gone` where the receiver has answered with `410 Gone`.
    disabled_reason: Option<&'static str>,
    /// Until when the secret before the last one signs as well.
    #[schema(format = DateTime)]
    previous_secret_until: Option<String>,
    /// When it was made.
    #[schema(format = DateTime)]
    created_at: String,
    /// When something about it changed last.
    #[schema(format = DateTime)]
    updated_at: String,
}

/// A webhook endpoint with its new secret, which no other answer shows. Without `Debug`, so that no log line has it.
#[derive(Serialize, ToSchema)]
#[schema(as = WebhookEndpointWithSecret)]
pub(crate) struct SecretView {
    #[serde(flatten)]
    endpoint: EndpointView,
    /// What signs from now on: `whsec_` and the base64 of the key. `null` where the request is repeated (`Idempotency-Key`) and
    /// the endpoint has got another secret since.
    secret: Option<String>,
}

impl EndpointView {
    fn of(endpoint: Endpoint) -> Self {
        let events = endpoint.kinds.iter().map(|kind| kind.name()).collect();
        let disabled = endpoint.disabled;
        Self {
            id: endpoint.id.to_string(),
            url: endpoint.url,
            description: endpoint.description,
            events: Some(events).filter(|events: &Vec<_>| !events.is_empty()),
            disabled: disabled.is_some(),
            disabled_at: disabled.map(|disabled| disabled.at.to_string()),
            disabled_reason: disabled
                .map(|disabled| if disabled.by_receiver { "gone" } else { "request" }),
            previous_secret_until: endpoint.previous_secret_until.map(|time| time.to_string()),
            created_at: endpoint.created_at.to_string(),
            updated_at: endpoint.updated_at.to_string(),
        }
    }
}

/// The answer to a request for a secret, which is for nobody's cache.
fn secured(status: StatusCode, secured: Secured) -> Response {
    let Secured { endpoint, secret, is_repeated } = secured;
    let location = format!("{PATH}/{}", endpoint.id);
    let headers = [(LOCATION, location), (CACHE_CONTROL, "no-store".to_owned())];
    let secret = secret.map(|secret| secret.reveal().to_owned());
    let view = SecretView { endpoint: EndpointView::of(endpoint), secret };
    let mut response = (status, headers, Json(view)).into_response();
    asks::mark_repeated(&mut response, is_repeated);
    response
}

/// Makes an endpoint, and tells its secret: this once.
#[utoipa::path(
    post, path = "/api/v1/webhooks/endpoints", tag = "webhooks",
    params(("Idempotency-Key" = Option<String>, Header, description = "The caller's name for the request: sent again with it, the request is answered as before, and nothing is done twice")),
    request_body = NewEndpointBody,
    responses((status = 201, description = "The endpoint with its secret", body = SecretView)),
)]
pub(crate) async fn create_endpoint(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    ApiJson(json): ApiJson<Value>,
) -> Result<Response, Problem> {
    let mut fields = Fields::of_json(json)?;
    let key = asks::request_key(caller.id(), &headers, "create_endpoint", &[&fields.canonical()])?;
    if !fields.has("url") {
        fields.refuse("url", "needed");
    }
    let url = asks::web_address(&mut fields, "url");
    let description = fields.text("description", DESCRIPTION_MAX);
    let kinds = events(&mut fields, "events").unwrap_or_default();
    fields.finish()?;
    let url = url.ok_or_else(|| Problem::field("/url", "needed"))?;
    let endpoint = NewEndpoint { url, description, kinds };
    let made = app.store().create_endpoint(caller.workspace(), endpoint, key).await?;
    Ok(secured(StatusCode::CREATED, made))
}

/// Which endpoints to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListEndpoints {
    /// The `next_cursor` of the page before.
    cursor: Option<String>,
    /// Items of the page: 1 to 200, and 50 unless it is given.
    limit: Option<u32>,
}

/// The endpoints of the caller's workspace, newest first.
#[utoipa::path(
    get, path = "/api/v1/webhooks/endpoints", tag = "webhooks",
    params(ListEndpoints),
    responses((status = 200, description = "A page of endpoints", body = PageView<EndpointView>)),
)]
pub(crate) async fn list_endpoints(
    State(app): State<App>,
    caller: Caller,
    ApiQuery(list): ApiQuery<ListEndpoints>,
) -> Result<Json<PageView<EndpointView>>, Problem> {
    let Place { before, limit } = Place::read(list.cursor.as_deref(), list.limit)?;
    let page = app.store().page_endpoints(caller.workspace(), before, limit).await?;
    Ok(Json(PageView::of(page, EndpointView::of)))
}

/// One endpoint.
#[utoipa::path(
    get, path = "/api/v1/webhooks/endpoints/{id}", tag = "webhooks",
    params(("id" = String, Path, description = "Its id")),
    responses((status = 200, description = "The endpoint", body = EndpointView)),
)]
pub(crate) async fn get_endpoint(
    State(app): State<App>,
    caller: Caller,
    ApiPath(id): ApiPath<EndpointId>,
) -> Result<Json<EndpointView>, Problem> {
    let endpoint = app.store().find_endpoint(caller.workspace(), &id).await?;
    Ok(Json(EndpointView::of(endpoint.ok_or_else(missing)?)))
}

/// Changes an endpoint, by a JSON merge patch (RFC 7396). Disabling it cancels what waits for it.
#[utoipa::path(
    patch, path = "/api/v1/webhooks/endpoints/{id}", tag = "webhooks",
    params(("id" = String, Path, description = "Its id")),
    request_body(content(
        (EndpointPatch = "application/merge-patch+json"),
        (EndpointPatch = "application/json"),
    )),
    responses((status = 200, description = "The endpoint as it is now", body = EndpointView)),
)]
pub(crate) async fn update_endpoint(
    State(app): State<App>,
    caller: Caller,
    ApiPath(id): ApiPath<EndpointId>,
    ApiJson(json): ApiJson<Value>,
) -> Result<Json<EndpointView>, Problem> {
    let mut fields = Fields::of_patch(json)?;
    let url = fields.change("url", asks::web_address);
    if url == Some(None) {
        fields.refuse("url", "needed: an endpoint cannot be without it");
    }
    let change = EndpointChange {
        url: url.flatten(),
        description: fields
            .change("description", |fields, name| fields.text(name, DESCRIPTION_MAX)),
        kinds: fields.change("events", events).map(Option::unwrap_or_default),
        is_disabled: fields
            .change("disabled", |fields, name| Some(fields.flag(name)))
            .map(Option::unwrap_or_default),
    };
    fields.finish()?;
    let (store, workspace) = (app.store(), caller.workspace());
    let endpoint = if change == EndpointChange::default() {
        store.find_endpoint(workspace, &id).await?
    } else {
        store.update_endpoint(workspace, &id, change).await?
    };
    Ok(Json(EndpointView::of(endpoint.ok_or_else(missing)?)))
}

/// Deletes an endpoint with its deliveries.
#[utoipa::path(
    delete, path = "/api/v1/webhooks/endpoints/{id}", tag = "webhooks",
    params(("id" = String, Path, description = "Its id")),
    responses((status = 204, description = "It is gone")),
)]
pub(crate) async fn delete_endpoint(
    State(app): State<App>,
    caller: Caller,
    ApiPath(id): ApiPath<EndpointId>,
) -> Result<StatusCode, Problem> {
    if !app.store().delete_endpoint(caller.workspace(), &id).await? {
        return Err(missing());
    }
    note_deleted(&app, &caller, &id).await;
    Ok(StatusCode::NO_CONTENT)
}

/// Gives an endpoint a new secret, and tells it: this once. For a day, the one that it replaces signs as well.
#[utoipa::path(
    post, path = "/api/v1/webhooks/endpoints/{id}/rotate-secret", tag = "webhooks",
    params(("id" = String, Path, description = "Its id"), ("Idempotency-Key" = Option<String>, Header, description = "The caller's name for the request: sent again with it, the request is answered as before, and nothing is done twice")),
    responses((status = 200, description = "The endpoint with its new secret", body = SecretView)),
)]
pub(crate) async fn rotate_endpoint_secret(
    State(app): State<App>,
    caller: Caller,
    ApiPath(id): ApiPath<EndpointId>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let key = asks::request_key(caller.id(), &headers, "rotate_endpoint_secret", &[id.as_str()])?;
    let rotated = app.store().rotate_endpoint_secret(caller.workspace(), &id, key).await?;
    Ok(secured(StatusCode::OK, rotated.ok_or_else(missing)?))
}

/// Sends a test event to an endpoint, disabled or not; answers with its delivery.
#[utoipa::path(
    post, path = "/api/v1/webhooks/endpoints/{id}/test", tag = "webhooks",
    params(("id" = String, Path, description = "Its id"), ("Idempotency-Key" = Option<String>, Header, description = "The caller's name for the request: sent again with it, the request is answered as before, and nothing is done twice")),
    responses((status = 202, description = "The delivery of the test event", body = DeliveryView)),
)]
pub(crate) async fn test_endpoint(
    State(app): State<App>,
    caller: Caller,
    ApiPath(id): ApiPath<EndpointId>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let key = asks::request_key(caller.id(), &headers, "test_endpoint", &[id.as_str()])?;
    let tested = app.store().test_endpoint(caller.workspace(), &id, key).await?;
    let Tested { delivery, is_repeated } = tested.ok_or_else(missing)?;
    let headers = [(LOCATION, deliveries::path(&delivery.id))];
    let view = DeliveryView::of(delivery);
    let mut response = (StatusCode::ACCEPTED, headers, Json(view)).into_response();
    asks::mark_repeated(&mut response, is_repeated);
    Ok(response)
}

fn missing() -> Problem {
    Problem::new(ProblemCode::EndpointNotFound)
}

/// Reads the events that an endpoint is to get: one or more of those that can be subscribed to.
fn events(fields: &mut Fields, name: &str) -> Option<Vec<EventKind>> {
    let all: Vec<_> = EventKind::ALL.iter().filter(|kind| kind.is_deliverable()).copied().collect();
    let Value::Array(items) = fields.take(name)? else {
        fields.refuse(name, "expected a list of events");
        return None;
    };
    if !(1..=all.len()).contains(&items.len()) {
        let detail = format!("expected 1 to {} events; without any, it gets all", all.len());
        fields.refuse(name, detail);
        return None;
    }
    let mut kinds = Vec::new();
    for (index, item) in items.iter().enumerate() {
        match all.iter().find(|kind| item.as_str() == Some(kind.name())) {
            Some(kind) if kinds.contains(kind) => {}
            Some(kind) => kinds.push(*kind),
            None => {
                let names: Vec<_> = all.iter().map(|kind| kind.name()).collect();
                let detail = format!("expected one of {}", names.join(", "));
                fields.refuse_at(&format!("/{name}/{index}"), detail);
            }
        }
    }
    Some(kinds)
}
