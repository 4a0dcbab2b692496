//! The schema, its versions, and how a database gets to the newest one.
//!
//! Forward only: to go back, restore a backup (docs/decisions). The two folders hold the same numbers and names.

use sqlx::SqlSafeStr;
use sqlx::migrate::{Migrate, MigrateError, Migration, MigrationType, Migrator};

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

const VERSIONS: [Version; 5] = [
    version!(1, "initial"),
    version!(2, "identity"),
    version!(3, "pictures"),
    version!(4, "confidence"),
    version!(5, "uploaders"),
];

/// Number and name of each version that this program knows, from the first on.
pub(crate) fn known() -> impl Iterator<Item = (i64, &'static str)> {
    VERSIONS.iter().map(|version| (version.number, version.name))
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
        reason: match source {
            MigrateError::VersionMissing(number) => {
                format!("it has version {number}, which only a newer Hansard knows")
            }
            MigrateError::VersionMismatch(number) => {
                format!("version {number} was applied in another form than this program has it")
            }
            _ => "a version could not be applied".to_owned(),
        },
        source: Some(source),
    })
}
