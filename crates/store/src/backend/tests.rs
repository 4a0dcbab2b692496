use std::fs;
use std::path::Path;

use hansard_domain::time::Timestamp;
use hansard_testkit::postgres::Postgres;
use sqlx::{Executor, PgPool, Row, SqlSafeStr, SqlitePool};

use super::Statement;
use crate::{Clock, Database, Media, Settings, Store};

/// Every statement of every module.
const ALL: &[&[Statement]] = &[
    crate::accept::ALL,
    crate::audit::ALL,
    crate::catalogue::ALL,
    crate::check::ALL,
    crate::collections::ALL,
    crate::collections::items::ALL,
    crate::deliveries::ALL,
    crate::endpoints::ALL,
    crate::erase::ALL,
    crate::events::ALL,
    crate::idempotency::ALL,
    crate::jobs::ALL,
    crate::jobs::delete::ALL,
    crate::jobs::queue::ALL,
    crate::keep::ALL,
    crate::leases::ALL,
    crate::limits::ALL,
    crate::login_states::ALL,
    crate::media::ALL,
    crate::ownership::ALL,
    crate::recordings::ALL,
    crate::retention::ALL,
    crate::schema::ALL,
    crate::sending::ALL,
    crate::sessions::ALL,
    crate::tokens::ALL,
    crate::tokens::jwt::ALL,
    crate::topics::ALL,
    crate::topics::assigned::ALL,
    crate::transcribing::ALL,
    crate::transcribing::ending::ALL,
    crate::transcripts::ALL,
    crate::twins::ALL,
    crate::uploads::ALL,
    crate::uploads::piece::ALL,
    crate::uploads::sweep::ALL,
    crate::users::ALL,
    crate::users::edit::ALL,
    crate::users::provision::ALL,
    crate::workspaces::ALL,
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
        for part in statement.sqlite.split("; ") {
            if let Err(error) = sqlite.prepare(part.into_sql_str()).await {
                refused.push(format!("SQLite, {}: {error}", statement.name));
            }
        }
        if let Err(error) = postgres.prepare(statement.postgres.into_sql_str()).await {
            refused.push(format!("PostgreSQL, {}: {error}", statement.name));
        }
    }

    assert!(refused.is_empty(), "{}", refused.join("\n"));
}

/// Tables that grow with use.
const GROWING: [&str; 16] = [
    "audit_log",
    "collection_items",
    "deliveries",
    "delivery_attempts",
    "events",
    "idempotency_keys",
    "job_stages",
    "jobs",
    "login_states",
    "media_objects",
    "rate_limits",
    "recording_topics",
    "recordings",
    "sessions",
    "transcript_windows",
    "transcripts",
];

/// Indexes of what waits and what runs, which stay small: they may be gone through from end to end.
const SMALL: [&str; 6] = [
    "deliveries_by_receiver",
    "deliveries_due",
    "jobs_running",
    "jobs_waiting",
    "jobs_waiting_by_workspace",
    "media_objects_due",
];

/// Where there is more than one index, the one that finds the fewest rows.
const CHOICES: [(&str, &str); 20] = [
    ("audit::PAGE_ABOUT", "audit_by_subject"),
    ("audit::PAGE_OF_ACTOR", "audit_by_actor"),
    ("audit::PAGE_OF_WORKSPACE", "audit_by_workspace"),
    ("catalogue::COLLECTED", "sqlite_autoindex_collection_items_1"),
    ("catalogue::COUNT_JOBS", "jobs_by_workspace"),
    ("catalogue::COUNT_JOBS_OF_RECORDING", "jobs_by_recording"),
    ("catalogue::JOBS", "jobs_by_workspace"),
    ("catalogue::JOBS_OF_RECORDING", "jobs_by_recording"),
    ("deliveries::LOCK_ABOUT", "deliveries_by_subject"),
    ("deliveries::PAGE_ABOUT", "deliveries_by_subject"),
    ("deliveries::PAGE_TO", "deliveries_by_endpoint"),
    ("jobs::PAGE_OF_RECORDING", "jobs_by_recording"),
    ("keep::SAME", "recordings_by_sha256"),
    ("recordings::PAGE_BY_EXTERNAL_ID", "recordings_by_external_id"),
    ("recordings::PAGE_BY_SHA256", "recordings_by_sha256"),
    ("retention::OLD_JOBS", "jobs_finished"),
    ("transcribing::BEGIN", "jobs_by_recording"),
    ("transcripts::PAGE_OF_RECORDING", "transcripts_by_recording"),
    ("twins::LOOK_AGAIN", "jobs_by_recording"),
    ("twins::WAKE", "jobs_by_recording"),
];

/// Whether a step of a plan reads a whole table that grows.
fn reads_everything(step: &str) -> bool {
    let mut words = step.split(' ');
    let (first, table) = (words.next(), words.next().unwrap_or_default());
    let index = step.split("INDEX ").nth(1).unwrap_or_default();
    first == Some("SCAN") && GROWING.contains(&table) && !SMALL.contains(&index)
}

#[tokio::test]
async fn no_statement_reads_a_whole_table_that_grows() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hansard.db");
    migrate(Database::Sqlite { path: path.clone() }, folder.path()).await;
    let sqlite = SqlitePool::connect(&format!("sqlite://{}", path.display())).await.unwrap();

    let mut found = Vec::new();
    let all = ALL.iter().copied().flatten();
    // A check of the whole database reads all of it.
    for statement in all.filter(|statement| !statement.name.starts_with("hansard_store::check")) {
        let mut plan: Vec<String> = Vec::new();
        for part in statement.sqlite.split("; ") {
            let explain = sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {part}"));
            let steps = sqlx::raw_sql(explain).fetch_all(&sqlite).await.unwrap();
            plan.extend(steps.iter().map(|step| step.get::<String, _>("detail")));
        }
        let is_listed = |name: &str| statement.name == format!("hansard_store::{name}");
        let chosen = CHOICES.iter().find(|(name, _)| is_listed(name)).map(|(_, index)| *index);
        if plan.iter().any(|step| reads_everything(step))
            || chosen.is_some_and(|index| !plan.iter().any(|step| step.contains(index)))
        {
            found.push(format!("{}: {}", statement.name, plan.join("; ")));
        }
    }

    assert!(found.is_empty(), "{}", found.join("\n"));
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
