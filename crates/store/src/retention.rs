//! What is forgotten after a while: jobs that ended, events, deliveries, idempotency keys, sessions and logins that are over, and
//! the audit log.
//!
//! Recordings and transcripts stay until somebody deletes them.

use std::time::Duration;

use hansard_domain::id::{Id, TranscriptId};
use hansard_domain::time::Timestamp;

use crate::backend::{Conn, run, statements};
use crate::{Error, Store, deliveries, jobs, transcripts};

/// How long a caller may repeat a request under the same idempotency key.
pub const KEYS_KEPT: Duration = Duration::from_secs(24 * 60 * 60);

/// Rows of a kind that one transaction removes, so that no writer waits long.
const BATCH: i64 = 200;

/// Transactions for each kind in one call.
const BATCHES_MAX: u32 = 100;

statements! {
    /// A delivery that is still to be made may ask for its job.
    OLD_JOBS = sqlite "SELECT id, transcript_id FROM jobs WHERE finished_at_us < $1 AND NOT kept AND NOT EXISTS \
            (SELECT 1 FROM deliveries WHERE subject_id = jobs.id AND state = 'pending') \
            ORDER BY finished_at_us LIMIT $2",
        postgres "SELECT id, transcript_id FROM jobs WHERE finished_at_us < $1 AND NOT kept AND NOT EXISTS \
            (SELECT 1 FROM deliveries WHERE subject_id = jobs.id AND state = 'pending') \
            ORDER BY finished_at_us LIMIT $2 FOR UPDATE SKIP LOCKED";
    OLD_DELIVERIES = sqlite "SELECT id FROM deliveries WHERE finished_at_us < $1 ORDER BY finished_at_us LIMIT $2",
        postgres "SELECT id FROM deliveries WHERE finished_at_us < $1 ORDER BY finished_at_us LIMIT $2 \
            FOR UPDATE SKIP LOCKED";
    DELETE_EVENTS = sqlite "DELETE FROM events WHERE seq IN \
            (SELECT seq FROM events WHERE created_at_us < $1 ORDER BY created_at_us LIMIT $2)",
        postgres "DELETE FROM events WHERE seq = ANY(ARRAY( \
            SELECT seq FROM events WHERE created_at_us < $1 ORDER BY created_at_us LIMIT $2 FOR UPDATE SKIP LOCKED))";
    DELETE_KEYS = sqlite "DELETE FROM idempotency_keys WHERE (workspace_id, key) IN \
            (SELECT workspace_id, key FROM idempotency_keys WHERE created_at_us < $1 ORDER BY created_at_us LIMIT $2)",
        postgres "WITH old AS MATERIALIZED (SELECT workspace_id, key FROM idempotency_keys WHERE created_at_us < $1 \
            ORDER BY created_at_us LIMIT $2 FOR UPDATE SKIP LOCKED) \
            DELETE FROM idempotency_keys USING old \
            WHERE idempotency_keys.workspace_id = old.workspace_id AND idempotency_keys.key = old.key";
    DELETE_SESSIONS = sqlite "DELETE FROM sessions WHERE serial IN \
            (SELECT serial FROM sessions WHERE expires_at_us < $1 ORDER BY expires_at_us LIMIT $2)",
        postgres "DELETE FROM sessions WHERE serial = ANY(ARRAY( \
            SELECT serial FROM sessions WHERE expires_at_us < $1 ORDER BY expires_at_us LIMIT $2 FOR UPDATE SKIP LOCKED))";
    DELETE_LOGINS = sqlite "DELETE FROM login_states WHERE hash IN \
            (SELECT hash FROM login_states WHERE expires_at_us < $1 ORDER BY expires_at_us LIMIT $2)",
        postgres "DELETE FROM login_states WHERE hash = ANY(ARRAY( \
            SELECT hash FROM login_states WHERE expires_at_us < $1 ORDER BY expires_at_us LIMIT $2 FOR UPDATE SKIP LOCKED))";
    /// Of whoever has not asked for so long that the whole burst is there again.
    DELETE_RATES = sqlite "DELETE FROM rate_limits WHERE key IN \
            (SELECT key FROM rate_limits WHERE arrival_us < $1 ORDER BY arrival_us LIMIT $2)",
        postgres "DELETE FROM rate_limits WHERE key = ANY(ARRAY( \
            SELECT key FROM rate_limits WHERE arrival_us < $1 ORDER BY arrival_us LIMIT $2 FOR UPDATE SKIP LOCKED))";
    DELETE_AUDIT = sqlite "DELETE FROM audit_log WHERE serial IN \
            (SELECT serial FROM audit_log WHERE created_at_us < $1 ORDER BY created_at_us LIMIT $2)",
        postgres "DELETE FROM audit_log WHERE serial = ANY(ARRAY( \
            SELECT serial FROM audit_log WHERE created_at_us < $1 ORDER BY created_at_us LIMIT $2 FOR UPDATE SKIP LOCKED))";
}

/// How many rows went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pruned {
    /// Jobs that ended, with their stages.
    pub jobs: u64,
    /// Deliveries that ended, with their attempts.
    pub deliveries: u64,
    /// Events of the log.
    pub events: u64,
    /// Idempotency keys.
    pub keys: u64,
    /// Sessions whose time is over.
    pub sessions: u64,
    /// Logins that nobody came back from.
    pub logins: u64,
    /// Counts of how often somebody asked.
    pub rates: u64,
}

/// What one transaction prunes.
#[derive(Clone, Copy)]
enum Kind {
    Jobs,
    Deliveries,
    Events,
    Keys,
    Sessions,
    Logins,
    Rates,
    Audit,
}

impl Store {
    /// Forgets jobs, deliveries and events that ended longer than `keep_finished` ago, keys older than [`KEYS_KEPT`], and
    /// sessions, logins and counts that are over.
    ///
    /// A bounded amount of work: what is left goes with the next call. Several processes may do it at once.
    ///
    /// # Errors
    /// Where the database cannot be written; what was removed until then is removed.
    pub async fn prune(&self, keep_finished: Duration) -> Result<Pruned, Error> {
        let now = self.clock().now();
        let old = now.before(keep_finished);
        Ok(Pruned {
            jobs: self.prune_all(Kind::Jobs, old).await?,
            deliveries: self.prune_all(Kind::Deliveries, old).await?,
            events: self.prune_all(Kind::Events, old).await?,
            keys: self.prune_all(Kind::Keys, now.before(KEYS_KEPT)).await?,
            sessions: self.prune_all(Kind::Sessions, now).await?,
            logins: self.prune_all(Kind::Logins, now).await?,
            rates: self.prune_all(Kind::Rates, now).await?,
        })
    }

    /// Forgets what the audit log says of longer than `keep` ago, and returns how many entries went.
    ///
    /// A bounded amount of work, as with [`Store::prune`].
    ///
    /// # Errors
    /// Where the database cannot be written; what was removed until then is removed.
    pub async fn prune_audit(&self, keep: Duration) -> Result<u64, Error> {
        self.prune_all(Kind::Audit, self.clock().now().before(keep)).await
    }

    async fn prune_all(&self, kind: Kind, before: Timestamp) -> Result<u64, Error> {
        let mut removed = 0;
        for _ in 0..BATCHES_MAX {
            let batch = self
                .write(move |conn| Box::pin(prune_batch(conn, kind, before.as_micros())))
                .await?;
            removed += batch;
            if batch < BATCH.unsigned_abs() {
                break;
            }
        }
        Ok(removed)
    }
}

async fn prune_batch(conn: &mut Conn<'_>, kind: Kind, before: i64) -> Result<u64, Error> {
    match kind {
        Kind::Jobs => prune_jobs(conn, before).await,
        Kind::Deliveries => prune_deliveries(conn, before).await,
        Kind::Events => run!(conn, execute, DELETE_EVENTS, before, BATCH),
        Kind::Keys => run!(conn, execute, DELETE_KEYS, before, BATCH),
        Kind::Sessions => run!(conn, execute, DELETE_SESSIONS, before, BATCH),
        Kind::Logins => run!(conn, execute, DELETE_LOGINS, before, BATCH),
        Kind::Rates => run!(conn, execute, DELETE_RATES, before, BATCH),
        Kind::Audit => run!(conn, execute, DELETE_AUDIT, before, BATCH),
    }
}

async fn prune_jobs(conn: &mut Conn<'_>, before: i64) -> Result<u64, Error> {
    let old = run!(conn, fetch_all::<(String, Option<String>)>, OLD_JOBS, before, BATCH)?;
    for (job, transcript) in &old {
        // Nobody but its job goes on with a transcript that was given up.
        let transcript = transcript.as_deref().and_then(|id| TranscriptId::parse(id).ok());
        if let Some(transcript) = transcript
            && transcripts::unfinished(conn, &transcript).await?.is_some()
        {
            transcripts::discard(conn, &transcript).await?;
        }
        jobs::delete::remove(conn, job).await?;
    }
    Ok(old.len() as u64)
}

async fn prune_deliveries(conn: &mut Conn<'_>, before: i64) -> Result<u64, Error> {
    let old = run!(conn, fetch_all::<(String,)>, OLD_DELIVERIES, before, BATCH)?;
    for (delivery,) in &old {
        deliveries::delete(conn, delivery).await?;
    }
    Ok(old.len() as u64)
}
