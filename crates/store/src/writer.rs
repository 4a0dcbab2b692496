//! The one writer of a SQLite database, which commits waiting work in groups.
//!
//! A commit waits for the disk. Work that arrives meanwhile is run in one further transaction, each piece in a savepoint
//! of its own, so that one disk wait serves them all and a piece that fails takes none of the others with it.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use sqlx::{Connection as _, SqliteConnection, SqlitePool};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};

use crate::Error;
use crate::backend::Conn;

/// Pieces of work that may wait; more callers than this wait to be let in.
const WAITING_MAX: usize = 1024;

/// Pieces of work in one transaction.
const GROUP_MAX: usize = 128;

/// How long a caller waits to be let in.
const ENTRY_WAIT_MAX: Duration = Duration::from_secs(30);

/// Around each piece of work: undoes what it did if it failed, and marks where the next one begins.
const SAVE: &str = "SAVEPOINT piece";
const SAVE_NEXT: &str = "RELEASE piece; SAVEPOINT piece";
const UNDO_AND_SAVE_NEXT: &str = "ROLLBACK TO piece; RELEASE piece; SAVEPOINT piece";

/// A piece of work: runs within a savepoint, and says how its caller hears about the commit.
type Work = Box<dyn for<'c, 'd> FnOnce(&'c mut Conn<'d>) -> BoxFuture<'c, Outcome> + Send>;

/// Tells the caller of a piece of work whether it was committed. The piece's own error goes first.
type Reply = Box<dyn FnOnce(Result<(), Error>) + Send>;

struct Outcome {
    succeeded: bool,
    reply: Reply,
}

/// The way to the writer. It ends when the last clone is dropped.
#[derive(Debug, Clone)]
pub(crate) struct Writer {
    work: mpsc::Sender<Work>,
}

impl Writer {
    /// Starts the writer on `pool`, which must have exactly one connection.
    ///
    /// # Errors
    /// Where the system has no thread to spare.
    pub(crate) fn start(pool: SqlitePool) -> std::io::Result<Self> {
        let (work, waiting) = mpsc::channel(WAITING_MAX);
        // On a thread of its own: each statement waits for SQLite's thread, and waking one thread costs less than waking a
        // runtime's worker.
        let runtime = Handle::current();
        std::thread::Builder::new()
            .name("hansard-writer".to_owned())
            .spawn(move || runtime.block_on(write_in_groups(pool, waiting)))?;
        Ok(Self { work })
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
        let mut conn = match pool.acquire().await {
            Ok(conn) => conn,
            Err(error) => {
                tracing::warn!(error = %error, "the database cannot be opened for writing");
                // Dropped work answers its caller that the database is busy.
                continue;
            }
        };
        if let Err(error) = write_group(&mut conn, first, &mut waiting).await {
            tracing::warn!(error = ?error, "a write transaction failed");
            // SQLite ends a transaction by itself when the disk is full or fails, and then the connection's own count of
            // open transactions is wrong for good. A new connection counts from the start.
            conn.close_on_drop();
        }
    }
}

/// Runs `first` and what waits behind it in one transaction, and tells each caller what came of it. After an error the
/// connection must not be used any more.
async fn write_group(
    conn: &mut SqliteConnection,
    first: Work,
    waiting: &mut mpsc::Receiver<Work>,
) -> Result<(), Error> {
    let begun = conn.begin_with("BEGIN IMMEDIATE").await;
    let mut transaction = begun.map_err(|source| Error::of("store::writer::begin", source))?;
    let mut replies = Vec::new();
    let (mut next, mut mark) = (Some(first), SAVE);
    while let Some(work) = next {
        // Where this fails nothing is committed, and dropping the replies says so: the database is busy.
        execute(&mut transaction, mark).await?;
        let outcome = work(&mut Conn::Sqlite(&mut transaction)).await;
        mark = if outcome.succeeded { SAVE_NEXT } else { UNDO_AND_SAVE_NEXT };
        replies.push(outcome.reply);
        next = if replies.len() < GROUP_MAX { waiting.try_recv().ok() } else { None };
    }
    // The end of the transaction releases what the last piece did; what it did in vain is undone first.
    if mark == UNDO_AND_SAVE_NEXT {
        execute(&mut transaction, mark).await?;
    }
    let committed = transaction.commit().await.map_err(Arc::new);
    for reply in replies {
        reply(committed.clone().map_err(Error::Commit));
    }
    committed.map_err(Error::Commit)
}

async fn execute(conn: &mut SqliteConnection, sql: &'static str) -> Result<(), Error> {
    let done = sqlx::raw_sql(sql).execute(conn).await;
    done.map(drop).map_err(|source| Error::of("store::writer::savepoint", source))
}

#[cfg(test)]
mod tests {
    use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};
    use tempfile::TempDir;

    use super::*;
    use crate::backend::{Statement, run};

    const INSERT: Statement = Statement {
        name: "insert",
        sqlite: "INSERT INTO numbers (number) VALUES ($1)",
        postgres: "",
    };

    /// A writer to a table of numbers, none twice, and the pool to look at it.
    async fn writer() -> (Writer, SqlitePool, TempDir) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("numbers.db");
        let options = SqliteConnectOptions::new().filename(file).create_if_missing(true);
        let pool = SqlitePoolOptions::new().max_connections(1).connect_with(options).await.unwrap();
        let table = sqlx::query("CREATE TABLE numbers (number BIGINT PRIMARY KEY)");
        table.execute(&pool).await.unwrap();
        (Writer::start(pool.clone()).unwrap(), pool, folder)
    }

    /// Writes these numbers in one piece of work.
    fn insert(
        writer: &Writer,
        numbers: &'static [i64],
    ) -> tokio::task::JoinHandle<Result<(), Error>> {
        let writer = writer.clone();
        tokio::spawn(async move {
            let insert = writer.write(move |conn| {
                Box::pin(async move {
                    for number in numbers {
                        assert_ne!(*number, 13);
                        run!(conn, execute, INSERT, number)?;
                    }
                    Ok(())
                })
            });
            insert.await
        })
    }

    async fn numbers(pool: &SqlitePool) -> Vec<i64> {
        let numbers = sqlx::query_scalar("SELECT number FROM numbers ORDER BY number");
        numbers.fetch_all(pool).await.unwrap()
    }

    #[tokio::test]
    async fn a_piece_that_fails_takes_no_neighbour_with_it() {
        let (writer, pool, _folder) = writer().await;
        let ((go, gate), (begins, begun)) = (oneshot::channel::<()>(), oneshot::channel::<()>());
        let first = writer.clone();
        let first = tokio::spawn(async move {
            let wait = first.write(|_| {
                Box::pin(async move {
                    begins.send(()).unwrap();
                    gate.await.map_err(|_| Error::Busy)
                })
            });
            wait.await
        });
        begun.await.unwrap();
        let pieces = [
            insert(&writer, &[1]),
            insert(&writer, &[2, 1]),
            insert(&writer, &[3, 13]),
            insert(&writer, &[4]),
        ];
        // When all of them wait, they come into the transaction that the first one holds open.
        while writer.work.capacity() > WAITING_MAX - pieces.len() {
            tokio::task::yield_now().await;
        }
        go.send(()).unwrap();
        first.await.unwrap().unwrap();
        let [one, twice, panic, four] = pieces;

        assert!(one.await.unwrap().is_ok());
        let twice = twice.await.unwrap();
        assert!(matches!(twice, Err(Error::Statement { .. })), "{twice:?}");
        let panic = panic.await.unwrap();
        assert!(matches!(panic, Err(Error::Panicked)), "{panic:?}");
        assert!(four.await.unwrap().is_ok());
        assert_eq!(numbers(&pool).await, [1, 4]);
    }

    #[tokio::test]
    async fn a_transaction_that_sqlite_ended_by_itself_ends_no_other() {
        let (writer, pool, _folder) = writer().await;
        let ended = writer.write(|conn| {
            Box::pin(async move {
                let Conn::Sqlite(conn) = conn else { panic!("it is SQLite") };
                // What a full disk does in the middle of a transaction.
                execute(conn, "ROLLBACK").await
            })
        });

        let ended = ended.await;

        assert!(matches!(ended, Err(Error::Commit(_))), "{ended:?}");
        assert!(insert(&writer, &[1]).await.unwrap().is_ok());
        assert_eq!(numbers(&pool).await, [1]);
    }

    #[tokio::test]
    async fn a_commit_that_fails_ends_no_other() {
        let (writer, pool, _folder) = writer().await;
        let child = "CREATE TABLE children (number BIGINT REFERENCES numbers (number) \
            DEFERRABLE INITIALLY DEFERRED)";
        sqlx::query(child).execute(&pool).await.unwrap();
        let orphan = writer.write(|conn| {
            Box::pin(async move {
                let Conn::Sqlite(conn) = conn else { panic!("it is SQLite") };
                execute(conn, "INSERT INTO children VALUES (7)").await
            })
        });

        let failed = orphan.await;

        assert!(matches!(failed, Err(Error::Commit(_))), "{failed:?}");
        assert!(insert(&writer, &[1]).await.unwrap().is_ok());
        assert_eq!(numbers(&pool).await, [1]);
    }

    #[tokio::test]
    async fn a_database_that_is_gone_is_busy_and_no_hang() {
        let (writer, pool, _folder) = writer().await;
        pool.close().await;

        let refused = insert(&writer, &[1]).await.unwrap();

        assert!(matches!(refused, Err(Error::Busy)), "{refused:?}");
    }
}
