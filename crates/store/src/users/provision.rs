//! People whom a provider knows: found by issuer and subject, never by e-mail, and made on first sight.

use std::time::Duration;

use hansard_domain::access::Role;
use hansard_domain::audit::AuditKind;
use hansard_domain::id::{Id, UserId, WorkspaceId};
use hansard_domain::time::Timestamp;
use serde_json::json;
use sqlx::FromRow;

use super::row::{UserRow, user_columns};
use super::{NewUser, User, hold, insert, is_username, lock, save, touch};
use crate::audit::{self, By, NewAudit};
use crate::backend::{Conn, run, statements};
use crate::{Clock, Error, Store, text};

/// Times that are kept for people to see are written at most this often.
pub const TOUCH_EVERY: Duration = Duration::from_secs(60);

/// How often somebody is looked for who appears in the same moment on another node.
const ATTEMPTS_MAX: u32 = 3;

/// Bytes of a subject, after OpenID Connect Core 2, and of an issuer.
const SUBJECT_BYTES_MAX: usize = 255;
const ISSUER_BYTES_MAX: usize = 2048;

statements! {
    FIND = "SELECT identities.email AS identity_email, identities.picture, identities.last_login_us, " (user_columns) " FROM identities \
        JOIN users ON users.id = identities.user_id WHERE issuer = $1 AND subject = $2";
    OF_USER = "SELECT issuer, subject, email, picture, created_at_us, last_login_us FROM identities WHERE user_id = $1 \
        ORDER BY created_at_us, issuer";
    OWNER = "SELECT user_id FROM identities WHERE issuer = $1 AND subject = $2";
    LINK = "INSERT INTO identities (issuer, subject, user_id, email, picture, created_at_us, last_login_us) \
        VALUES ($1, $2, $3, $4, $5, $6, $6) ON CONFLICT (issuer, subject) DO NOTHING";
    SEEN = "UPDATE identities SET email = COALESCE($3, email), picture = COALESCE($4, picture), last_login_us = $5 \
        WHERE issuer = $1 AND subject = $2";
    /// Which names of a new user are somebody else's already: MxWhisper's, the username.
    TAKEN = "SELECT (SELECT COUNT(*) FROM users WHERE external_id = $1), (SELECT COUNT(*) FROM users WHERE username = $2)";
}

/// An account at a provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewIdentity {
    /// The provider, as its tokens name it.
    pub issuer: String,
    /// Whom the provider means.
    pub subject: String,
    /// The e-mail address there.
    pub email: Option<String>,
    /// The address of a picture of the person.
    pub picture: Option<String>,
}

/// An account at a provider that a user can log in with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The provider, as its tokens name it.
    pub issuer: String,
    /// Whom the provider means.
    pub subject: String,
    /// The e-mail address there.
    pub email: Option<String>,
    /// The address of a picture of the person.
    pub picture: Option<String>,
    /// Since when it is the user's.
    pub created_at: Timestamp,
    /// When it was last used, up to a minute before it was.
    pub last_login_at: Timestamp,
}

/// What a provider says about somebody, after everything about it was checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claimed {
    /// The provider, as its tokens name it.
    pub issuer: String,
    /// Whom the provider means.
    pub subject: String,
    /// The e-mail address, which is verified.
    pub email: Option<String>,
    /// A name for people.
    pub name: Option<String>,
    /// A name to be found by. Not taken where it is somebody else's.
    pub username: Option<String>,
    /// The address of a picture of them.
    pub picture: Option<String>,
    /// The role that the groups give; `None` where the provider says nothing of groups.
    pub role: Option<Role>,
    /// The role of a new user of whose groups nothing is said.
    pub default_role: Role,
}

/// Who somebody is whom a provider knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Provisioned {
    /// This user.
    User(Box<User>),
    /// A user who may not come in.
    Disabled,
    /// Nobody, and no user was to be made.
    Unknown,
}

#[derive(FromRow)]
struct IdentifiedRow {
    identity_email: Option<String>,
    picture: Option<String>,
    last_login_us: i64,
    #[sqlx(flatten)]
    user: UserRow,
}

/// A user, as an account at a provider shows it.
struct Identified {
    user: User,
    email: Option<String>,
    picture: Option<String>,
    last_login_at: Timestamp,
}

impl NewIdentity {
    /// Refuses what no row can hold.
    pub(crate) fn check(&self) -> Result<(), Error> {
        text::check("issuer", Some(&self.issuer))?;
        text::check("subject", Some(&self.subject))?;
        text::check("e-mail address", self.email.as_deref())?;
        text::check("picture", self.picture.as_deref())?;
        let subject = 1..=SUBJECT_BYTES_MAX;
        if !subject.contains(&self.subject.len()) || self.issuer.len() > ISSUER_BYTES_MAX {
            return Err(Error::Invalid("the issuer or the subject has no possible length".into()));
        }
        Ok(())
    }
}

impl Claimed {
    fn identity(&self) -> NewIdentity {
        let (issuer, subject) = (self.issuer.clone(), self.subject.clone());
        let (email, picture) = (self.email.clone(), self.picture.clone());
        NewIdentity { issuer, subject, email, picture }
    }

    /// Whether what is kept says the same, and says it of late.
    fn is_kept(&self, found: &Identified, now: Timestamp) -> bool {
        let role = self.role.filter(|_| !found.user.role_is_local);
        role.is_none_or(|role| role == found.user.role)
            && (self.email.is_none() || self.email == found.email)
            && (self.picture.is_none() || self.picture == found.picture)
            && (self.name.is_none() || found.user.name.is_some())
            && now < found.last_login_at.after(TOUCH_EVERY)
    }

    /// What `user`, whose account had this e-mail address, is after it.
    ///
    /// The address follows the account that it came from, unless the user logs in with it. A name is taken where there is none.
    fn applied_to(&self, user: &User, account_email: Option<&str>, now: Timestamp) -> User {
        let mut applied = user.clone();
        if self.email.is_some() && !user.has_password && user.email.as_deref() == account_email {
            applied.email.clone_from(&self.email);
        }
        if user.name.is_none() {
            applied.name.clone_from(&self.name);
        }
        if let Some(role) = self.role
            && !user.role_is_local
        {
            applied.role = role;
        }
        if applied != *user {
            applied.updated_at = now;
        }
        applied
    }
}

/// Whose account it is.
async fn identified(
    conn: &mut Conn<'_>,
    issuer: &str,
    subject: &str,
) -> Result<Option<Identified>, Error> {
    let row = run!(conn, fetch_optional::<IdentifiedRow>, FIND, issuer, subject)?;
    let Some(row) = row else { return Ok(None) };
    let last_login_at = Timestamp::from_micros(row.last_login_us);
    let (email, picture) = (row.identity_email, row.picture);
    Ok(Some(Identified { user: row.user.read()?, email, picture, last_login_at }))
}

/// Makes an account `user`'s own; refused where it is another's.
pub(super) async fn link(
    conn: &mut Conn<'_>,
    clock: &Clock,
    user: &UserId,
    identity: &NewIdentity,
) -> Result<bool, Error> {
    let (issuer, subject) = (identity.issuer.as_str(), identity.subject.as_str());
    let (email, picture) = (identity.email.as_deref(), identity.picture.as_deref());
    let (id, now) = (user.as_str(), clock.now().as_micros());
    if run!(&mut *conn, execute, LINK, issuer, subject, id, email, picture, now)? == 1 {
        return Ok(true);
    }
    match run!(conn, fetch_optional::<(String,)>, OWNER, issuer, subject)? {
        Some((owner,)) if owner == user.as_str() => Ok(false),
        _ => Err(Error::IdentityTaken),
    }
}

/// Makes the user whom a provider shows for the first time.
async fn welcome(
    conn: &mut Conn<'_>,
    clock: &Clock,
    claimed: &Claimed,
    home: &WorkspaceId,
    by: &By,
) -> Result<User, Error> {
    // Nobody is kept out because a name is another's. A subject that is an id of ours would name two users.
    let external = Some(&claimed.subject).filter(|subject| UserId::parse(subject).is_err());
    let username = claimed.username.as_ref().filter(|username| is_username(username));
    let (external, username) = (external.map(String::as_str), username.map(String::as_str));
    let taken = run!(&mut *conn, fetch_one::<(i64, i64)>, TAKEN, external, username)?;
    let new = NewUser {
        external_id: external.filter(|_| taken.0 == 0).map(str::to_owned),
        email: claimed.email.clone(),
        username: username.filter(|_| taken.1 == 0).map(str::to_owned),
        name: claimed.name.clone(),
        role: claimed.role.unwrap_or(claimed.default_role),
        role_is_local: false,
        password_hash: None,
        identity: Some(claimed.identity()),
    };
    insert(conn, clock, &new, home, by).await
}

/// Writes what a provider says now about a user it has shown before; `None` for one who may not come in.
async fn refresh(
    conn: &mut Conn<'_>,
    clock: &Clock,
    claimed: &Claimed,
    found: &Identified,
    home: &WorkspaceId,
    by: &By,
) -> Result<Option<User>, Error> {
    let Some(locked) = lock(conn, &found.user.id).await? else { return Ok(None) };
    let (user, now) = (&locked.user, clock.now());
    if user.disabled_at.is_some() {
        return Ok(None);
    }
    let mut applied = claimed.applied_to(user, found.email.as_deref(), now);
    if locked.is_last_admin() && !applied.governs() {
        tracing::warn!(
            user.id = %user.id,
            "the groups no longer name the last administrator, who stays one"
        );
        applied.role = user.role;
    }
    if applied != *user {
        save(conn, clock, user, &applied, home, by).await?;
    }
    let (issuer, subject) = (claimed.issuer.as_str(), claimed.subject.as_str());
    let (email, picture) = (claimed.email.as_deref(), claimed.picture.as_deref());
    run!(&mut *conn, execute, SEEN, issuer, subject, email, picture, now.as_micros())?;
    touch(conn, &user.id, now).await?;
    applied.last_seen_at = applied.last_seen_at.max(Some(now));
    Ok(Some(applied))
}

impl Store {
    /// The user whom a provider means, made if `may_create` and it was never seen, with what the provider says about it now:
    /// role, e-mail address, name, picture. One read where that is what is kept already.
    ///
    /// An administrator who is made so by groups becomes admin of `home` as well, if that has none. Groups do not lower the
    /// last one who governs.
    ///
    /// # Errors
    /// [`Error::Invalid`] for text that no row can hold, or where the database cannot be read or written.
    pub async fn provision(
        &self,
        claimed: &Claimed,
        home: &WorkspaceId,
        may_create: bool,
        by: &By,
    ) -> Result<Provisioned, Error> {
        claimed.identity().check()?;
        text::check("name", claimed.name.as_deref())?;
        text::check("username", claimed.username.as_deref())?;
        for _ in 0..ATTEMPTS_MAX {
            match self.provision_once(claimed, home, may_create, by).await {
                // Somebody of the same subject or name appeared on another node: now there is one to be found.
                Err(Error::IdentityTaken | Error::UsernameTaken) => {}
                other => return other,
            }
        }
        Err(Error::Busy)
    }

    async fn provision_once(
        &self,
        claimed: &Claimed,
        home: &WorkspaceId,
        may_create: bool,
        by: &By,
    ) -> Result<Provisioned, Error> {
        let mut reader = self.reader().await?;
        let found = identified(&mut reader.conn(), &claimed.issuer, &claimed.subject).await?;
        drop(reader);
        let now = self.clock().now();
        match &found {
            None if !may_create => return Ok(Provisioned::Unknown),
            Some(found) if found.user.disabled_at.is_some() => return Ok(Provisioned::Disabled),
            Some(found) if claimed.is_kept(found, now) => {
                return Ok(Provisioned::User(Box::new(found.user.clone())));
            }
            None | Some(_) => {}
        }
        let (clock, claimed) = (self.clock().clone(), claimed.clone());
        let (home, by) = (home.clone(), by.clone());
        let user = self.write(move |conn| {
            Box::pin(async move {
                match &found {
                    None => welcome(conn, &clock, &claimed, &home, &by).await.map(Some),
                    Some(found) => refresh(conn, &clock, &claimed, found, &home, &by).await,
                }
            })
        });
        let user = user.await?;
        Ok(user.map_or(Provisioned::Disabled, |user| Provisioned::User(Box::new(user))))
    }

    /// Lets `user` log in with another account at a provider; `false` if there is no such user, or one who may not come in.
    ///
    /// # Errors
    /// [`Error::IdentityTaken`] where the account is another user's, [`Error::Invalid`], or where the database cannot be
    /// written.
    pub async fn link_identity(
        &self,
        user: &UserId,
        identity: NewIdentity,
        by: &By,
    ) -> Result<bool, Error> {
        identity.check()?;
        let (clock, user, by) = (self.clock().clone(), user.clone(), by.clone());
        self.write(move |conn| {
            Box::pin(async move {
                let held = hold(conn, &user).await?;
                if held.is_none_or(|held| held.disabled_at.is_some()) {
                    return Ok(false);
                }
                if link(conn, &clock, &user, &identity).await? {
                    let data = json!({ "issuer": identity.issuer });
                    let entry = NewAudit::done(AuditKind::IdentityLinked).about(&user).with(&data);
                    audit::write(conn, &clock, &by, entry).await?;
                }
                Ok(true)
            })
        })
        .await
    }

    /// The accounts that `user` can log in with, oldest first.
    ///
    /// # Errors
    /// Where the database cannot be read.
    pub async fn identities_of(&self, user: &UserId) -> Result<Vec<Identity>, Error> {
        type Row = (String, String, Option<String>, Option<String>, i64, i64);
        let mut reader = self.reader().await?;
        let rows = run!(&mut reader.conn(), fetch_all::<Row>, OF_USER, user.as_str())?;
        let read = |(issuer, subject, email, picture, created, last): Row| Identity {
            issuer,
            subject,
            email,
            picture,
            created_at: Timestamp::from_micros(created),
            last_login_at: Timestamp::from_micros(last),
        };
        Ok(rows.into_iter().map(read).collect())
    }
}
