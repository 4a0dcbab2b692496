//! One's own sessions: the browsers in which one is logged in.

use axum::Json;
use axum::extract::State;
use hansard_domain::access::Kind;
use hansard_domain::id::{SessionId, UserId};
use hansard_domain::problem::ProblemCode;
use hansard_store::sessions::Session;
use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use crate::App;
use crate::api::pages::PageView;
use crate::caller::Caller;
use crate::extract::ApiPath;
use crate::problem::Problem;
use crate::routes::{Access, Object, Route};

/// Where sessions are.
const PATH: &str = "/api/v1/sessions";

/// The routes of sessions.
pub(crate) fn routes() -> Vec<Route> {
    let this = Access::own().object(Object::named(Kind::Session, "id"));
    vec![
        Route::get(PATH, Access::own(), list_sessions),
        Route::delete(PATH, Access::own(), end_other_sessions),
        Route::delete(&format!("{PATH}/{{id}}"), this, end_session),
    ]
}

/// A session.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Session)]
pub(crate) struct SessionView {
    /// Its name.
    id: String,
    /// How the user logged in: a provider's name, or `simple` for a password.
    method: String,
    /// What the browser says it is.
    user_agent: Option<String>,
    /// Where the user logged in from.
    address: Option<String>,
    /// When the user logged in.
    #[schema(format = DateTime)]
    created_at: String,
    /// When it was last used, up to a minute before it was.
    #[schema(format = DateTime)]
    last_seen_at: String,
    /// When it ends in any case; unused, it ends sooner.
    #[schema(format = DateTime)]
    expires_at: String,
    /// Whether this request came with it.
    is_current: bool,
}

impl SessionView {
    fn of(session: Session, current: Option<&SessionId>) -> Self {
        Self {
            is_current: current == Some(&session.id),
            id: session.id.to_string(),
            method: session.method,
            user_agent: session.user_agent,
            address: session.address,
            created_at: session.created_at.to_string(),
            last_seen_at: session.last_seen_at.to_string(),
            expires_at: session.expires_at.to_string(),
        }
    }
}

/// One's sessions that have not ended, newest first: a hundred at most.
#[utoipa::path(
    get, path = "/api/v1/sessions", tag = "account",
    responses((status = 200, description = "All sessions", body = PageView<SessionView>)),
)]
pub(crate) async fn list_sessions(
    State(app): State<App>,
    caller: Caller,
) -> Result<Json<PageView<SessionView>>, Problem> {
    let sessions = app.store().sessions_of(user(&caller)?).await?;
    let view = |session| SessionView::of(session, current(&caller));
    Ok(Json(PageView::whole(sessions.into_iter().map(view).collect())))
}

/// Ends all of one's sessions but the one that the request came with.
#[utoipa::path(
    delete, path = "/api/v1/sessions", tag = "account",
    responses((status = 204, description = "They have ended")),
)]
pub(crate) async fn end_other_sessions(
    State(app): State<App>,
    caller: Caller,
) -> Result<StatusCode, Problem> {
    app.store().end_other_sessions(user(&caller)?, current(&caller), &caller.by()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Ends one of one's sessions.
#[utoipa::path(
    delete, path = "/api/v1/sessions/{id}", tag = "account",
    params(("id" = String, Path, description = "Its id")),
    responses((status = 204, description = "It has ended")),
)]
pub(crate) async fn end_session(
    State(app): State<App>,
    caller: Caller,
    ApiPath(id): ApiPath<SessionId>,
) -> Result<StatusCode, Problem> {
    if app.store().end_session(user(&caller)?, &id, &caller.by()).await? {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(Problem::new(ProblemCode::SessionNotFound))
    }
}

/// The user who calls. The door lets nobody else in here.
fn user(caller: &Caller) -> Result<&UserId, Problem> {
    caller.user().ok_or(Problem::new(ProblemCode::UserNotFound))
}

fn current(caller: &Caller) -> Option<&SessionId> {
    caller.session().map(|session| &session.id)
}
