//! Which versions of the schema a database has, without a change of it.

use std::time::Duration;

use sqlx::postgres::PgConnectOptions;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, PgConnection, SqliteConnection};
use tokio::time::timeout;

use crate::backend::{Conn, run, statements};
use crate::{Database, Error, migrations};

/// How long the database may take to answer at all.
const CONNECT_MAX: Duration = Duration::from_secs(10);

statements! {
    /// A database that no version was ever applied to has no list of them.
    LISTS = sqlite "SELECT COUNT(*) FROM sqlite_schema WHERE name = '_sqlx_migrations'",
        postgres "SELECT COUNT(to_regclass('_sqlx_migrations'))";
    APPLIED = "SELECT version FROM _sqlx_migrations WHERE success ORDER BY version";
}

/// A version of the schema, as it stands with a database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SchemaVersion {
    /// Its number, from 1.
    pub number: i64,
    /// What it brings; `None` for one that only a newer Hansard knows.
    pub name: Option<&'static str>,
    /// Whether the database has it.
    pub is_applied: bool,
}

impl Database {
    /// The versions of the schema, from the first on, and which of them the database has: the ones that this program knows,
    /// and behind them those that only a newer one does.
    ///
    /// Nothing is changed. An SQLite file that is missing has no version, and is not made.
    ///
    /// # Errors
    /// [`Error::Open`] where it cannot be reached or is none, [`Error::Settings`] for an address that cannot be read.
    pub async fn schema(&self) -> Result<Vec<SchemaVersion>, Error> {
        let applied = self.applied().await.map_err(|error| match error {
            Error::Statement { source, .. } => Error::Open { address: self.address(), source },
            other => other,
        })?;
        let mut versions: Vec<SchemaVersion> = migrations::known()
            .map(|(number, name)| {
                let is_applied = applied.contains(&number);
                SchemaVersion { number, name: Some(name), is_applied }
            })
            .collect();
        let newer = applied.into_iter().filter(|one| migrations::known().all(|(n, _)| n != *one));
        versions.extend(newer.map(|number| SchemaVersion { number, name: None, is_applied: true }));
        Ok(versions)
    }

    async fn applied(&self) -> Result<Vec<i64>, Error> {
        let open = |source| Error::Open { address: self.address(), source };
        match self {
            Self::Sqlite { path } if !path.exists() => Ok(Vec::new()),
            Self::Sqlite { path } => {
                let options = SqliteConnectOptions::new()
                    .filename(path)
                    .read_only(true)
                    .busy_timeout(CONNECT_MAX)
                    .disable_statement_logging();
                let mut conn = SqliteConnection::connect_with(&options).await.map_err(open)?;
                let listed = list(&mut Conn::Sqlite(&mut conn)).await;
                conn.close().await.map_err(open)?;
                listed
            }
            Self::Postgres { url } => {
                let options: PgConnectOptions = url.parse().map_err(|_| {
                    Error::Settings("the PostgreSQL address cannot be read".to_owned())
                })?;
                let options = options.application_name("hansard").disable_statement_logging();
                let connected = timeout(CONNECT_MAX, PgConnection::connect_with(&options)).await;
                let connected = connected.unwrap_or(Err(sqlx::Error::PoolTimedOut));
                let mut conn = connected.map_err(open)?;
                let listed = list(&mut Conn::Postgres(&mut conn)).await;
                conn.close().await.map_err(open)?;
                listed
            }
        }
    }
}

async fn list(conn: &mut Conn<'_>) -> Result<Vec<i64>, Error> {
    let (lists,) = run!(&mut *conn, fetch_one::<(i64,)>, LISTS)?;
    if lists == 0 {
        return Ok(Vec::new());
    }
    let applied = run!(conn, fetch_all::<(i64,)>, APPLIED)?;
    Ok(applied.into_iter().map(|(number,)| number).collect())
}
