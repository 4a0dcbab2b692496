//! Writers that meet at the same rows. SQLite lets them in one after the other; on PostgreSQL they wait for each other's locks,
//! and each story stops them there, at the worst moment.

use std::collections::HashMap;
use std::time::Duration;

use hansard_domain::id::{EndpointId, WorkerId, WorkspaceId};
use hansard_domain::problem::ProblemCode;
use hansard_store::deliveries::Attempt;
use hansard_store::endpoints::NewEndpoint;
use hansard_store::jobs::{Change, JobError};
use hansard_store::leases::Held;
use hansard_store::sending::{ClaimedDelivery, Room, Settled};
use hansard_store::{Database, Store};
use sqlx::{PgPool, Postgres, Transaction};

use crate::db::{LEASE, TestDb, accepted, claimed, job, remote, stored, workspace};

/// Longer than anything here takes on a busy machine.
const BOUND: Duration = Duration::from_secs(60);

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// A transaction of somebody else, in which `statement` was run.
async fn beside(db: &TestDb, statement: &'static str) -> Transaction<'static, Postgres> {
    let Database::Postgres { url } = &db.database else { panic!("it is PostgreSQL") };
    let mut transaction = PgPool::connect(url).await.unwrap().begin().await.unwrap();
    sqlx::raw_sql(statement).execute(&mut *transaction).await.unwrap();
    transaction
}

/// Waits until so many statements wait for locks.
async fn blocked(db: &TestDb, count: i64) {
    let looking = async {
        let waiting = "SELECT COUNT(*) FROM pg_stat_activity \
            WHERE datname = current_database() AND wait_event_type = 'Lock'";
        while db.count(waiting).await < count {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(BOUND, looking).await.unwrap();
}

async fn endpoint(store: &Store, workspace: &WorkspaceId) -> EndpointId {
    let url = "https://a.example/hook".to_owned();
    let new = NewEndpoint { url, description: None, kinds: Vec::new() };
    store.create_endpoint(workspace, new, None).await.unwrap().endpoint.id
}

/// So many test deliveries to `endpoint`, claimed.
async fn sending(store: &Store, endpoint: &EndpointId, count: u32) -> Vec<ClaimedDelivery> {
    let workspace = workspace(store).await;
    for _ in 0..count {
        store.test_endpoint(&workspace, endpoint, None).await.unwrap().unwrap();
    }
    let (in_flight, after) = (HashMap::new(), String::new());
    let room = Room { count, per_receiver: count, in_flight, after };
    let worker: WorkerId = store.clock().id();
    store.claim_deliveries(&worker, room, LEASE).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_retries_at_once_one_is_refused() {
    let db = TestDb::postgres();
    let store = db.open().await;
    let workspace = workspace(&store).await;
    let made = store.accept(&workspace, remote(), job(), None).await.unwrap();
    let error = JobError { code: ProblemCode::SourceDenied, detail: "no".to_owned() };
    store.fail_job(&claimed(&store).await.lease, error).await.unwrap();

    let other = beside(&db, "SELECT id FROM jobs FOR UPDATE").await;
    let retry = || {
        let (store, workspace, id) = (store.clone(), workspace.clone(), made.job.id.clone());
        tokio::spawn(async move { store.retry_job(&workspace, &id, None).await.unwrap() })
    };
    let (one, two) = (retry(), retry());
    blocked(&db, 2).await;
    other.rollback().await.unwrap();

    let changes = [one.await.unwrap(), two.await.unwrap()];
    let done = changes.iter().filter(|change| matches!(change, Change::Done(_))).count();
    assert_eq!(done, 1, "{changes:?}");
    assert_eq!(db.count("SELECT COUNT(*) FROM events WHERE kind = 'job.queued'").await, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_answers_that_a_receiver_is_gone_do_not_wait_for_each_other() {
    let db = TestDb::postgres();
    let store = db.open().await;
    let endpoint = endpoint(&store, &workspace(&store).await).await;
    let claimed = sending(&store, &endpoint, 2).await;

    let other = beside(&db, "SELECT id FROM endpoints FOR UPDATE").await;
    let settle = |one: &ClaimedDelivery| {
        let (store, lease) = (store.clone(), one.lease.clone());
        let (started_at, duration) = (store.clock().now(), Duration::from_millis(1));
        let attempt = Attempt { started_at, duration, status: Some(410), error: None };
        tokio::spawn(async move { store.settle_delivery(&lease, attempt, Settled::Gone).await })
    };
    let (one, two) = (settle(&claimed[0]), settle(&claimed[1]));
    blocked(&db, 2).await;
    other.rollback().await.unwrap();

    // The second one finds its delivery cancelled by the first.
    let held = [one.await.unwrap().unwrap(), two.await.unwrap().unwrap()];
    assert!(held.contains(&Held::Yes(())) && held.contains(&Held::Lost), "{held:?}");
    assert_eq!(db.count("SELECT COUNT(*) FROM deliveries WHERE state = 'pending'").await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_endpoint_is_deleted_while_a_delivery_to_it_is_settled() {
    let db = TestDb::postgres();
    let store = db.open().await;
    let workspace = workspace(&store).await;
    let endpoint = endpoint(&store, &workspace).await;
    sending(&store, &endpoint, 1).await;

    let settling = "SELECT id FROM deliveries FOR UPDATE; \
        INSERT INTO delivery_attempts (delivery_id, number, started_at_us, duration_us) \
        SELECT id, 1, 0, 0 FROM deliveries";
    let other = beside(&db, settling).await;
    let deleted = tokio::spawn({
        let (store, workspace) = (store.clone(), workspace.clone());
        async move { store.delete_endpoint(&workspace, &endpoint).await }
    });
    blocked(&db, 1).await;
    other.commit().await.unwrap();

    assert!(deleted.await.unwrap().unwrap());
    assert_eq!(db.count("SELECT COUNT(*) FROM delivery_attempts").await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deletion_that_waits_for_an_endpoint_holds_no_delivery() {
    let db = TestDb::postgres();
    let store = db.open().await;
    let workspace = workspace(&store).await;
    endpoint(&store, &workspace).await;
    let made = accepted(&store, &workspace, "sound").await;

    let mut other = beside(&db, "SELECT id FROM endpoints FOR UPDATE").await;
    let deleted = tokio::spawn({
        let (store, workspace) = (store.clone(), workspace.clone());
        async move { store.delete_recording(&workspace, &made.recording.id).await }
    });
    blocked(&db, 1).await;
    // What disabling the endpoint does next.
    let cancel = sqlx::raw_sql("SELECT id FROM deliveries FOR UPDATE NOWAIT");
    cancel.execute(&mut *other).await.unwrap();
    other.rollback().await.unwrap();

    assert!(deleted.await.unwrap().unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_object_that_is_accepted_during_the_sweep_stays() {
    let db = TestDb::postgres();
    let store = db.open().await;
    let media = stored(&store, &workspace(&store).await, "sound").await;
    db.clock.advance(DAY);

    let other = beside(&db, "UPDATE media_objects SET state = 'kept'").await;
    let swept = tokio::spawn({
        let store = store.clone();
        async move { store.sweep_media().await.unwrap() }
    });
    blocked(&db, 1).await;
    other.commit().await.unwrap();

    assert_eq!(swept.await.unwrap(), 0);
    assert!(store.media().file(&media.key).unwrap().exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_that_goes_on_during_the_sweep_stays() {
    let db = TestDb::postgres();
    let store = db.open().await;
    let workspace = workspace(&store).await;
    let upload = store.create_upload(&workspace, Some(3), "", None, DAY).await.unwrap();
    db.clock.advance(DAY);

    let other = beside(&db, "UPDATE uploads SET expires_at_us = 9000000000000000").await;
    let swept = tokio::spawn({
        let store = store.clone();
        async move { store.sweep_uploads().await.unwrap() }
    });
    blocked(&db, 1).await;
    other.commit().await.unwrap();

    assert_eq!(swept.await.unwrap(), 0);
    assert_eq!(store.find_upload(&workspace, &upload.id).await.unwrap().unwrap().offset, 0);
    assert!(db.uploads().join(upload.id.to_string()).exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_for_a_recording_that_is_being_deleted_is_refused() {
    let db = TestDb::postgres();
    let store = db.open().await;
    let workspace = workspace(&store).await;
    let made = store.accept(&workspace, remote(), job(), None).await.unwrap();

    let other = beside(&db, "DELETE FROM jobs; DELETE FROM recordings").await;
    let asked = tokio::spawn({
        let store = store.clone();
        async move { store.accept_job(&workspace, &made.recording.id, job(), None).await }
    });
    blocked(&db, 1).await;
    other.commit().await.unwrap();

    assert_eq!(asked.await.unwrap().unwrap(), None);
}
