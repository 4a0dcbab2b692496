//! Erasing a user, with all that is theirs alone: the personal workspace, and what is in it.
//!
//! It takes many transactions, for there may be a lot. The first one shuts the user out; each other one can be repeated, and the
//! last one removes the rows by which the user is found. Whoever dies in between is finished by whoever asks again.

use hansard_domain::audit::AuditKind;
use hansard_domain::id::{Id, RecordingId, UploadId, UserId, WorkspaceId};
use serde::Serialize;
use serde_json::json;
use sqlx::FromRow;

use crate::audit::{self, By, NewAudit};
use crate::backend::{Conn, Statement, run, statements};
use crate::{Clock, Error, Store, deliveries, tokens, users};

/// Rows that one transaction removes, so that no writer waits long.
const BATCH: i64 = 200;

/// Tokens whose end the log tells one by one, all in the transaction that shuts the user out: more than a user and a workspace
/// may have, but for those of MxWhisper.
const TOLD_MAX: i64 = 500;

/// Transactions of each kind in one call: enough for two million rows.
const BATCHES_MAX: u32 = 10_000;

statements! {
    COUNTS = "SELECT (SELECT COUNT(*) FROM recordings WHERE workspace_id = $1) AS recordings, \
        (SELECT COUNT(*) FROM media_objects WHERE workspace_id = $1 AND state <> 'writing') AS media_objects, \
        (SELECT CAST(COALESCE(SUM(size_bytes), 0) AS BIGINT) FROM recordings WHERE workspace_id = $1) AS media_bytes, \
        (SELECT COUNT(*) FROM jobs WHERE workspace_id = $1) AS jobs, \
        (SELECT COUNT(*) FROM transcripts WHERE workspace_id = $1) AS transcripts, \
        (SELECT COUNT(*) FROM uploads WHERE workspace_id = $1) AS uploads, \
        (SELECT COUNT(*) FROM endpoints WHERE workspace_id = $1) AS endpoints, \
        (SELECT COUNT(*) FROM deliveries WHERE workspace_id = $1) AS deliveries, \
        (SELECT COUNT(*) FROM events WHERE workspace_id = $1) AS events, \
        (SELECT COUNT(*) FROM collections WHERE workspace_id = $1) AS collections, \
        (SELECT COUNT(*) FROM tokens WHERE workspace_id = $1 OR user_id = $2) AS tokens, \
        (SELECT COUNT(*) FROM sessions WHERE user_id = $2) AS sessions, \
        (SELECT COUNT(*) FROM identities WHERE user_id = $2) AS identities, \
        (SELECT COUNT(*) FROM memberships WHERE user_id = $2) AS memberships";
    SHUT_OUT = "UPDATE users SET disabled_at_us = COALESCE(disabled_at_us, $2), \
        erasing_at_us = COALESCE(erasing_at_us, $2), external_id = NULL, email = NULL, email_key = NULL, username = NULL, \
        name = NULL, password_hash = NULL, updated_at_us = $2 WHERE id = $1";
    LIVE_TOKENS = "SELECT id FROM tokens WHERE (user_id = $1 OR workspace_id = $2) \
        AND (revoked_at_us IS NULL OR revoked_at_us > $3) AND (expires_at_us IS NULL OR expires_at_us > $3) \
        ORDER BY serial DESC LIMIT $4";
    REVOKE = "UPDATE tokens SET revoked_at_us = $3 WHERE (user_id = $1 OR workspace_id = $2) \
        AND (revoked_at_us IS NULL OR revoked_at_us > $3)";
    DELETE_IDENTITIES = "DELETE FROM identities WHERE user_id = $1";
    LEAVE_OTHERS = "DELETE FROM memberships WHERE user_id = $1 AND workspace_id <> $2";
    RECORDINGS = "SELECT id FROM recordings WHERE workspace_id = $1 ORDER BY serial LIMIT $2";
    UPLOADS = "SELECT id FROM uploads WHERE workspace_id = $1 ORDER BY serial LIMIT $2";
    /// One that has expired; its file is swept.
    DELETE_UPLOAD = "DELETE FROM uploads WHERE id = $1";
    /// Before their attempts go, so that no attempt is added meanwhile.
    LOCK_DELIVERIES = sqlite "SELECT id FROM deliveries WHERE workspace_id = $1 ORDER BY serial LIMIT $2",
        postgres "SELECT id FROM deliveries WHERE workspace_id = $1 ORDER BY serial LIMIT $2 FOR UPDATE";
    DELETE_ENDPOINTS = "DELETE FROM endpoints WHERE workspace_id = $1";
    DELETE_EVENTS = "DELETE FROM events WHERE seq IN (SELECT seq FROM events WHERE workspace_id = $1 ORDER BY seq LIMIT $2)";
    DELETE_KEYS = "DELETE FROM idempotency_keys WHERE workspace_id = $1";
    DELETE_ITEMS = "DELETE FROM collection_items WHERE collection_id IN (SELECT id FROM collections WHERE workspace_id = $1)";
    DELETE_COLLECTIONS = "DELETE FROM collections WHERE workspace_id = $1";
    FORGET_RECORDINGS = "UPDATE recordings SET created_by = NULL WHERE created_by = $1";
    FORGET_JOBS = "UPDATE jobs SET created_by = NULL WHERE created_by = $1";
    FORGET_UPLOADS = "UPDATE uploads SET created_by = NULL WHERE created_by = $1";
    FORGET_COLLECTIONS = "UPDATE collections SET created_by = NULL WHERE created_by = $1";
    FORGET_ITEMS = "UPDATE collection_items SET assigned_by = NULL WHERE assigned_by = $1";
    FORGET_TOPICS = "UPDATE recording_topics SET assigned_by = NULL WHERE assigned_by = $1";
    FORGET_TOKENS = "UPDATE tokens SET created_by = NULL WHERE created_by = $1";
    /// Where the user was. Where others were who did something to the user stays.
    FORGET_ADDRESSES = "UPDATE audit_log SET address = NULL WHERE actor_id = $1";
    FORGET_TOKEN_ADDRESSES = "UPDATE audit_log SET address = NULL \
        WHERE actor_id IN (SELECT id FROM tokens WHERE user_id = $1)";
    /// The user at the door: somebody whom nobody knew yet, or for whom the service did what a login leads to.
    FORGET_LOGIN_ADDRESSES = "UPDATE audit_log SET address = NULL WHERE actor_kind IN ('anonymous', 'system') \
        AND (subject_id = $1 OR subject_id IN (SELECT id FROM tokens WHERE user_id = $1))";
    /// Objects that are still written are left to the sweep, which knows when nobody writes them any more.
    SWEEP_NOW = "UPDATE media_objects SET due_us = $2 WHERE workspace_id = $1 AND state = 'deleting'";
    UNSWEPT = "SELECT COUNT(*) FROM media_objects WHERE workspace_id = $1 AND state <> 'writing'";
    /// Nothing is put into the workspace from then on.
    LOCK_WORKSPACE = sqlite "SELECT id FROM workspaces WHERE id = $1",
        postgres "SELECT id FROM workspaces WHERE id = $1 FOR UPDATE";
    LEFT = "SELECT (SELECT COUNT(*) FROM recordings WHERE workspace_id = $1) + (SELECT COUNT(*) FROM uploads WHERE workspace_id = $1)";
    /// One of MxWhisper's that is signed elsewhere stays refused by its name.
    KEEP_REVOKED = "UPDATE tokens SET workspace_id = NULL, user_id = NULL, name = '' WHERE kind = 'jwt' \
        AND (user_id = $1 OR workspace_id = $2)";
    DELETE_TOKENS = "DELETE FROM tokens WHERE user_id = $1 OR workspace_id = $2";
    DELETE_MEMBERSHIPS = "DELETE FROM memberships WHERE user_id = $1 OR workspace_id = $2";
    DELETE_USER = "DELETE FROM users WHERE id = $1";
    DELETE_WORKSPACE = "DELETE FROM workspaces WHERE id = $1";
}

/// What was removed with a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Erased {
    /// Recordings.
    pub recordings: u64,
    /// Media objects of theirs.
    pub media_objects: u64,
    /// Bytes of those.
    pub media_bytes: u64,
    /// Jobs.
    pub jobs: u64,
    /// Transcripts.
    pub transcripts: u64,
    /// Uploads that were not complete.
    pub uploads: u64,
    /// Webhook endpoints.
    pub endpoints: u64,
    /// Deliveries to them, and to callbacks.
    pub deliveries: u64,
    /// Events of the log.
    pub events: u64,
    /// Collections.
    pub collections: u64,
    /// Tokens: the user's, and those of the personal workspace.
    pub tokens: u64,
    /// Sessions.
    pub sessions: u64,
    /// Accounts at providers.
    pub identities: u64,
    /// Memberships of workspaces.
    pub memberships: u64,
}

/// What came of the wish to erase a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Erasure {
    /// The user is gone, and this with it.
    Done(Erased),
    /// There is no such user.
    Missing,
    /// Nobody else governs the installation.
    LastAdmin,
}

#[derive(FromRow)]
struct CountsRow {
    recordings: i64,
    media_objects: i64,
    media_bytes: i64,
    jobs: i64,
    transcripts: i64,
    uploads: i64,
    endpoints: i64,
    deliveries: i64,
    events: i64,
    collections: i64,
    tokens: i64,
    sessions: i64,
    identities: i64,
    memberships: i64,
}

impl From<CountsRow> for Erased {
    fn from(row: CountsRow) -> Self {
        Self {
            recordings: row.recordings.unsigned_abs(),
            media_objects: row.media_objects.unsigned_abs(),
            media_bytes: row.media_bytes.unsigned_abs(),
            jobs: row.jobs.unsigned_abs(),
            transcripts: row.transcripts.unsigned_abs(),
            uploads: row.uploads.unsigned_abs(),
            endpoints: row.endpoints.unsigned_abs(),
            deliveries: row.deliveries.unsigned_abs(),
            events: row.events.unsigned_abs(),
            collections: row.collections.unsigned_abs(),
            tokens: row.tokens.unsigned_abs(),
            sessions: row.sessions.unsigned_abs(),
            identities: row.identities.unsigned_abs(),
            memberships: row.memberships.unsigned_abs(),
        }
    }
}

/// An id that stands in `table`.
fn read_id<I: Id>(table: &'static str, id: String) -> Result<I, Error> {
    let reason = "it has no valid id".to_owned();
    I::parse(&id).map_err(|_| Error::Corrupt { table, id, reason })
}

/// What the first step says.
enum Begun {
    Yes { workspace: WorkspaceId, counted: Erased },
    Missing,
    LastAdmin,
}

/// Shuts the user out, and counts what there is to remove.
async fn begin(conn: &mut Conn<'_>, clock: &Clock, user: &UserId, by: &By) -> Result<Begun, Error> {
    let Some(locked) = users::lock(conn, user).await? else { return Ok(Begun::Missing) };
    if locked.is_last_admin() {
        return Ok(Begun::LastAdmin);
    }
    let workspace = locked.user.workspace;
    let (id, home, at) = (user.as_str(), workspace.as_str(), clock.now());
    let now = at.as_micros();
    let counted = run!(&mut *conn, fetch_one::<CountsRow>, COUNTS, home, id)?.into();
    run!(&mut *conn, execute, SHUT_OUT, id, now)?;
    // One by one: the log tells of each when it was last used, and nothing else will. What is left after that ends untold:
    // tokens that were over anyway, and more of MxWhisper's than anybody has.
    let live = run!(&mut *conn, fetch_all::<(String,)>, LIVE_TOKENS, id, home, now, TOLD_MAX)?;
    for (token,) in live {
        tokens::revoke(conn, clock, &read_id("tokens", token)?, at, by).await?;
    }
    run!(&mut *conn, execute, REVOKE, id, home, now)?;
    run!(&mut *conn, execute, DELETE_IDENTITIES, id)?;
    run!(&mut *conn, execute, LEAVE_OTHERS, id, home)?;
    users::end_sessions(conn, user).await?;
    Ok(Begun::Yes { workspace, counted })
}

/// Removes a batch of deliveries, with their attempts; returns how many.
async fn delete_deliveries(conn: &mut Conn<'_>, workspace: &WorkspaceId) -> Result<u64, Error> {
    let home = workspace.as_str();
    let found = run!(&mut *conn, fetch_all::<(String,)>, LOCK_DELIVERIES, home, BATCH)?;
    for (delivery,) in &found {
        deliveries::delete(conn, delivery).await?;
    }
    Ok(found.len() as u64)
}

/// Removes what is left of a workspace whose recordings, uploads and deliveries are gone.
async fn empty(conn: &mut Conn<'_>, workspace: &WorkspaceId) -> Result<(), Error> {
    for statement in [DELETE_ENDPOINTS, DELETE_KEYS, DELETE_ITEMS, DELETE_COLLECTIONS] {
        run!(&mut *conn, execute, statement, workspace.as_str())?;
    }
    Ok(())
}

/// Removes the user's name from what stays.
async fn forget(conn: &mut Conn<'_>, user: &UserId) -> Result<(), Error> {
    for statement in [
        FORGET_RECORDINGS,
        FORGET_JOBS,
        FORGET_UPLOADS,
        FORGET_COLLECTIONS,
        FORGET_ITEMS,
        FORGET_TOPICS,
        FORGET_TOKENS,
        FORGET_ADDRESSES,
        FORGET_TOKEN_ADDRESSES,
        FORGET_LOGIN_ADDRESSES,
    ] {
        run!(&mut *conn, execute, statement, user.as_str())?;
    }
    Ok(())
}

/// Removes the rows by which the user is found, and says so in the log.
async fn end(
    conn: &mut Conn<'_>,
    clock: &Clock,
    user: &UserId,
    workspace: &WorkspaceId,
    erased: &Erased,
    by: &By,
) -> Result<(), Error> {
    let (id, home) = (user.as_str(), workspace.as_str());
    if users::lock(conn, user).await?.is_none() {
        // Somebody else was asked as well, and was faster.
        return Ok(());
    }
    forget(conn, user).await?;
    run!(&mut *conn, fetch_optional::<(String,)>, LOCK_WORKSPACE, home)?;
    let (left,) = run!(&mut *conn, fetch_one::<(i64,)>, LEFT, home)?;
    if left > 0 {
        // A request that was let in before has put something there: it goes with the next attempt.
        return Err(Error::Busy);
    }
    for statement in [KEEP_REVOKED, DELETE_TOKENS, DELETE_MEMBERSHIPS] {
        run!(&mut *conn, execute, statement, id, home)?;
    }
    run!(&mut *conn, execute, DELETE_USER, id)?;
    run!(&mut *conn, execute, DELETE_WORKSPACE, home)?;
    let entry = NewAudit::done(AuditKind::UserErased).about(user);
    audit::write(conn, clock, by, entry.with(&json!({ "removed": erased }))).await
}

impl Store {
    /// Removes `user`, the personal workspace and all that is in it, and the user's name from what stays elsewhere. The log
    /// keeps the id, and what was done under it.
    ///
    /// The user is out from the first moment. Where this fails later on, it is to be asked again; what it reports then is what
    /// was left.
    ///
    /// # Errors
    /// [`Error::Busy`] where something is just put into the workspace, or where the database or the media store fails.
    pub async fn erase_user(&self, user: &UserId, by: &By) -> Result<Erasure, Error> {
        let (clock, id, begun_by) = (self.clock().clone(), user.clone(), by.clone());
        let begun = self
            .write(move |conn| Box::pin(async move { begin(conn, &clock, &id, &begun_by).await }));
        let (workspace, counted) = match begun.await? {
            Begun::Yes { workspace, counted } => (workspace, counted),
            Begun::Missing => return Ok(Erasure::Missing),
            Begun::LastAdmin => return Ok(Erasure::LastAdmin),
        };
        self.erase_recordings(&workspace).await?;
        self.erase_uploads(&workspace).await?;
        self.erase_rows(&workspace).await?;
        self.erase_media(&workspace).await?;
        let (clock, id, by) = (self.clock().clone(), user.clone(), by.clone());
        self.write(move |conn| {
            Box::pin(async move { end(conn, &clock, &id, &workspace, &counted, &by).await })
        })
        .await?;
        Ok(Erasure::Done(counted))
    }

    /// Up to a batch of ids of what is in `workspace`.
    async fn batch<I: Id>(
        &self,
        statement: Statement,
        workspace: &WorkspaceId,
    ) -> Result<Vec<I>, Error> {
        let mut reader = self.reader().await?;
        let (conn, home) = (&mut reader.conn(), workspace.as_str());
        let rows = run!(conn, fetch_all::<(String,)>, statement, home, BATCH)?;
        rows.into_iter().map(|(id,)| read_id("workspaces", id)).collect()
    }

    async fn erase_recordings(&self, workspace: &WorkspaceId) -> Result<(), Error> {
        for _ in 0..BATCHES_MAX {
            let recordings: Vec<RecordingId> = self.batch(RECORDINGS, workspace).await?;
            if recordings.is_empty() {
                return Ok(());
            }
            for recording in &recordings {
                self.delete_recording(workspace, recording).await?;
            }
        }
        Err(Error::Busy)
    }

    async fn erase_uploads(&self, workspace: &WorkspaceId) -> Result<(), Error> {
        for _ in 0..BATCHES_MAX {
            let uploads: Vec<UploadId> = self.batch(UPLOADS, workspace).await?;
            if uploads.is_empty() {
                return Ok(());
            }
            for upload in uploads {
                if self.terminate_upload(workspace, &upload).await?
                    == crate::uploads::Uploaded::Locked
                {
                    return Err(Error::Busy);
                }
                self.write_apart(move |conn| {
                    Box::pin(async move { run!(conn, execute, DELETE_UPLOAD, upload.as_str()) })
                })
                .await?;
            }
        }
        Err(Error::Busy)
    }

    async fn erase_rows(&self, workspace: &WorkspaceId) -> Result<(), Error> {
        for _ in 0..BATCHES_MAX {
            let home = workspace.clone();
            let removed = self.write(move |conn| {
                Box::pin(async move {
                    let deliveries = delete_deliveries(conn, &home).await?;
                    let home = home.as_str();
                    Ok(deliveries + run!(&mut *conn, execute, DELETE_EVENTS, home, BATCH)?)
                })
            });
            if removed.await? == 0 {
                let home = workspace.clone();
                return self
                    .write(move |conn| Box::pin(async move { empty(conn, &home).await }))
                    .await;
            }
        }
        Err(Error::Busy)
    }

    async fn erase_media(&self, workspace: &WorkspaceId) -> Result<(), Error> {
        let (home, now) = (workspace.clone(), self.clock().now().as_micros());
        self.write_apart(move |conn| {
            Box::pin(async move { run!(conn, execute, SWEEP_NOW, home.as_str(), now) })
        })
        .await?;
        for _ in 0..BATCHES_MAX {
            let mut reader = self.reader().await?;
            let (conn, home) = (&mut reader.conn(), workspace.as_str());
            let (unswept,) = run!(conn, fetch_one::<(i64,)>, UNSWEPT, home)?;
            drop(reader);
            if unswept == 0 {
                return Ok(());
            }
            if self.sweep_media().await? == 0 {
                break;
            }
        }
        Err(Error::Busy)
    }
}
