//! The event log is read complete and in one order, whoever writes meanwhile.

use std::collections::HashSet;
use std::time::Duration;

use hansard_domain::event::EventKind;
use hansard_domain::id::WorkspaceId;
use hansard_store::events::{Event, EventCursor};
use hansard_store::{Database, Store};
use sqlx::{Connection as _, PgConnection, PgPool};

use crate::db::{TestDb, job, remote, workspace};

on_both! {
    a_reader_goes_on_after_its_cursor,
    a_workspace_sees_its_own_events_only,
    a_reader_among_many_writers_sees_every_event_once,
    a_write_is_noticed_at_once,
    an_event_of_an_unknown_kind_is_passed_over,
}

/// Longer than anything here takes on a busy machine.
const BOUND: Duration = Duration::from_secs(120);

const WRITERS: usize = 8;
const JOBS_PER_WRITER: usize = 15;

/// Accepting a recording with its job writes these.
const EVENTS_PER_JOB: usize = 2;

async fn accept(store: &Store, workspace: &WorkspaceId) {
    store.accept(workspace, remote(), job(), None).await.unwrap();
}

async fn read(store: &Store, after: Option<EventCursor>) -> Vec<Event> {
    store.read_events(after, None, 1000).await.unwrap()
}

/// Waits until `count` events can be read: a transaction of another test, on the same server, may hold them back.
async fn readable(store: &Store, count: usize) {
    let reading = async {
        while read(store, None).await.len() < count {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(BOUND, reading).await.unwrap();
}

fn kinds(events: &[Event]) -> Vec<&'static str> {
    events.iter().map(|event| event.kind.name()).collect()
}

async fn a_reader_goes_on_after_its_cursor(db: TestDb) {
    let store = db.open().await;
    let workspace = workspace(&store).await;
    assert_eq!(store.end_of_events().await.unwrap(), None);
    accept(&store, &workspace).await;
    accept(&store, &workspace).await;
    readable(&store, 2 * EVENTS_PER_JOB).await;

    let first = store.read_events(None, None, 3).await.unwrap();
    let cursor: EventCursor = first[2].cursor.to_string().parse().unwrap();
    let rest = read(&store, Some(cursor)).await;

    assert_eq!(kinds(&first), ["recording.created", "job.queued", "recording.created"]);
    assert_eq!(kinds(&rest), ["job.queued"]);
    assert_eq!(store.end_of_events().await.unwrap(), Some(rest[0].cursor));
    assert_eq!(first[0].created_at, db.clock.now());
    assert_eq!(
        first[0].subject,
        serde_json::from_str::<serde_json::Value>(&first[0].data).unwrap()["recording_id"]
    );
    assert!(read(&store, Some(rest[0].cursor)).await.is_empty());
    // Nothing is numbered anew when the program starts again.
    store.close().await;
    assert_eq!(read(&db.open().await, Some(cursor)).await, rest);
}

async fn a_workspace_sees_its_own_events_only(db: TestDb) {
    let store = db.open().await;
    let (one, other) = (workspace(&store).await, store.ensure_workspace("other").await.unwrap());
    for workspace in [&one, &other, &one] {
        accept(&store, workspace).await;
    }
    readable(&store, 3 * EVENTS_PER_JOB).await;

    let its_own = store.read_events(None, Some(&other), 1000).await.unwrap();
    let after = store.read_events(Some(its_own[1].cursor), Some(&one), 1000).await.unwrap();

    assert_eq!(kinds(&its_own), ["recording.created", "job.queued"]);
    assert!(its_own.iter().all(|event| event.workspace == other));
    assert_eq!((after.len(), &after[0].workspace), (2, &one));
}

async fn a_reader_among_many_writers_sees_every_event_once(db: TestDb) {
    let store = db.open().await;
    let workspace = workspace(&store).await;
    let total = WRITERS * JOBS_PER_WRITER * EVENTS_PER_JOB;
    let writers: Vec<_> = (0..WRITERS)
        .map(|_| {
            let (store, workspace) = (store.clone(), workspace.clone());
            tokio::spawn(async move {
                for _ in 0..JOBS_PER_WRITER {
                    accept(&store, &workspace).await;
                }
            })
        })
        .collect();

    let mut seen: Vec<Event> = Vec::new();
    let reading = async {
        while seen.len() < total {
            let events = store.read_events(seen.last().map(|last| last.cursor), None, 7).await;
            seen.extend(events.unwrap());
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(BOUND, reading).await.unwrap();
    for writer in writers {
        writer.await.unwrap();
    }

    let ids: HashSet<_> = seen.iter().map(|event| event.id.clone()).collect();
    assert_eq!(ids.len(), total);
    assert_eq!(read(&store, None).await, seen);
}

async fn a_write_is_noticed_at_once(db: TestDb) {
    let store = db.open().await;
    let workspace = workspace(&store).await;
    let mut writes = store.writes();
    assert!(!writes.has_changed().unwrap());

    accept(&store, &workspace).await;

    assert!(writes.has_changed().unwrap());
    writes.changed().await.unwrap();
}

async fn an_event_of_an_unknown_kind_is_passed_over(db: TestDb) {
    let store = db.open().await;
    let workspace = workspace(&store).await;
    accept(&store, &workspace).await;
    readable(&store, EVENTS_PER_JOB).await;
    // As a newer Hansard would write it.
    db.sql("UPDATE events SET kind = 'chunk.made' WHERE kind = 'recording.created'").await;

    assert_eq!(kinds(&store.read_events(None, None, 1).await.unwrap()), ["job.queued"]);
    let its_own = store.read_events(None, Some(&workspace), 1).await.unwrap();
    assert_eq!(kinds(&its_own), ["job.queued"]);
    assert!(read(&store, Some(its_own[0].cursor)).await.is_empty());
}

async fn connect(db: &TestDb) -> PgConnection {
    let Database::Postgres { url } = &db.database else { panic!("it is PostgreSQL") };
    PgConnection::connect(url).await.unwrap()
}

/// Writes an event as the store does, in a transaction that the test commits when it likes.
async fn append(transaction: &mut PgConnection, workspace: &WorkspaceId, id: &str) {
    sqlx::query(
        "INSERT INTO events (epoch, id, workspace_id, kind, subject_id, data, created_at_us) \
         VALUES (CAST(CAST(pg_current_xact_id() AS TEXT) AS BIGINT) + (SELECT shift FROM event_epochs), \
         $1, $2, 'job.queued', 'x', '{}', 0)",
    )
    .bind(id)
    .bind(workspace.to_string())
    .execute(transaction)
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_committed_out_of_order_reach_a_reader_complete_and_in_one_order() {
    let db = TestDb::postgres();
    let store = db.open().await;
    let workspace = workspace(&store).await;
    let id = || db.clock.id::<hansard_domain::id::EventId>().to_string();
    let (a, b, c) = (id(), id(), id());
    let (mut early, mut late) = (connect(&db).await, connect(&db).await);
    let mut early = early.begin().await.unwrap();
    let mut late = late.begin().await.unwrap();

    append(&mut early, &workspace, &a).await;
    append(&mut late, &workspace, &b).await;
    append(&mut early, &workspace, &c).await;
    late.commit().await.unwrap();

    // The later one could be read. It is held back until nothing can come before it any more.
    assert_eq!(read(&store, None).await, []);
    assert_eq!(store.end_of_events().await.unwrap(), None);
    early.commit().await.unwrap();
    readable(&store, 3).await;
    let ids: Vec<_> = read(&store, None).await.iter().map(|event| event.id.to_string()).collect();
    assert_eq!(ids, [a, c, b]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_goes_on_in_a_server_with_lower_transaction_numbers() {
    let db = TestDb::postgres();
    let store = db.open().await;
    let workspace = workspace(&store).await;
    accept(&store, &workspace).await;
    store.close().await;
    // What a dump from a server with many transactions brings along.
    db.sql("UPDATE events SET epoch = epoch + 1000000000").await;
    let Database::Postgres { url } = &db.database else { panic!("it is PostgreSQL") };
    let pool = PgPool::connect(url).await.unwrap();
    let (epoch, seq): (i64, i64) =
        sqlx::query_as("SELECT epoch, seq FROM events ORDER BY epoch DESC, seq DESC LIMIT 1")
            .fetch_one(&pool)
            .await
            .unwrap();
    pool.close().await;
    let cursor: EventCursor = format!("{epoch}-{seq}").parse().unwrap();

    for round in 1..3 {
        let store = db.open().await;
        accept(&store, &workspace).await;
        readable(&store, (round + 1) * EVENTS_PER_JOB).await;

        let fresh = read(&store, Some(cursor)).await;

        assert_eq!(fresh.len(), round * EVENTS_PER_JOB);
        assert_eq!(fresh[0].kind, EventKind::RecordingCreated);
        store.close().await;
    }
}
