//! Workers, and the jobs that they hold.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use hansard_domain::id::{TranscriptId, WorkerId};
use hansard_domain::job::{JobState, Priority, Stage};
use hansard_domain::problem::ProblemCode;
use hansard_store::jobs::JobError;
use hansard_store::leases::{Claimed, Held, WORKERS_LOST_MAX};
use hansard_store::{Clock, Error, NewJob, Settings, Store};

use crate::db::{
    LEASE, MODEL, TestDb, accepted, begun, claimed, claimed_sha256, finished, job, progress,
    remote, stored, window, workspace,
};

on_both! {
    each_job_goes_to_one_worker,
    urgent_jobs_go_first_and_workspaces_take_turns,
    a_lease_that_runs_out_moves_its_job,
    a_lease_that_is_extended_stays,
    who_lost_the_lease_writes_nothing,
    the_media_are_stored_and_the_job_goes_on,
    media_that_were_swept_are_not_taken,
    a_job_given_back_waits_for_its_time,
    a_job_that_takes_its_workers_down_fails,
    a_lost_worker_is_no_attempt_and_an_attempt_no_lost_worker,
    a_worker_does_not_take_its_jobs_from_itself,
    a_job_that_cannot_be_read_holds_up_no_other,
    work_is_due_at_once_whatever_the_clock_that_it_came_by,
    a_job_that_rests_lets_no_newcomer_past_the_others,
}

async fn each_job_goes_to_one_worker(db: TestDb) {
    const JOBS: usize = 60;
    let store = db.open().await;
    let workspace = workspace(&store).await;
    for _ in 0..JOBS {
        store.accept(&workspace, remote(), job(), None).await.unwrap();
    }
    let mut workers = tokio::task::JoinSet::new();

    for _ in 0..8 {
        let store = store.clone();
        workers.spawn(async move {
            let worker: WorkerId = store.clock().id();
            let mut mine = Vec::new();
            loop {
                let jobs = store.claim_jobs(&worker, 3, LEASE).await.unwrap();
                assert!(jobs.len() <= 3);
                if jobs.is_empty() {
                    break;
                }
                mine.extend(jobs.into_iter().map(|claimed| claimed.job.id));
            }
            assert_eq!(store.held_leases(&worker).await.unwrap().len(), mine.len());
            mine
        });
    }
    let claimed: Vec<_> = workers.join_all().await.into_iter().flatten().collect();

    // Beside a claim that is not committed a worker may see nothing to do and stop, but never the same job.
    assert_eq!(claimed.iter().collect::<BTreeSet<_>>().len(), claimed.len());
    assert_eq!(claimed.len(), JOBS);
}

async fn urgent_jobs_go_first_and_workspaces_take_turns(db: TestDb) {
    let store = db.open().await;
    let busy = store.ensure_workspace("busy").await.unwrap();
    let calm = store.ensure_workspace("calm").await.unwrap();
    let mut names = BTreeMap::new();
    let add = async |workspace, priority, name: &'static str| {
        let new = NewJob { priority, ..job() };
        (store.accept(workspace, remote(), new, None).await.unwrap().job.id, name)
    };
    for name in ["busy 1", "busy 2", "busy 3"] {
        names.extend([add(&busy, Priority::Normal, name).await]);
    }
    for name in ["calm 1", "calm 2"] {
        names.extend([add(&calm, Priority::Normal, name).await]);
    }
    names.extend([add(&calm, Priority::Low, "low").await]);
    names.extend([add(&calm, Priority::High, "high").await]);
    let expected = ["high", "busy 1", "calm 1", "busy 2", "calm 2", "busy 3", "low"];

    let worker: WorkerId = db.clock.id();
    let first = store.claim_jobs(&worker, 4, LEASE).await.unwrap();
    let second = store.claim_jobs(&worker, 9, LEASE).await.unwrap();

    let order: Vec<_> = first.iter().chain(&second).map(|claimed| names[&claimed.job.id]).collect();
    assert_eq!(order, expected);
}

async fn a_lease_that_runs_out_moves_its_job(db: TestDb) {
    let store = db.open().await;
    let workspace = workspace(&store).await;
    store.accept(&workspace, remote(), job(), None).await.unwrap();
    let first = claimed(&store).await;

    db.clock.advance(LEASE);
    assert!(store.claim_jobs(&db.clock.id(), 1, LEASE).await.unwrap().is_empty());
    db.clock.advance(Duration::from_micros(1));
    let second = claimed(&store).await;

    assert_eq!(second.job.id, first.job.id);
    assert!(second.lease.fence > first.lease.fence);
    assert_eq!((second.job.attempts, second.job.started_at), (1, first.job.started_at));
    // Waiting, running, waiting again and running again.
    assert_eq!(db.count("SELECT COUNT(*) FROM events WHERE kind = 'job.queued'").await, 2);
    assert_eq!(db.count("SELECT COUNT(*) FROM events WHERE kind = 'job.started'").await, 2);
}

async fn a_lease_that_is_extended_stays(db: TestDb) {
    let store = db.open().await;
    let workspace = workspace(&store).await;
    store.accept(&workspace, remote(), job(), None).await.unwrap();
    let worker: WorkerId = db.clock.id();
    let held = store.claim_jobs(&worker, 1, LEASE).await.unwrap().remove(0);

    for _ in 0..3 {
        db.clock.advance(LEASE);
        store.extend_leases(&worker, LEASE).await.unwrap();
    }

    assert!(store.claim_jobs(&db.clock.id(), 1, LEASE).await.unwrap().is_empty());
    assert_eq!(store.held_leases(&worker).await.unwrap(), [held.lease]);
}

/// Everything that a holder of a lease can do, and whether it was lost.
async fn everything(
    db: &TestDb,
    store: &Store,
    held: &Claimed,
    transcript: &TranscriptId,
) -> Vec<bool> {
    let (lease, now) = (&held.lease, db.clock.now());
    let media = stored(store, &held.job.workspace, "other").await;
    let error = JobError { code: ProblemCode::EngineFailed, detail: "broken".to_owned() };
    let sha256 = claimed_sha256(store, held).await;
    vec![
        store.finish_acquire(lease, now, media).await.unwrap() == Held::Lost,
        store.begin_transcript(lease, &sha256, MODEL).await.unwrap() == Held::Lost,
        store.commit_window(lease, transcript, 1, window("late"), progress(2.0)).await.unwrap()
            == Held::Lost,
        store.finish_transcript(lease, transcript, MODEL, finished(store)).await.unwrap()
            == Held::Lost,
        store.return_job(lease, now, None).await.unwrap() == Held::Lost,
        store.fail_job(lease, error).await.unwrap() == Held::Lost,
    ]
}

async fn who_lost_the_lease_writes_nothing(db: TestDb) {
    let store = db.open().await;
    let workspace = workspace(&store).await;
    accepted(&store, &workspace, "sound").await;
    let first = claimed(&store).await;
    let transcript = begun(&store, &first, MODEL).await;
    let held = store.commit_window(&first.lease, &transcript, 0, window("a"), progress(1.0));
    held.await.unwrap();
    db.clock.advance(LEASE * 2);
    let second = claimed(&store).await;
    let before = store.find_job(&workspace, &first.job.id).await.unwrap();
    let events = db.count("SELECT COUNT(*) FROM events").await;

    assert_eq!(everything(&db, &store, &first, &transcript).await, [true; 6]);

    assert_eq!(store.find_job(&workspace, &first.job.id).await.unwrap(), before);
    assert_eq!(db.count("SELECT COUNT(*) FROM events").await, events);
    assert_eq!(store.windows(&transcript, 0, 10).await.unwrap(), [window("a")]);
    let held = store.commit_window(&second.lease, &transcript, 1, window("b"), progress(2.0));
    assert_eq!(held.await.unwrap(), Held::Yes(()));
}

async fn the_media_are_stored_and_the_job_goes_on(db: TestDb) {
    let store = db.open().await;
    let workspace = workspace(&store).await;
    let made = store.accept(&workspace, remote(), job(), None).await.unwrap();
    let held = claimed(&store).await;
    let media = stored(&store, &workspace, "sound").await;
    db.clock.advance(Duration::from_secs(2));

    let started = held.job.started_at.unwrap();
    let done = store.finish_acquire(&held.lease, started, media.clone()).await.unwrap();

    assert_eq!(done, Held::Yes(()));
    let job = store.find_job(&workspace, &made.job.id).await.unwrap().unwrap();
    assert_eq!((job.state, job.stage), (JobState::Running, Stage::Transcribe));
    let recording = store.find_recording(&workspace, &made.recording.id).await.unwrap().unwrap();
    assert_eq!(recording.media, Some(media));
    let stages = store.finished_stages(&made.job.id).await.unwrap();
    assert_eq!((stages.len(), stages[0].stage, stages[0].attempts), (1, Stage::Acquire, 1));
    assert_eq!((stages[0].started_at, stages[0].finished_at), (started, db.clock.now()));
}

async fn media_that_were_swept_are_not_taken(db: TestDb) {
    let store = db.open().await;
    let workspace = workspace(&store).await;
    store.accept(&workspace, remote(), job(), None).await.unwrap();
    let held = claimed(&store).await;
    let media = stored(&store, &workspace, "sound").await;
    db.clock.advance(Duration::from_secs(25 * 60 * 60));
    assert_eq!(store.sweep_media().await.unwrap(), 1);

    let refused = store.finish_acquire(&held.lease, db.clock.now(), media).await;

    assert!(matches!(refused, Err(Error::MediaSwept { .. })), "{refused:?}");
    let job = store.find_job(&workspace, &held.job.id).await.unwrap().unwrap();
    assert_eq!(job.stage, Stage::Acquire);
}

async fn a_job_given_back_waits_for_its_time(db: TestDb) {
    let store = db.open().await;
    let workspace = workspace(&store).await;
    store.accept(&workspace, remote(), job(), None).await.unwrap();
    let first = claimed(&store).await;
    let later = db.clock.now().after(Duration::from_secs(5));
    let error = JobError { code: ProblemCode::SourceUnavailable, detail: "\0".to_owned() };

    store.return_job(&first.lease, later, Some(error.clone())).await.unwrap();

    assert!(store.claim_jobs(&db.clock.id(), 1, LEASE).await.unwrap().is_empty());
    let waiting = store.find_job(&workspace, &first.job.id).await.unwrap().unwrap();
    assert_eq!((waiting.state, waiting.attempts, waiting.run_at), (JobState::Queued, 1, later));
    assert_eq!(waiting.error.map(|error| error.code), Some(error.code));
    db.clock.advance(Duration::from_secs(5));
    let second = claimed(&store).await;
    assert_eq!(second.job.attempts, 2);
    // A worker that shuts down has not tried.
    store.return_job(&second.lease, db.clock.now(), None).await.unwrap();
    assert_eq!(claimed(&store).await.job.attempts, 2);
}

async fn a_job_that_takes_its_workers_down_fails(db: TestDb) {
    let store = db.open().await;
    let workspace = workspace(&store).await;
    let made = store.accept(&workspace, remote(), job(), None).await.unwrap();
    for _ in 0..WORKERS_LOST_MAX {
        claimed(&store).await;
        db.clock.advance(LEASE * 2);
    }

    let none = store.claim_jobs(&db.clock.id(), 1, LEASE).await.unwrap();

    assert!(none.is_empty());
    let job = store.find_job(&workspace, &made.job.id).await.unwrap().unwrap();
    assert_eq!(job.state, JobState::Failed);
    assert_eq!(job.error.map(|error| error.code), Some(ProblemCode::WorkersLost));
}

async fn a_lost_worker_is_no_attempt_and_an_attempt_no_lost_worker(db: TestDb) {
    let store = db.open().await;
    let workspace = workspace(&store).await;
    store.accept(&workspace, remote(), job(), None).await.unwrap();
    let error = || JobError { code: ProblemCode::SourceUnavailable, detail: "away".to_owned() };

    for attempt in 1..=WORKERS_LOST_MAX + 1 {
        let held = claimed(&store).await;
        assert_eq!(held.job.attempts, attempt);
        store.return_job(&held.lease, db.clock.now(), Some(error())).await.unwrap();
    }
    assert_eq!(claimed(&store).await.job.attempts, WORKERS_LOST_MAX + 2);
    db.clock.advance(LEASE * 2);

    assert_eq!(claimed(&store).await.job.attempts, WORKERS_LOST_MAX + 2);
}

async fn a_worker_does_not_take_its_jobs_from_itself(db: TestDb) {
    let store = db.open().await;
    let workspace = workspace(&store).await;
    store.accept(&workspace, remote(), job(), None).await.unwrap();
    let worker: WorkerId = db.clock.id();
    let held = store.claim_jobs(&worker, 1, LEASE).await.unwrap().remove(0);
    // The machine slept.
    db.clock.advance(LEASE * 2);

    assert!(store.claim_jobs(&worker, 1, LEASE).await.unwrap().is_empty());
    store.extend_leases(&worker, LEASE).await.unwrap();

    assert_eq!(store.held_leases(&worker).await.unwrap(), [held.lease]);
    assert!(store.claim_jobs(&db.clock.id(), 1, LEASE).await.unwrap().is_empty());
}

async fn a_job_that_cannot_be_read_holds_up_no_other(db: TestDb) {
    let store = db.open().await;
    let workspace = workspace(&store).await;
    let odd = store.accept(&workspace, remote(), job(), None).await.unwrap();
    let plain = store.accept(&workspace, remote(), job(), None).await.unwrap();
    // As a newer Hansard would leave it.
    db.sql("UPDATE jobs SET stage = 'chunk' WHERE serial = (SELECT MIN(serial) FROM jobs)").await;
    let worker: WorkerId = db.clock.id();

    let ids = |claimed: Vec<Claimed>| claimed.into_iter().map(|one| one.job.id).collect::<Vec<_>>();
    let first = store.claim_jobs(&worker, 2, LEASE).await.unwrap();
    assert_eq!(ids(first), [plain.job.id]);
    assert_eq!(store.held_leases(&worker).await.unwrap().len(), 1);

    db.sql("UPDATE jobs SET stage = 'acquire' WHERE stage = 'chunk'").await;
    assert!(store.claim_jobs(&worker, 1, LEASE).await.unwrap().is_empty(), "it rests");
    db.clock.advance(Duration::from_secs(60 * 60));
    let later = store.claim_jobs(&worker, 1, LEASE).await.unwrap();
    assert_eq!((later[0].job.attempts, ids(later)), (1, vec![odd.job.id]));
}

async fn work_is_due_at_once_whatever_the_clock_that_it_came_by(db: TestDb) {
    let store = db.open().await;
    let ahead = Clock::manual(db.clock.now().after(Duration::from_secs(60 * 60)));
    let elsewhere = Store::open(Settings { clock: ahead, ..db.settings() }).await.unwrap();
    let workspace = workspace(&elsewhere).await;

    let made = elsewhere.accept(&workspace, remote(), job(), None).await.unwrap();

    assert_eq!(made.job.run_at, made.job.created_at);
    assert_eq!(claimed(&store).await.job.id, made.job.id);
}

async fn a_job_that_rests_lets_no_newcomer_past_the_others(db: TestDb) {
    let store = db.open().await;
    let busy = store.ensure_workspace("busy").await.unwrap();
    let calm = store.ensure_workspace("calm").await.unwrap();
    for _ in 0..3 {
        store.accept(&busy, remote(), job(), None).await.unwrap();
    }
    let failing = claimed(&store).await;
    let later = db.clock.now().after(Duration::from_secs(300));
    let error = JobError { code: ProblemCode::SourceUnavailable, detail: "away".to_owned() };
    store.return_job(&failing.lease, later, Some(error)).await.unwrap();
    claimed(&store).await;

    store.accept(&calm, remote(), job(), None).await.unwrap();

    assert_eq!(claimed(&store).await.job.workspace, busy);
    assert_eq!(claimed(&store).await.job.workspace, calm);
}
