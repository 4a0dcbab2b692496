//! The one writer of a SQLite database, which commits waiting work in groups.
//!
//! A commit waits for the disk. Work that arrives meanwhile is run in one further transaction, each piece in a savepoint
//! of its own, so that one disk wait serves them all and a piece that fails takes none of the others with it.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use sqlx::{Sqlite, SqliteConnection, SqlitePool, Transaction};
use tokio::sync::{mpsc, oneshot};

use crate::Error;
use crate::backend::Conn;

/// Pieces of work that may wait; more callers than this wait to be let in.
const WAITING_MAX: usize = 1024;

/// Pieces of work in one transaction.
const GROUP_MAX: usize = 128;

/// How long a caller waits to be let in.
const ENTRY_WAIT_MAX: Duration = Duration::from_secs(30);

/// A piece of work: runs within a savepoint, and says how its caller hears about the commit.
type Work = Box<dyn for<'c, 'd> FnOnce(&'c mut Conn<'d>) -> BoxFuture<'c, Outcome> + Send>;

struct Outcome {
    succeeded: bool,
    reply: Box<dyn FnOnce(Result<(), Error>) + Send>,
}

/// The way to the writer. It ends when the last clone is dropped.
#[derive(Debug, Clone)]
pub(crate) struct Writer {
    work: mpsc::Sender<Work>,
}

impl Writer {
    /// Starts the writer on `pool`, which must have exactly one connection.
    pub(crate) fn start(pool: SqlitePool) -> Self {
        let (work, waiting) = mpsc::channel(WAITING_MAX);
        tokio::spawn(write_in_groups(pool, waiting));
        Self { work }
    }

    /// Runs `work` in a transaction and waits until it is on disk.
    pub(crate) async fn write<T, F>(&self, work: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: for<'c, 'd> FnOnce(&'c mut Conn<'d>) -> BoxFuture<'c, Result<T, Error>> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let piece: Work = Box::new(move |conn| {
            Box::pin(async move {
                let result = AssertUnwindSafe(work(conn)).catch_unwind().await;
                let result = result.unwrap_or(Err(Error::Panicked));
                Outcome {
                    succeeded: result.is_ok(),
                    reply: Box::new(move |committed| {
                        // A caller that no longer waits does not need the answer.
                        let _ = reply.send(result.and_then(|value| committed.map(|()| value)));
                    }),
                }
            })
        });
        self.work.send_timeout(piece, ENTRY_WAIT_MAX).await.map_err(|_| Error::Busy)?;
        answer.await.unwrap_or(Err(Error::Busy))
    }
}

async fn write_in_groups(pool: SqlitePool, mut waiting: mpsc::Receiver<Work>) {
    while let Some(first) = waiting.recv().await {
        let mut transaction = match pool.begin_with("BEGIN IMMEDIATE").await {
            Ok(transaction) => transaction,
            Err(error) => {
                tracing::warn!(error = %error, "no write transaction could begin");
                // Dropped work answers its caller that the database is busy.
                continue;
            }
        };
        let mut replies = Vec::new();
        let mut next = Some(first);
        while let Some(work) = next {
            replies.push(run_in_savepoint(&mut transaction, work).await);
            next = if replies.len() < GROUP_MAX { waiting.try_recv().ok() } else { None };
        }
        let committed = transaction.commit().await.map_err(Arc::new);
        for reply in replies {
            reply(committed.clone().map_err(Error::Commit));
        }
    }
}

async fn run_in_savepoint(
    transaction: &mut Transaction<'static, Sqlite>,
    work: Work,
) -> Box<dyn FnOnce(Result<(), Error>) + Send> {
    let conn: &mut SqliteConnection = transaction;
    if let Err(error) = execute(conn, "SAVEPOINT piece").await {
        return answer_with(error, work);
    }
    let outcome = work(&mut Conn::Sqlite(conn)).await;
    let end = if outcome.succeeded { "RELEASE piece" } else { "ROLLBACK TO piece; RELEASE piece" };
    match execute(conn, end).await {
        Ok(()) => outcome.reply,
        // The savepoint is gone with the whole transaction, as on a full disk: no commit makes this piece good.
        Err(error) => Box::new(move |_| (outcome.reply)(Err(error))),
    }
}

async fn execute(conn: &mut SqliteConnection, sql: &'static str) -> Result<(), Error> {
    let done = sqlx::raw_sql(sql).execute(conn).await;
    done.map(drop).map_err(|source| Error::of("store::writer::savepoint", source))
}

/// Drops `work`, whose caller then hears that the database is busy.
fn answer_with(error: Error, work: Work) -> Box<dyn FnOnce(Result<(), Error>) + Send> {
    tracing::warn!(error = %error, "no savepoint could begin");
    Box::new(move |_| drop(work))
}
