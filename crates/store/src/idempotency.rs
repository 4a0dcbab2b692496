//! Idempotency keys: a caller's name for a request, by which its repetition is known.
//!
//! A key is written in the transaction that makes its subject, and goes with it.

use hansard_domain::id::{Id, WorkspaceId};
use hansard_domain::time::Timestamp;

use crate::Error;
use crate::backend::{Conn, run, statements};
use crate::text;

statements! {
    CLAIM = "INSERT INTO idempotency_keys (workspace_id, key, request_hash, subject_id, created_at_us) \
        VALUES ($1, $2, $3, $4, $5) ON CONFLICT (workspace_id, key) DO NOTHING";
    FIND = "SELECT request_hash, subject_id, created_at_us FROM idempotency_keys WHERE workspace_id = $1 AND key = $2";
}

/// A caller's name for a request, by which its repetition is known.
#[derive(Debug, Clone)]
pub struct RequestKey {
    /// The name, unique within the workspace.
    pub key: String,
    /// A hash of everything that was asked; the same name with another hash is refused.
    pub request_hash: String,
}

/// What a request has made before.
pub(crate) struct Earlier<I> {
    /// Its id.
    pub(crate) subject: I,
    /// When it was made.
    pub(crate) at: Timestamp,
}

/// Refuses a key that no row can hold.
pub(crate) fn check(key: Option<&RequestKey>) -> Result<(), Error> {
    text::check("idempotency key", key.map(|key| key.key.as_str()))?;
    text::check("request hash", key.map(|key| key.request_hash.as_str()))
}

/// Takes `key` for what is made at `now`, or says what it made before. Without a key, nothing was made before.
pub(crate) async fn claim<I: Id>(
    conn: &mut Conn<'_>,
    workspace: &WorkspaceId,
    key: Option<&RequestKey>,
    subject: &I,
    now: Timestamp,
) -> Result<Option<Earlier<I>>, Error> {
    let Some(key) = key else { return Ok(None) };
    let claimed = run!(
        conn,
        execute,
        CLAIM,
        workspace.as_str(),
        &key.key,
        &key.request_hash,
        subject.as_str(),
        now.as_micros()
    )?;
    if claimed == 1 {
        return Ok(None);
    }
    // One that is gone again was pruned or deleted in this very moment: the next request takes it.
    find(conn, workspace, key).await?.map(Some).ok_or(Error::Busy)
}

/// What `key` has made before.
pub(crate) async fn find<I: Id>(
    conn: &mut Conn<'_>,
    workspace: &WorkspaceId,
    key: &RequestKey,
) -> Result<Option<Earlier<I>>, Error> {
    type Row = (String, String, i64);
    let row = run!(conn, fetch_optional::<Row>, FIND, workspace.as_str(), &key.key)?;
    let Some((hash, subject, at)) = row else { return Ok(None) };
    if hash != key.request_hash {
        return Err(Error::KeyReused);
    }
    let subject = I::parse(&subject).map_err(|error| Error::Corrupt {
        table: "idempotency_keys",
        id: key.key.clone(),
        reason: error.to_string(),
    })?;
    Ok(Some(Earlier { subject, at: Timestamp::from_micros(at) }))
}
