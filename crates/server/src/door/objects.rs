//! What a path names: whether it is there for the caller, and what the answer is where it is not.

use axum::extract::RawPathParams;
use hansard_domain::access::{
    Actor, Deed, Kind, Named, Permission, Role, Standing, decide, standing,
};
use hansard_domain::id::{Id, WorkspaceId};
use hansard_domain::job::Visibility;
use hansard_store::users::UserName;
use http::Method;

use crate::App;
use crate::caller::Caller;
use crate::door::{note_refusal_of, role_of};
use crate::extract::NO_NUMBER;
use crate::problem::Problem;
use crate::routes::{NamedBy, Needs, Object, Told};

/// The caller in the workspace that the path names, if it names one: what it may do is then a matter of what it is there.
///
/// # Errors
/// The declared answer, for one that the caller does not belong to. An administrator of the installation belongs to all; a token
/// opens its own alone.
pub(crate) async fn enter_workspace(
    app: &App,
    caller: Caller,
    needs: Needs,
    path: Option<&RawPathParams>,
) -> Result<Caller, Problem> {
    let named = needs.objects().find(|object| object.kind == Kind::Workspace);
    let Some(object) = named else { return Ok(caller) };
    let principal = caller.principal();
    let id = value(path, object.parameter).and_then(|text| WorkspaceId::parse(text).ok());
    let role = match &id {
        None => None,
        Some(id) if *id == principal.workspace => Some(principal.role),
        Some(id) => role_elsewhere(app, &caller, id).await?,
    };
    match (id, role) {
        (Some(id), Some(role)) => Ok(caller.seated(id, role)),
        (_, None) | (None, _) => {
            let problem = told(object.answers.missing(), path);
            note_refusal_of(app, &caller, problem.code()).await;
            Err(problem)
        }
    }
}

/// What `caller` is in `workspace`, which is not the one that it is in; `None` where it has no business there.
pub(crate) async fn role_elsewhere(
    app: &App,
    caller: &Caller,
    workspace: &WorkspaceId,
) -> Result<Option<Role>, Problem> {
    let principal = caller.principal();
    match &principal.actor {
        Actor::User(user) => match app.store().find_user(&UserName::Id(user.clone())).await? {
            Some(user) => role_of(app, &user, workspace).await,
            None => Ok(None),
        },
        Actor::Local | Actor::StaticKey(_) if principal.governs => {
            Ok(app.store().find_workspace(workspace).await?.map(|_| Role::Admin))
        }
        Actor::Local | Actor::StaticKey(_) | Actor::Secret(_) | Actor::Token { .. } => Ok(None),
    }
}

/// The caller, if it reaches everything that the path names.
///
/// # Errors
/// The declared answer about what it does not reach.
pub(crate) async fn reach(
    app: &App,
    mut caller: Caller,
    needs: Needs,
    path: Option<&RawPathParams>,
    method: &Method,
) -> Result<Caller, Problem> {
    let reads = [Method::GET, Method::HEAD].contains(method);
    let deed = if reads { Deed::Read } else { Deed::Write };
    for object in needs.objects().filter(|object| object.kind != Kind::Workspace) {
        let missing = || told(object.answers.missing(), path);
        let text = value(path, object.parameter).ok_or_else(missing)?;
        let name = name(object, text)?.ok_or_else(missing)?;
        let found = found(app, &caller, object.kind, &name, deed).await?;
        let (standing, workspace) = found.ok_or_else(missing)?;
        match (standing, workspace) {
            (Standing::Own, _) => {}
            (Standing::Shared, Some(workspace)) if object.is_shareable => {
                caller = caller.visiting(&workspace);
            }
            (_, Some(workspace))
                if object.is_overseen && deed == Deed::Read && governs(&caller) =>
            {
                caller = caller.seated(workspace, Role::Admin);
            }
            (Standing::Shared | Standing::Foreign, _) => {
                let problem = told(object.answers.foreign(), path);
                note_refusal_of(app, &caller, problem.code()).await;
                return Err(problem);
            }
        }
    }
    Ok(caller)
}

/// Whether the installation is the caller's to govern, by role and scopes.
fn governs(caller: &Caller) -> bool {
    decide(caller.principal(), Permission::ManageInstallation).is_ok()
}

fn value<'a>(path: Option<&'a RawPathParams>, name: &str) -> Option<&'a str> {
    path?.iter().find_map(|(key, value)| (key == name).then_some(value))
}

/// What the one of a kind that somebody names is to the caller, and where it is; `None` if there is none.
///
/// # Errors
/// Where the database cannot be read.
pub(crate) async fn found(
    app: &App,
    caller: &Caller,
    kind: Kind,
    name: &Named,
    deed: Deed,
) -> Result<Option<(Standing, Option<WorkspaceId>)>, Problem> {
    let owned = app.store().ownership(kind, name).await?;
    Ok(owned.map(|owned| {
        // Links are given to somebody; numbers can be counted through.
        let is_guessed =
            matches!(name, Named::Serial(_)) && owned.visibility == Some(Visibility::Link);
        match standing(caller.principal(), &owned, deed) {
            Standing::Shared if is_guessed => (Standing::Foreign, owned.workspace),
            standing => (standing, owned.workspace),
        }
    }))
}

/// What a parameter names; `None` for what can be no name.
///
/// # Errors
/// For what is no number where the declaration takes nothing else.
fn name(object: &Object, text: &str) -> Result<Option<Named>, Problem> {
    let number = text.parse().map(Named::Serial).ok();
    Ok(match object.by {
        NamedBy::Id => Some(Named::Id(text.to_owned())),
        NamedBy::UserName => Some(Named::UserName(text.to_owned())),
        NamedBy::SerialOrNothing => number,
        NamedBy::Serial if number.is_none() => {
            return Err(Problem::field(format!("{{{}}}", object.parameter), NO_NUMBER));
        }
        NamedBy::Serial => number,
    })
}

/// A declared answer, with the parameters of the path in it.
fn told(told: Told, path: Option<&RawPathParams>) -> Problem {
    told.filled(path.into_iter().flat_map(RawPathParams::iter))
}
