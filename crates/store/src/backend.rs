//! The two databases behind one way to run a statement.
//!
//! A [`Statement`] is text for both databases; nearly always the same. `statements!` declares a module's statements and
//! lists them in `ALL`, so that a test can prepare every one on both. `run!` runs one on whichever database a [`Conn`] is.

#[cfg(test)]
mod tests;

use sqlx::pool::PoolConnection;
use sqlx::{PgConnection, Postgres, Sqlite, SqliteConnection};

/// One statement, with `$1` placeholders. What changes several tables may be several statements for SQLite, parted by `; ` and
/// with the same placeholders, and one with common table expressions for PostgreSQL: each is one round trip then. It is run with
/// `execute` or `fetch_all`: the others stop at the first row, and what follows would not be run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Statement {
    /// Module and constant, for error messages.
    pub(crate) name: &'static str,
    pub(crate) sqlite: &'static str,
    pub(crate) postgres: &'static str,
}

/// A connection to one of the databases, within a transaction where something is written.
pub(crate) enum Conn<'c> {
    Sqlite(&'c mut SqliteConnection),
    Postgres(&'c mut PgConnection),
}

/// A connection for reading.
pub(crate) enum Reader {
    Sqlite(PoolConnection<Sqlite>),
    Postgres(PoolConnection<Postgres>),
}

impl Reader {
    pub(crate) fn conn(&mut self) -> Conn<'_> {
        match self {
            Self::Sqlite(conn) => Conn::Sqlite(conn),
            Self::Postgres(conn) => Conn::Postgres(conn),
        }
    }
}

/// Declares statements: `NAME = "the same for both";` or `NAME = sqlite "...", postgres "...";`. A text may have the names of
/// macros in it that give what statements share, as a list of columns: `"SELECT " (columns) " FROM ..."`.
macro_rules! statements {
    (@postgres [$($both:tt)*] []) => { concat!($($both)*) };
    (@postgres [$($both:tt)*] [$($own:tt)+]) => { concat!($($own)+) };
    ($($(#[$doc:meta])* $name:ident = $($key:ident)? $sql:literal $(($columns:ident) $($rest:literal)?)*
        $(, postgres $postgres:literal $(($its_columns:ident) $($its_rest:literal)?)*)?;)+) => {
        $(
            $(#[$doc])*
            const $name: $crate::backend::Statement = $crate::backend::Statement {
                name: concat!(module_path!(), "::", stringify!($name)),
                sqlite: concat!($sql $(, $columns!() $(, $rest)?)*),
                postgres: $crate::backend::statements!(
                    @postgres
                    [$sql $(, $columns!() $(, $rest)?)*]
                    [$($postgres $(, $its_columns!() $(, $its_rest)?)*)?]
                ),
            };
        )+

        /// Every statement of this module.
        #[cfg(test)]
        pub(crate) const ALL: &[$crate::backend::Statement] = &[$($name),+];
    };
}

/// Runs a [`Statement`]: `run!(conn, execute, NAME, bind, ...)` gives the number of rows that it changed,
/// `run!(conn, fetch_optional::<Row>, NAME, bind, ...)` and `fetch_all`, `fetch_one` give rows. All are `Result`s of our error.
macro_rules! run {
    ($conn:expr, execute, $statement:expr $(, $bind:expr)* $(,)?) => {
        match $conn {
            $crate::backend::Conn::Sqlite(conn) => {
                let query = sqlx::query::<sqlx::Sqlite>($statement.sqlite)$(.bind($bind))*;
                query.execute(&mut **conn).await.map(|done| done.rows_affected())
            }
            $crate::backend::Conn::Postgres(conn) => {
                let query = sqlx::query::<sqlx::Postgres>($statement.postgres)$(.bind($bind))*;
                query.execute(&mut **conn).await.map(|done| done.rows_affected())
            }
        }
        .map_err(|source| $crate::Error::of($statement.name, source))
    };
    ($conn:expr, $fetch:ident::<$row:ty>, $statement:expr $(, $bind:expr)* $(,)?) => {
        match $conn {
            $crate::backend::Conn::Sqlite(conn) => {
                let query = sqlx::query_as::<sqlx::Sqlite, $row>($statement.sqlite)$(.bind($bind))*;
                query.$fetch(&mut **conn).await
            }
            $crate::backend::Conn::Postgres(conn) => {
                let query = sqlx::query_as::<sqlx::Postgres, $row>($statement.postgres)$(.bind($bind))*;
                query.$fetch(&mut **conn).await
            }
        }
        .map_err(|source| $crate::Error::of($statement.name, source))
    };
}

pub(crate) use {run, statements};
