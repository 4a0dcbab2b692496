//! The service tokens of a workspace, which belong to no user.

use axum::Json;
use axum::extract::{Request, State};
use axum::response::Response;
use hansard_domain::access::{Kind, Permission};
use hansard_domain::id::TokenId;
use http::StatusCode;
use serde_json::Value;

use super::{ListTokens, SERVICE_TOKENS, TokenSecretView, TokenView, Whose};
use crate::App;
use crate::api::pages::PageView;
use crate::caller::Caller;
use crate::extract::{ApiJson, ApiPath, ApiQuery};
use crate::openapi::{NewTokenBody, RotateBody};
use crate::problem::Problem;
use crate::routes::{Access, Route};

/// The routes of service tokens.
pub(crate) fn routes() -> Vec<Route> {
    let all = Access::needs(Permission::ManageTokens);
    let this = Access::of(Permission::ManageTokens, Kind::Token);
    let one = format!("{SERVICE_TOKENS}/{{id}}");
    vec![
        Route::get(SERVICE_TOKENS, all, list_service_tokens),
        Route::post(SERVICE_TOKENS, all, create_service_token),
        Route::get(&one, this, get_service_token),
        Route::delete(&one, this, revoke_service_token),
        Route::post(&format!("{one}/rotate"), this, rotate_service_token),
    ]
}

/// The service tokens of the caller's workspace, newest first; also those that have ended.
#[utoipa::path(
    get, path = "/api/v1/service-tokens", tag = "tokens",
    params(ListTokens),
    responses((status = 200, description = "A page of service tokens", body = PageView<TokenView>)),
)]
pub(crate) async fn list_service_tokens(
    State(app): State<App>,
    caller: Caller,
    ApiQuery(list): ApiQuery<ListTokens>,
) -> Result<Json<PageView<TokenView>>, Problem> {
    Whose::Workspace.list(&app, &caller, &list).await
}

/// Makes a service token, and tells its secret: this once. It is never good for more than whatever made it.
#[utoipa::path(
    post, path = "/api/v1/service-tokens", tag = "tokens",
    request_body = NewTokenBody,
    responses((status = 201, description = "The service token with its secret", body = TokenSecretView)),
)]
pub(crate) async fn create_service_token(
    State(app): State<App>,
    caller: Caller,
    ApiJson(json): ApiJson<Value>,
) -> Result<Response, Problem> {
    Whose::Workspace.create(&app, caller, json).await
}

/// One service token.
#[utoipa::path(
    get, path = "/api/v1/service-tokens/{id}", tag = "tokens",
    params(("id" = String, Path, description = "Its id")),
    responses((status = 200, description = "The service token", body = TokenView)),
)]
pub(crate) async fn get_service_token(
    State(app): State<App>,
    caller: Caller,
    ApiPath(id): ApiPath<TokenId>,
) -> Result<Json<TokenView>, Problem> {
    Ok(Json(TokenView::of(Whose::Workspace.find(&app, &caller, &id).await?)))
}

/// Ends a service token, at once and for good. It stays in the list.
#[utoipa::path(
    delete, path = "/api/v1/service-tokens/{id}", tag = "tokens",
    params(("id" = String, Path, description = "Its id")),
    responses((status = 204, description = "It is good for nothing any more")),
)]
pub(crate) async fn revoke_service_token(
    State(app): State<App>,
    caller: Caller,
    ApiPath(id): ApiPath<TokenId>,
) -> Result<StatusCode, Problem> {
    Whose::Workspace.revoke(&app, &caller, &id).await
}

/// Gives a service token a new secret, and tells it: this once. The one that it replaces is good for a while longer.
#[utoipa::path(
    post, path = "/api/v1/service-tokens/{id}/rotate", tag = "tokens",
    params(("id" = String, Path, description = "Its id")),
    request_body = Option<RotateBody>,
    responses((status = 200, description = "The service token with its new secret", body = TokenSecretView)),
)]
pub(crate) async fn rotate_service_token(
    State(app): State<App>,
    caller: Caller,
    ApiPath(id): ApiPath<TokenId>,
    request: Request,
) -> Result<Response, Problem> {
    Whose::Workspace.rotate(&app, caller, &id, request).await
}
