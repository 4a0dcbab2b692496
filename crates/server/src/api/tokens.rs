//! Tokens: credentials of programs. Keys are a user's own and act as the user; service tokens are a workspace's and act as
//! themselves.
//!
//! A secret is in the answer to the request that made it, and nowhere else. Nobody gives a token more than they have.

mod asks;
pub(crate) mod service;

use axum::Json;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use hansard_domain::access::{Actor, Kind, Permission};
use hansard_domain::id::{Id, TokenId, WorkspaceId};
use hansard_domain::problem::ProblemCode;
use hansard_domain::time::Timestamp;
use hansard_store::tokens::{NewToken, Token, TokenFilter, TokenKind, TokenSecret};
use http::StatusCode;
use http::header::{CACHE_CONTROL, LOCATION};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use crate::App;
use crate::api::pages::{PageView, Place};
use crate::caller::Caller;
use crate::door::{self, objects};
use crate::extract::{ApiJson, ApiPath, ApiQuery};
use crate::openapi::{NewTokenBody, RotateBody, names};
use crate::problem::Problem;
use crate::routes::{Access, Object, Route};
use asks::{Asked, Powers, Rotation};

/// Where keys are, and where service tokens are.
const KEYS: &str = "/api/v1/tokens";
const SERVICE_TOKENS: &str = "/api/v1/service-tokens";

/// The routes of keys.
pub(crate) fn routes() -> Vec<Route> {
    let (own, one) = (Access::own(), format!("{KEYS}/{{id}}"));
    let this = own.object(Object::named(Kind::Token, "id"));
    vec![
        Route::get(KEYS, own, list_tokens),
        Route::post(KEYS, own, create_token),
        Route::get(&one, this, get_token),
        Route::delete(&one, this, revoke_token),
        Route::post(&format!("{one}/rotate"), this, rotate_token),
    ]
}

/// A key or a service token, without its secret.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Token)]
pub(crate) struct TokenView {
    /// Its name.
    id: String,
    /// `key`, which acts as its user, or `service`, which acts as itself.
    kind: &'static str,
    /// Its name for people.
    name: String,
    /// What it begins with, by which one that was found somewhere is told.
    prefix: String,
    /// The workspace that it opens.
    workspace_id: Option<String>,
    /// The user as whom it acts; `null` for a service token.
    user_id: Option<String>,
    /// The most that it is in its workspace. A key is never more there than its user.
    #[schema(schema_with = names::role)]
    role: &'static str,
    /// The only permissions that it has; `null` for all that its role gives.
    #[schema(schema_with = names::scopes)]
    scopes: Option<Vec<&'static str>>,
    /// Whether it governs the installation, as long as its user does.
    governs: bool,
    /// Until when the secret before the last one is good as well.
    #[schema(format = DateTime)]
    previous_secret_until: Option<String>,
    /// When it ends; `null` for never.
    #[schema(format = DateTime)]
    expires_at: Option<String>,
    /// When it was ended before its time.
    #[schema(format = DateTime)]
    revoked_at: Option<String>,
    /// When it was used for the first time.
    #[schema(format = DateTime)]
    first_used_at: Option<String>,
    /// When it was last used, up to a minute before it was.
    #[schema(format = DateTime)]
    last_used_at: Option<String>,
    /// When it was made.
    #[schema(format = DateTime)]
    created_at: String,
}

/// A token with its new secret, which no other answer shows. Without `Debug`, so that no log line has it.
#[derive(Serialize, ToSchema)]
#[schema(as = TokenWithSecret)]
pub(crate) struct TokenSecretView {
    #[serde(flatten)]
    about: TokenView,
    /// What callers show, as `Authorization: Bearer` or `X-API-Key`.
    token: String,
}

impl TokenView {
    fn of(token: Token) -> Self {
        let time = |time: Timestamp| time.to_string();
        let scopes: Vec<_> = token.scopes.iter().map(|scope| scope.name()).collect();
        Self {
            kind: token.kind.name(),
            prefix: prefix(&token),
            id: token.id.to_string(),
            name: token.name,
            workspace_id: token.workspace.map(|id| id.to_string()),
            user_id: token.user.map(|id| id.to_string()),
            role: token.role.name(),
            scopes: Some(scopes).filter(|scopes| !scopes.is_empty()),
            governs: token.governs,
            previous_secret_until: token.previous_until.map(time),
            expires_at: token.expires_at.map(time),
            revoked_at: token.revoked_at.map(time),
            first_used_at: token.first_used_at.map(time),
            last_used_at: token.last_used_at.map(time),
            created_at: token.created_at.to_string(),
        }
    }
}

/// What the text of a token begins with: the mark of its kind, and the letters of its id.
fn prefix(token: &Token) -> String {
    let mark = if token.kind == TokenKind::Key { "hsk" } else { "hst" };
    let letters = token.id.as_str().trim_start_matches(TokenId::PREFIX);
    format!("{mark}{letters}")
}

/// Whose tokens a route is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Whose {
    /// The keys of the user who calls.
    Own,
    /// The service tokens of the workspace that the request is about.
    Workspace,
}

impl Whose {
    /// Where they are.
    const fn path(self) -> &'static str {
        match self {
            Self::Own => KEYS,
            Self::Workspace => SERVICE_TOKENS,
        }
    }

    /// What one needs to make them.
    const fn permission(self) -> Permission {
        match self {
            Self::Own => Permission::OwnAccount,
            Self::Workspace => Permission::ManageTokens,
        }
    }

    fn filter(self, caller: &Caller) -> TokenFilter {
        match self {
            Self::Own => TokenFilter {
                user: caller.user().cloned(),
                kind: Some(TokenKind::Key),
                workspace: None,
            },
            Self::Workspace => TokenFilter {
                workspace: Some(caller.workspace().clone()),
                kind: Some(TokenKind::Service),
                user: None,
            },
        }
    }

    /// Token `id`, if it is one of them.
    ///
    /// # Errors
    /// [`ProblemCode::TokenNotFound`].
    async fn find(self, app: &App, caller: &Caller, id: &TokenId) -> Result<Token, Problem> {
        let TokenFilter { workspace, user, kind } = self.filter(caller);
        let found = app.store().find_token(id).await?.map(|check| check.token);
        let found = found.filter(|token| {
            kind == Some(token.kind)
                && token.user == user
                && (workspace.is_none() || token.workspace == workspace)
        });
        found.ok_or(Problem::new(ProblemCode::TokenNotFound))
    }

    async fn list(
        self,
        app: &App,
        caller: &Caller,
        list: &ListTokens,
    ) -> Result<Json<PageView<TokenView>>, Problem> {
        let Place { before, limit } = Place::read(list.cursor.as_deref(), list.limit)?;
        let page = app.store().page_tokens(&self.filter(caller), before, limit).await?;
        Ok(Json(PageView::of(page, TokenView::of)))
    }

    async fn create(self, app: &App, caller: Caller, json: Value) -> Result<Response, Problem> {
        let Asked { name, role, scopes, governs, expires_in, workspace } = Asked::read(json)?;
        let caller = match workspace {
            Some(workspace) => match seated(app, caller.clone(), workspace).await? {
                Some(caller) => caller,
                None => {
                    let code = ProblemCode::WorkspaceNotFound;
                    door::note_refusal_of(app, &caller, code).await;
                    return Err(Problem::new(code));
                }
            },
            None => caller,
        };
        door::check(app, &caller, self.permission()).await?;
        let principal = caller.principal();
        let own_scopes = principal.scopes.as_deref().unwrap_or_default();
        let role = role.unwrap_or(principal.role);
        let scopes = scopes.unwrap_or_else(|| own_scopes.to_vec());
        refuse_more(app, &caller, &Powers { role, governs, scopes: &scopes }).await?;
        let wanted = expires_in.map(|expires_in| app.clock().now().after(expires_in));
        let expires_at = not_after(wanted, end_of(app, &caller).await?);
        let user = if self == Self::Own { caller.user().cloned() } else { None };
        let workspace = caller.workspace().clone();
        let new = NewToken { workspace, user, name, role, governs, scopes, expires_at };
        let made = app.store().create_token(new, &caller.by()).await?;
        let made = made.ok_or(Problem::new(ProblemCode::WorkspaceNotFound))?;
        Ok(self.told(StatusCode::CREATED, made))
    }

    /// Ends token `id`; one that has ended stays as it is.
    async fn revoke(self, app: &App, caller: &Caller, id: &TokenId) -> Result<StatusCode, Problem> {
        self.find(app, caller, id).await?;
        app.store().revoke_token(id, &caller.by()).await?;
        Ok(StatusCode::NO_CONTENT)
    }

    async fn rotate(
        self,
        app: &App,
        caller: Caller,
        id: &TokenId,
        request: Request,
    ) -> Result<Response, Problem> {
        let Rotation { overlap, expires_in } = Rotation::read(app, request).await?;
        let token = self.find(app, &caller, id).await?;
        // Whoever gets the secret gets what it is good for.
        let caller = match token.workspace.clone() {
            Some(workspace) => seated(app, caller, workspace).await?,
            None => None,
        };
        let caller = caller.ok_or(Problem::new(ProblemCode::TokenNotFound))?;
        let powers = Powers { role: token.role, governs: token.governs, scopes: &token.scopes };
        refuse_more(app, &caller, &powers).await?;
        let wanted = match expires_in {
            None => token.expires_at,
            Some(expires_in) => expires_in.map(|time| app.clock().now().after(time)),
        };
        let expires_at = not_after(wanted, end_of(app, &caller).await?);
        let rotated = app.store().rotate_token(id, overlap, expires_at, &caller.by()).await?;
        let rotated = rotated.ok_or(Problem::new(ProblemCode::TokenNotFound))?;
        Ok(self.told(StatusCode::OK, rotated))
    }

    /// The answer with a secret, which is for nobody's cache.
    fn told(self, status: StatusCode, (token, secret): (Token, TokenSecret)) -> Response {
        let location = format!("{}/{}", self.path(), token.id);
        let headers = [(LOCATION, location), (CACHE_CONTROL, "no-store".to_owned())];
        let token_text = secret.reveal().to_owned();
        let view = TokenSecretView { about: TokenView::of(token), token: token_text };
        (status, headers, Json(view)).into_response()
    }
}

/// `caller` in `workspace`; `None` if it has no business there.
async fn seated(
    app: &App,
    caller: Caller,
    workspace: WorkspaceId,
) -> Result<Option<Caller>, Problem> {
    if *caller.workspace() == workspace {
        return Ok(Some(caller));
    }
    let role = objects::role_elsewhere(app, &caller, &workspace).await?;
    Ok(role.map(|role| caller.seated(workspace, role)))
}

/// Refuses a token that would be good for more than its maker.
async fn refuse_more(app: &App, caller: &Caller, powers: &Powers<'_>) -> Result<(), Problem> {
    match powers.beyond(caller.principal()) {
        Some(detail) => Err(door::refuse(app, caller, detail).await),
        None => Ok(()),
    }
}

/// When the token ends that `caller` came with: what it makes does not outlive it, or an end would mean nothing.
async fn end_of(app: &App, caller: &Caller) -> Result<Option<Timestamp>, Problem> {
    match &caller.principal().actor {
        Actor::Token { id, .. } => {
            let found = app.store().find_token(id).await?;
            Ok(found.and_then(|check| check.token.expires_at))
        }
        Actor::Local | Actor::StaticKey(_) | Actor::Secret(_) | Actor::User(_) => Ok(None),
    }
}

/// `wanted`, or `limit` where that comes first. `None` is never.
fn not_after(wanted: Option<Timestamp>, limit: Option<Timestamp>) -> Option<Timestamp> {
    match (wanted, limit) {
        (Some(wanted), Some(limit)) => Some(wanted.min(limit)),
        (wanted, limit) => wanted.or(limit),
    }
}

/// Which tokens to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListTokens {
    /// The `next_cursor` of the page before.
    cursor: Option<String>,
    /// Items of the page: 1 to 200, and 50 unless it is given.
    limit: Option<u32>,
}

/// One's own keys, newest first, of all workspaces; also those that have ended.
#[utoipa::path(
    get, path = "/api/v1/tokens", tag = "tokens",
    params(ListTokens),
    responses((status = 200, description = "A page of keys", body = PageView<TokenView>)),
)]
pub(crate) async fn list_tokens(
    State(app): State<App>,
    caller: Caller,
    ApiQuery(list): ApiQuery<ListTokens>,
) -> Result<Json<PageView<TokenView>>, Problem> {
    Whose::Own.list(&app, &caller, &list).await
}

/// Makes a key, and tells its secret: this once. It acts as oneself in one workspace, and is never good for more than whatever
/// made it.
#[utoipa::path(
    post, path = "/api/v1/tokens", tag = "tokens",
    request_body = NewTokenBody,
    responses((status = 201, description = "The key with its secret", body = TokenSecretView)),
)]
pub(crate) async fn create_token(
    State(app): State<App>,
    caller: Caller,
    ApiJson(json): ApiJson<Value>,
) -> Result<Response, Problem> {
    Whose::Own.create(&app, caller, json).await
}

/// One of one's own keys.
#[utoipa::path(
    get, path = "/api/v1/tokens/{id}", tag = "tokens",
    params(("id" = String, Path, description = "Its id")),
    responses((status = 200, description = "The key", body = TokenView)),
)]
pub(crate) async fn get_token(
    State(app): State<App>,
    caller: Caller,
    ApiPath(id): ApiPath<TokenId>,
) -> Result<Json<TokenView>, Problem> {
    Ok(Json(TokenView::of(Whose::Own.find(&app, &caller, &id).await?)))
}

/// Ends one of one's own keys, at once and for good. It stays in the list.
#[utoipa::path(
    delete, path = "/api/v1/tokens/{id}", tag = "tokens",
    params(("id" = String, Path, description = "Its id")),
    responses((status = 204, description = "It is good for nothing any more")),
)]
pub(crate) async fn revoke_token(
    State(app): State<App>,
    caller: Caller,
    ApiPath(id): ApiPath<TokenId>,
) -> Result<StatusCode, Problem> {
    Whose::Own.revoke(&app, &caller, &id).await
}

/// Gives one of one's own keys a new secret, and tells it: this once. The one that it replaces is good for a while longer.
#[utoipa::path(
    post, path = "/api/v1/tokens/{id}/rotate", tag = "tokens",
    params(("id" = String, Path, description = "Its id")),
    request_body = Option<RotateBody>,
    responses((status = 200, description = "The key with its new secret", body = TokenSecretView)),
)]
pub(crate) async fn rotate_token(
    State(app): State<App>,
    caller: Caller,
    ApiPath(id): ApiPath<TokenId>,
    request: Request,
) -> Result<Response, Problem> {
    Whose::Own.rotate(&app, caller, &id, request).await
}
