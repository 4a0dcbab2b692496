//! Many write and read at once.

use std::time::Duration;

use hansard_store::Database;
use hansard_store::recordings::RecordingFilter;

use crate::db::{TestDb, job, remote, workspace};

on_both! {
    everything_that_was_answered_is_there_after_a_restart,
    reads_do_not_wait_for_a_long_write,
}

async fn everything_that_was_answered_is_there_after_a_restart(db: TestDb) {
    let store = db.open().await;
    let workspace = workspace(&store).await;
    let mut writers = tokio::task::JoinSet::new();
    for _ in 0..100 {
        let (store, workspace) = (store.clone(), workspace.clone());
        writers.spawn(async move { store.accept(&workspace, remote(), job(), None).await });
    }
    let accepted: Vec<_> = writers.join_all().await.into_iter().map(Result::unwrap).collect();
    store.close().await;

    let store = db.open().await;

    for accepted in accepted {
        let found = store.find_job(&workspace, &accepted.job.id).await.unwrap();
        assert_eq!(found, Some(accepted.job));
    }
}

async fn reads_do_not_wait_for_a_long_write(db: TestDb) {
    let store = db.open().await;
    let workspace = workspace(&store).await;
    store.accept(&workspace, remote(), job(), None).await.unwrap();
    let reads = async {
        let all = RecordingFilter::default();
        let page = store.page_recordings(&workspace, &all, None, 10).await.unwrap();
        assert_eq!(page.items.len(), 1);
        store.queue_stats().await.unwrap();
    };

    // Somebody else, as a backup or another process, is in the middle of a write.
    match &db.database {
        Database::Sqlite { path } => {
            let url = format!("sqlite://{}", path.display());
            let pool = sqlx::SqlitePool::connect(&url).await.unwrap();
            let mut write = pool.begin_with("BEGIN IMMEDIATE").await.unwrap();
            sqlx::query("UPDATE recordings SET title = 'x'").execute(&mut *write).await.unwrap();
            tokio::time::timeout(Duration::from_secs(5), reads).await.unwrap();
            write.rollback().await.unwrap();
        }
        Database::Postgres { url } => {
            let pool = sqlx::PgPool::connect(url).await.unwrap();
            let mut write = pool.begin().await.unwrap();
            sqlx::query("UPDATE recordings SET title = 'x'").execute(&mut *write).await.unwrap();
            tokio::time::timeout(Duration::from_secs(5), reads).await.unwrap();
            write.rollback().await.unwrap();
        }
    }
}
