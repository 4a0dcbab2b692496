//! Workspaces: what everything belongs to, and who belongs to them.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use hansard_domain::access::{Actor, Kind, Permission, Role};
use hansard_domain::id::{UserId, WorkspaceId};
use hansard_domain::problem::ProblemCode;
use hansard_store::users::{User, UserName};
use hansard_store::workspaces::{Member, MemberSet, Workspace};
use http::StatusCode;
use http::header::LOCATION;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use crate::App;
use crate::api::pages::{PageView, Parameters, Place};
use crate::caller::Caller;
use crate::door;
use crate::extract::{ApiJson, ApiPath, ApiQuery};
use crate::fields::Fields;
use crate::openapi::{MemberBody, WorkspaceBody, names};
use crate::problem::Problem;
use crate::routes::{Access, Object, Route};

/// Where workspaces are.
const PATH: &str = "/api/v1/workspaces";

/// Where all of the installation are listed.
const ALL_PATH: &str = "/api/v1/installation/workspaces";

/// Characters of a name.
pub(crate) const NAME_MAX: usize = 200;

/// The routes of workspaces.
pub(crate) fn routes() -> Vec<Route> {
    let own = Access::own();
    let looks_at_this = own.object(Object::named(Kind::Workspace, "id"));
    let this = Access::of(Permission::ManageMembers, Kind::Workspace);
    let member = this.object(Object::named(Kind::User, "user"));
    let one = format!("{PATH}/{{id}}");
    let members = format!("{one}/members");
    vec![
        Route::get(ALL_PATH, Access::needs(Permission::ManageInstallation), list_all_workspaces),
        Route::get(PATH, own, list_workspaces),
        Route::post(PATH, own, create_workspace),
        Route::get(&one, looks_at_this, get_workspace),
        Route::patch(&one, this, rename_workspace),
        Route::get(&members, this, list_members),
        Route::put(&format!("{members}/{{user}}"), member, set_member),
        Route::delete(&format!("{members}/{{user}}"), member, remove_member),
    ]
}

/// A workspace, as somebody within it sees it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Workspace)]
pub(crate) struct WorkspaceView {
    /// Its name.
    id: String,
    /// Its name for people.
    name: String,
    /// `personal`, which is one user's own and takes no further members, or `shared`.
    kind: &'static str,
    /// What the caller is there.
    #[schema(schema_with = names::role)]
    role: &'static str,
    /// When it was made.
    #[schema(format = DateTime)]
    created_at: String,
}

/// Somebody who belongs to a workspace.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Member)]
pub(crate) struct MemberView {
    /// The user.
    user_id: String,
    /// The user's name, for people.
    name: Option<String>,
    /// The user's e-mail address.
    email: Option<String>,
    /// What the user is there.
    #[schema(schema_with = names::role)]
    role: &'static str,
    /// Since when the user belongs to it.
    #[schema(format = DateTime)]
    created_at: String,
}

/// Which workspaces of the installation to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListWorkspaces {
    /// Only those that are `personal`, or `shared`.
    kind: Option<String>,
    /// The `next_cursor` of the page before.
    cursor: Option<String>,
    /// Items of the page: 1 to 200, and 50 unless it is given.
    limit: Option<u32>,
}

/// What stands in `kind` of a workspace that is or is not one user's own.
const fn kind(is_personal: bool) -> &'static str {
    if is_personal { "personal" } else { "shared" }
}

impl WorkspaceView {
    fn of(workspace: Workspace, role: Role) -> Self {
        Self {
            id: workspace.id.to_string(),
            name: workspace.name,
            kind: kind(workspace.is_personal),
            role: role.name(),
            created_at: workspace.created_at.to_string(),
        }
    }
}

impl MemberView {
    fn of(member: Member) -> Self {
        Self {
            user_id: member.user.to_string(),
            name: member.name,
            email: member.email,
            role: member.role.name(),
            created_at: member.created_at.to_string(),
        }
    }
}

/// The workspaces that `caller`, who may be `user`, can be in: those that the user belongs to, or the only one of anybody else.
pub(crate) async fn within_reach(
    app: &App,
    caller: &Caller,
    user: Option<&User>,
) -> Result<Vec<WorkspaceView>, Problem> {
    let principal = caller.principal();
    if let (Actor::User(_), Some(user)) = (&principal.actor, user) {
        let workspaces = app.store().workspaces_of(&user.id).await?;
        let view = |(workspace, role)| WorkspaceView::of(workspace, door::capped(role, user));
        return Ok(workspaces.into_iter().map(view).collect());
    }
    let workspace = app.store().find_workspace(&principal.workspace).await?;
    let view = |workspace| WorkspaceView::of(workspace, principal.role);
    Ok(workspace.into_iter().map(view).collect())
}

/// The workspaces that one belongs to, oldest first: a thousand at most. A key has one.
#[utoipa::path(
    get, path = "/api/v1/workspaces", tag = "workspaces",
    responses((status = 200, description = "All workspaces", body = PageView<WorkspaceView>)),
)]
pub(crate) async fn list_workspaces(
    State(app): State<App>,
    caller: Caller,
) -> Result<Json<PageView<WorkspaceView>>, Problem> {
    let user = match caller.user() {
        Some(id) => app.store().find_user(&UserName::Id(id.clone())).await?,
        None => None,
    };
    Ok(Json(PageView::whole(within_reach(&app, &caller, user.as_ref()).await?)))
}

/// All workspaces of the installation, newest first: whoever governs it is an admin of each.
#[utoipa::path(
    get, path = "/api/v1/installation/workspaces", tag = "workspaces",
    params(ListWorkspaces),
    responses((status = 200, description = "A page of workspaces", body = PageView<WorkspaceView>)),
)]
pub(crate) async fn list_all_workspaces(
    State(app): State<App>,
    caller: Caller,
    ApiQuery(list): ApiQuery<ListWorkspaces>,
) -> Result<Json<PageView<WorkspaceView>>, Problem> {
    let mut parameters = Parameters::default();
    let is_personal = parameters.read("kind", list.kind.as_deref(), |name| {
        let found = [true, false].into_iter().find(|is_personal| kind(*is_personal) == name);
        found.ok_or("expected personal or shared")
    });
    let Place { before, limit } = parameters.place(list.cursor.as_deref(), list.limit)?;
    let page = app.store().page_workspaces(is_personal, before, limit).await?;
    let role = caller.principal().role;
    Ok(Json(PageView::of(page, |workspace| WorkspaceView::of(workspace, role))))
}

/// Makes a workspace, of which one is the admin.
#[utoipa::path(
    post, path = "/api/v1/workspaces", tag = "workspaces",
    request_body = WorkspaceBody,
    responses((status = 201, description = "The workspace", body = WorkspaceView)),
)]
pub(crate) async fn create_workspace(
    State(app): State<App>,
    caller: Caller,
    ApiJson(json): ApiJson<Value>,
) -> Result<Response, Problem> {
    let name = name(json)?;
    let owner = caller.user().ok_or(missing_user())?;
    let made = app.store().create_workspace(&name, owner, &caller.by()).await?;
    let workspace = made.ok_or(missing_user())?;
    let location = [(LOCATION, format!("{PATH}/{}", workspace.id))];
    let view = WorkspaceView::of(workspace, Role::Admin);
    Ok((StatusCode::CREATED, location, Json(view)).into_response())
}

/// One of the workspaces that one belongs to.
#[utoipa::path(
    get, path = "/api/v1/workspaces/{id}", tag = "workspaces",
    params(("id" = String, Path, description = "Its id")),
    responses((status = 200, description = "The workspace", body = WorkspaceView)),
)]
pub(crate) async fn get_workspace(
    State(app): State<App>,
    caller: Caller,
    ApiPath(id): ApiPath<WorkspaceId>,
) -> Result<Json<WorkspaceView>, Problem> {
    found(&app, &caller, &id).await
}

/// Gives a workspace another name.
#[utoipa::path(
    patch, path = "/api/v1/workspaces/{id}", tag = "workspaces",
    params(("id" = String, Path, description = "Its id")),
    request_body(content(
        (WorkspaceBody = "application/merge-patch+json"),
        (WorkspaceBody = "application/json"),
    )),
    responses((status = 200, description = "The workspace as it is now", body = WorkspaceView)),
)]
pub(crate) async fn rename_workspace(
    State(app): State<App>,
    caller: Caller,
    ApiPath(id): ApiPath<WorkspaceId>,
    ApiJson(json): ApiJson<Value>,
) -> Result<Json<WorkspaceView>, Problem> {
    let name = name(json)?;
    app.store().rename_workspace(&id, &name, &caller.by()).await?;
    found(&app, &caller, &id).await
}

/// Who belongs to a workspace, oldest user first: a thousand at most.
#[utoipa::path(
    get, path = "/api/v1/workspaces/{id}/members", tag = "workspaces",
    params(("id" = String, Path, description = "The id of the workspace")),
    responses((status = 200, description = "All members", body = PageView<MemberView>)),
)]
pub(crate) async fn list_members(
    State(app): State<App>,
    ApiPath(id): ApiPath<WorkspaceId>,
) -> Result<Json<PageView<MemberView>>, Problem> {
    let members = app.store().members(&id).await?;
    Ok(Json(PageView::whole(members.into_iter().map(MemberView::of).collect())))
}

/// Makes a user a member of a workspace, or gives a member another role. The last admin stays one.
#[utoipa::path(
    put, path = "/api/v1/workspaces/{id}/members/{user}", tag = "workspaces",
    params(
        ("id" = String, Path, description = "The id of the workspace"),
        ("user" = String, Path, description = "The id of the user"),
    ),
    request_body = MemberBody,
    responses((status = 200, description = "The member as it is now", body = MemberView)),
)]
pub(crate) async fn set_member(
    State(app): State<App>,
    caller: Caller,
    ApiPath((id, user)): ApiPath<(WorkspaceId, UserId)>,
    ApiJson(json): ApiJson<Value>,
) -> Result<Json<MemberView>, Problem> {
    let mut fields = Fields::of_json(json)?;
    if !fields.has("role") {
        fields.refuse("role", "needed");
    }
    let role = fields.choice("role", Role::ALL, Role::name);
    fields.finish()?;
    let role = role.ok_or_else(|| Problem::field("/role", "needed"))?;
    changed(app.store().set_member(&id, &user, role, &caller.by()).await?)?;
    let members = app.store().members(&id).await?;
    let member = members.into_iter().find(|member| member.user == user);
    Ok(Json(MemberView::of(member.ok_or(missing_user())?)))
}

/// Makes a user no longer belong to a workspace. The user's keys for it stop at once. The last admin stays.
#[utoipa::path(
    delete, path = "/api/v1/workspaces/{id}/members/{user}", tag = "workspaces",
    params(
        ("id" = String, Path, description = "The id of the workspace"),
        ("user" = String, Path, description = "The id of the user"),
    ),
    responses((status = 204, description = "The user no longer belongs to it")),
)]
pub(crate) async fn remove_member(
    State(app): State<App>,
    caller: Caller,
    ApiPath((id, user)): ApiPath<(WorkspaceId, UserId)>,
) -> Result<StatusCode, Problem> {
    match app.store().remove_member(&id, &user, &caller.by()).await? {
        // Whoever did not belong to it does not either.
        MemberSet::Missing => {}
        set => changed(set)?,
    }
    Ok(StatusCode::NO_CONTENT)
}

fn changed(set: MemberSet) -> Result<(), Problem> {
    match set {
        MemberSet::Done => Ok(()),
        MemberSet::Missing => Err(missing_user()),
        MemberSet::LastAdmin => Err(Problem::new(ProblemCode::LastAdmin)),
        MemberSet::Personal => {
            let detail = "a personal workspace takes no further members";
            Err(Problem::new(ProblemCode::Forbidden).detail(detail))
        }
    }
}

fn missing_user() -> Problem {
    Problem::new(ProblemCode::UserNotFound)
}

/// Workspace `id`, in which the door has seated `caller`.
async fn found(
    app: &App,
    caller: &Caller,
    id: &WorkspaceId,
) -> Result<Json<WorkspaceView>, Problem> {
    let workspace = app.store().find_workspace(id).await?;
    let workspace = workspace.ok_or(Problem::new(ProblemCode::WorkspaceNotFound))?;
    Ok(Json(WorkspaceView::of(workspace, caller.principal().role)))
}

/// The name in a body, which is all that a workspace has.
fn name(json: Value) -> Result<String, Problem> {
    let mut fields = Fields::of_json(json)?;
    if !fields.has("name") {
        fields.refuse("name", "needed");
    }
    let name = fields.text("name", NAME_MAX);
    fields.finish()?;
    name.ok_or_else(|| Problem::field("/name", "needed"))
}
