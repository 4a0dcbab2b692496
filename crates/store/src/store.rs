//! The store: a database, a place for media objects, and a clock.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use std::time::Duration;

use futures_util::future::BoxFuture;
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection as _, PgPool, Postgres, SqlitePool};
use tokio::sync::watch;

use crate::backend::{Conn, Reader};
use crate::writer::Writer;
use crate::{Clock, Error, Media, events, migrations};

/// How long a reader waits for a connection, and SQLite for its lock.
const BUSY_WAIT_MAX: Duration = Duration::from_secs(10);

/// A PostgreSQL statement that takes longer than this is given up: no row that Hansard reads takes so long to find. So is a
/// transaction whose process is silent for as long: it would hold back the event log.
const STATEMENT_TIMEOUT: &str = "60s";

/// More than this between our clock and the database's is worth a warning.
const CLOCKS_APART_MAX: Duration = Duration::from_secs(5);

/// Pages of the write-ahead log after which SQLite folds it into the database: 16 MiB.
const CHECKPOINT_PAGES: &str = "4096";

/// What the writer of SQLite remembers of the database, in the words of `PRAGMA cache_size`: 16 MiB.
const WRITER_CACHE: &str = "-16384";

/// A connection to PostgreSQL that was used so lately is taken to be alive. Asking each time would be a fourth of all round
/// trips; one that is dead fails its next use, which is tried again like anything while the database is away.
const TRUSTED_FOR: Duration = Duration::from_secs(5);

/// Which database.
#[derive(Clone)]
pub enum Database {
    /// One file on this machine. Its folder must exist.
    Sqlite {
        /// The file; made if it is missing.
        path: PathBuf,
    },
    /// A PostgreSQL server, version 15 or later.
    Postgres {
        /// `postgres://user:password@host:port/name?sslmode=...`
        url: String,
    },
}

/// Shows no password.
impl std::fmt::Debug for Database {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.address())
    }
}

impl Database {
    /// Which database, for people: without user, password and parameters.
    pub fn address(&self) -> String {
        match self {
            Self::Sqlite { path } => path.display().to_string(),
            Self::Postgres { url } => match url.parse::<PgConnectOptions>() {
                Ok(options) => {
                    let name = options.get_database().unwrap_or_default();
                    format!("postgres://{}:{}/{name}", options.get_host(), options.get_port())
                }
                Err(_) => "postgres".to_owned(),
            },
        }
    }
}

/// How the store is opened.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Which database.
    pub database: Database,
    /// Connections that read (SQLite), or connections at all (PostgreSQL).
    pub connections_max: u32,
    /// Jobs that may wait at once. Those accepted at the same moment may be a few too many; on PostgreSQL each process that
    /// accepts jobs lets in up to a sixteenth more, since it does not count the queue for every job.
    pub queue_max: u32,
    /// Where media objects go.
    pub media: Media,
    /// The folder for uploads that are not complete; made if it is missing.
    pub uploads: PathBuf,
    /// Where the time comes from.
    pub clock: Clock,
}

/// The handle that everybody shares. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    backend: Backend,
    media: Media,
    uploads: PathBuf,
    clock: Clock,
    queue_max: u32,
    /// Jobs that may be let in before the queue is counted again.
    room: AtomicI64,
    written: watch::Sender<()>,
}

#[derive(Debug)]
enum Backend {
    Sqlite { path: PathBuf, readers: SqlitePool, writing: SqlitePool, writer: Writer },
    Postgres { pool: PgPool },
}

impl Store {
    /// Opens the database as it is, without looking at its schema.
    ///
    /// # Errors
    /// [`Error::Open`] where it cannot be reached, [`Error::Settings`] for an address that cannot be read.
    pub async fn connect(settings: Settings) -> Result<Self, Error> {
        let address = settings.database.address();
        let open = |source| Error::Open { address: address.clone(), source };
        let backend = match &settings.database {
            Database::Sqlite { path } => {
                // Of several that turn a new file into one with a write-ahead log, SQLite refuses all but one, without waiting.
                let alone = lock_file(path).await.map_err(|error| match error {
                    Error::File { source, .. } => open(sqlx::Error::Io(source)),
                    other => other,
                })?;
                let (writing, readers) =
                    open_sqlite(path, settings.connections_max).await.map_err(open)?;
                drop(alone);
                let writer =
                    Writer::start(writing.clone()).map_err(|error| open(sqlx::Error::Io(error)))?;
                Backend::Sqlite { path: path.clone(), readers, writing, writer }
            }
            Database::Postgres { url } => {
                let options = url.parse().map_err(|_| {
                    Error::Settings("the PostgreSQL address cannot be read".to_owned())
                })?;
                let pool = open_postgres(options, settings.connections_max).await.map_err(open)?;
                Backend::Postgres { pool }
            }
        };
        std::fs::create_dir_all(&settings.uploads)
            .map_err(|source| Error::File { path: settings.uploads.clone(), source })?;
        let Settings { media, uploads, clock, queue_max, .. } = settings;
        let written = watch::Sender::new(());
        let room = AtomicI64::new(0);
        let inner = Inner { backend, media, uploads, clock, queue_max, room, written };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Opens the database and brings its schema up to date.
    ///
    /// # Errors
    /// As [`Store::connect`] and [`Store::migrate`].
    pub async fn open(settings: Settings) -> Result<Self, Error> {
        let store = Self::connect(settings).await?;
        store.migrate().await?;
        store.compare_clocks().await?;
        Ok(store)
    }

    /// Says so where the clock of this machine is not that of the database: leases are judged by the clock of each worker.
    async fn compare_clocks(&self) -> Result<(), Error> {
        let Backend::Postgres { pool } = &self.inner.backend else { return Ok(()) };
        let theirs = sqlx::query_scalar(
            "SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT)",
        );
        let theirs: i64 =
            theirs.fetch_one(pool).await.map_err(|e| Error::of("store::compare_clocks", e))?;
        let apart = Duration::from_micros(self.clock().now().as_micros().abs_diff(theirs));
        if apart > CLOCKS_APART_MAX {
            let apart_ms = u64::try_from(apart.as_millis()).unwrap_or(u64::MAX);
            tracing::warn!(apart_ms, "the clocks of this machine and of the database differ");
        }
        Ok(())
    }

    /// Brings the schema up to date, one process at a time.
    ///
    /// # Errors
    /// [`Error::Schema`] where a version cannot be applied or the database is ahead of this program.
    pub async fn migrate(&self) -> Result<(), Error> {
        match &self.inner.backend {
            Backend::Sqlite { path, writing, .. } => {
                let _alone = lock_file(path).await?;
                let mut conn =
                    writing.acquire().await.map_err(|e| Error::of("store::migrate", e))?;
                migrations::run(&migrations::sqlite(), &mut *conn).await
            }
            Backend::Postgres { pool } => {
                let mut conn = patient(pool).await?;
                migrations::run(&migrations::postgres(), &mut *conn).await?;
                events::follow_epochs(&mut conn).await
            }
        }
    }

    /// Waits for writes under way and closes the connections.
    pub async fn close(&self) {
        match &self.inner.backend {
            Backend::Sqlite { readers, writing, .. } => {
                readers.close().await;
                writing.close().await;
            }
            Backend::Postgres { pool } => pool.close().await,
        }
    }

    /// Whether other nodes may share the database.
    pub fn is_shared(&self) -> bool {
        matches!(self.inner.backend, Backend::Postgres { .. })
    }

    /// The clock that rows are dated by.
    pub fn clock(&self) -> &Clock {
        &self.inner.clock
    }

    /// The media store.
    pub fn media(&self) -> &Media {
        &self.inner.media
    }

    pub(crate) fn uploads_folder(&self) -> &Path {
        &self.inner.uploads
    }

    /// Jobs that may wait at once.
    pub fn queue_max(&self) -> u32 {
        self.inner.queue_max
    }

    /// Jobs that this process may let in before it counts the queue again.
    pub(crate) fn room(&self) -> &AtomicI64 {
        &self.inner.room
    }

    /// Told of every transaction that this process has committed.
    pub(crate) fn written(&self) -> &watch::Sender<()> {
        &self.inner.written
    }

    /// A connection for reading.
    pub(crate) async fn reader(&self) -> Result<Reader, Error> {
        let acquired = |error| Error::of("store::reader", error);
        Ok(match &self.inner.backend {
            Backend::Sqlite { readers, .. } => {
                Reader::Sqlite(readers.acquire().await.map_err(acquired)?)
            }
            Backend::Postgres { pool } => Reader::Postgres(pool.acquire().await.map_err(acquired)?),
        })
    }

    /// A connection for reading everything, however long that takes.
    pub(crate) async fn patient_reader(&self) -> Result<Reader, Error> {
        match &self.inner.backend {
            Backend::Sqlite { .. } => self.reader().await,
            Backend::Postgres { pool } => patient(pool).await.map(Reader::Postgres),
        }
    }

    /// Runs `work` in one transaction that may write, and returns when it is durable.
    pub(crate) async fn write<T, F>(&self, work: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: for<'c, 'd> FnOnce(&'c mut Conn<'d>) -> BoxFuture<'c, Result<T, Error>> + Send + 'static,
    {
        let value = match &self.inner.backend {
            Backend::Sqlite { writer, .. } => writer.write(work).await?,
            Backend::Postgres { pool } => {
                let begun = pool.begin().await;
                let mut transaction = begun.map_err(|error| Error::of("store::begin", error))?;
                let value = work(&mut Conn::Postgres(&mut transaction)).await?;
                let committed = transaction.commit().await;
                committed.map_err(|error| Error::Commit(Arc::new(error)))?;
                value
            }
        };
        self.inner.written.send_replace(());
        Ok(value)
    }

    /// Runs `work` whose statements need not hold together, most often a single one: PostgreSQL commits each by itself, which saves
    /// two round trips. SQLite commits them together all the same.
    pub(crate) async fn write_apart<T, F>(&self, work: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: for<'c, 'd> FnOnce(&'c mut Conn<'d>) -> BoxFuture<'c, Result<T, Error>> + Send + 'static,
    {
        let Backend::Postgres { pool } = &self.inner.backend else { return self.write(work).await };
        let acquired = pool.acquire().await;
        let mut conn = acquired.map_err(|error| Error::of("store::acquire", error))?;
        let value = work(&mut Conn::Postgres(&mut conn)).await?;
        drop(conn);
        self.inner.written.send_replace(());
        Ok(value)
    }
}

/// A connection on which a statement may take as long as it takes. It does not go back among the others.
async fn patient(pool: &PgPool) -> Result<PoolConnection<Postgres>, Error> {
    let failed = |error| Error::of("store::patient", error);
    let mut conn = pool.acquire().await.map_err(failed)?;
    conn.close_on_drop();
    sqlx::query("SET statement_timeout = 0").execute(&mut *conn).await.map_err(failed)?;
    Ok(conn)
}

async fn open_sqlite(
    path: &Path,
    readers_max: u32,
) -> Result<(SqlitePool, SqlitePool), sqlx::Error> {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(BUSY_WAIT_MAX)
        .pragma("wal_autocheckpoint", CHECKPOINT_PAGES)
        .disable_statement_logging();
    // The writer goes first: it makes the file and its journal mode.
    let writing = SqlitePoolOptions::new()
        .max_connections(1)
        .acquire_timeout(BUSY_WAIT_MAX)
        .test_before_acquire(false)
        .idle_timeout(None)
        .max_lifetime(None)
        .connect_with(options.clone().pragma("cache_size", WRITER_CACHE))
        .await?;
    let readers = SqlitePoolOptions::new()
        .max_connections(readers_max)
        .acquire_timeout(BUSY_WAIT_MAX)
        .test_before_acquire(false)
        .connect_with(options.read_only(true))
        .await?;
    Ok((writing, readers))
}

async fn open_postgres(
    options: PgConnectOptions,
    connections_max: u32,
) -> Result<PgPool, sqlx::Error> {
    let options = options
        .application_name("hansard")
        .options([
            // What idempotency keys and claims rely on, whatever the server's own default is.
            ("default_transaction_isolation", "read committed"),
            // What it compiles is run once, in less time than that takes.
            ("jit", "off"),
            ("statement_timeout", STATEMENT_TIMEOUT),
            ("idle_in_transaction_session_timeout", STATEMENT_TIMEOUT),
        ])
        .disable_statement_logging();
    PgPoolOptions::new()
        .max_connections(connections_max)
        .acquire_timeout(BUSY_WAIT_MAX)
        .test_before_acquire(false)
        .before_acquire(|conn, about| {
            Box::pin(async move {
                if about.idle_for > TRUSTED_FOR {
                    conn.ping().await?;
                }
                Ok(true)
            })
        })
        .connect_with(options)
        .await
}

/// Holds `<database>.lock` until the result is dropped. The kernel lets go of it when a process dies.
async fn lock_file(database: &Path) -> Result<std::fs::File, Error> {
    let mut path = database.as_os_str().to_owned();
    path.push(".lock");
    let path = PathBuf::from(path);
    let file_error = |path: &Path, source| Error::File { path: path.to_owned(), source };
    let locked = tokio::task::spawn_blocking(move || {
        let file = std::fs::File::options().create(true).append(true).open(&path);
        let file = file.map_err(|source| file_error(&path, source))?;
        file.lock().map_err(|source| file_error(&path, source))?;
        Ok(file)
    });
    locked.await.unwrap_or(Err(Error::Panicked))
}
