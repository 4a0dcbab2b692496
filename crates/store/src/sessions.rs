//! Sessions: browsers in which users are logged in.
//!
//! A session is known by a secret in a cookie, of which the row holds the SHA-256. It ends when it was idle for too long, when
//! its time is over, or when somebody ends it; each request looks at the row, so that it ends at once on every node.

use std::net::IpAddr;
use std::time::Duration;

use hansard_domain::access::Actor;
use hansard_domain::audit::AuditKind;
use hansard_domain::id::{Id, SessionId, UserId};
use hansard_domain::time::Timestamp;
use serde_json::json;
use sqlx::FromRow;

use crate::audit::{self, ActorRef, By, NewAudit};
use crate::backend::{Conn, run, statements};
use crate::text::without_nul;
use crate::users::User;
use crate::users::provision::TOUCH_EVERY;
use crate::users::row::{UserRow, user_columns};
use crate::{Error, Store, text, users};

/// Sessions of one user. One more ends the oldest.
pub const SESSIONS_MAX: u32 = 100;

/// Characters of a user agent that are kept.
const USER_AGENT_MAX: usize = 300;

/// The columns of [`SessionRow`], beside those of a user.
macro_rules! session_columns {
    () => {
        "sessions.id AS session_id, sessions.user_id, sessions.method, sessions.user_agent, sessions.address, \
         sessions.created_at_us AS opened_at_us, sessions.last_seen_us AS seen_at_us, sessions.idle_until_us, \
         sessions.expires_at_us"
    };
}

macro_rules! session_and_user_columns {
    () => {
        concat!(session_columns!(), ", ", user_columns!())
    };
}

statements! {
    INSERT = "INSERT INTO sessions (id, hash, user_id, method, user_agent, address, created_at_us, last_seen_us, \
        idle_until_us, expires_at_us) VALUES ($1, $2, $3, $4, $5, $6, $7, $7, $8, $9)";
    FIND = "SELECT " (session_and_user_columns) " FROM sessions JOIN users ON users.id = sessions.user_id \
        WHERE hash = $1 AND idle_until_us > $2 AND expires_at_us > $2 AND users.disabled_at_us IS NULL";
    /// By what the session says before it is touched.
    TOUCH_USER = "UPDATE users SET last_seen_us = $2 WHERE id = \
        (SELECT user_id FROM sessions WHERE id = $1 AND idle_until_us > $2 AND sessions.last_seen_us <= $3)";
    /// An idle session does not come back to life, and none lives longer than its time.
    TOUCH = "UPDATE sessions SET last_seen_us = $2, \
        idle_until_us = CASE WHEN $3 < expires_at_us THEN $3 ELSE expires_at_us END \
        WHERE id = $1 AND idle_until_us > $2 AND last_seen_us <= $4";
    OF_USER = "SELECT " (session_columns) " FROM sessions WHERE user_id = $1 AND idle_until_us > $2 AND expires_at_us > $2 \
        ORDER BY serial DESC LIMIT $3";
    END = "DELETE FROM sessions WHERE user_id = $1 AND id = $2";
    END_OF = "DELETE FROM sessions WHERE hash = $1 RETURNING id, user_id";
    END_OTHERS = "DELETE FROM sessions WHERE user_id = $1 AND id <> $2";
    /// All but the newest.
    END_OLDEST = "DELETE FROM sessions WHERE user_id = $1 AND serial <= \
        (SELECT serial FROM sessions WHERE user_id = $1 ORDER BY serial DESC LIMIT 1 OFFSET $2)";
}

/// A session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Its name.
    pub id: SessionId,
    /// Whose it is.
    pub user: UserId,
    /// How the user logged in: the provider's name, or `simple` for a password.
    pub method: String,
    /// What the browser says it is.
    pub user_agent: Option<String>,
    /// Where the user logged in from.
    pub address: Option<String>,
    /// When the user logged in.
    pub created_at: Timestamp,
    /// When it was last used, up to a minute before it was.
    pub last_seen_at: Timestamp,
    /// When it ends if it is not used before.
    pub idle_until: Timestamp,
    /// When it ends in any case.
    pub expires_at: Timestamp,
}

/// A session to be opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewSession {
    /// The SHA-256 of the cookie's secret, in hexadecimal digits.
    pub hash: String,
    /// Whose it is.
    pub user: UserId,
    /// How the user logged in: the provider's name, or `simple` for a password.
    pub method: String,
    /// What the browser says it is.
    pub user_agent: Option<String>,
    /// Where the user logged in from.
    pub address: Option<IpAddr>,
    /// How long it may be idle.
    pub idle: Duration,
    /// How long it lasts in any case.
    pub lifetime: Duration,
}

#[derive(FromRow)]
struct SessionRow {
    session_id: String,
    user_id: String,
    method: String,
    user_agent: Option<String>,
    address: Option<String>,
    opened_at_us: i64,
    seen_at_us: i64,
    idle_until_us: i64,
    expires_at_us: i64,
}

impl SessionRow {
    fn read(self) -> Result<Session, Error> {
        let id = self.session_id;
        Ok(Session {
            user: UserId::parse(&self.user_id).map_err(|_| corrupt(&id, "user"))?,
            method: self.method,
            user_agent: self.user_agent,
            address: self.address,
            created_at: Timestamp::from_micros(self.opened_at_us),
            last_seen_at: Timestamp::from_micros(self.seen_at_us),
            idle_until: Timestamp::from_micros(self.idle_until_us),
            expires_at: Timestamp::from_micros(self.expires_at_us),
            id: SessionId::parse(&id).map_err(|_| corrupt(&id, "id"))?,
        })
    }
}

#[derive(FromRow)]
struct OpenRow {
    #[sqlx(flatten)]
    session: SessionRow,
    #[sqlx(flatten)]
    user: UserRow,
}

fn corrupt(id: &str, what: &str) -> Error {
    let reason = format!("its {what} cannot be read");
    Error::Corrupt { table: "sessions", id: id.to_owned(), reason }
}

/// Writes `session`, which is the `user`'s newest, and ends the oldest beyond [`SESSIONS_MAX`].
async fn insert(conn: &mut Conn<'_>, session: &Session, hash: &str) -> Result<(), Error> {
    run!(
        &mut *conn,
        execute,
        INSERT,
        session.id.as_str(),
        hash,
        session.user.as_str(),
        &session.method,
        session.user_agent.as_deref(),
        session.address.as_deref(),
        session.created_at.as_micros(),
        session.idle_until.as_micros(),
        session.expires_at.as_micros()
    )?;
    run!(conn, execute, END_OLDEST, session.user.as_str(), i64::from(SESSIONS_MAX)).map(drop)
}

/// Ends all sessions of `user` but the one to `keep`, and returns how many.
pub(crate) async fn end_others(
    conn: &mut Conn<'_>,
    user: &UserId,
    keep: Option<&SessionId>,
) -> Result<u64, Error> {
    run!(conn, execute, END_OTHERS, user.as_str(), keep.map_or("", SessionId::as_str))
}

impl Store {
    /// Opens a session, and ends the one whose secret has the hash `replaces`; `None` if there is no such user, or one who may
    /// not come in. The log says that the user has logged in.
    ///
    /// # Errors
    /// [`Error::Invalid`] for text that no row can hold, or where the database cannot be written.
    pub async fn open_session(
        &self,
        new: NewSession,
        replaces: Option<&str>,
        by: &By,
    ) -> Result<Option<Session>, Error> {
        text::check("hash", Some(&new.hash))?;
        text::check("hash", replaces)?;
        text::check("method", Some(&new.method))?;
        let (clock, mut by) = (self.clock().clone(), by.clone());
        by.actor = ActorRef::from(&Actor::User(new.user.clone()));
        let replaces = replaces.map(str::to_owned);
        self.write(move |conn| {
            Box::pin(async move {
                // Whoever disables the user meanwhile waits, and then ends this session as well.
                let user = users::hold(conn, &new.user).await?;
                let Some(user) = user.filter(|user| user.disabled_at.is_none()) else {
                    return Ok(None);
                };
                if let Some(replaced) = replaces {
                    run!(&mut *conn, fetch_optional::<(String, String)>, END_OF, replaced)?;
                }
                let now = clock.now();
                let expires_at = now.after(new.lifetime);
                let agent = new.user_agent.as_deref();
                let session = Session {
                    id: clock.id(),
                    user: new.user,
                    method: new.method,
                    user_agent: agent
                        .map(|agent| without_nul(agent).chars().take(USER_AGENT_MAX).collect()),
                    address: new.address.map(|address| address.to_string()),
                    created_at: now,
                    last_seen_at: now,
                    idle_until: now.after(new.idle).min(expires_at),
                    expires_at,
                };
                insert(conn, &session, &new.hash).await?;
                let data = json!({ "method": session.method, "session_id": session.id.as_str() });
                let entry = NewAudit::done(AuditKind::LoginSucceeded).about(&session.user);
                let entry = entry.within(&user.workspace).with(&data);
                audit::write(conn, &clock, &by, entry).await?;
                Ok(Some(session))
            })
        })
        .await
    }

    /// The session whose secret has this hash, and its user, if it has not ended and the user may come in.
    ///
    /// # Errors
    /// [`Error::Invalid`] for text that no row can hold, or where the database cannot be read.
    pub async fn find_session(&self, hash: &str) -> Result<Option<(Session, User)>, Error> {
        text::check("hash", Some(hash))?;
        let (mut reader, now) = (self.reader().await?, self.clock().now().as_micros());
        let row = run!(&mut reader.conn(), fetch_optional::<OpenRow>, FIND, hash, now)?;
        row.map(|row| Ok((row.session.read()?, row.user.read()?))).transpose()
    }

    /// Notes that session `id` and its user were here, at most once a minute, and gives the session `idle` more.
    ///
    /// # Errors
    /// Where the database cannot be written.
    pub async fn touch_session(&self, id: &SessionId, idle: Duration) -> Result<(), Error> {
        let (now, id) = (self.clock().now(), id.clone());
        self.write_apart(move |conn| {
            Box::pin(async move {
                let due = now.before(TOUCH_EVERY).as_micros();
                let (row, now, until) = (id.as_str(), now.as_micros(), now.after(idle).as_micros());
                run!(&mut *conn, execute, TOUCH_USER, row, now, due)?;
                run!(conn, execute, TOUCH, row, now, until, due).map(drop)
            })
        })
        .await
    }

    /// The sessions of `user` that have not ended, newest first: at most [`SESSIONS_MAX`].
    ///
    /// # Errors
    /// Where the database cannot be read.
    pub async fn sessions_of(&self, user: &UserId) -> Result<Vec<Session>, Error> {
        let (mut reader, now) = (self.reader().await?, self.clock().now().as_micros());
        let (user, limit) = (user.as_str(), i64::from(SESSIONS_MAX));
        let rows = run!(&mut reader.conn(), fetch_all::<SessionRow>, OF_USER, user, now, limit)?;
        rows.into_iter().map(SessionRow::read).collect()
    }

    /// Ends session `id` of `user`; `false` if there is none.
    ///
    /// # Errors
    /// Where the database cannot be written.
    pub async fn end_session(&self, user: &UserId, id: &SessionId, by: &By) -> Result<bool, Error> {
        let (clock, by) = (self.clock().clone(), by.clone());
        let (user, id) = (user.clone(), id.clone());
        self.write(move |conn| {
            Box::pin(async move {
                if run!(&mut *conn, execute, END, user.as_str(), id.as_str())? == 0 {
                    return Ok(false);
                }
                let entry = ended(conn, AuditKind::SessionRevoked, &user, Some(&id)).await?;
                audit::write(conn, &clock, &by, entry).await?;
                Ok(true)
            })
        })
        .await
    }

    /// Ends the session whose secret has this hash, as its user wishes who logs out; `false` if there is none.
    ///
    /// # Errors
    /// [`Error::Invalid`] for text that no row can hold, or where the database cannot be written.
    pub async fn end_session_of(&self, hash: &str, by: &By) -> Result<bool, Error> {
        text::check("hash", Some(hash))?;
        let (clock, by, hash) = (self.clock().clone(), by.clone(), hash.to_owned());
        self.write(move |conn| {
            Box::pin(async move {
                let row = run!(&mut *conn, fetch_optional::<(String, String)>, END_OF, &hash)?;
                let Some((id, user)) = row else { return Ok(false) };
                let user = UserId::parse(&user).map_err(|_| corrupt(&id, "user"))?;
                let id = SessionId::parse(&id).map_err(|_| corrupt(&id, "id"))?;
                let entry = ended(conn, AuditKind::Logout, &user, Some(&id)).await?;
                audit::write(conn, &clock, &by, entry).await?;
                Ok(true)
            })
        })
        .await
    }

    /// Ends all sessions of `user` but the one to `keep`, and returns how many.
    ///
    /// # Errors
    /// Where the database cannot be written.
    pub async fn end_other_sessions(
        &self,
        user: &UserId,
        keep: Option<&SessionId>,
        by: &By,
    ) -> Result<u64, Error> {
        let (clock, by) = (self.clock().clone(), by.clone());
        let (user, keep) = (user.clone(), keep.cloned());
        self.write(move |conn| {
            Box::pin(async move {
                let count = end_others(conn, &user, keep.as_ref()).await?;
                if count > 0 {
                    let entry = ended(conn, AuditKind::SessionRevoked, &user, None).await?;
                    let entry = entry.with(&json!({ "sessions": count }));
                    audit::write(conn, &clock, &by, entry).await?;
                }
                Ok(count)
            })
        })
        .await
    }
}

/// What the end of a session of `user`, or of several, is written into the log as. The user may read it.
async fn ended(
    conn: &mut Conn<'_>,
    kind: AuditKind,
    user: &UserId,
    session: Option<&SessionId>,
) -> Result<NewAudit, Error> {
    let entry = NewAudit::done(kind);
    let entry = match session {
        Some(session) => entry.about(session).with(&json!({ "user_id": user.as_str() })),
        None => entry.about(user),
    };
    let workspace = users::find(conn, user).await?.map(|user| user.workspace);
    Ok(NewAudit { workspace, ..entry })
}
