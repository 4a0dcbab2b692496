//! Jobs as those who asked for them see them.

use std::time::Duration;

use hansard_domain::id::Id;
use hansard_domain::job::{JobState, Priority, Stage};
use hansard_domain::problem::ProblemCode;
use hansard_domain::time::Timestamp;
use hansard_store::jobs::{Change, Job, JobError, JobFilter};
use hansard_store::leases::Held;
use hansard_store::{Begin, Error, NewJob};

use crate::db::{
    LEASE, MODEL, TestDb, accepted, begin, begun, claimed, claimed_sha256, finished, job, progress,
    remote, stored, transcribed, window, workspace,
};

on_both! {
    a_waiting_job_is_cancelled,
    a_running_job_is_cancelled_and_its_worker_stopped,
    a_job_that_ended_is_not_cancelled,
    a_failed_stage_is_retried_where_it_stopped,
    a_cancelled_job_goes_on_from_its_checkpoint,
    a_job_retried_from_the_start_forgets_its_windows,
    a_succeeded_job_is_transcribed_anew,
    a_retry_begins_with_what_is_missing,
    a_retry_is_refused_while_it_runs_and_when_the_queue_is_full,
    a_list_is_read_in_pages,
    a_place_in_the_queue_is_told_with_the_measured_speed,
    the_queue_is_counted,
}

fn done(change: Change) -> Job {
    match change {
        Change::Done(job) => *job,
        other => panic!("it is not done: {other:?}"),
    }
}

fn error() -> JobError {
    JobError { code: ProblemCode::EngineFailed, detail: "it\0broke".to_owned() }
}

async fn a_waiting_job_is_cancelled(db: TestDb) {
    let store = db.open().await;
    let workspace = workspace(&store).await;
    let made = store.accept(&workspace, remote(), job(), None).await.unwrap();

    let job = done(store.cancel_job(&workspace, &made.job.id).await.unwrap());
    let missing = store.cancel_job(&workspace, &db.clock.id()).await.unwrap();

    assert_eq!((job.state, job.finished_at), (JobState::Cancelled, Some(db.clock.now())));
    assert_eq!(missing, Change::Missing);
    assert!(store.claim_jobs(&db.clock.id(), 1, LEASE).await.unwrap().is_empty());
}

async fn a_running_job_is_cancelled_and_its_worker_stopped(db: TestDb) {
    let store = db.open().await;
    let workspace = workspace(&store).await;
    accepted(&store, &workspace, "sound").await;
    let worker = db.clock.id();
    let held = store.claim_jobs(&worker, 1, LEASE).await.unwrap().remove(0);
    let transcript = begun(&store, &held, MODEL).await;

    done(store.cancel_job(&workspace, &held.job.id).await.unwrap());

    assert_eq!(store.held_leases(&worker).await.unwrap(), []);
    let late = store.commit_window(&held.lease, &transcript, 0, window("late"), progress(1.0));
    assert_eq!(late.await.unwrap(), Held::Lost);
}

async fn a_job_that_ended_is_not_cancelled(db: TestDb) {
    let store = db.open().await;
    let workspace = workspace(&store).await;
    let made = accepted(&store, &workspace, "sound").await;
    transcribed(&store, &["a"]).await;

    let refused = store.cancel_job(&workspace, &made.job.id).await.unwrap();

    let Change::Refused(job) = refused else { panic!("{refused:?}") };
    assert_eq!(job.state, JobState::Succeeded);
}

async fn a_failed_stage_is_retried_where_it_stopped(db: TestDb) {
    let store = db.open().await;
    let workspace = workspace(&store).await;
    let made = accepted(&store, &workspace, "sound").await;
    let first = claimed(&store).await;
    let transcript = begun(&store, &first, MODEL).await;
    let held = store.commit_window(&first.lease, &transcript, 0, window("a"), progress(20.0));
    held.await.unwrap();
    assert_eq!(store.fail_job(&first.lease, error()).await.unwrap(), Held::Yes(()));
    let failed = store.find_job(&workspace, &made.job.id).await.unwrap().unwrap();
    assert_eq!(failed.state, JobState::Failed);
    assert_eq!(failed.error.map(|error| error.detail).as_deref(), Some("it\u{FFFD}broke"));

    let job = done(store.retry_job(&workspace, &made.job.id, None).await.unwrap());

    let stale =
        "SELECT COUNT(*) FROM events WHERE kind = 'job.queued' AND data LIKE '%error_code%'";
    assert_eq!(db.count(stale).await, 0, "the event tells what is now");
    assert_eq!((job.state, job.stage, job.attempts), (JobState::Queued, Stage::Transcribe, 0));
    assert_eq!((job.done, job.error, job.finished_at), (20.0, None, None));
    let second = claimed(&store).await;
    let sha256 = claimed_sha256(&store, &second).await;
    let checkpoint = Some(progress(20.0).checkpoint);
    let go_on = Begin::Go { transcript, ordinal: 1, checkpoint };
    assert_eq!(begin(&store, &second.lease, &sha256, MODEL).await, go_on);
}

async fn a_cancelled_job_goes_on_from_its_checkpoint(db: TestDb) {
    let store = db.open().await;
    let workspace = workspace(&store).await;
    accepted(&store, &workspace, "sound").await;
    let first = claimed(&store).await;
    let transcript = begun(&store, &first, MODEL).await;
    let held = store.commit_window(&first.lease, &transcript, 0, window("a"), progress(20.0));
    held.await.unwrap();
    done(store.cancel_job(&workspace, &first.job.id).await.unwrap());

    done(store.retry_job(&workspace, &first.job.id, Some(Stage::Transcribe)).await.unwrap());

    let second = claimed(&store).await;
    let sha256 = claimed_sha256(&store, &second).await;
    let begin = begin(&store, &second.lease, &sha256, MODEL).await;
    assert!(matches!(begin, Begin::Go { ordinal: 1, .. }), "{begin:?}");
}

async fn a_job_retried_from_the_start_forgets_its_windows(db: TestDb) {
    let store = db.open().await;
    let workspace = workspace(&store).await;
    let made = store.accept(&workspace, remote(), job(), None).await.unwrap();
    let first = claimed(&store).await;
    let media = stored(&store, &workspace, "sound").await;
    store.finish_acquire(&first.lease, db.clock.now(), media).await.unwrap();
    let transcript = begun(&store, &first, MODEL).await;
    let held = store.commit_window(&first.lease, &transcript, 0, window("a"), progress(20.0));
    held.await.unwrap();
    store.fail_job(&first.lease, error()).await.unwrap();

    let id = &made.job.id;
    let job = done(store.retry_job(&workspace, id, Some(Stage::Acquire)).await.unwrap());

    assert_eq!((job.stage, job.done, job.transcript), (Stage::Acquire, 0.0, None));
    assert_eq!(store.finished_stages(id).await.unwrap(), []);
    assert_eq!(db.count("SELECT COUNT(*) FROM transcripts").await, 0);
    assert_eq!(db.count("SELECT COUNT(*) FROM transcript_windows").await, 0);
}

async fn a_succeeded_job_is_transcribed_anew(db: TestDb) {
    let store = db.open().await;
    let workspace = workspace(&store).await;
    let made = accepted(&store, &workspace, "sound").await;
    let first = transcribed(&store, &["old"]).await;
    let recording = &made.recording.id;
    let shown = store.find_recording(&workspace, recording).await.unwrap().unwrap();

    let job = done(store.retry_job(&workspace, &first.job.id, None).await.unwrap());

    assert_eq!((job.state, job.stage, job.again), (JobState::Queued, Stage::Transcribe, true));
    let meanwhile = store.find_recording(&workspace, recording).await.unwrap().unwrap();
    assert_eq!(meanwhile.current_transcript, shown.current_transcript);
    transcribed(&store, &["new"]).await;
    let after = store.find_recording(&workspace, recording).await.unwrap().unwrap();
    assert_ne!(after.current_transcript, shown.current_transcript);
    let list = store.page_transcripts(&workspace, Some(recording), None, 10).await.unwrap();
    assert_eq!(list.items.len(), 2);
}

async fn a_retry_begins_with_what_is_missing(db: TestDb) {
    let store = db.open().await;
    let workspace = workspace(&store).await;
    let far = store.accept(&workspace, remote(), job(), None).await.unwrap();
    let near = accepted(&store, &workspace, "sound").await;
    for made in [&far, &near] {
        done(store.cancel_job(&workspace, &made.job.id).await.unwrap());
    }

    let stage = Some(Stage::Transcribe);
    let far = done(store.retry_job(&workspace, &far.job.id, stage).await.unwrap());
    let near = store.retry_job(&workspace, &near.job.id, Some(Stage::Acquire)).await.unwrap();

    assert_eq!(far.stage, Stage::Acquire, "nothing was acquired");
    assert_eq!(done(near).stage, Stage::Transcribe, "what a caller sent cannot be fetched");
}

async fn a_retry_is_refused_while_it_runs_and_when_the_queue_is_full(db: TestDb) {
    let store = db.open_with_queue(1).await;
    let workspace = workspace(&store).await;
    let first = store.accept(&workspace, remote(), job(), None).await.unwrap();
    let id = &first.job.id;

    let waiting = store.retry_job(&workspace, id, None).await.unwrap();
    assert!(matches!(waiting, Change::Refused(_)), "{waiting:?}");
    claimed(&store).await;
    let running = store.retry_job(&workspace, id, None).await.unwrap();
    assert!(matches!(running, Change::Refused(_)), "{running:?}");
    done(store.cancel_job(&workspace, id).await.unwrap());
    store.accept(&workspace, remote(), job(), None).await.unwrap();
    let full = store.retry_job(&workspace, id, None).await;
    assert!(matches!(full, Err(Error::QueueFull { .. })), "{full:?}");
    let missing = store.retry_job(&workspace, &db.clock.id(), None).await.unwrap();
    assert_eq!(missing, Change::Missing);
}

async fn a_list_is_read_in_pages(db: TestDb) {
    let store = db.open().await;
    let workspace = workspace(&store).await;
    let mut made = Vec::new();
    for _ in 0..5 {
        made.insert(0, store.accept(&workspace, remote(), job(), None).await.unwrap());
    }
    done(store.cancel_job(&workspace, &made[1].job.id).await.unwrap());
    let all = JobFilter::default();
    let ids = |jobs: &[Job]| jobs.iter().map(|job| job.id.clone()).collect::<Vec<_>>();
    let expected: Vec<_> = made.iter().map(|made| made.job.id.clone()).collect();

    let first = store.page_jobs(&workspace, &all, None, 3).await.unwrap();
    let rest = store.page_jobs(&workspace, &all, first.next, 3).await.unwrap();

    assert_eq!((ids(&first.items), ids(&rest.items)), (expected[..3].into(), expected[3..].into()));
    assert_eq!(rest.next, None);
    let cancelled = JobFilter { state: Some(JobState::Cancelled), recording: None };
    let cancelled = store.page_jobs(&workspace, &cancelled, None, 3).await.unwrap();
    assert_eq!(ids(&cancelled.items), expected[1..2]);
    let of_one = JobFilter { state: None, recording: Some(made[4].recording.id.clone()) };
    let of_one = store.page_jobs(&workspace, &of_one, None, 3).await.unwrap();
    assert_eq!(ids(&of_one.items), expected[4..]);
}

async fn a_place_in_the_queue_is_told_with_the_measured_speed(db: TestDb) {
    let store = db.open().await;
    let workspace = workspace(&store).await;
    let unmeasured = accepted(&store, &workspace, "one").await;
    let place = store.queue_position(&unmeasured.job).await.unwrap().unwrap();
    assert_eq!((place.ahead, place.wait), (0, None));
    // 60 seconds of audio in 6.
    let done = transcribed(&store, &["a"]).await;
    assert_eq!(store.queue_position(&done.job).await.unwrap(), None);

    // One runs, 20 of its 60 seconds done; one waits with an unknown length, taken as 60; high priority goes first.
    accepted(&store, &workspace, "two").await;
    let running = claimed(&store).await;
    let transcript = begun(&store, &running, MODEL).await;
    let held = store.commit_window(&running.lease, &transcript, 0, window("a"), progress(20.0));
    held.await.unwrap();
    let last = NewJob { priority: Priority::Low, ..job() };
    let last = store.accept(&workspace, remote(), last, None).await.unwrap();
    let normal = store.accept(&workspace, remote(), job(), None).await.unwrap();

    let place = store.queue_position(&last.job).await.unwrap().unwrap();
    assert_eq!((place.ahead, place.wait), (2, Some(Duration::from_secs(10))));
    let place = store.queue_position(&normal.job).await.unwrap().unwrap();
    assert_eq!((place.ahead, place.wait), (1, Some(Duration::from_secs(4))));

    let end = store.finish_transcript(&running.lease, &transcript, MODEL, finished(&store));
    assert_eq!(end.await.unwrap(), Held::Yes(()));
}

async fn the_queue_is_counted(db: TestDb) {
    let store = db.open().await;
    let workspace = workspace(&store).await;
    assert_eq!(store.queue_stats().await.unwrap(), hansard_store::jobs::QueueStats::default());
    let mut accepted_at: Vec<Timestamp> = Vec::new();
    for _ in 0..3 {
        accepted_at.push(db.clock.now());
        store.accept(&workspace, remote(), job(), None).await.unwrap();
        db.clock.advance(Duration::from_secs(1));
    }

    let first = claimed(&store).await;

    let stats = store.queue_stats().await.unwrap();
    assert_eq!((stats.queued, stats.running), (2, 1));
    assert_eq!(stats.oldest_queued, Some(accepted_at[1]));
    assert!(first.job.id.as_str().starts_with("job_"));
}
