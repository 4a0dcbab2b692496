//! The schema, and how a database gets it.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use hansard_store::{Database, Error, Settings, Store};

use crate::db::{TestDb, accepted, job, remote, stored, workspace};

on_both! {
    a_database_is_migrated_once_however_many_ask,
    a_database_of_a_newer_version_is_refused,
    a_database_that_is_whole_has_no_findings,
    what_is_broken_is_found,
    a_database_that_cannot_be_opened_is_named,
}

async fn a_database_is_migrated_once_however_many_ask(db: TestDb) {
    let before = db.database.schema().await.unwrap();
    assert!(!before.is_empty() && before.iter().all(|version| !version.is_applied));
    if let Database::Sqlite { path } = &db.database {
        assert!(!path.exists(), "asking for the schema does not make a database");
    }
    let mut starts = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let settings = db.settings();
        starts.spawn(async move {
            let store = Store::open(settings).await.unwrap();
            store.migrate().await.unwrap();
            store.close().await;
        });
    }

    starts.join_all().await;

    let versions = db.database.schema().await.unwrap();
    assert!(versions.iter().all(|version| version.is_applied));
    let applied = db.count("SELECT COUNT(*) FROM _sqlx_migrations").await;
    assert_eq!(usize::try_from(applied).unwrap(), versions.len());
}

const NEWER: &str = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
    SELECT 999, 'newer', success, checksum, execution_time FROM _sqlx_migrations WHERE version = 1";

async fn a_database_of_a_newer_version_is_refused(db: TestDb) {
    db.open().await.close().await;
    db.sql(NEWER).await;

    let refused = Store::open(db.settings()).await.unwrap_err();

    assert!(matches!(refused, Error::Schema { .. }), "{refused:?}");
    assert!(refused.to_string().contains("version 999, which only a newer"), "{refused}");
    let last = db.database.schema().await.unwrap().pop().unwrap();
    assert_eq!((last.number, last.name, last.is_applied), (999, None, true));
}

async fn a_database_that_is_whole_has_no_findings(db: TestDb) {
    let store = db.open().await;
    let workspace = workspace(&store).await;
    accepted(&store, &workspace, "sound").await;
    crate::db::transcribed(&store, &["a"]).await;
    store.accept(&workspace, remote(), job(), None).await.unwrap();
    stored(&store, &workspace, "left").await;

    assert_eq!(store.check_rows().await.unwrap(), Vec::<String>::new());
    assert_eq!(store.check_media().await.unwrap(), Vec::<String>::new());
}

async fn what_is_broken_is_found(db: TestDb) {
    let store = db.open().await;
    let workspace = workspace(&store).await;
    let made = accepted(&store, &workspace, "sound").await;
    crate::db::transcribed(&store, &["a", "b"]).await;
    let other = accepted(&store, &workspace, "also sound").await;
    let [key, cut] = [made, other].map(|one| one.recording.media.unwrap().key);
    fs::remove_file(store.media().file(&key).unwrap()).unwrap();
    fs::write(store.media().file(&cut).unwrap(), "also").unwrap();
    db.sql("DELETE FROM transcript_windows WHERE ordinal = 1").await;

    let rows = store.check_rows().await.unwrap();
    let media = store.check_media().await.unwrap();
    db.sql("DELETE FROM media_objects").await;
    let unkept = store.check_rows().await.unwrap();

    assert_eq!(rows.len(), 1, "{rows:?}");
    assert!(rows[0].starts_with("the number of windows is not that of transcript trn_"));
    let lost = format!("the media object {key} is missing");
    let expected = [lost, format!("the media object {cut} has 4 bytes and not 10")];
    assert_eq!(BTreeSet::from_iter(media), BTreeSet::from(expected));
    assert_eq!(unkept.len(), 3, "{unkept:?}");
}

async fn a_database_that_cannot_be_opened_is_named(db: TestDb) {
    let (database, name) = match &db.database {
        Database::Sqlite { .. } => {
            let path = db.folder.path().join("no-such-folder/hansard.db");
            (Database::Sqlite { path }, "no-such-folder/hansard.db")
        }
        Database::Postgres { .. } => {
            let url = "postgres://someone:secret@127.0.0.1:1/nothing".to_owned();
            (Database::Postgres { url }, "postgres://127.0.0.1:1/nothing")
        }
    };

    let refused = Store::open(Settings { database, ..db.settings() }).await.unwrap_err();

    let text = refused.to_string();
    assert!(text.ends_with(&format!("{name} cannot be opened")), "{text}");
    assert!(!text.contains("secret"), "{text}");
}

#[test]
fn both_folders_hold_the_same_migrations() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations");
    let names = |database: &str| {
        let files = fs::read_dir(folder.join(database)).unwrap();
        files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect::<BTreeSet<_>>()
    };

    assert_eq!(names("sqlite"), names("postgres"));
    assert!(names("sqlite").contains("0001_initial.sql"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_databases_have_the_same_tables_and_columns() {
    let (sqlite, postgres) = (TestDb::sqlite(), TestDb::postgres());
    sqlite.open().await.close().await;
    postgres.open().await.close().await;
    let Database::Sqlite { path } = &sqlite.database else { unreachable!() };
    let Database::Postgres { url } = &postgres.database else { unreachable!() };
    let pool = sqlx::SqlitePool::connect(&format!("sqlite://{}", path.display())).await.unwrap();
    let here: Vec<(String, String)> = sqlx::query_as(
        "SELECT t.name, c.name FROM sqlite_master AS t, pragma_table_info(t.name) AS c \
         WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite_%'",
    )
    .fetch_all(&pool)
    .await
    .unwrap();
    let pool = sqlx::PgPool::connect(url).await.unwrap();
    let there: Vec<(String, String)> = sqlx::query_as(
        "SELECT table_name::TEXT, column_name::TEXT FROM information_schema.columns \
         WHERE table_schema = 'public' AND table_name <> 'event_epochs'",
    )
    .fetch_all(&pool)
    .await
    .unwrap();

    // Epochs, which only the log in PostgreSQL has, are the one exception.
    let (here, there) = (BTreeSet::from_iter(here), BTreeSet::from_iter(there));
    let parted: Vec<_> = here.symmetric_difference(&there).collect();
    assert!(parted.is_empty(), "{parted:?}");
    assert!(here.len() > 100);
}
