//! Changing a user.

use hansard_domain::access::Role;
use hansard_domain::audit::AuditKind;
use hansard_domain::id::{Id, SessionId, UserId, WorkspaceId};
use hansard_domain::time::Timestamp;

use super::{User, check_names, end_sessions, lock, save, taken};
use crate::audit::{self, By, NewAudit};
use crate::backend::{run, statements};
use crate::{Error, Store, sessions};

statements! {
    SET_PASSWORD = "UPDATE users SET password_hash = $2 WHERE id = $1";
}

/// What is to change about a user; `None` leaves a thing as it is. Has no `Debug`, which would show the hash of the password.
#[derive(Clone, Default)]
pub struct UserEdit {
    /// The e-mail address, or none any more.
    pub email: Option<Option<String>>,
    /// The username, or none any more.
    pub username: Option<Option<String>>,
    /// The name, or none any more.
    pub name: Option<Option<String>>,
    /// The role, which a provider's groups no longer change then.
    pub role: Option<Role>,
    /// Whether the user may not come in. Disabling ends all sessions.
    pub is_disabled: Option<bool>,
    /// The password, as a PHC string of Argon2id, or none any more. Either ends all sessions.
    pub password_hash: Option<Option<String>>,
    /// The session that goes on with a new password: the one in which the user changes it.
    pub keep_session: Option<SessionId>,
}

/// What came of an attempt to change a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UserEdited {
    /// It is this now.
    Done(Box<User>),
    /// There is no such user, or one who is being erased.
    Missing,
    /// Nobody else governs the installation.
    LastAdmin,
}

impl Store {
    /// Changes user `id`. Whoever becomes an administrator becomes admin of `home` as well, if that has none.
    ///
    /// # Errors
    /// [`Error::Invalid`] for names that cannot be kept, [`Error::EmailTaken`], [`Error::UsernameTaken`], or where the
    /// database cannot be written.
    pub async fn update_user(
        &self,
        id: &UserId,
        edit: UserEdit,
        home: &WorkspaceId,
        by: &By,
    ) -> Result<UserEdited, Error> {
        check_names(
            edit.email.as_ref().and_then(Option::as_deref),
            edit.username.as_ref().and_then(Option::as_deref),
            edit.name.as_ref().and_then(Option::as_deref),
        )?;
        let (clock, id, by) = (self.clock().clone(), id.clone(), by.clone());
        let home = home.clone();
        self.write(move |conn| {
            Box::pin(async move {
                let Some(locked) = lock(conn, &id).await? else { return Ok(UserEdited::Missing) };
                if locked.user.erasing_at.is_some() {
                    return Ok(UserEdited::Missing);
                }
                let edited = edited(&locked.user, &edit, clock.now())?;
                if locked.is_last_admin() && !edited.governs() {
                    return Ok(UserEdited::LastAdmin);
                }
                save(conn, &clock, &locked.user, &edited, &home, &by).await?;
                if let Some(password) = &edit.password_hash {
                    run!(&mut *conn, execute, SET_PASSWORD, id.as_str(), password.as_deref())
                        .map_err(taken)?;
                    let entry = NewAudit::done(AuditKind::UserPasswordChanged).about(&id);
                    audit::write(conn, &clock, &by, entry).await?;
                }
                if edited.disabled_at.is_some() {
                    end_sessions(conn, &id).await?;
                } else if edit.password_hash.is_some() {
                    sessions::end_others(conn, &id, edit.keep_session.as_ref()).await?;
                }
                Ok(UserEdited::Done(Box::new(edited)))
            })
        })
        .await
    }
}

/// What `user` is after `edit`.
fn edited(user: &User, edit: &UserEdit, now: Timestamp) -> Result<User, Error> {
    let mut edited = user.clone();
    edited.email = edit.email.clone().unwrap_or(edited.email);
    edited.username = edit.username.clone().unwrap_or(edited.username);
    edited.name = edit.name.clone().unwrap_or(edited.name);
    if let Some(role) = edit.role {
        edited.role = role;
        edited.role_is_local = true;
    }
    if let Some(is_disabled) = edit.is_disabled {
        edited.disabled_at = is_disabled.then(|| user.disabled_at.unwrap_or(now));
    }
    if let Some(password) = &edit.password_hash {
        edited.has_password = password.is_some();
    }
    if edited.has_password && edited.email.is_none() {
        return Err(Error::Invalid("a password needs an e-mail address".to_owned()));
    }
    edited.updated_at = now;
    Ok(edited)
}
