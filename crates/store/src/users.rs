//! Users: people who log in, and what they are in the installation.
//!
//! A user has a personal workspace, which is made with it. On PostgreSQL whoever changes what a user may do locks the user
//! together with all administrators, in the order of their serials, so that of two administrators who lower each other one
//! stays.

use std::collections::HashMap;

use hansard_domain::access::Role;
use hansard_domain::audit::AuditKind;
use hansard_domain::id::{Id, UserId, WorkspaceId};
use hansard_domain::time::Timestamp;
use serde_json::json;

use crate::audit::{self, By, NewAudit};
use crate::backend::{Conn, run, statements};
use crate::jobs::Page;
use crate::{Clock, Error, Store, text, workspaces};
use row::{UserRow, user_columns};

pub(crate) mod edit;
pub(crate) mod provision;
pub(crate) mod row;

pub use edit::{UserEdit, UserEdited};
pub use provision::{Claimed, Identity, NewIdentity, Provisioned, TOUCH_EVERY};

statements! {
    FIND = "SELECT " (user_columns) " FROM users WHERE id = $1";
    FIND_EXTERNAL = "SELECT " (user_columns) " FROM users WHERE external_id = $1";
    FIND_USERNAME = "SELECT " (user_columns) " FROM users WHERE username = $1";
    /// Two are enough to see that there is more than one.
    FIND_EMAIL = "SELECT " (user_columns) " FROM users WHERE email_key = $1 ORDER BY serial LIMIT 2";
    FIND_LOGIN = "SELECT users.id, password_hash FROM users WHERE email_key = $1 AND password_hash IS NOT NULL";
    /// Of the users in the JSON array `$1`.
    EXTERNAL_NAMES = sqlite "SELECT id, external_id FROM users WHERE external_id IS NOT NULL \
            AND id IN (SELECT value FROM json_each($1))",
        postgres "SELECT id, external_id FROM users WHERE external_id IS NOT NULL \
            AND id = ANY(ARRAY(SELECT json_array_elements_text(CAST($1 AS JSON))))";
    PAGE = "SELECT " (user_columns) " FROM users WHERE serial < $1 ORDER BY serial DESC LIMIT $2";
    /// The user and all administrators who may come in.
    LOCK = sqlite "SELECT " (user_columns) " FROM users \
            WHERE id = $1 OR (role = 'admin' AND disabled_at_us IS NULL) ORDER BY serial",
        postgres "SELECT " (user_columns) " FROM users \
            WHERE id = $1 OR (role = 'admin' AND disabled_at_us IS NULL) ORDER BY serial FOR NO KEY UPDATE";
    /// As it is until the transaction ends.
    HOLD = sqlite "SELECT " (user_columns) " FROM users WHERE id = $1 AND erasing_at_us IS NULL",
        postgres "SELECT " (user_columns) " FROM users WHERE id = $1 AND erasing_at_us IS NULL FOR SHARE";
    INSERT = "INSERT INTO users (id, external_id, email, email_key, username, name, role, role_is_local, workspace_id, \
        password_hash, revocations, created_at_us, updated_at_us) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 0, $11, $11)";
    SAVE = "UPDATE users SET email = $2, email_key = $3, username = $4, name = $5, role = $6, role_is_local = $7, \
        disabled_at_us = $8, updated_at_us = $9 WHERE id = $1";
    END_SESSIONS = "DELETE FROM sessions WHERE user_id = $1";
    BUMP = "UPDATE users SET revocations = revocations + 1, updated_at_us = $2 WHERE id = $1 AND erasing_at_us IS NULL \
        RETURNING revocations";
    TOUCH = "UPDATE users SET last_seen_us = $2 WHERE id = $1 AND (last_seen_us IS NULL OR last_seen_us < $2)";
    /// The index of those with a password begins with their address.
    HAS_PASSWORDS = "SELECT COUNT(*) FROM (SELECT 1 FROM users WHERE password_hash IS NOT NULL AND email_key > '' \
        AND disabled_at_us IS NULL LIMIT 1) AS logins";
    HAS_CREDENTIALS = "SELECT COUNT(*) FROM (SELECT 1 FROM users UNION ALL SELECT 1 FROM tokens LIMIT 1) AS credentials";
}

/// A user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Its number, unique among users.
    pub serial: i64,
    /// Its name in the store.
    pub id: UserId,
    /// What MxWhisper calls the user: the subject at the provider that made it.
    pub external_id: Option<String>,
    /// The e-mail address, as it was given.
    pub email: Option<String>,
    /// A name to log in and to be found by, unique among users.
    pub username: Option<String>,
    /// A name for people.
    pub name: Option<String>,
    /// What the user is in the installation: an admin governs it, a viewer only reads, wherever it is a member.
    pub role: Role,
    /// Whether a person has set the role, so that a provider's groups no longer change it.
    pub role_is_local: bool,
    /// The personal workspace.
    pub workspace: WorkspaceId,
    /// Whether the user can log in with a password.
    pub has_password: bool,
    /// How often all of MxWhisper's tokens of the user were ended.
    pub revocations: i64,
    /// Since when the user may not come in.
    pub disabled_at: Option<Timestamp>,
    /// Since when the user is being erased.
    pub erasing_at: Option<Timestamp>,
    /// When the user was last seen, up to a minute before it was.
    pub last_seen_at: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When something about it changed last.
    pub updated_at: Timestamp,
}

impl User {
    /// Whether the user governs the installation.
    pub fn governs(&self) -> bool {
        self.role == Role::Admin && self.disabled_at.is_none()
    }
}

/// A user to be made. Has no `Debug`, which would show the hash of the password.
#[derive(Clone)]
pub struct NewUser {
    /// What MxWhisper calls the user.
    pub external_id: Option<String>,
    /// The e-mail address. With a password it must be the only one of its kind.
    pub email: Option<String>,
    /// A name to be found by, unique among users.
    pub username: Option<String>,
    /// A name for people.
    pub name: Option<String>,
    /// What the user is in the installation.
    pub role: Role,
    /// Whether a provider's groups do not change the role.
    pub role_is_local: bool,
    /// The password, as a PHC string of Argon2id.
    pub password_hash: Option<String>,
    /// The account that the user logs in with.
    pub identity: Option<NewIdentity>,
}

impl NewUser {
    /// A user of this role, of whom nothing else is known.
    pub fn of(role: Role) -> Self {
        Self {
            external_id: None,
            email: None,
            username: None,
            name: None,
            role,
            role_is_local: true,
            password_hash: None,
            identity: None,
        }
    }
}

/// How somebody names a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UserName {
    /// By id.
    Id(UserId),
    /// As MxWhisper does.
    External(String),
    /// By e-mail address, in whatever case.
    Email(String),
    /// By username.
    Username(String),
}

/// A user who is locked, together with all who govern.
pub(crate) struct Locked {
    pub(crate) user: User,
    /// Whether somebody else governs the installation.
    pub(crate) others_govern: bool,
}

impl Locked {
    /// Whether nobody would govern the installation if the user were not to.
    pub(crate) fn is_last_admin(&self) -> bool {
        self.user.governs() && !self.others_govern
    }
}

/// The address as it is compared.
fn email_key(email: Option<&str>) -> Option<String> {
    email.map(|email| email.trim().to_lowercase())
}

/// Refuses what is no name for a user. A username is no e-mail address and no id, or it could be taken for somebody else's.
fn check_names(
    email: Option<&str>,
    username: Option<&str>,
    name: Option<&str>,
) -> Result<(), Error> {
    for (what, value) in [("e-mail address", email), ("username", username), ("name", name)] {
        value.map_or(Ok(()), |value| text::check_name(what, value))?;
    }
    if email.is_some_and(|email| !email.contains('@')) {
        return Err(Error::Invalid("the e-mail address has no @".to_owned()));
    }
    if username.is_some_and(|username| !is_username(username)) {
        let reason = "the username looks like an e-mail address or an id".to_owned();
        return Err(Error::Invalid(reason));
    }
    Ok(())
}

/// Whether nobody can take it for an e-mail address or an id.
fn is_username(username: &str) -> bool {
    !username.contains('@') && UserId::parse(username).is_err()
}

/// What a violated index says about a user who is written.
fn taken(error: Error) -> Error {
    let known = [
        ("username", Error::UsernameTaken),
        ("email", Error::EmailTaken),
        ("external_id", Error::IdentityTaken),
    ];
    let taken = known.into_iter().find(|(column, _)| error.is_taken(column));
    taken.map_or(error, |(_, meaning)| meaning)
}

/// The user `id`.
pub(crate) async fn find(conn: &mut Conn<'_>, id: &UserId) -> Result<Option<User>, Error> {
    let row = run!(conn, fetch_optional::<UserRow>, FIND, id.as_str())?;
    row.map(UserRow::read).transpose()
}

/// The user `id`, who stays as it is until the transaction ends, unless it is being erased.
pub(crate) async fn hold(conn: &mut Conn<'_>, id: &UserId) -> Result<Option<User>, Error> {
    let row = run!(conn, fetch_optional::<UserRow>, HOLD, id.as_str())?;
    row.map(UserRow::read).transpose()
}

/// The user `id`, locked together with all who govern.
pub(crate) async fn lock(conn: &mut Conn<'_>, id: &UserId) -> Result<Option<Locked>, Error> {
    let rows = run!(conn, fetch_all::<UserRow>, LOCK, id.as_str())?;
    let users = rows.into_iter().map(UserRow::read).collect::<Result<Vec<_>, _>>()?;
    let others_govern = users.iter().any(|user| user.id != *id && user.governs());
    let user = users.into_iter().find(|user| user.id == *id);
    Ok(user.map(|user| Locked { user, others_govern }))
}

/// Ends all sessions of user `id`.
pub(crate) async fn end_sessions(conn: &mut Conn<'_>, id: &UserId) -> Result<u64, Error> {
    run!(conn, execute, END_SESSIONS, id.as_str())
}

/// Notes that user `id` was here.
pub(crate) async fn touch(conn: &mut Conn<'_>, id: &UserId, now: Timestamp) -> Result<(), Error> {
    run!(conn, execute, TOUCH, id.as_str(), now.as_micros()).map(drop)
}

/// Makes a user with a personal workspace.
async fn insert(
    conn: &mut Conn<'_>,
    clock: &Clock,
    new: &NewUser,
    home: &WorkspaceId,
    by: &By,
) -> Result<User, Error> {
    let (id, now): (UserId, _) = (clock.id(), clock.now());
    let known = [&new.name, &new.username, &new.email];
    let name = known.into_iter().flatten().next().map_or("Personal", String::as_str);
    let workspace = workspaces::insert_personal(conn, clock, name).await?;
    run!(
        &mut *conn,
        execute,
        INSERT,
        id.as_str(),
        new.external_id.as_deref(),
        new.email.as_deref(),
        email_key(new.email.as_deref()),
        new.username.as_deref(),
        new.name.as_deref(),
        new.role.name(),
        new.role_is_local,
        workspace.as_str(),
        new.password_hash.as_deref(),
        now.as_micros()
    )
    .map_err(taken)?;
    workspaces::join(conn, clock, &workspace, &id, Role::Admin).await?;
    let data = json!({ "role": new.role.name() });
    let entry = NewAudit::done(AuditKind::UserCreated).about(&id).with(&data);
    audit::write(conn, clock, by, entry).await?;
    if let Some(identity) = &new.identity {
        provision::link(conn, clock, &id, identity).await?;
    }
    if new.role == Role::Admin {
        workspaces::take_home(conn, clock, home, &id, by).await?;
    }
    let reason = "it is gone as soon as it was made".to_owned();
    let gone = || Error::Corrupt { table: "users", id: id.to_string(), reason };
    find(conn, &id).await?.ok_or_else(gone)
}

/// Writes `user`, who is locked, as it is now; `before` is what it was. What it may do is written into the log.
async fn save(
    conn: &mut Conn<'_>,
    clock: &Clock,
    before: &User,
    user: &User,
    home: &WorkspaceId,
    by: &By,
) -> Result<(), Error> {
    run!(
        &mut *conn,
        execute,
        SAVE,
        user.id.as_str(),
        user.email.as_deref(),
        email_key(user.email.as_deref()),
        user.username.as_deref(),
        user.name.as_deref(),
        user.role.name(),
        user.role_is_local,
        user.disabled_at.map(Timestamp::as_micros),
        user.updated_at.as_micros()
    )
    .map_err(taken)?;
    let mut tell = Vec::new();
    if user.role != before.role {
        let data = json!({ "from": before.role.name(), "to": user.role.name() });
        tell.push(NewAudit::done(AuditKind::UserRoleChanged).with(&data));
    }
    match (before.disabled_at, user.disabled_at) {
        (None, Some(_)) => tell.push(NewAudit::done(AuditKind::UserDisabled)),
        (Some(_), None) => tell.push(NewAudit::done(AuditKind::UserEnabled)),
        (None, None) | (Some(_), Some(_)) => {}
    }
    let names = |user: &User| (user.email.clone(), user.username.clone(), user.name.clone());
    if names(user) != names(before) {
        tell.push(NewAudit::done(AuditKind::UserUpdated));
    }
    for entry in tell {
        audit::write(conn, clock, by, entry.about(&user.id)).await?;
    }
    if user.governs() && before.role != Role::Admin {
        workspaces::take_home(conn, clock, home, &user.id, by).await?;
    }
    Ok(())
}

impl Store {
    /// Makes a user, with a personal workspace. An administrator becomes admin of `home` as well, if that has none.
    ///
    /// # Errors
    /// [`Error::Invalid`] for names that cannot be kept, [`Error::EmailTaken`], [`Error::UsernameTaken`],
    /// [`Error::IdentityTaken`], or where the database cannot be written.
    pub async fn create_user(
        &self,
        new: NewUser,
        home: &WorkspaceId,
        by: &By,
    ) -> Result<User, Error> {
        check_names(new.email.as_deref(), new.username.as_deref(), new.name.as_deref())?;
        text::check("external id", new.external_id.as_deref())?;
        if let Some(identity) = &new.identity {
            identity.check()?;
        }
        if new.password_hash.is_some() && new.email.is_none() {
            return Err(Error::Invalid("a password needs an e-mail address".to_owned()));
        }
        let (clock, home, by) = (self.clock().clone(), home.clone(), by.clone());
        self.write(move |conn| {
            Box::pin(async move { insert(conn, &clock, &new, &home, &by).await })
        })
        .await
    }

    /// The user whom somebody names like this, if there is one; also one who may not come in.
    ///
    /// # Errors
    /// [`Error::Invalid`] for an e-mail address that several users have, or where the database cannot be read.
    pub async fn find_user(&self, name: &UserName) -> Result<Option<User>, Error> {
        let (statement, value) = match name {
            UserName::Id(id) => (FIND, id.to_string()),
            UserName::External(name) => (FIND_EXTERNAL, name.clone()),
            UserName::Username(name) => (FIND_USERNAME, name.clone()),
            UserName::Email(email) => (FIND_EMAIL, email_key(Some(email)).unwrap_or_default()),
        };
        text::check("name of the user", Some(&value))?;
        let mut reader = self.reader().await?;
        let mut rows = run!(&mut reader.conn(), fetch_all::<UserRow>, statement, value)?;
        if rows.len() > 1 {
            return Err(Error::Invalid("several users have this e-mail address".to_owned()));
        }
        rows.pop().map(UserRow::read).transpose()
    }

    /// What MxWhisper calls these users, of which it knows some; they are named by id, as in `created_by`.
    ///
    /// # Errors
    /// [`Error::Invalid`] for text that no row can hold, or where the database cannot be read.
    pub async fn external_names(&self, ids: &[&str]) -> Result<HashMap<String, String>, Error> {
        for id in ids {
            text::check("id of the user", Some(id))?;
        }
        let mut reader = self.reader().await?;
        let ids = text::list(ids.iter().copied());
        let rows = run!(&mut reader.conn(), fetch_all::<(String, String)>, EXTERNAL_NAMES, ids)?;
        Ok(rows.into_iter().collect())
    }

    /// The user who logs in with a password under `email`, and its PHC string; also one who may not come in.
    ///
    /// # Errors
    /// [`Error::Invalid`] for text that no row can hold, or where the database cannot be read.
    pub async fn find_login(&self, email: &str) -> Result<Option<(User, String)>, Error> {
        text::check("e-mail address", Some(email))?;
        let mut reader = self.reader().await?;
        let mut conn = reader.conn();
        let key = email_key(Some(email));
        let row = run!(&mut conn, fetch_optional::<(String, String)>, FIND_LOGIN, key)?;
        let Some((id, password)) = row else { return Ok(None) };
        let row = run!(&mut conn, fetch_optional::<UserRow>, FIND, id)?;
        Ok(row.map(UserRow::read).transpose()?.map(|user| (user, password)))
    }

    /// Users, newest first, from below the serial `before` on.
    ///
    /// # Errors
    /// Where the database cannot be read.
    pub async fn page_users(&self, before: Option<i64>, limit: u32) -> Result<Page<User>, Error> {
        let mut reader = self.reader().await?;
        let (before, count) = (before.unwrap_or(i64::MAX), i64::from(limit) + 1);
        let rows = run!(&mut reader.conn(), fetch_all::<UserRow>, PAGE, before, count)?;
        let users = rows.into_iter().map(UserRow::read).collect::<Result<Vec<_>, _>>()?;
        Ok(Page::cut(users, limit, |user| user.serial))
    }

    /// Ends all of MxWhisper's tokens of user `id`, and returns the count that new ones must have; `None` if there is no such
    /// user.
    ///
    /// # Errors
    /// Where the database cannot be written.
    pub async fn bump_revocations(&self, id: &UserId, by: &By) -> Result<Option<i64>, Error> {
        let (clock, id, by) = (self.clock().clone(), id.clone(), by.clone());
        self.write(move |conn| {
            Box::pin(async move {
                let (row, now) = (id.as_str(), clock.now().as_micros());
                let bumped = run!(&mut *conn, fetch_optional::<(i64,)>, BUMP, row, now)?;
                let Some((revocations,)) = bumped else { return Ok(None) };
                let entry = NewAudit::done(AuditKind::UserTokensRevoked).about(&id);
                audit::write(conn, &clock, &by, entry).await?;
                Ok(Some(revocations))
            })
        })
        .await
    }

    /// Whether there is anybody who could log in with a password.
    ///
    /// # Errors
    /// Where the database cannot be read.
    pub async fn has_passwords(&self) -> Result<bool, Error> {
        let mut reader = self.reader().await?;
        let (count,) = run!(&mut reader.conn(), fetch_one::<(i64,)>, HAS_PASSWORDS)?;
        Ok(count > 0)
    }

    /// Whether anybody has been given credentials: there is a user, or a token, good or not. Who has had one and lost it must
    /// not find the door open.
    ///
    /// # Errors
    /// Where the database cannot be read.
    pub async fn has_credentials(&self) -> Result<bool, Error> {
        let mut reader = self.reader().await?;
        let (count,) = run!(&mut reader.conn(), fetch_one::<(i64,)>, HAS_CREDENTIALS)?;
        Ok(count > 0)
    }
}
