//! Tokens: credentials of programs, which are shown once and kept as a hash.
//!
//! A key acts as its user, a service token as itself in one workspace. The tokens of MxWhisper are signed elsewhere and known
//! by their `jti`. Each request looks at the row, so that a revocation counts at once on every node.

use std::fmt;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hansard_domain::access::{Permission, Role};
use hansard_domain::audit::AuditKind;
use hansard_domain::id::{Id, TokenId, UserId, WorkspaceId};
use hansard_domain::time::Timestamp;
use ring::digest::{SHA256, digest};
use serde_json::json;
use sqlx::FromRow;

use crate::audit::{self, By, NewAudit};
use crate::backend::{Conn, run, statements};
use crate::documents::hex;
use crate::jobs::Page;
use crate::users::User;
use crate::users::provision::TOUCH_EVERY;
use crate::workspaces::read_role;
use crate::{Clock, Error, Store, text, users, workspaces};
use row::{TokenRow, token_columns, write_scopes};

pub(crate) mod jwt;
mod row;

pub use jwt::NewJwt;

/// Keys of one user that are good, and service tokens of one workspace.
pub const TOKENS_MAX: u32 = 100;

/// How long the secret before the last one may be good beside it.
pub const OVERLAP_MAX: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// Random bytes of a secret.
const SECRET_BYTES: usize = 32;

macro_rules! checked_columns {
    () => {
        concat!(
            "tokens.hash, tokens.previous_hash, memberships.role AS member_role, ",
            token_columns!()
        )
    };
}

statements! {
    INSERT = "INSERT INTO tokens (id, kind, workspace_id, user_id, name, role, governs, scopes, hash, expires_at_us, \
        created_by, created_at_us) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)";
    FIND = "SELECT " (token_columns) " FROM tokens WHERE id = $1";
    CHECK = "SELECT " (checked_columns) " FROM tokens LEFT JOIN memberships \
        ON memberships.workspace_id = tokens.workspace_id AND memberships.user_id = tokens.user_id WHERE tokens.id = $1";
    PAGE = "SELECT " (token_columns) " FROM tokens WHERE serial < $1 \
        AND (CAST($2 AS TEXT) IS NULL OR workspace_id = $2) AND (CAST($3 AS TEXT) IS NULL OR user_id = $3) \
        AND (CAST($4 AS TEXT) IS NULL OR kind = $4) ORDER BY serial DESC LIMIT $5";
    COUNT_KEYS = "SELECT COUNT(*) FROM tokens WHERE user_id = $1 AND kind = 'key' \
        AND (revoked_at_us IS NULL OR revoked_at_us > $2) AND (expires_at_us IS NULL OR expires_at_us > $2)";
    COUNT_SERVICE = "SELECT COUNT(*) FROM tokens WHERE workspace_id = $1 AND kind = 'service' \
        AND (revoked_at_us IS NULL OR revoked_at_us > $2) AND (expires_at_us IS NULL OR expires_at_us > $2)";
    /// The user goes first, as with everybody who locks both.
    TOUCH_USER = "UPDATE users SET last_seen_us = $2 WHERE id = \
        (SELECT user_id FROM tokens WHERE id = $1 AND (last_used_us IS NULL OR last_used_us <= $3))";
    FIRST_USE = "UPDATE tokens SET first_used_us = $2, last_used_us = $2 WHERE id = $1 AND first_used_us IS NULL";
    TOUCH = "UPDATE tokens SET last_used_us = $2 WHERE id = $1 AND last_used_us <= $3";
    REVOKE = "UPDATE tokens SET revoked_at_us = $2 WHERE id = $1 AND (revoked_at_us IS NULL OR revoked_at_us > $2)";
    LOCK = sqlite "SELECT " (token_columns) " FROM tokens WHERE id = $1",
        postgres "SELECT " (token_columns) " FROM tokens WHERE id = $1 FOR UPDATE";
    ROTATE = "UPDATE tokens SET previous_hash = CASE WHEN CAST($3 AS BIGINT) IS NULL THEN NULL ELSE hash END, \
        previous_until_us = $3, hash = $2, expires_at_us = $4 WHERE id = $1";
}

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TokenKind {
    /// A user's, which acts as the user: `hsk_...`.
    Key,
    /// A workspace's, which acts as itself: `hst_...`.
    Service,
    /// One of MxWhisper's, signed and known by its `jti`.
    Jwt,
}

impl TokenKind {
    /// The stable name, on the wire and in the database.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::Service => "service",
            Self::Jwt => "jwt",
        }
    }

    /// The kind with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Key, Self::Service, Self::Jwt].into_iter().find(|kind| kind.name() == name)
    }
}

/// A token, without its secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// Its number, unique among tokens.
    pub serial: i64,
    /// Its name in the store, of which the secret shows the last 26 characters.
    pub id: TokenId,
    /// What it is.
    pub kind: TokenKind,
    /// The name of one of MxWhisper's.
    pub jti: Option<String>,
    /// The workspace that it opens; `None` only for one of MxWhisper's that was never seen before it was revoked.
    pub workspace: Option<WorkspaceId>,
    /// The user as whom it acts; `None` for a service token.
    pub user: Option<UserId>,
    /// A name for people.
    pub name: String,
    /// The most that it is in its workspace. A key is never more there than its user.
    pub role: Role,
    /// Whether it governs the installation. A key only does as long as its user does.
    pub governs: bool,
    /// The only permissions that it has; all that its role gives if this is empty.
    pub scopes: Vec<Permission>,
    /// Until when the secret before the last one is good as well.
    pub previous_until: Option<Timestamp>,
    /// When it ends.
    pub expires_at: Option<Timestamp>,
    /// When it was ended, or will be.
    pub revoked_at: Option<Timestamp>,
    /// When it was used for the first time.
    pub first_used_at: Option<Timestamp>,
    /// When it was last used, up to a minute before it was.
    pub last_used_at: Option<Timestamp>,
    /// Who made it: `usr_...` or `tok_...`; `None` where it was nobody in particular.
    pub created_by: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
}

impl Token {
    /// Whether it is neither revoked nor over.
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.revoked_at.is_none_or(|at| now < at) && self.expires_at.is_none_or(|at| now < at)
    }
}

/// A key or a service token to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewToken {
    /// The workspace that it opens.
    pub workspace: WorkspaceId,
    /// The user whose key it is; `None` for a service token.
    pub user: Option<UserId>,
    /// A name for people.
    pub name: String,
    /// The most that it is in its workspace.
    pub role: Role,
    /// Whether it governs the installation.
    pub governs: bool,
    /// The only permissions that it has; empty for all that its role gives.
    pub scopes: Vec<Permission>,
    /// When it ends; `None` for never.
    pub expires_at: Option<Timestamp>,
}

/// The text that a program shows: `hsk_` or `hst_`, the letters of the token's id, and 32 random bytes. Never shown, not even
/// by `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct TokenSecret(String);

impl TokenSecret {
    /// A new one of token `id`.
    fn random(kind: TokenKind, id: &TokenId) -> Self {
        let mut secret = [0; SECRET_BYTES];
        getrandom::fill(&mut secret).expect("the system has random numbers");
        let prefix = if kind == TokenKind::Key { "hsk" } else { "hst" };
        let letters = id.as_str().trim_start_matches("tok_");
        Self(format!("{prefix}_{letters}_{}", URL_SAFE_NO_PAD.encode(secret)))
    }

    /// The secret itself: for its owner, once.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    fn hash(&self) -> String {
        secret_hash(&self.0)
    }
}

impl fmt::Debug for TokenSecret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("TokenSecret(hidden)")
    }
}

/// What is kept of a secret with at least 128 random bits: the SHA-256 of its text, in lower-case hexadecimal digits.
pub fn secret_hash(secret: &str) -> String {
    hex(digest(&SHA256, secret.as_bytes()).as_ref())
}

/// All that is needed to say whether a shown token is good, and for what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenCheck {
    /// The token.
    pub token: Token,
    /// The [`secret_hash`] that it must have; `None` for one of MxWhisper's.
    pub hash: Option<String>,
    /// The one of the secret before, which is good until [`Token::previous_until`].
    pub previous_hash: Option<String>,
    /// The user as whom it acts.
    pub user: Option<User>,
    /// What that user is in the token's workspace; `None` for whoever no longer belongs to it.
    pub member: Option<Role>,
}

/// Which tokens to list.
#[derive(Debug, Clone, Default)]
pub struct TokenFilter {
    /// Only those that open this workspace.
    pub workspace: Option<WorkspaceId>,
    /// Only those of this user.
    pub user: Option<UserId>,
    /// Only those of this kind.
    pub kind: Option<TokenKind>,
}

#[derive(FromRow)]
struct CheckRow {
    hash: Option<String>,
    previous_hash: Option<String>,
    member_role: Option<String>,
    #[sqlx(flatten)]
    token: TokenRow,
}

async fn find(conn: &mut Conn<'_>, id: &TokenId) -> Result<Token, Error> {
    run!(conn, fetch_one::<TokenRow>, FIND, id.as_str())?.read()
}

/// What was done to `token`, for the admins of its workspace to read.
fn entry(kind: AuditKind, token: &Token) -> NewAudit {
    let entry = NewAudit::done(kind).about(&token.id);
    NewAudit { workspace: token.workspace.clone(), ..entry }
}

/// Revokes token `id` at `at`, unless it is revoked by then, and says so in the log, with its last use.
pub(crate) async fn revoke(
    conn: &mut Conn<'_>,
    clock: &Clock,
    id: &TokenId,
    at: Timestamp,
    by: &By,
) -> Result<bool, Error> {
    if run!(&mut *conn, execute, REVOKE, id.as_str(), at.as_micros())? == 0 {
        return Ok(false);
    }
    let token = find(conn, id).await?;
    let data = json!({
        "revoked_at": at.to_string(),
        "last_used_at": token.last_used_at.map(|at| at.to_string()),
    });
    audit::write(conn, clock, by, entry(AuditKind::TokenRevoked, &token).with(&data)).await?;
    Ok(true)
}

/// Whether there is a user and a workspace for `new`, and room; both are held then.
async fn has_place(conn: &mut Conn<'_>, new: &NewToken, now: Timestamp) -> Result<bool, Error> {
    if let Some(user) = &new.user {
        let locked = users::lock(conn, user).await?;
        let is_there = locked.is_some_and(|locked| locked.user.disabled_at.is_none());
        let role = workspaces::role(conn, &new.workspace, user).await?;
        if !is_there || role.is_none() {
            return Ok(false);
        }
    }
    // Tokens of a workspace are made one after the other, so that there are never too many.
    if workspaces::lock(conn, &new.workspace).await?.is_none() {
        return Ok(false);
    }
    let (statement, owner) = match &new.user {
        Some(user) => (COUNT_KEYS, user.as_str()),
        None => (COUNT_SERVICE, new.workspace.as_str()),
    };
    let (count,) = run!(conn, fetch_one::<(i64,)>, statement, owner, now.as_micros())?;
    if count >= i64::from(TOKENS_MAX) {
        return Err(Error::TooManyTokens);
    }
    Ok(true)
}

impl Store {
    /// Makes a key, if there is a user, or else a service token; and the only sight of its secret. `None` if there is no such
    /// workspace, or no user who belongs to it and may come in.
    ///
    /// # Errors
    /// [`Error::TooManyTokens`] if there are [`TOKENS_MAX`] already, [`Error::Invalid`] for what is no name, or
    /// where the database cannot be written.
    pub async fn create_token(
        &self,
        new: NewToken,
        by: &By,
    ) -> Result<Option<(Token, TokenSecret)>, Error> {
        text::check_name("name", &new.name)?;
        let (clock, by) = (self.clock().clone(), by.clone());
        self.write(move |conn| {
            Box::pin(async move {
                let (id, now): (TokenId, _) = (clock.id(), clock.now());
                if !has_place(conn, &new, now).await? {
                    return Ok(None);
                }
                let kind = if new.user.is_some() { TokenKind::Key } else { TokenKind::Service };
                let secret = TokenSecret::random(kind, &id);
                run!(
                    &mut *conn,
                    execute,
                    INSERT,
                    id.as_str(),
                    kind.name(),
                    new.workspace.as_str(),
                    new.user.as_ref().map(UserId::as_str),
                    &new.name,
                    new.role.name(),
                    new.governs,
                    write_scopes(&new.scopes),
                    secret.hash(),
                    new.expires_at.map(Timestamp::as_micros),
                    by.actor.creator(),
                    now.as_micros()
                )?;
                let token = find(conn, &id).await?;
                let made = created(&token);
                audit::write(conn, &clock, &by, made).await?;
                Ok(Some((token, secret)))
            })
        })
        .await
    }

    /// The token `id`, with what it must be compared to; whether it is good is for the caller to say.
    ///
    /// # Errors
    /// Where the database cannot be read.
    pub async fn find_token(&self, id: &TokenId) -> Result<Option<TokenCheck>, Error> {
        let mut reader = self.reader().await?;
        let mut conn = reader.conn();
        let row = run!(&mut conn, fetch_optional::<CheckRow>, CHECK, id.as_str())?;
        let Some(row) = row else { return Ok(None) };
        let token = row.token.read()?;
        let role = |name: String| read_role(token.workspace.as_ref().map_or("", Id::as_str), &name);
        let member = row.member_role.map(role).transpose()?;
        let user = match &token.user {
            Some(user) => users::find(&mut conn, user).await?,
            None => None,
        };
        let CheckRow { hash, previous_hash, .. } = row;
        Ok(Some(TokenCheck { token, hash, previous_hash, user, member }))
    }

    /// Notes that token `id` was used, at most once a minute. The log tells of the first time.
    ///
    /// # Errors
    /// Where the database cannot be written.
    pub async fn use_token(&self, id: &TokenId, by: &By) -> Result<(), Error> {
        let (clock, id, by) = (self.clock().clone(), id.clone(), by.clone());
        self.write(move |conn| {
            Box::pin(async move {
                let (row, now) = (id.as_str(), clock.now());
                let (now, due) = (now.as_micros(), now.before(TOUCH_EVERY).as_micros());
                run!(&mut *conn, execute, TOUCH_USER, row, now, due)?;
                if run!(&mut *conn, execute, FIRST_USE, row, now)? == 0 {
                    return run!(conn, execute, TOUCH, row, now, due).map(drop);
                }
                let token = find(conn, &id).await?;
                audit::write(conn, &clock, &by, entry(AuditKind::TokenFirstUsed, &token)).await
            })
        })
        .await
    }

    /// Tokens, newest first, from below the serial `before` on.
    ///
    /// # Errors
    /// Where the database cannot be read.
    pub async fn page_tokens(
        &self,
        filter: &TokenFilter,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Page<Token>, Error> {
        let mut reader = self.reader().await?;
        let rows = run!(
            &mut reader.conn(),
            fetch_all::<TokenRow>,
            PAGE,
            before.unwrap_or(i64::MAX),
            filter.workspace.as_ref().map(WorkspaceId::as_str),
            filter.user.as_ref().map(UserId::as_str),
            filter.kind.map(TokenKind::name),
            i64::from(limit) + 1
        )?;
        let tokens = rows.into_iter().map(TokenRow::read).collect::<Result<Vec<_>, _>>()?;
        Ok(Page::cut(tokens, limit, |token| token.serial))
    }

    /// Ends token `id` now; `false` if there is none that is not ended.
    ///
    /// # Errors
    /// Where the database cannot be written.
    pub async fn revoke_token(&self, id: &TokenId, by: &By) -> Result<bool, Error> {
        let (clock, id, by) = (self.clock().clone(), id.clone(), by.clone());
        self.write(move |conn| {
            Box::pin(async move {
                let now = clock.now();
                revoke(conn, &clock, &id, now, &by).await
            })
        })
        .await
    }

    /// Gives key or service token `id` another secret and end. The one that it had is good for `overlap` more, up to
    /// [`OVERLAP_MAX`], and not beyond its own end; the one before that is not. `None` if there is no such token, or one that
    /// is revoked.
    ///
    /// # Errors
    /// Where the database cannot be written.
    pub async fn rotate_token(
        &self,
        id: &TokenId,
        overlap: Duration,
        expires_at: Option<Timestamp>,
        by: &By,
    ) -> Result<Option<(Token, TokenSecret)>, Error> {
        let (clock, id, by) = (self.clock().clone(), id.clone(), by.clone());
        self.write(move |conn| {
            Box::pin(async move {
                let row = run!(&mut *conn, fetch_optional::<TokenRow>, LOCK, id.as_str())?;
                let Some(token) = row.map(TokenRow::read).transpose()? else { return Ok(None) };
                if token.kind == TokenKind::Jwt || token.revoked_at.is_some() {
                    return Ok(None);
                }
                let now = clock.now();
                let until = now.after(overlap.min(OVERLAP_MAX));
                let until = token.expires_at.map_or(until, |end| end.min(until));
                let previous = (until > now).then(|| until.as_micros());
                let (row, end) = (id.as_str(), expires_at.map(Timestamp::as_micros));
                let secret = TokenSecret::random(token.kind, &id);
                run!(&mut *conn, execute, ROTATE, row, secret.hash(), previous, end)?;
                let rotated = entry(AuditKind::TokenRotated, &token);
                audit::write(conn, &clock, &by, rotated).await?;
                Ok(Some((find(conn, &id).await?, secret)))
            })
        })
        .await
    }
}

/// That `token` was made, and what it may do.
fn created(token: &Token) -> NewAudit {
    let scopes: Vec<_> = token.scopes.iter().map(|scope| scope.name()).collect();
    let data = json!({
        "kind": token.kind.name(),
        "user_id": token.user.as_ref().map(UserId::as_str),
        "role": token.role.name(),
        "governs": token.governs,
        "scopes": scopes,
        "expires_at": token.expires_at.map(|at| at.to_string()),
    });
    entry(AuditKind::TokenCreated, token).with(&data)
}
