//! Who one is: by whatever credential one came, and what it is good for.

use axum::Json;
use axum::extract::State;
use hansard_domain::access::{Permission, decide};
use hansard_domain::problem::ProblemCode;
use hansard_store::audit::ActorRef;
use hansard_store::users::{Identity, User, UserEdit, UserName};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::App;
use crate::api::users::{self, USERNAME_MAX, UserView};
use crate::api::workspaces::{self, WorkspaceView};
use crate::caller::Caller;
use crate::door;
use crate::extract::ApiJson;
use crate::fields::Fields;
use crate::openapi::{MePatch, names};
use crate::passwords::PASSWORD_BYTES_MAX;
use crate::problem::Problem;
use crate::routes::{Access, Route};

/// Where callers learn who they are.
const PATH: &str = "/api/v1/me";

/// The routes of the caller itself.
pub(crate) fn routes() -> Vec<Route> {
    vec![Route::get(PATH, Access::Known, get_me), Route::patch(PATH, Access::own(), update_me)]
}

/// Who calls, and what that is good for.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Me)]
pub(crate) struct MeView {
    /// By what the caller is known.
    actor: ActorView,
    /// The user who calls, by whatever credential; `null` for a service token, a configured key and a program on this machine.
    user: Option<UserView>,
    /// The workspace that requests are about unless `X-Workspace` names another one.
    workspace_id: String,
    /// What the caller is there.
    #[schema(schema_with = names::role)]
    role: &'static str,
    /// Whether the caller governs the installation.
    governs: bool,
    /// What the caller may do there.
    #[schema(schema_with = names::permissions)]
    permissions: Vec<&'static str>,
    /// The workspaces within reach, oldest first: a token has one.
    workspaces: Vec<WorkspaceView>,
    /// The accounts at providers that the user logs in with, oldest first.
    identities: Vec<IdentityView>,
}

/// By what somebody is known.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Actor)]
pub(crate) struct ActorView {
    /// `user`, `token`, `static_key`, `secret` or `local`; in the audit log also `command_line`, `anonymous` and `system`.
    pub(crate) kind: String,
    /// The id of the user or token, or the name of the setting whose key it is.
    pub(crate) id: Option<String>,
}

/// An account at a provider.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Identity)]
pub(crate) struct IdentityView {
    /// The provider, as its tokens name it.
    issuer: String,
    /// The e-mail address there.
    email: Option<String>,
    /// The address of a picture of the person there.
    picture: Option<String>,
    /// Since when it is the user's.
    #[schema(format = DateTime)]
    created_at: String,
    /// When it was last used, up to a minute before it was.
    #[schema(format = DateTime)]
    last_login_at: String,
}

impl IdentityView {
    fn of(identity: Identity) -> Self {
        Self {
            issuer: identity.issuer,
            email: identity.email,
            picture: identity.picture,
            created_at: identity.created_at.to_string(),
            last_login_at: identity.last_login_at.to_string(),
        }
    }
}

/// Who the caller is, and what it may do.
#[utoipa::path(
    get, path = "/api/v1/me", tag = "account",
    responses((status = 200, description = "The caller", body = MeView)),
)]
pub(crate) async fn get_me(
    State(app): State<App>,
    caller: Caller,
) -> Result<Json<MeView>, Problem> {
    Ok(Json(view(&app, &caller).await?))
}

/// Changes one's own name, username or password, by a JSON merge patch (RFC 7396).
///
/// A new password needs the present one, and ends all sessions but the one in which it is changed.
#[utoipa::path(
    patch, path = "/api/v1/me", tag = "account",
    request_body(content(
        (MePatch = "application/merge-patch+json"),
        (MePatch = "application/json"),
    )),
    responses((status = 200, description = "The caller as it is now", body = MeView)),
)]
pub(crate) async fn update_me(
    State(app): State<App>,
    caller: Caller,
    ApiJson(json): ApiJson<Value>,
) -> Result<Json<MeView>, Problem> {
    let mut fields = Fields::of_patch(json)?;
    let mut edit = UserEdit {
        name: fields.change("name", |fields, name| fields.text(name, users::NAME_MAX)),
        username: fields.change("username", |fields, name| fields.text(name, USERNAME_MAX)),
        keep_session: caller.session().map(|session| session.id.clone()),
        ..UserEdit::default()
    };
    let password = fields.text("password", PASSWORD_BYTES_MAX);
    if password.is_some() && !fields.has("current_password") {
        fields.refuse("current_password", "needed: a new password takes the present one");
    }
    let present = fields.text("current_password", PASSWORD_BYTES_MAX);
    fields.finish()?;
    let user = user(&app, &caller).await?.ok_or(Problem::new(ProblemCode::UserNotFound))?;
    if let (Some(password), Some(present)) = (password, present) {
        check_password(&app, &caller, &user, present).await?;
        edit.password_hash = Some(Some(users::hash(&app, password).await?));
    }
    users::edit(&app, &caller, &user.id, edit).await?;
    Ok(Json(view(&app, &caller).await?))
}

/// Refuses whoever does not know the present password of `user`. Guesses are counted as those at a login are.
async fn check_password(
    app: &App,
    caller: &Caller,
    user: &User,
    present: String,
) -> Result<(), Problem> {
    let Some(email) = user.email.as_deref().filter(|_| user.has_password) else {
        let detail =
            "you log in without a password; an administrator of the installation can give you one";
        return Err(Problem::field("/password", detail));
    };
    let attempt = match app.door().throttle.attempt(app, caller.sender().address, email).await {
        Ok(attempt) => attempt,
        Err(problem) => {
            door::note_refusal_of(app, caller, problem.code()).await;
            return Err(problem);
        }
    };
    let known = app.store().find_login(email).await?;
    let hash = known.filter(|(found, _)| found.id == user.id).map(|(_, hash)| hash);
    let compared = app.door().passwords.verify(present, hash).await;
    if let Ok(false) = compared {
        door::note_refusal_of(app, caller, ProblemCode::LoginRefused).await;
        return Err(Problem::field("/current_password", "it is not the present password"));
    }
    // It is the password, or nothing was guessed: there was no place to compare it.
    app.door().throttle.succeeded(app, attempt).await;
    compared.map(drop).map_err(users::busy)
}

async fn user(app: &App, caller: &Caller) -> Result<Option<User>, Problem> {
    match caller.user() {
        Some(id) => Ok(app.store().find_user(&UserName::Id(id.clone())).await?),
        None => Ok(None),
    }
}

async fn view(app: &App, caller: &Caller) -> Result<MeView, Problem> {
    let principal = caller.principal();
    let user = user(app, caller).await?;
    let identities = match &user {
        Some(user) => app.store().identities_of(&user.id).await?,
        None => Vec::new(),
    };
    let may = |permission: &&Permission| decide(principal, **permission).is_ok();
    let ActorRef { kind, id } = ActorRef::from(&principal.actor);
    Ok(MeView {
        actor: ActorView { kind: kind.to_owned(), id },
        workspace_id: caller.workspace().to_string(),
        role: principal.role.name(),
        governs: principal.governs,
        permissions: Permission::ALL
            .iter()
            .filter(may)
            .map(|permission| permission.name())
            .collect(),
        workspaces: workspaces::within_reach(app, caller, user.as_ref()).await?,
        identities: identities.into_iter().map(IdentityView::of).collect(),
        user: user.map(UserView::of),
    })
}
