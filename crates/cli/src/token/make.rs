//! Keys and service tokens: made, and given another secret.

use hansard_domain::access::{Actor, Principal, Role, decide};
use hansard_domain::id::{Id, WorkspaceId};
use hansard_domain::time::Timestamp;
use hansard_store::Error as StoreError;
use hansard_store::tokens::{NewToken, TOKENS_MAX, Token, TokenKind};
use hansard_store::users::User;

use super::{CreateArgs, LIFETIME, RotateArgs, find, is_over, no_such_token, signed, told_end};
use crate::args::values::Lifetime;
use crate::columns;
use crate::exit::Failure;
use crate::output;
use crate::people::{self, People, failure, label};

/// Makes the token that `args` ask for and prints it.
pub(super) async fn create(people: &People, args: &CreateArgs) -> Result<(), Failure> {
    let was_open = people.is_open().await?;
    match &args.user {
        Some(user) => {
            let user = active(people, user).await?;
            match args.jwt {
                true => signed::create(people, &user, args).await?,
                false => made(people, key(people, &user, args)?).await?,
            }
        }
        None => made(people, service_token(people, args).await?).await?,
    }
    if was_open {
        people::tell_no_longer_open();
    }
    Ok(())
}

/// The user whom somebody names, who may come in.
pub(super) async fn active(people: &People, given: &str) -> Result<User, Failure> {
    let user = people.user(given).await?;
    if user.disabled_at.is_some() {
        return Err(Failure::failed(format!("{} is disabled", label(&user))));
    }
    Ok(user)
}

fn key(people: &People, user: &User, args: &CreateArgs) -> Result<NewToken, Failure> {
    let role = args.role.unwrap_or(user.role);
    if role > user.role {
        let (label, own) = (label(user), user.role.name());
        let message =
            format!("{label} has the role {own}: a key cannot have the role {}", role.name());
        return Err(Failure::usage(message));
    }
    let governs = user.governs() && role == Role::Admin;
    new_token(people, args, user.workspace.clone(), Some(user), role, governs)
}

async fn service_token(people: &People, args: &CreateArgs) -> Result<NewToken, Failure> {
    let workspace = workspace(people, args.workspace.as_deref()).await?;
    new_token(people, args, workspace, None, args.role.unwrap_or(Role::Editor), false)
}

fn new_token(
    people: &People,
    args: &CreateArgs,
    workspace: WorkspaceId,
    user: Option<&User>,
    role: Role,
    governs: bool,
) -> Result<NewToken, Failure> {
    let user = user.map(|user| user.id.clone());
    let actor = Actor::Token { id: people.store.clock().id(), user: user.clone() };
    let bearer = Principal { actor, workspace: workspace.clone(), role, governs, scopes: None };
    for scope in &args.scopes {
        decide(&bearer, *scope).map_err(|refusal| {
            Failure::usage(format!("the token could never use {}: {refusal}", scope.name()))
        })?;
    }
    let mut scopes = args.scopes.clone();
    scopes.sort_unstable();
    scopes.dedup();
    let expires_at = end(people, args.expires.unwrap_or(Lifetime::For(LIFETIME)));
    Ok(NewToken { workspace, user, name: args.name.clone(), role, governs, scopes, expires_at })
}

/// The workspace that somebody names: by its id, or as the configuration does.
async fn workspace(people: &People, given: Option<&str>) -> Result<WorkspaceId, Failure> {
    let Some(given) = given.filter(|given| *given != people.config.server.workspace) else {
        return people.home().await;
    };
    let found = match WorkspaceId::parse(given) {
        Ok(id) => people.store.find_workspace(&id).await.map_err(failure)?,
        Err(_) => None,
    };
    found.map(|workspace| workspace.id).ok_or_else(|| {
        Failure::failed(format!(
            "there is no workspace {given}; hansard workspace list shows the ids"
        ))
    })
}

/// Makes `new` and prints its secret.
async fn made(people: &People, new: NewToken) -> Result<(), Failure> {
    let made = people.store.create_token(new, &people.by).await.map_err(|error| match error {
        StoreError::TooManyTokens => {
            Failure::failed(format!("there are {TOKENS_MAX} that are good; revoke one first"))
        }
        other => failure(other),
    })?;
    let Some((token, secret)) = made else {
        return Err(Failure::failed("the user or the workspace is no longer there".to_owned()));
    };
    output::data(&format!("{}\n", secret.reveal()))?;
    output::note(&told(&token));
    Ok(())
}

fn told(token: &Token) -> String {
    let kind = if token.kind == TokenKind::Key { "key" } else { "service token" };
    let (id, role, end) = (&token.id, token.role.name(), told_end(token.expires_at));
    format!("{kind} {id}: {role}, {end}; it is not shown again")
}

/// Gives the token that `args` name another secret and prints it.
pub(super) async fn rotate(people: &People, args: &RotateArgs) -> Result<(), Failure> {
    let token = find(people, &args.token).await?.ok_or_else(no_such_token)?;
    if token.revoked_at.is_some() {
        return Err(is_over(&token));
    }
    if token.kind == TokenKind::Jwt {
        return signed::rotate(people, &token, args).await;
    }
    let usual = token.expires_at.map_or(Lifetime::Forever, |_| Lifetime::For(LIFETIME));
    let end = end(people, args.expires.unwrap_or(usual));
    let rotated = people.store.rotate_token(&token.id, args.overlap, end, &people.by).await;
    // Somebody has revoked it meanwhile.
    let (token, secret) = rotated.map_err(failure)?.ok_or_else(|| is_over(&token))?;
    output::data(&format!("{}\n", secret.reveal()))?;
    output::note(&told(&token));
    tell_overlap(token.previous_until);
    Ok(())
}

/// Says how long what is replaced is good.
pub(super) fn tell_overlap(until: Option<Timestamp>) {
    output::note(&match until {
        Some(until) => format!("the old one is good until {}", columns::minute(until)),
        None => "the old one is no longer good".to_owned(),
    });
}

/// When something ends that is good for `lifetime` from now.
fn end(people: &People, lifetime: Lifetime) -> Option<Timestamp> {
    match lifetime {
        Lifetime::Forever => None,
        Lifetime::For(time) => Some(people.store.clock().now().after(time)),
    }
}
