//! Users: made, found, changed and erased by whoever governs the installation.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use hansard_domain::access::{Kind, Permission, Role};
use hansard_domain::id::UserId;
use hansard_domain::problem::ProblemCode;
use hansard_store::users::{NewUser, User, UserEdit, UserEdited, UserName};
use hansard_store::{Erased, Erasure};
use http::StatusCode;
use http::header::LOCATION;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use crate::App;
use crate::api::pages::{PageView, Place};
use crate::caller::Caller;
use crate::extract::{ApiJson, ApiPath, ApiQuery};
use crate::fields::Fields;
use crate::openapi::{NewUserBody, UserPatch, names};
use crate::passwords::{Busy, PASSWORD_BYTES_MAX, PasswordError, Unhashed};
use crate::problem::{Problem, RETRY_SOON};
use crate::routes::{Access, Route};

/// Where users are.
const PATH: &str = "/api/v1/users";

/// Characters of a name for people.
pub(crate) const NAME_MAX: usize = 200;

/// Characters of a username.
pub(crate) const USERNAME_MAX: usize = 100;

/// Characters of an e-mail address.
const EMAIL_MAX: usize = 320;

/// The routes of users.
pub(crate) fn routes() -> Vec<Route> {
    let all = Access::needs(Permission::ManageInstallation);
    let this = Access::of(Permission::ManageInstallation, Kind::User);
    let one = format!("{PATH}/{{id}}");
    vec![
        Route::get(PATH, all, list_users),
        Route::post(PATH, all, create_user),
        Route::get(&one, this, get_user),
        Route::patch(&one, this, update_user),
        Route::delete(&one, this, erase_user),
    ]
}

/// A user.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = User)]
pub(crate) struct UserView {
    /// Its name.
    id: String,
    /// The e-mail address.
    email: Option<String>,
    /// A name to be found by, unique among users.
    username: Option<String>,
    /// A name for people.
    name: Option<String>,
    /// What the user is in the installation: an `admin` governs it, a `viewer` only reads, wherever it is a member.
    #[schema(schema_with = names::role)]
    role: &'static str,
    /// Whether a person has set the role, so that a provider's groups no longer change it.
    role_is_local: bool,
    /// The personal workspace.
    workspace_id: String,
    /// Whether the user can log in with a password.
    has_password: bool,
    /// Since when the user may not come in.
    #[schema(format = DateTime)]
    disabled_at: Option<String>,
    /// When the user was last seen, up to a minute before it was.
    #[schema(format = DateTime)]
    last_seen_at: Option<String>,
    /// When it was made.
    #[schema(format = DateTime)]
    created_at: String,
}

impl UserView {
    pub(crate) fn of(user: User) -> Self {
        Self {
            id: user.id.to_string(),
            email: user.email,
            username: user.username,
            name: user.name,
            role: user.role.name(),
            role_is_local: user.role_is_local,
            workspace_id: user.workspace.to_string(),
            has_password: user.has_password,
            disabled_at: user.disabled_at.map(|time| time.to_string()),
            last_seen_at: user.last_seen_at.map(|time| time.to_string()),
            created_at: user.created_at.to_string(),
        }
    }
}

/// A user who is gone, and what went along.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Erased)]
pub(crate) struct ErasedView {
    /// The user.
    user_id: String,
    /// How many of each.
    removed: RemovedView,
}

/// What was removed with a user: what was in the personal workspace, and the user's own.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Removed)]
pub(crate) struct RemovedView {
    /// Recordings.
    recordings: u64,
    /// Stored media; recordings of the same bytes may share them.
    media_objects: u64,
    /// Their bytes.
    media_bytes: u64,
    /// Jobs.
    jobs: u64,
    /// Transcripts.
    transcripts: u64,
    /// Uploads in pieces.
    uploads: u64,
    /// Webhook endpoints.
    endpoints: u64,
    /// Deliveries to them, and to callbacks.
    deliveries: u64,
    /// Events of the log.
    events: u64,
    /// Collections.
    collections: u64,
    /// Tokens: the user's, and those of the personal workspace.
    tokens: u64,
    /// Sessions.
    sessions: u64,
    /// Accounts at providers.
    identities: u64,
    /// Memberships of workspaces.
    memberships: u64,
}

impl ErasedView {
    fn of(user: &UserId, erased: Erased) -> Self {
        let removed = RemovedView {
            recordings: erased.recordings,
            media_objects: erased.media_objects,
            media_bytes: erased.media_bytes,
            jobs: erased.jobs,
            transcripts: erased.transcripts,
            uploads: erased.uploads,
            endpoints: erased.endpoints,
            deliveries: erased.deliveries,
            events: erased.events,
            collections: erased.collections,
            tokens: erased.tokens,
            sessions: erased.sessions,
            identities: erased.identities,
            memberships: erased.memberships,
        };
        Self { user_id: user.to_string(), removed }
    }
}

/// Which users to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListUsers {
    /// The `next_cursor` of the page before.
    cursor: Option<String>,
    /// Items of the page: 1 to 200, and 50 unless it is given.
    limit: Option<u32>,
}

/// All users of the installation, newest first.
#[utoipa::path(
    get, path = "/api/v1/users", tag = "users",
    params(ListUsers),
    responses((status = 200, description = "A page of users", body = PageView<UserView>)),
)]
pub(crate) async fn list_users(
    State(app): State<App>,
    ApiQuery(list): ApiQuery<ListUsers>,
) -> Result<Json<PageView<UserView>>, Problem> {
    let Place { before, limit } = Place::read(list.cursor.as_deref(), list.limit)?;
    let page = app.store().page_users(before, limit).await?;
    Ok(Json(PageView::of(page, UserView::of)))
}

/// Makes a user, with a personal workspace. Without a password, the user cannot log in with one.
#[utoipa::path(
    post, path = "/api/v1/users", tag = "users",
    request_body = NewUserBody,
    responses((status = 201, description = "The user", body = UserView)),
)]
pub(crate) async fn create_user(
    State(app): State<App>,
    caller: Caller,
    ApiJson(json): ApiJson<Value>,
) -> Result<Response, Problem> {
    let mut fields = Fields::of_json(json)?;
    if !fields.has("email") {
        fields.refuse("email", "needed");
    }
    let role = fields.choice("role", Role::ALL, Role::name);
    let default_role = app.settings().admission.group_roles.otherwise;
    let mut user = NewUser {
        email: fields.text("email", EMAIL_MAX),
        name: fields.text("name", NAME_MAX),
        username: fields.text("username", USERNAME_MAX),
        role_is_local: role.is_some(),
        ..NewUser::of(role.unwrap_or(default_role))
    };
    let password = fields.text("password", PASSWORD_BYTES_MAX);
    fields.finish()?;
    if let Some(password) = password {
        user.password_hash = Some(hash(&app, password).await?);
    }
    let made = app.store().create_user(user, app.workspace(), &caller.by()).await?;
    let location = [(LOCATION, format!("{PATH}/{}", made.id))];
    Ok((StatusCode::CREATED, location, Json(UserView::of(made))).into_response())
}

/// One user.
#[utoipa::path(
    get, path = "/api/v1/users/{id}", tag = "users",
    params(("id" = String, Path, description = "Its id")),
    responses((status = 200, description = "The user", body = UserView)),
)]
pub(crate) async fn get_user(
    State(app): State<App>,
    ApiPath(id): ApiPath<UserId>,
) -> Result<Json<UserView>, Problem> {
    let user = app.store().find_user(&UserName::Id(id)).await?;
    Ok(Json(UserView::of(user.ok_or_else(missing)?)))
}

/// Changes a user, by a JSON merge patch (RFC 7396).
///
/// To disable a user, and to give another password or none, ends all of the user's sessions; a disabled user's keys are of no use
/// either. Whoever governs the installation last stays.
#[utoipa::path(
    patch, path = "/api/v1/users/{id}", tag = "users",
    params(("id" = String, Path, description = "Its id")),
    request_body(content(
        (UserPatch = "application/merge-patch+json"),
        (UserPatch = "application/json"),
    )),
    responses((status = 200, description = "The user as it is now", body = UserView)),
)]
pub(crate) async fn update_user(
    State(app): State<App>,
    caller: Caller,
    ApiPath(id): ApiPath<UserId>,
    ApiJson(json): ApiJson<Value>,
) -> Result<Json<UserView>, Problem> {
    let mut fields = Fields::of_patch(json)?;
    let text = |max| move |fields: &mut Fields, name: &str| fields.text(name, max);
    let role = fields.change("role", |fields, name| fields.choice(name, Role::ALL, Role::name));
    if role == Some(None) {
        fields.refuse("role", "needed: a user cannot be without it");
    }
    let mut change = UserEdit {
        name: fields.change("name", text(NAME_MAX)),
        username: fields.change("username", text(USERNAME_MAX)),
        email: fields.change("email", text(EMAIL_MAX)),
        role: role.flatten(),
        is_disabled: fields
            .change("disabled", |fields, name| Some(fields.flag(name)))
            .map(Option::unwrap_or_default),
        ..UserEdit::default()
    };
    let password = fields.change("password", text(PASSWORD_BYTES_MAX));
    fields.finish()?;
    change.password_hash = match password {
        None => None,
        Some(None) => Some(None),
        Some(Some(password)) => Some(Some(hash(&app, password).await?)),
    };
    Ok(Json(UserView::of(edit(&app, &caller, &id, change).await?)))
}

/// Erases a user with everything that is the user's alone: the personal workspace, recordings, media and deliveries in it, keys,
/// sessions. What the user made elsewhere stays there, without the user's name.
///
/// The user is shut out at once; the answer comes when all is gone, and says what that was.
#[utoipa::path(
    delete, path = "/api/v1/users/{id}", tag = "users",
    params(("id" = String, Path, description = "Its id")),
    responses((status = 200, description = "What was removed", body = ErasedView)),
)]
pub(crate) async fn erase_user(
    State(app): State<App>,
    caller: Caller,
    ApiPath(id): ApiPath<UserId>,
) -> Result<Json<ErasedView>, Problem> {
    let (store, user, by) = (app.store().clone(), id.clone(), caller.by());
    let erasure = app.to_the_end(async move { Ok(store.erase_user(&user, &by).await?) }).await?;
    match erasure {
        Erasure::Done(erased) => Ok(Json(ErasedView::of(&id, erased))),
        Erasure::Missing => Err(missing()),
        Erasure::LastAdmin => Err(Problem::new(ProblemCode::LastAdmin)),
    }
}

/// Changes user `id` as `caller` wishes.
pub(crate) async fn edit(
    app: &App,
    caller: &Caller,
    id: &UserId,
    change: UserEdit,
) -> Result<User, Problem> {
    match app.store().update_user(id, change, app.workspace(), &caller.by()).await? {
        UserEdited::Done(user) => Ok(*user),
        UserEdited::Missing => Err(missing()),
        UserEdited::LastAdmin => Err(Problem::new(ProblemCode::LastAdmin)),
    }
}

/// The hash of a new password, which stands in the field `password`.
pub(crate) async fn hash(app: &App, password: String) -> Result<String, Problem> {
    app.door().passwords.hash(password).await.map_err(|error| match error {
        Unhashed::Busy(error) => busy(error),
        Unhashed::Refused(error @ (PasswordError::TooShort | PasswordError::TooLong)) => {
            Problem::field("/password", error.to_string())
        }
        error => Problem::new(ProblemCode::Internal).caused_by(error),
    })
}

/// The answer where too many passwords are being compared or hashed.
pub(crate) fn busy(_: Busy) -> Problem {
    Problem::new(ProblemCode::Overloaded).retry_after(RETRY_SOON)
}

fn missing() -> Problem {
    Problem::new(ProblemCode::UserNotFound)
}
