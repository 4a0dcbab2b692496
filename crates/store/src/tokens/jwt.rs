//! The tokens of MxWhisper: signed, so that nothing of them is kept but their name, and whether it is revoked.

use std::time::Duration;

use hansard_domain::access::Role;
use hansard_domain::id::{Id, TokenId, UserId, WorkspaceId};
use hansard_domain::time::Timestamp;

use super::row::{TokenRow, token_columns};
use super::{OVERLAP_MAX, Token, TokenKind, created, find, revoke};
use crate::audit::{self, By};
use crate::backend::{Conn, run, statements};
use crate::{Clock, Error, Store, text};

/// Bytes of a `jti`.
const JTI_BYTES_MAX: usize = 255;

statements! {
    FIND_JTI = "SELECT " (token_columns) " FROM tokens WHERE jti = $1";
    NOTE = "INSERT INTO tokens (id, kind, jti, workspace_id, user_id, name, role, governs, scopes, expires_at_us, created_by, \
        created_at_us) VALUES ($1, 'jwt', $2, $3, $4, $5, $6, FALSE, '[]', $7, $8, $9) ON CONFLICT (jti) DO NOTHING";
}

/// One of MxWhisper's tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewJwt {
    /// Its name, from its claims.
    pub jti: String,
    /// The workspace that it opens.
    pub workspace: WorkspaceId,
    /// The user as whom it acts.
    pub user: UserId,
    /// A name for people.
    pub name: String,
    /// The most that it is in its workspace.
    pub role: Role,
    /// When it ends.
    pub expires_at: Timestamp,
}

fn check_jti(jti: &str) -> Result<(), Error> {
    text::check("jti", Some(jti))?;
    if jti.is_empty() || jti.len() > JTI_BYTES_MAX {
        return Err(Error::Invalid(format!("the jti is empty or has over {JTI_BYTES_MAX} bytes")));
    }
    Ok(())
}

async fn find_jti(conn: &mut Conn<'_>, jti: &str) -> Result<Option<Token>, Error> {
    let row = run!(conn, fetch_optional::<TokenRow>, FIND_JTI, jti)?;
    row.map(TokenRow::read).transpose()
}

/// Writes `jwt`, unless there is one of its name, and returns which it is now.
async fn note(conn: &mut Conn<'_>, clock: &Clock, jwt: &NewJwt, by: &By) -> Result<Token, Error> {
    let id: TokenId = clock.id();
    let noted = run!(
        &mut *conn,
        execute,
        NOTE,
        id.as_str(),
        &jwt.jti,
        jwt.workspace.as_str(),
        jwt.user.as_str(),
        &jwt.name,
        jwt.role.name(),
        jwt.expires_at.as_micros(),
        by.actor.creator(),
        clock.now().as_micros()
    )?;
    if noted == 0 {
        // One that is gone again was forgotten in this very moment.
        return find_jti(conn, &jwt.jti).await?.ok_or(Error::Busy);
    }
    let token = find(conn, &id).await?;
    audit::write(conn, clock, by, created(&token)).await?;
    Ok(token)
}

impl Store {
    /// The token of MxWhisper's that is called `jti`, if it is known.
    ///
    /// # Errors
    /// [`Error::Invalid`] for what is no `jti`, or where the database cannot be read.
    pub async fn find_jti(&self, jti: &str) -> Result<Option<Token>, Error> {
        check_jti(jti)?;
        find_jti(&mut self.reader().await?.conn(), jti).await
    }

    /// Makes a token of MxWhisper's known, and returns it; or the one that has its name already, which may be revoked.
    ///
    /// # Errors
    /// [`Error::Invalid`] for text that no row can hold, or where the database cannot be written.
    pub async fn note_jwt(&self, jwt: NewJwt, by: &By) -> Result<Token, Error> {
        check_jti(&jwt.jti)?;
        text::check_name("name", &jwt.name)?;
        let (clock, by) = (self.clock().clone(), by.clone());
        self.write(move |conn| Box::pin(async move { note(conn, &clock, &jwt, &by).await })).await
    }

    /// Ends the token of MxWhisper's that is called `jti` and would end by itself at `expires_at`, also if it was never seen;
    /// `false` if it has been ended before.
    ///
    /// # Errors
    /// [`Error::Invalid`] for what is no `jti`, or where the database cannot be written.
    pub async fn revoke_jti(
        &self,
        jti: &str,
        expires_at: Timestamp,
        by: &By,
    ) -> Result<bool, Error> {
        check_jti(jti)?;
        let (clock, by, jti) = (self.clock().clone(), by.clone(), jti.to_owned());
        self.write(move |conn| {
            Box::pin(async move {
                let (id, now): (TokenId, _) = (clock.id(), clock.now());
                run!(
                    &mut *conn,
                    execute,
                    NOTE,
                    id.as_str(),
                    &jti,
                    None::<&str>,
                    None::<&str>,
                    "",
                    Role::Viewer.name(),
                    expires_at.as_micros(),
                    by.actor.creator(),
                    now.as_micros()
                )?;
                let token = find_jti(conn, &jti).await?.ok_or(Error::Busy)?;
                revoke(conn, &clock, &token.id, now, &by).await
            })
        })
        .await
    }

    /// Makes `new` known in place of token `id`, which is MxWhisper's as well and good for `overlap` more, up to
    /// [`OVERLAP_MAX`]. `None` if there is no such token, or one that is revoked.
    ///
    /// # Errors
    /// [`Error::Invalid`] for text that no row can hold, or where the database cannot be written.
    pub async fn replace_jwt(
        &self,
        id: &TokenId,
        new: NewJwt,
        overlap: Duration,
        by: &By,
    ) -> Result<Option<Token>, Error> {
        check_jti(&new.jti)?;
        text::check_name("name", &new.name)?;
        let (clock, id, by) = (self.clock().clone(), id.clone(), by.clone());
        self.write(move |conn| {
            Box::pin(async move {
                let row = run!(&mut *conn, fetch_optional::<TokenRow>, super::LOCK, id.as_str())?;
                let Some(token) = row.map(TokenRow::read).transpose()? else { return Ok(None) };
                if token.kind != TokenKind::Jwt || token.revoked_at.is_some() {
                    return Ok(None);
                }
                let until = clock.now().after(overlap.min(OVERLAP_MAX));
                revoke(conn, &clock, &id, until, &by).await?;
                note(conn, &clock, &new, &by).await.map(Some)
            })
        })
        .await
    }
}
