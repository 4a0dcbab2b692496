//! Users for stories about them, and what the audit log says.

use hansard_domain::access::Role;
use hansard_domain::id::{UserId, WorkspaceId};
use hansard_store::Store;
use hansard_store::audit::{ActorRef, AuditEntry, AuditFilter, By};
use hansard_store::users::{Claimed, NewUser, User};

use crate::db::workspace;

/// Whoever uses the command line.
pub(crate) fn by() -> By {
    By::actor(ActorRef::COMMAND_LINE)
}

/// What is not a password: the store does not look into it.
pub(crate) const PHC: &str = "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$aGFzaA";

pub(crate) fn named(name: &str, role: Role) -> NewUser {
    let email = Some(format!("{name}@example.org"));
    NewUser { email, username: Some(name.to_owned()), ..NewUser::of(role) }
}

pub(crate) async fn user(store: &Store, name: &str, role: Role) -> User {
    store.create_user(named(name, role), &workspace(store).await, &by()).await.unwrap()
}

pub(crate) async fn editor(store: &Store, name: &str) -> User {
    user(store, name, Role::Editor).await
}

/// What a provider says about somebody.
pub(crate) fn claimed(subject: &str, role: Option<Role>) -> Claimed {
    Claimed {
        issuer: "https://id.example.org/".to_owned(),
        subject: subject.to_owned(),
        email: Some(format!("{subject}@example.org")),
        name: Some(subject.to_uppercase()),
        username: Some(subject.to_owned()),
        picture: None,
        role,
        default_role: Role::Editor,
    }
}

/// The whole log, oldest entry first.
pub(crate) async fn log(store: &Store, workspace: Option<&WorkspaceId>) -> Vec<AuditEntry> {
    let filter = AuditFilter::default();
    let mut entries = store.page_audit(workspace, &filter, None, 1000).await.unwrap().items;
    entries.reverse();
    entries
}

/// What happened to `user`, oldest first.
pub(crate) async fn told_about(store: &Store, user: &UserId) -> Vec<&'static str> {
    let filter = AuditFilter { subject: Some(user.to_string()), ..AuditFilter::default() };
    let mut entries = store.page_audit(None, &filter, None, 1000).await.unwrap().items;
    entries.reverse();
    entries.iter().map(|entry| entry.kind.name()).collect()
}
