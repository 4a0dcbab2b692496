//! The local administrator: a user with a password, whom the configuration names.

use std::error::Error;

use hansard_domain::access::Role;
use hansard_domain::id::WorkspaceId;
use hansard_store::audit::{ActorRef, By};
use hansard_store::users::{NewUser, User, UserEdit, UserEdited};
use hansard_store::{Error as StoreError, Store};

use crate::passwords::{Passwords, hash_password};
use crate::settings::Administrator;

/// How often it is looked whether there is one: another node may make it meanwhile.
const LOOKS_MAX: u32 = 3;

/// Why there is no local administrator although there should be.
pub(crate) type Reason = Box<dyn Error + Send + Sync>;

/// Makes sure that there is a user with this e-mail address and password who governs the installation.
///
/// It is a user like others, and not a special case of the login: sessions, tokens and the audit log name users, and one path
/// compares all passwords. So the configuration is looked at when the service starts, and what it says is written into the
/// database where that says otherwise; a password that differs ends the sessions that began with the old one. The hash is
/// made anew only then: each has a salt of its own.
///
/// # Errors
/// Where the database cannot be read or written, or the password cannot be kept.
pub(crate) async fn ensure(
    store: &Store,
    wanted: &Administrator,
    home: &WorkspaceId,
) -> Result<(), Reason> {
    let by = By::actor(ActorRef::SYSTEM);
    for _ in 0..LOOKS_MAX {
        match store.find_login(&wanted.email).await? {
            Some((user, hash)) => return renew(store, wanted, &user, hash, home, &by).await,
            None => {
                let new = NewUser {
                    email: Some(wanted.email.clone()),
                    name: Some("Administrator".to_owned()),
                    password_hash: Some(hash_of(wanted).await?),
                    ..NewUser::of(Role::Admin)
                };
                match store.create_user(new, home, &by).await {
                    Ok(_) => return Ok(()),
                    Err(StoreError::EmailTaken) => {}
                    Err(error) => return Err(error.into()),
                }
            }
        }
    }
    Err(StoreError::Busy.into())
}

/// Changes what `user`, whose password has this hash, lacks.
async fn renew(
    store: &Store,
    wanted: &Administrator,
    user: &User,
    hash: String,
    home: &WorkspaceId,
    by: &By,
) -> Result<(), Reason> {
    let password = wanted.password.expose().to_owned();
    let is_same = Passwords::default().verify(password, Some(hash)).await?;
    if is_same && user.governs() {
        return Ok(());
    }
    let password_hash = if is_same { None } else { Some(Some(hash_of(wanted).await?)) };
    let edit = UserEdit {
        role: (user.role != Role::Admin).then_some(Role::Admin),
        is_disabled: user.disabled_at.is_some().then_some(false),
        password_hash,
        ..UserEdit::default()
    };
    match store.update_user(&user.id, edit, home, by).await? {
        UserEdited::Done(_) => Ok(()),
        UserEdited::Missing => Err("the user with its e-mail address is being erased".into()),
        UserEdited::LastAdmin => Err("nobody else governs the installation".into()),
    }
}

async fn hash_of(wanted: &Administrator) -> Result<String, Reason> {
    let password = wanted.password.clone();
    let hashed = tokio::task::spawn_blocking(move || hash_password(password.expose())).await?;
    Ok(hashed?)
}
