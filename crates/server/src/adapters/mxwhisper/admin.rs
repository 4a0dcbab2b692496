//! What administrators of the installation see and do: all jobs, and the users.

use axum::Json;
use axum::extract::{RawQuery, Request, State};
use hansard_domain::access::{Kind, Permission, Role};
use hansard_domain::problem::ProblemCode;
use hansard_store::Error as StoreError;
use hansard_store::users::{NewUser, User, UserEdit, UserEdited};
use hansard_store::{Erased, Erasure};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::refusal;
use super::views::{ListedJobView, Part, PartParameters};
use crate::App;
use crate::adapters::fastapi::{self, ErrorBody, ONE_OF, Wrong, characters};
use crate::api::users::hash;
use crate::caller::Caller;
use crate::door::bearers::user_of;
use crate::extract::ApiText;
use crate::problem::Problem;
use crate::routes::{Access, Answers, NamedBy, Object, Route, Told};

/// Characters of a name, an address or a password.
const TEXT_MAX: usize = 255;

/// What is said of a user that is not there.
const NO_USER: Told = Told::saying(ProblemCode::UserNotFound, "User {user_id} not found");

pub(super) fn routes() -> Vec<Route> {
    let governs = Access::needs(Permission::ManageInstallation);
    let user = governs.object(Object {
        kind: Kind::User,
        by: NamedBy::UserName,
        parameter: "user_id",
        answers: Answers::Hidden(NO_USER),
        is_shareable: false,
        is_overseen: false,
    });
    vec![
        Route::get("/admin/jobs", governs, list_jobs),
        Route::get("/admin/users", governs, list_users),
        Route::post("/admin/users", governs, create_user),
        Route::put("/admin/users/{user_id}", user, update_user),
        Route::delete("/admin/users/{user_id}", user, delete_user),
    ]
}

/// A user.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = MxWhisperUser)]
pub(super) struct UserView {
    /// As the provider has it that made the user, or else ours.
    id: String,
    email: Option<String>,
    name: Option<String>,
    preferred_username: Option<String>,
    /// `admin` or `user`.
    role: &'static str,
    /// Not in the answer to a change.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    created_at: Option<String>,
    #[schema(format = DateTime)]
    updated_at: String,
}

impl UserView {
    fn of(user: User) -> Self {
        let created_at = Some(user.created_at.to_string());
        Self { created_at, ..Self::changed(user) }
    }

    /// The user as the answer to a change shows it.
    fn changed(user: User) -> Self {
        Self {
            id: user.external_id.unwrap_or_else(|| user.id.to_string()),
            email: user.email,
            name: user.name,
            preferred_username: user.username,
            role: shown(user.role),
            created_at: None,
            updated_at: user.updated_at.to_string(),
        }
    }
}

/// The names of roles.
const ADMIN: &str = "admin";
const USER: &str = "user";

/// A user that is to be made, for the document.
#[derive(ToSchema)]
#[schema(as = MxWhisperNewUser)]
#[expect(dead_code, reason = "described, never built")]
pub(super) struct NewUserBody {
    email: String,
    name: String,
    preferred_username: String,
    /// At least twelve characters.
    password: String,
    /// `admin` or `user`; `user` if it is left out.
    role: Option<String>,
}

/// What is to change about a user, for the document.
#[derive(ToSchema)]
#[schema(as = MxWhisperUserEdit)]
#[expect(dead_code, reason = "described, never built")]
pub(super) struct UserEditBody {
    email: Option<String>,
    name: Option<String>,
    preferred_username: Option<String>,
    /// `admin` or `user`.
    role: Option<String>,
}

/// That a user is gone, and what went with it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = MxWhisperUserDeleted)]
pub(super) struct DeletedView {
    message: String,
    /// How many of each were removed.
    #[schema(value_type = Object)]
    removed: Erased,
}

/// The jobs of all users, newest first: a thousand of them unless `limit` and `offset` say otherwise.
#[utoipa::path(
    get, path = "/admin/jobs", tag = "mxwhisper", operation_id = "mxwhisper_admin_jobs",
    params(PartParameters),
    responses(
        (status = 200, description = "The jobs", body = Vec<ListedJobView>),
        (status = "default", description = "FastAPI's error, with a code", body = ErrorBody),
    ),
)]
pub(super) async fn list_jobs(
    State(app): State<App>,
    RawQuery(query): RawQuery,
) -> Result<Json<Vec<ListedJobView>>, Problem> {
    let Part { offset, limit } = Part::of_query(query.as_deref())?;
    let jobs = app.store().list_all_jobs(offset, limit).await?;
    Ok(Json(jobs.into_iter().map(ListedJobView::anybodys).collect()))
}

/// All users, newest first: a thousand of them unless `limit` and `offset` say otherwise.
#[utoipa::path(
    get, path = "/admin/users", tag = "mxwhisper", operation_id = "mxwhisper_users",
    params(PartParameters),
    responses(
        (status = 200, description = "The users", body = Vec<UserView>),
        (status = "default", description = "FastAPI's error, with a code", body = ErrorBody),
    ),
)]
pub(super) async fn list_users(
    State(app): State<App>,
    RawQuery(query): RawQuery,
) -> Result<Json<Vec<UserView>>, Problem> {
    let Part { offset, limit } = Part::of_query(query.as_deref())?;
    let users = app.store().list_users(offset, limit).await?;
    Ok(Json(users.items.into_iter().map(UserView::of).collect()))
}

/// Makes a user who logs in with a password.
#[utoipa::path(
    post, path = "/admin/users", tag = "mxwhisper", operation_id = "mxwhisper_create_user",
    request_body = NewUserBody,
    responses(
        (status = 200, description = "The user", body = UserView),
        (status = "default", description = "FastAPI's error, with a code", body = ErrorBody),
    ),
)]
pub(super) async fn create_user(
    State(app): State<App>,
    caller: Caller,
    request: Request,
) -> Result<Json<UserView>, Problem> {
    let mut body = fastapi::body(&app, request).await?;
    let email = body.required("email", characters(TEXT_MAX));
    let name = body.required("name", characters(TEXT_MAX));
    let username = body.required("preferred_username", characters(TEXT_MAX));
    let password = body.required("password", characters(TEXT_MAX));
    let role = body.optional("role", role).unwrap_or(Role::Editor);
    body.finish()?;
    let password_hash = Some(hash(&app, password.unwrap_or_default()).await?);
    let user = NewUser { email, name, username, password_hash, ..NewUser::of(role) };
    let made = app.store().create_user(user, app.workspace(), &caller.by()).await;
    Ok(Json(UserView::of(made.map_err(|error| failed("create", error))?)))
}

/// Changes what is known of a user, and what it may do.
#[utoipa::path(
    put, path = "/admin/users/{user_id}", tag = "mxwhisper", operation_id = "mxwhisper_update_user",
    params(("user_id" = String, Path, description = "The user")),
    request_body = UserEditBody,
    responses(
        (status = 200, description = "The user as it is now", body = UserView),
        (status = "default", description = "FastAPI's error, with a code", body = ErrorBody),
    ),
)]
pub(super) async fn update_user(
    State(app): State<App>,
    caller: Caller,
    ApiText(name): ApiText,
    request: Request,
) -> Result<Json<UserView>, Problem> {
    let mut body = fastapi::body(&app, request).await?;
    let mut edit = UserEdit {
        email: body.optional("email", characters(TEXT_MAX)).map(Some),
        name: body.optional("name", characters(TEXT_MAX)).map(Some),
        username: body.optional("preferred_username", characters(TEXT_MAX)).map(Some),
        role: body.optional("role", role),
        ..UserEdit::default()
    };
    body.finish()?;
    let user = find(&app, name.as_deref()).await?;
    // Clients send back what they were shown: that changes nothing, neither what a viewer is nor who decides about a role.
    edit.role = edit.role.filter(|role| shown(*role) != shown(user.role));
    let edited = app.store().update_user(&user.id, edit, app.workspace(), &caller.by()).await;
    match edited.map_err(|error| failed("update", error))? {
        UserEdited::Done(user) => Ok(Json(UserView::changed(*user))),
        UserEdited::Missing => Err(missing(name.as_deref())),
        UserEdited::LastAdmin => Err(last_admin("update")),
    }
}

/// Erases a user, with all that is the user's alone.
#[utoipa::path(
    delete, path = "/admin/users/{user_id}", tag = "mxwhisper", operation_id = "mxwhisper_delete_user",
    params(("user_id" = String, Path, description = "The user")),
    responses(
        (status = 200, description = "What was removed", body = DeletedView),
        (status = "default", description = "FastAPI's error, with a code", body = ErrorBody),
    ),
)]
pub(super) async fn delete_user(
    State(app): State<App>,
    caller: Caller,
    ApiText(name): ApiText,
) -> Result<Json<DeletedView>, Problem> {
    let user = find(&app, name.as_deref()).await?;
    let (own, by) = (app.clone(), caller.by());
    // Half an erasure is none: it goes on if the client does not wait for it.
    let erasing = async move { Ok(own.store().erase_user(&user.id, &by).await?) };
    match app.to_the_end(erasing).await? {
        Erasure::Done(removed) => {
            let name = name.unwrap_or_default();
            Ok(Json(DeletedView { message: format!("User {name} deleted successfully"), removed }))
        }
        Erasure::Missing => Err(missing(name.as_deref())),
        Erasure::LastAdmin => Err(last_admin("delete")),
    }
}

async fn find(app: &App, name: Option<&str>) -> Result<User, Problem> {
    let user = user_of(app, name.unwrap_or_default()).await?;
    user.ok_or_else(|| missing(name))
}

fn missing(name: Option<&str>) -> Problem {
    NO_USER.filled([("user_id", name.unwrap_or_default())])
}

fn last_admin(what: &str) -> Problem {
    refusal(format!("Failed to {what} user: nobody else administers the installation"))
}

/// Why a user cannot be as it is asked, in the original's words.
fn failed(what: &str, error: StoreError) -> Problem {
    let problem = Problem::from(error);
    match problem.code() {
        ProblemCode::EmailTaken | ProblemCode::UsernameTaken | ProblemCode::InvalidRequest => {
            refusal(format!("Failed to {what} user: {}", problem.message()))
        }
        _ => problem,
    }
}

/// What MxWhisper calls a role.
fn shown(role: Role) -> &'static str {
    if role == Role::Admin { ADMIN } else { USER }
}

fn role(value: Value) -> Result<Role, Wrong> {
    match value.as_str() {
        Some(ADMIN) => Ok(Role::Admin),
        Some(USER) => Ok(Role::Editor),
        _ => Err(format!("{ONE_OF}'{ADMIN}', '{USER}'").into()),
    }
}
