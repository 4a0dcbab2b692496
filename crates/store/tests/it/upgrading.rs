//! A database that an older Hansard filled, opened by this one.

use std::fs;
use std::path::Path;

use hansard_domain::id::{Id, JobId, TopicId};
use hansard_domain::job::{JobState, Visibility};
use hansard_store::Database;
use hansard_store::recordings::RecordingFilter;
use sqlx::migrate::Migrator;

use crate::db::{TestDb, accepted, claimed, workspace};

on_both! {
    what_version_1_held_is_read_and_goes_on,
    the_first_topics_have_the_numbers_that_clients_know,
}

/// Makes `db` a database of the first version, with rows in every table.
async fn of_version_1(db: &TestDb) {
    let folder = db.folder.path().join("migrations");
    fs::create_dir(&folder).unwrap();
    let kind = match &db.database {
        Database::Sqlite { .. } => "sqlite",
        Database::Postgres { .. } => "postgres",
    };
    let known = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations").join(kind);
    fs::copy(known.join("0001_initial.sql"), folder.join("0001_initial.sql")).unwrap();
    let migrator = Migrator::new(folder).await.unwrap();
    match &db.database {
        Database::Sqlite { path } => {
            let url = format!("sqlite://{}?mode=rwc", path.display());
            let pool = sqlx::SqlitePool::connect(&url).await.unwrap();
            migrator.run(&pool).await.unwrap();
            pool.close().await;
        }
        Database::Postgres { url } => {
            let pool = sqlx::PgPool::connect(url).await.unwrap();
            migrator.run(&pool).await.unwrap();
            pool.close().await;
        }
    }
    db.sql(include_str!("upgrading/rows_of_0001.sql")).await;
}

async fn what_version_1_held_is_read_and_goes_on(db: TestDb) {
    of_version_1(&db).await;
    let applied = db.database.schema().await.unwrap();
    assert_eq!(applied.iter().filter(|version| version.is_applied).count(), 1);

    let store = db.open().await;

    let workspace = workspace(&store).await;
    assert_eq!(workspace.as_str(), "wsp_01KAJ2Z1G00000000000000001");
    let recordings =
        store.page_recordings(&workspace, &RecordingFilter::default(), None, 10).await.unwrap();
    let read: Vec<_> =
        recordings.items.iter().map(|one| (one.title.as_deref(), one.visibility)).collect();
    assert_eq!(read, [(None, Visibility::Private), (Some("A call"), Visibility::Workspace)]);
    let done = JobId::parse("job_01KAJ2Z1G00000000000000001").unwrap();
    let done = store.find_job(&workspace, &done).await.unwrap().unwrap();
    assert_eq!(done.state, JobState::Succeeded);
    let entry = store.find_job_number(&workspace, done.serial).await.unwrap().unwrap();
    assert_eq!(entry.confidence, Some((-0.25_f64).exp()));
    let windows = store.windows(&done.transcript.unwrap(), 0, 10).await.unwrap();
    // What a model may say, and what only looks like a name of ours.
    let said = " Hello.\0\\u0000\"average_log_probability\":1,";
    assert_eq!(windows[0].segments[0].text, said);
    let next = claimed(&store).await;
    assert_eq!(next.job.id.as_str(), "job_01KAJ2Z1G00000000000000002");
    let events = store.read_events(None, Some(&workspace), 10).await.unwrap();
    assert_eq!(events[0].subject, "job_01KAJ2Z1G00000000000000001");
    let new = accepted(&store, &workspace, "sound").await;
    assert_eq!((new.recording.serial, new.job.serial), (3, 3));
    assert_eq!(store.check_rows().await.unwrap(), Vec::<String>::new());
}

const TREE: &str = "SELECT COUNT(*) FROM topics JOIN topics AS parents ON parents.id = topics.parent_id \
    WHERE (topics.serial BETWEEN 6 AND 10 AND parents.name = 'Religious') \
    OR (topics.serial BETWEEN 11 AND 14 AND parents.name = 'Educational') \
    OR (topics.serial BETWEEN 15 AND 18 AND parents.name = 'Entertainment') \
    OR (topics.serial BETWEEN 19 AND 21 AND parents.name = 'Professional')";

const ADD: &str = "INSERT INTO topics (id, name, name_key, created_at_us, updated_at_us) \
    VALUES ('top_01KAJ2Z1G00000000000000001', 'New', 'new', 1, 1)";

async fn the_first_topics_have_the_numbers_that_clients_know(db: TestDb) {
    db.open().await.close().await;

    assert_eq!(db.count("SELECT COUNT(*) FROM topics WHERE name_key = lower(name)").await, 21);
    assert_eq!(db.count("SELECT COUNT(*) FROM topics WHERE parent_id IS NULL").await, 5);
    assert_eq!(db.count(TREE).await, 16);
    assert_eq!(db.count("SELECT serial FROM topics WHERE name = 'Webinars'").await, 21);
    for id in ["top_00000000000000000000000001", "top_00000000000000000000000021"] {
        assert!(TopicId::parse(id).is_ok(), "{id}");
    }

    db.sql(ADD).await;
    assert_eq!(db.count("SELECT serial FROM topics WHERE name = 'New'").await, 22);
}
