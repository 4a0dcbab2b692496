//! The schema, its versions, and how a database gets to the newest one.
//!
//! Forward only: to go back, restore a backup (docs/decisions). The two folders hold the same numbers and names.

use sqlx::SqlSafeStr;
use sqlx::migrate::{Migrate, Migration, MigrationType, Migrator};

use crate::Error;

/// A version of the schema, for both databases.
struct Version {
    number: i64,
    name: &'static str,
    sqlite: &'static str,
    postgres: &'static str,
}

macro_rules! version {
    ($number:literal, $name:literal) => {
        Version {
            number: $number,
            name: $name,
            sqlite: include_str!(concat!("../migrations/sqlite/000", $number, "_", $name, ".sql")),
            postgres: include_str!(concat!(
                "../migrations/postgres/000",
                $number,
                "_",
                $name,
                ".sql"
            )),
        }
    };
}

const VERSIONS: [Version; 1] = [version!(1, "initial")];

/// Which of the schema's versions a database has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SchemaVersion {
    /// Its number, from 1.
    pub number: i64,
    /// What it brings.
    pub name: String,
    /// Whether the database has it.
    pub is_applied: bool,
}

pub(crate) fn sqlite() -> Migrator {
    migrator(|version| version.sqlite)
}

pub(crate) fn postgres() -> Migrator {
    migrator(|version| version.postgres)
}

fn migrator(sql: impl Fn(&Version) -> &'static str) -> Migrator {
    Migrator::with_migrations(
        VERSIONS
            .iter()
            .map(|version| {
                let text = sql(version).into_sql_str();
                Migration::new(
                    version.number,
                    version.name.into(),
                    MigrationType::Simple,
                    text,
                    false,
                )
            })
            .collect(),
    )
}

/// Brings the schema up to date. Whoever comes second waits for the first and finds nothing to do.
pub(crate) async fn run<C: Migrate>(migrator: &Migrator, conn: &mut C) -> Result<(), Error> {
    // `Migrator::run` on a borrowed connection makes a future that no other thread may take over.
    migrator.run_direct(None, conn, false).await.map_err(|source| Error::Schema {
        reason: "a version could not be applied; a database of a newer Hansard needs that Hansard"
            .to_owned(),
        source: Some(source),
    })
}

/// Which versions there are and which of them `conn` has.
pub(crate) async fn status<C: Migrate>(conn: &mut C) -> Result<Vec<SchemaVersion>, Error> {
    let unreadable = |source| Error::Schema {
        reason: "the list of applied versions cannot be read".to_owned(),
        source: Some(source),
    };
    conn.ensure_migrations_table("_sqlx_migrations").await.map_err(unreadable)?;
    let applied = conn.list_applied_migrations("_sqlx_migrations").await.map_err(unreadable)?;
    let mut versions: Vec<SchemaVersion> = VERSIONS
        .iter()
        .map(|version| SchemaVersion {
            number: version.number,
            name: version.name.to_owned(),
            is_applied: applied.iter().any(|one| one.version == version.number),
        })
        .collect();
    let newer = applied.iter().filter(|one| VERSIONS.iter().all(|v| v.number != one.version));
    versions.extend(newer.map(|one| SchemaVersion {
        number: one.version,
        name: "of a newer Hansard".to_owned(),
        is_applied: true,
    }));
    Ok(versions)
}
