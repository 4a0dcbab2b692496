use std::fs;
use std::path::Path;

use hansard_domain::time::Timestamp;
use hansard_testkit::postgres::Postgres;
use sqlx::{Executor, PgPool, SqlSafeStr, SqlitePool};

use super::Statement;
use crate::{Clock, Database, Media, Settings, Store};

/// Every statement of every module.
const ALL: &[&[Statement]] = &[
    crate::accept::ALL,
    crate::check::ALL,
    crate::deliveries::ALL,
    crate::endpoints::ALL,
    crate::events::ALL,
    crate::idempotency::ALL,
    crate::jobs::ALL,
    crate::jobs::queue::ALL,
    crate::leases::ALL,
    crate::media::ALL,
    crate::recordings::ALL,
    crate::retention::ALL,
    crate::sending::ALL,
    crate::transcribing::ALL,
    crate::transcripts::ALL,
    crate::uploads::ALL,
    crate::uploads::piece::ALL,
    crate::uploads::sweep::ALL,
];

async fn migrate(database: Database, folder: &Path) {
    let settings = Settings {
        database,
        connections_max: 1,
        queue_max: 1,
        media: Media::folder(folder).unwrap(),
        uploads: folder.join("uploads"),
        clock: Clock::manual(Timestamp::from_micros(0)),
    };
    Store::open(settings).await.unwrap().close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_statement_is_one_of_both_databases() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hansard.db");
    let url = tokio::task::block_in_place(|| Postgres::shared().create_database());
    migrate(Database::Sqlite { path: path.clone() }, folder.path()).await;
    migrate(Database::Postgres { url: url.clone() }, folder.path()).await;
    let sqlite = SqlitePool::connect(&format!("sqlite://{}", path.display())).await.unwrap();
    let postgres = PgPool::connect(&url).await.unwrap();

    let mut refused = Vec::new();
    for statement in ALL.iter().copied().flatten() {
        if let Err(error) = sqlite.prepare(statement.sqlite.into_sql_str()).await {
            refused.push(format!("SQLite, {}: {error}", statement.name));
        }
        if let Err(error) = postgres.prepare(statement.postgres.into_sql_str()).await {
            refused.push(format!("PostgreSQL, {}: {error}", statement.name));
        }
    }

    assert!(refused.is_empty(), "{}", refused.join("\n"));
}

#[test]
fn every_module_with_statements_is_listed() {
    fn modules(folder: &Path) -> usize {
        let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let counts = paths.map(|path| match path.is_dir() {
            true => modules(&path),
            false => fs::read_to_string(&path).unwrap().matches("\nstatements! {").count(),
        });
        counts.sum()
    }

    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    assert_eq!(ALL.len(), modules(&source));
}
